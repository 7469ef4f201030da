"""Prompts are filled exactly: braces of formulas survive, images stand where the text names them."""

from __future__ import annotations

import pytest

from harness.messages import ImagePart
from harness.suites import Sample, prompts

RED = ImagePart(media_type="image/png", data=b"red")
BLUE = ImagePart(media_type="image/png", data=b"blue")


def test_placeholders_are_filled_and_other_braces_are_left_alone() -> None:
    filled = prompts.render(r"{question} \boxed{} \frac{1}{2} {{literal}}", {"question": "What {is} it?"})
    assert filled == r"What {is} it? \boxed{} \frac{1}{2} {literal}"


def test_a_field_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError, match="answer"):
        prompts.render("{answer}", {"question": "?"})


def test_options_are_lettered() -> None:
    assert prompts.render("{choices} ({letters})", {}, choices=["x", "y"]) == "A) x\nB) y (A, B)"


def test_images_stand_where_the_text_names_them() -> None:
    assert prompts.with_images("See <image 2> and <image 1>.", [RED, BLUE]) == ("See ", BLUE, " and ", RED, ".")


def test_an_image_that_the_text_does_not_name_comes_first() -> None:
    assert prompts.with_images("What is this?", [RED]) == (RED, "What is this?")


def test_a_mark_without_its_image_stays_text() -> None:
    assert prompts.with_images("See <image 3>.", [RED]) == (RED, "See <image 3>.")


def step(number: int, depends_on: list[str]) -> Sample:
    return Sample(
        task="t",
        sample_id=f"p.{number}",
        input=f"Earlier:\n{prompts.earlier_marks(depends_on)}\nNow step {number}.",
        target="",
        metadata={
            "depends_on": depends_on,
            "imports": "import math",
            "earlier_signatures": {one: f"def f{one[-1]}(x):" for one in depends_on},
        },
    )


def test_code_of_earlier_steps_fills_the_prompt_and_the_program() -> None:
    answers = {"p.1": "Sure:\n```python\ndef f1(x):\n    return x\n```\nDone.", "p.2": "def f2(x): return 2"}
    filled = prompts.with_earlier_answers(step(3, ["p.1", "p.2"]), answers)
    assert filled.input == (
        "Earlier:\n# earlier steps\n\ndef f1(x):\n    return x\n\ndef f2(x): return 2\n\n"
        "# end of earlier steps\nNow step 3."
    )
    assert filled.metadata["earlier_code"] == "import math\n\ndef f1(x):\n    return x\n\ndef f2(x): return 2"


def test_a_question_has_the_same_key_before_and_after_earlier_answers_are_filled_in() -> None:
    unfilled = step(3, ["p.1", "p.2"])
    filled = prompts.with_earlier_answers(unfilled, {"p.1": "x = 1", "p.2": "# end of earlier steps"})
    assert filled.input != unfilled.input
    assert prompts.question_key(str(filled.input)) == prompts.question_key(str(unfilled.input))
    assert prompts.question_key("An ordinary # earlier steps question") == "An ordinary # earlier steps question"


@pytest.mark.parametrize("answers", [{}, {"p.1": None}, {"p.1": "  "}])
def test_a_step_without_an_answer_leaves_its_signature(answers: dict[str, str | None]) -> None:
    filled = prompts.with_earlier_answers(step(2, ["p.1"]), answers)
    assert isinstance(filled.input, str)
    assert "def f1(x):\n    raise NotImplementedError" in filled.input
    namespace: dict[str, object] = {}
    exec(filled.metadata["earlier_code"], namespace)  # noqa: S102 - our own text
    assert callable(namespace["f1"])


def test_a_sample_that_depends_on_nothing_is_left_alone() -> None:
    first = step(1, [])
    assert prompts.with_earlier_answers(first, {}) is first
