"""A reply's program is put together with what its tests need; nothing is run here."""

from __future__ import annotations

from collections.abc import Mapping

from harness.scorers import ProgramCheck, Score, score
from harness.suites import Sample, ScorerRef

PROMPT = 'from typing import List\n\n\ndef double(n: int) -> int:\n    """Twice n."""\n'
FACTS = {"prompt": PROMPT, "entry_point": "double", "tests": "def check(f):\n    assert f(2) == 4"}


def checked(text: str, facts: Mapping[str, object] = FACTS, **options: object) -> ProgramCheck | Score:
    sample = Sample(task="t", sample_id="1", input="?", target="", metadata=facts)
    outcome = score(ScorerRef(name="program", options=options), text=text, sample=sample, finish_reason="stop")
    assert isinstance(outcome, ProgramCheck | Score)
    return outcome


def run(check: ProgramCheck | Score) -> None:
    """Run a check of our own making: the programs of this file are trusted."""
    assert isinstance(check, ProgramCheck)
    exec(compile(f"{check.program}\n{check.tests}", "check", "exec"), {})  # noqa: S102 - our own text


def test_the_last_code_block_is_the_program() -> None:
    reply = (
        "```python\ndef double(n):\n    return n\n```\nBetter:\n```python\ndef double(n):\n    return 2 * n\n```\nDone."
    )
    found = checked(reply, call_check=True)
    run(found)
    assert isinstance(found, ProgramCheck)
    assert found.rule == "code_block"


def test_imports_of_the_prompt_are_kept_when_the_reply_leaves_them_out() -> None:
    run(checked("```python\ndef double(n: List) -> int:\n    return 2 * n\n```", call_check=True))


def test_a_bare_body_is_put_under_the_signature() -> None:
    run(checked("    return 2 * n\n", call_check=True))
    run(checked("```\nreturn 2 * n\n```", call_check=True))


def test_a_helper_of_the_prompt_is_kept_when_the_reply_leaves_it_out() -> None:
    prompt = 'def one():\n    return 2\n\n\ndef double(n):\n    """Twice."""\n'
    run(checked("```python\ndef double(n):\n    return one() * n\n```", {**FACTS, "prompt": prompt}, call_check=True))


def test_an_open_code_block_counts_to_the_end() -> None:
    run(checked("```python\ndef double(n):\n    return 2 * n", call_check=True))


def test_a_program_that_was_cut_is_truncated_not_wrong() -> None:
    sample = Sample(task="t", sample_id="1", input="?", target="", metadata=FACTS)
    ref = ScorerRef(name="program")
    cut = score(ref, text="```python\ndef double(n):\n    ret", sample=sample, finish_reason="length")
    assert isinstance(cut, Score)
    assert cut.reason == "truncated"
    whole = score(ref, text="```python\ndef double(n): ...\n```\nThis wor", sample=sample, finish_reason="length")
    assert isinstance(whole, ProgramCheck)


def test_an_empty_reply_has_no_program() -> None:
    for reply in ("```python\n```", "  ", "", "I am not sure how to do this, for it is hard."):
        found = checked(reply)
        assert isinstance(found, Score)
        assert found.reason == "no_answer"


def test_cases_are_called_or_fed_by_their_kind() -> None:
    cases = {"cases": [{"input": "1 2", "expected": "3"}]}
    by_stdin = checked("print(3)", dict(cases), style="cases")
    by_call = checked("def add(a, b): ...", {**cases, "entry_point": "add"}, style="cases")
    assert isinstance(by_stdin, ProgramCheck)
    assert isinstance(by_call, ProgramCheck)
    assert (by_stdin.kind, by_call.kind) == ("stdin", "call")


def test_code_of_earlier_steps_comes_first() -> None:
    found = checked("def double(n):\n    return n + same(n)", {**FACTS, "earlier_code": "def same(n): return n"})
    assert isinstance(found, ProgramCheck)
    assert found.program.index("def same") < found.program.index("def double")


def test_a_sample_without_tests_is_not_scored_as_wrong() -> None:
    found = checked("x = 1", {"tests": ""})
    assert isinstance(found, Score)
    assert (found.value, found.reason) == (None, "undecided")


def test_a_reply_cannot_redefine_the_helper_that_its_tests_call() -> None:
    prompt = "def double(x):\n    return 2 * x\n\ndef half(x):\n    '''Undo double.'''\n"
    sample = Sample(
        task="t",
        sample_id="1",
        input="?",
        target="",
        metadata={"prompt": prompt, "entry_point": "half", "tests": "assert half(double(4)) == 4"},
    )
    reply = "```python\ndef double(x):\n    return x\n\ndef half(x):\n    return x\n```"
    check = score(ScorerRef(name="program"), text=reply, sample=sample)
    assert isinstance(check, ProgramCheck)
    assert check.support == prompt
    in_words = Sample(
        task="t", sample_id="2", input="?", target="", metadata={**sample.metadata, "prompt": "Halve it."}
    )
    other = score(ScorerRef(name="program"), text=reply, sample=in_words)
    assert isinstance(other, ProgramCheck)
    assert other.support == ""
