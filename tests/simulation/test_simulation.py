"""The simulated models draw the same answers everywhere, and a wrong one is wrong in value."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Iterable
from decimal import Decimal

import pytest

from harness.errors import ErrorClass, InputError, ProviderError
from harness.loaders import load_suite, load_task, suite_file
from harness.messages import ImagePart, Message
from harness.models import parse_model
from harness.providers.base import Request, Response
from harness.providers.simulated import SimulatedProvider
from harness.scorers import Score, score
from harness.simulation import (
    EFFORTS,
    FLAKY_RATES,
    MODELS,
    OUTPUT_CAP_TOKENS,
    Answer,
    AnswerKey,
    Draw,
    Effort,
    answer,
    epoch_and_try,
    fault_of,
    find_model,
    prompt_of,
    retry_after_s,
)
from harness.simulation.simulated_answers import Dice, entry_of, write_answer, wrong_value
from harness.suites import Sample
from harness.suites.prompts import earlier_marks, with_earlier_answers
from harness.usage import read_usage
from tests.support.shared_data import shared


def choice_sample(number: int, *, difficulty: float = 0.5) -> Sample:
    return Sample(
        task="choice",
        sample_id=f"c{number}",
        input=f"Question {number}: which one?\nA) one\nB) two\nC) three\nD) four\nEnd with: Answer: X",
        target="ABCD"[number % 4],
        choices=("one", "two", "three", "four"),
        difficulty=difficulty,
    )


def number_sample(number: int, target: str, *, ask: str = "End with: #### <number>") -> Sample:
    return Sample(task="numbers", sample_id=f"n{number}", input=f"Question {number}: how many? {ask}", target=target)


def code_sample(number: int = 0, program: str = "def double(x):\n    return 2 * x\n") -> Sample:
    return Sample(
        task="code",
        sample_id=f"p{number}",
        input=f"Problem {number}: write double(x).",
        target="",
        metadata={"reference_solution": program, "entry_point": "double"},
    )


CHOICES = [choice_sample(n, difficulty=(n % 11) / 10) for n in range(2_000)]
KEY = AnswerKey.from_samples((sample, "multiple_choice") for sample in CHOICES)


def answers(
    name: str, effort: Effort = "medium", *, seed: int = 0, samples: Iterable[Sample] = CHOICES, cap: int | None = None
) -> list[Answer]:
    draw = Draw(seed=seed, model=MODELS[name], effort=effort)
    return [answer(KEY, draw, prompt_of([("user", sample.input)]), max_output_tokens=cap) for sample in samples]  # type: ignore[list-item]  # texts only


def share_right(given: list[Answer]) -> float:
    return sum(bool(one.right) for one in given) / len(given)


def request(sample: Sample, model: str, *, epoch: int = 0, try_number: int = 0, cap: int | None = None) -> Request:
    return Request(
        request_id=f"run.1.{sample.sample_id}.e{epoch}.t{try_number}",
        model=parse_model(model),
        messages=(Message(role="user", content=sample.input),),
        max_output_tokens=cap,
    )


def test_the_same_arguments_give_the_same_answer() -> None:
    assert answers("reasoner") == answers("reasoner")


def test_a_known_draw_stays_the_same_on_every_machine() -> None:
    draws = Dice("fixed key")
    assert [draws.integer(0, 999) for _ in range(20)] == [
        641,
        245,
        481,
        142,
        147,
        944,
        501,
        107,
        342,
        106,
        907,
        705,
        775,
        904,
        392,
        292,
        814,
        952,
        99,
        529,
    ]


@pytest.mark.parametrize("change", ["seed", "epoch", "effort", "model"])
def test_another_seed_epoch_effort_or_model_draws_another_answer(change: str) -> None:
    base = Draw(seed=0, model=MODELS["reasoner"])
    other = {
        "seed": Draw(seed=1, model=MODELS["reasoner"]),
        "epoch": Draw(seed=0, model=MODELS["reasoner"], epoch=1),
        "effort": Draw(seed=0, model=MODELS["reasoner"], effort="high"),
        "model": Draw(seed=0, model=MODELS["flaky"]),
    }[change]
    prompts = [prompt_of([("user", f"{sample.input}")]) for sample in CHOICES[:50]]
    assert [answer(KEY, base, p).text for p in prompts] != [answer(KEY, other, p).text for p in prompts]


def test_a_retry_gets_the_answer_that_the_first_try_would_have_got() -> None:
    prompt = prompt_of([("user", str(CHOICES[3].input))])
    first, second = (Draw(seed=0, model=MODELS["flaky"], try_number=n) for n in (0, 1))
    assert answer(KEY, first, prompt) == answer(KEY, second, prompt)


def test_reasoning_lengths_are_heavy_tailed_with_a_log_sd_around_one() -> None:
    for seed in (0, 1, 2):
        lengths = [a.reasoning_tokens for a in answers("reasoner", seed=seed) if a.reasoning_tokens < OUTPUT_CAP_TOKENS]
        assert 0.8 < statistics.stdev(math.log(n) for n in lengths) < 1.2
        assert statistics.mean(lengths) > 1.4 * statistics.median(lengths)


def test_a_small_share_reasons_up_to_the_cap_says_nothing_and_is_billed_in_full() -> None:
    given = answers("reasoner")
    capped = [a for a in given if a.reasoning_tokens == OUTPUT_CAP_TOKENS]
    assert 0.005 < len(capped) / len(given) < 0.04
    for one in capped:
        assert (one.text, one.finish_reason, one.right) == ("", "length", False)
        assert one.usage()["completion_tokens"] == OUTPUT_CAP_TOKENS


def test_a_cap_in_the_request_is_never_exceeded_and_cut_answers_use_all_of_it() -> None:
    given = answers("reasoner", cap=700)
    assert max(a.usage()["completion_tokens"] for a in given) == 700
    cut = [a for a in given if a.cut]
    assert 0.3 < len(cut) / len(given) < 0.8
    assert {a.usage()["completion_tokens"] for a in cut} == {700}
    assert not any(a.right or "Answer" in a.text for a in cut)
    assert any(a.text for a in cut)
    assert any(not a.text for a in cut)


def test_a_model_that_reasons_is_right_more_often_and_more_so_with_more_effort() -> None:
    direct, low, medium, high = (
        share_right(given)
        for given in (answers("direct"), answers("reasoner", "low"), answers("reasoner"), answers("reasoner", "high"))
    )
    assert direct + 0.03 < low
    assert low + 0.02 < medium
    assert medium + 0.02 < high < 1


def test_more_effort_means_more_tokens() -> None:
    low, medium, high = (
        statistics.median(a.reasoning_tokens for a in answers("reasoner", effort)) for effort in EFFORTS
    )
    assert low * 2 < medium < high / 2


def test_harder_items_are_answered_rightly_less_often() -> None:
    easy = share_right(answers("direct", samples=[s for s in CHOICES if s.difficulty < 0.25]))
    hard = share_right(answers("direct", samples=[s for s in CHOICES if s.difficulty > 0.75]))
    assert hard + 0.3 < easy


def test_the_model_that_does_not_reason_reports_zero_reasoning_tokens() -> None:
    assert {a.usage()["completion_tokens_details"]["reasoning_tokens"] for a in answers("direct")} == {0}


def test_answer_tokens_follow_the_text_and_totals_add_up() -> None:
    for one in answers("reasoner"):
        usage = one.usage()
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        if not one.cut:
            assert one.answer_tokens == -(-len(one.text) // 4)


def test_long_prompts_are_partly_cached_and_repeats_more_so() -> None:
    prompts = [prompt_of([("user", f"{n} " + "long " * 400)]) for n in range(40)]
    first = [answer(KEY, Draw(seed=0, model=MODELS["direct"]), p).cached_tokens for p in prompts]
    again = [answer(KEY, Draw(seed=0, model=MODELS["direct"], epoch=1), p).cached_tokens for p in prompts]
    assert {0} < set(first)
    for prompt, once, twice in zip(prompts, first, again, strict=True):
        assert once <= twice < prompt.tokens
        assert twice % 64 == 0 < twice


def test_multiple_choice_answers_name_the_right_letter_only_when_right() -> None:
    for sample, one in zip(CHOICES, answers("direct"), strict=True):
        named = re.findall(r"Answer:\W*([A-D])\b", one.text)
        if not named:
            assert not one.right
            assert not re.search(r"\b[A-Z]\b|\d", one.text)
        else:
            assert (named == [sample.target]) is bool(one.right)


@pytest.mark.parametrize(("suite", "cap"), [("starter", None), ("gsm8k", 2_000), ("mmlu_pro", 2_000)])
@pytest.mark.parametrize("model", ["direct", "reasoner"])
def test_a_correct_scorer_counts_exactly_the_answers_meant_to_be_right(suite: str, cap: int | None, model: str) -> None:
    data = None if suite == "starter" else shared("data/questions")
    loaded = [load_task(task, suite_path=suite_file(suite), data_dir=data) for task in load_suite(suite).tasks]
    key = AnswerKey.from_samples((sample, one.task.scorer.name) for one in loaded for sample in one.samples)
    settled = 0
    for one in loaded:
        for sample in one.samples[:1_500]:
            given = answer(
                key, Draw(seed=0, model=MODELS[model]), prompt_of([("user", str(sample.input))]), max_output_tokens=cap
            )
            made = score(one.task.scorer, text=given.text, sample=sample, finish_reason=given.finish_reason)
            if isinstance(made, Score):  # formulas and programs are settled elsewhere
                assert (made.value == 1) is given.right, (sample.sample_id, given.text)
                settled += 1
    assert settled >= 60


def test_some_answers_hold_no_answer_at_all() -> None:
    silent = [a for a in answers("direct") if "Answer" not in a.text]
    assert 0.002 < len(silent) / len(CHOICES) < 0.03


@pytest.mark.parametrize("target", ["0", "1", "-1", "18", "1,234", "700000", "2.5", "-0.5", "$40", "11"])
def test_a_wrong_number_differs_in_value(target: str) -> None:
    entry = entry_of(number_sample(0, target), "number")
    right = Decimal(target.replace(",", "").replace("$", ""))
    made = {wrong_value(entry, Dice(str(n))) for n in range(300)}
    assert len(made) > 10
    assert all(Decimal(value) != right for value in made)


def test_some_wrong_numbers_end_in_the_right_digits_711_for_11() -> None:
    entry = entry_of(number_sample(0, "11"), "number")
    assert "711" in {wrong_value(entry, Dice(str(n))) for n in range(50)}


@pytest.mark.parametrize(
    ("target", "scorer"),
    [
        ("(B)", "text"),
        ("True", "text"),
        ("no", "text"),
        ("apple pear", "text"),
        ("none of these", "text"),
        ("C", "judge"),
    ],
)
def test_a_wrong_text_differs_from_the_target(target: str, scorer: str) -> None:
    entry = entry_of(number_sample(0, target), scorer)
    assert all(wrong_value(entry, Dice(str(n))).casefold() != target.casefold() for n in range(50))


@pytest.mark.parametrize(
    "target", [r"\frac{\pi}{2}", "17", r"\frac{3}{4}", r"\left( 3, \frac{\pi}{2} \right)", r"3\sqrt{13}", "p - q"]
)
def test_a_wrong_formula_is_not_equivalent_to_the_target(target: str) -> None:
    from math_verify import parse, verify

    entry = entry_of(number_sample(0, target, ask="Put it in \\boxed{}."), "math")
    for n in range(10):
        right = write_answer(entry, "right", Dice(str(n)))
        wrong = write_answer(entry, "wrong", Dice(str(n)))
        assert verify(parse(f"${target}$"), parse(right.whole))
        assert not verify(parse(f"${target}$"), parse(wrong.whole))


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        ("End with: #### <number>", r"#### \S+$"),
        ("Put it in \\boxed{}.", r"\\boxed\{-?[\d.]+\}"),
        ("Write Answer: <number> last.", r"Answer: \S+$"),
        ("End with: So the answer is X.", r"So the answer is \S+\.$"),
    ],
)
def test_the_last_line_has_the_form_that_the_prompt_asks_for(ask: str, line: str) -> None:
    entry = entry_of(number_sample(0, "1234", ask=ask), "number")
    for n in range(20):
        assert re.search(line, write_answer(entry, "right", Dice(str(n))).whole)


def test_a_wrong_grid_is_a_grid_with_other_cells() -> None:
    entry = entry_of(number_sample(0, "[[[0,9],[3,4]]]"), "grid_match")
    made = {wrong_value(entry, Dice(str(n))) for n in range(30)}
    assert made == {"[[[1,9],[3,4]]]", "[[[1,0],[3,4]]]", "[[[1,0],[4,4]]]"}


JUDGE = """Judge the reply. {words}
Question: What is the capital of France, Paris or Lyon?
Reference: {reference}
Reply: {reply}
End with Verdict: <word>"""


@pytest.mark.parametrize(
    ("reply", "words", "verdict"),
    [
        ("It is easy.\n\nAnswer: Paris", "CORRECT or INCORRECT", "CORRECT"),
        ("It is easy.\n\n**Answer: Paris**", "CORRECT or INCORRECT", "CORRECT"),
        ("It is easy.\n\nAnswer: \\frac{3}{4}", "CORRECT or INCORRECT", "CORRECT"),
        ("It is easy.\n\nAnswer: none of these", "CORRECT or INCORRECT", "INCORRECT"),
        ("Nothing settles the question.", "CORRECT, INCORRECT or NOT_ATTEMPTED", "NOT_ATTEMPTED"),
        ("Nothing settles the question.", "CORRECT or INCORRECT", "INCORRECT"),
    ],
)
def test_a_simulated_judge_compares_the_reply_with_the_reference(reply: str, words: str, verdict: str) -> None:
    reference = r"\frac{3}{4}" if "frac" in reply else "Paris"
    prompt = prompt_of([("user", JUDGE.format(words=words, reply=reply, reference=reference))])
    given = answer(KEY, Draw(seed=0, model=MODELS["direct"]), prompt)
    assert given.text.endswith(f"Verdict: {verdict}")
    assert given.right is None


def run_program(text: str, argument: object) -> object:
    block = re.search(r"```python\n(.*?)\n```", text, re.DOTALL)
    assert block
    names: dict[str, object] = {}
    exec(block[1], names)  # noqa: S102  # our own text, made from the fixture above
    return names["double"](argument)  # type: ignore[operator]  # a function by construction


@pytest.mark.parametrize("argument", [0, -1, 1, 2.5, "ab", "", [1], []])
def test_right_programs_are_right_and_wrong_programs_are_wrong_for_every_argument(argument: object) -> None:
    entry = entry_of(code_sample(), "program")
    expected = argument * 2  # type: ignore[operator]  # every argument above can be doubled
    for n in range(10):
        assert run_program(write_answer(entry, "right", Dice(str(n))).whole, argument) == expected
        assert run_program(write_answer(entry, "wrong", Dice(str(n))).whole, argument) != expected


def test_a_body_without_its_head_is_completed_from_the_prompt() -> None:
    head = 'def double(x):\n    """Double it."""\n'
    sample = Sample(
        task="code",
        sample_id="h",
        input=f"Complete this function.\n\n{head}",
        target="",
        metadata={"canonical_solution": "    return 2 * x\n", "entry_point": "double"},
    )
    assert run_program(write_answer(entry_of(sample, "program"), "right", Dice("0")).whole, 4) == 8


def test_a_program_without_a_reference_is_never_counted_right() -> None:
    sample = Sample(task="code", sample_id="x", input="Write double(x).", target="", metadata={"entry_point": "double"})
    key = AnswerKey.from_samples([(sample, "program")])
    draws = (Draw(seed=seed, model=MODELS["reasoner"]) for seed in range(30))
    assert not any(answer(key, draw, prompt_of([("user", "Write double(x).")])).right for draw in draws)


def test_one_prompt_with_two_targets_gets_no_answer() -> None:
    twins = [number_sample(0, "1"), number_sample(0, "2"), number_sample(0, "1")]
    key = AnswerKey.from_samples((sample, "number") for sample in twins)
    for seed in range(30):
        given = answer(key, Draw(seed=seed, model=MODELS["direct"]), prompt_of([("user", str(twins[0].input))]))
        assert not given.right
        assert "####" not in given.text


def test_a_step_is_recognised_whatever_the_earlier_steps_answered() -> None:
    step = Sample(
        task="code",
        sample_id="p.2",
        input=f"Earlier:\n{earlier_marks(['p.1'])}\nNow write double(x).",
        target="",
        metadata={
            "reference_solution": "def double(x):\n    return 2 * x\n",
            "depends_on": ["p.1"],
            "earlier_signatures": {"p.1": "def one(x):"},
        },
    )
    key = AnswerKey.from_samples([(step, "program")])
    for earlier in ({}, {"p.1": "```python\ndef one(x):\n    return 1\n```"}, {"p.1": "# end of earlier steps"}):
        filled = with_earlier_answers(step, earlier)
        assert filled.input != step.input
        found = key.find(prompt_of([("user", filled.input)]).sha256)  # type: ignore[list-item]  # texts only
        assert found is not None
        assert found.sample_id == "p.2"


def test_images_are_part_of_the_prompt() -> None:
    samples = [
        Sample(
            task="seen",
            sample_id=name,
            input=("What is shown?", ImagePart(media_type="image/png", data=name.encode())),
            target=name,
        )
        for name in ("cat", "dog")
    ]
    key = AnswerKey.from_samples((sample, "text") for sample in samples)
    assert len(key) == 2
    found = key.find(prompt_of([("user", ["What is shown?", b"dog"])]).sha256)
    assert found is not None
    assert found.target == "dog"


def test_faults_depend_on_the_try_and_come_at_their_rates() -> None:
    prompts = [prompt_of([("user", str(sample.input))]) for sample in CHOICES]
    draw = Draw(seed=0, model=MODELS["flaky"])
    met = [fault_of(draw, prompt) for prompt in prompts]
    for fault, rate in FLAKY_RATES.items():
        assert abs(met.count(fault) / len(met) - rate) < 0.025
    later = Draw(seed=0, model=MODELS["flaky"], try_number=1)
    assert [fault_of(later, prompt) for prompt in prompts] != met
    assert all(0 <= retry_after_s(draw, prompt) < 0.1 for prompt in prompts)


def test_steady_models_never_fail() -> None:
    prompt = prompt_of([("user", "x")])
    assert fault_of(Draw(seed=0, model=MODELS["reasoner"]), prompt) is None
    assert fault_of(Draw(seed=0, model=MODELS["direct"]), prompt) is None


@pytest.mark.parametrize("name", ["reasoner", "sim-reasoner", "sim/reasoner"])
def test_every_name_of_a_model_finds_it(name: str) -> None:
    assert find_model(name) is MODELS["reasoner"]


@pytest.mark.parametrize(
    ("request_id", "found"), [("r.1.s.e2.t3", (2, 3)), ("r.e1.t1.e0.t12", (0, 12)), ("x", (0, 0)), (None, (0, 0))]
)
def test_epoch_and_try_are_read_from_the_end_of_the_request_id(request_id: str | None, found: tuple[int, int]) -> None:
    assert epoch_and_try(request_id) == found


async def test_the_provider_answers_with_usage_in_openai_shape() -> None:
    provider = SimulatedProvider(parse_model("sim/reasoner@high"), key=KEY)
    prepared = provider.prepare(request(CHOICES[0], "sim/reasoner@high", cap=5_000))
    assert prepared.parameters == {"model": "reasoner", "reasoning_effort": "high", "max_completion_tokens": 5_000}
    response = await provider.send(prepared, timeout_s=1)
    assert response.usage_kind == "openai.chat"
    assert (read_usage(response.usage_kind, response.raw_usage).reasoning_tokens or 0) > 0
    await provider.aclose()


async def send_flaky(number: int) -> Response | ProviderError:
    provider = SimulatedProvider(parse_model("sim/flaky"), key=KEY)
    try:
        return await provider.send(provider.prepare(request(CHOICES[number], "sim/flaky")), timeout_s=0.001)
    except ProviderError as error:
        return error


async def test_the_flaky_provider_fails_in_every_way_without_waiting() -> None:
    results = [await send_flaky(number) for number in range(300)]
    errors = [result for result in results if isinstance(result, ProviderError)]
    assert {error.error_class for error in errors} == {
        ErrorClass.RATE_LIMIT,
        ErrorClass.SERVER_ERROR,
        ErrorClass.OVERLOADED,
        ErrorClass.TIMEOUT,
        ErrorClass.CONNECTION,
    }
    for error in errors:
        assert (error.retry_after_s is not None) is (error.error_class is ErrorClass.RATE_LIMIT)
        assert error.billed == ("no" if error.http_status else "unknown")
    answered = [result for result in results if isinstance(result, Response)]
    assert any(response.raw_usage is None for response in answered)
    assert any(response.finish_reason == "length" for response in answered)


@pytest.mark.parametrize("name", ["sim/direct@high", "sim/reasoner@huge", "sim/unknown"])
def test_a_setting_that_a_model_does_not_take_is_refused_before_anything_is_sent(name: str) -> None:
    model = parse_model(name)
    with pytest.raises(InputError, match="sim"):
        SimulatedProvider(model, key=KEY).prepare(request(CHOICES[0], name))
