"""Forecasts of bills: from what they are made, in which order, and what is not known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from harness.ledger import Ledger
from harness.ledger.reading.forecast_rows import AnswerLength, answer_lengths, cell_bills, sample_charges
from harness.loaders.suite_files import list_suites, load_suite
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.reports.estimate import estimate_table
from harness.runner import RunSpec
from harness.runner.forecast.dry_run import DryRun, dry_run
from harness.runner.forecast.output_forecast import History, OutputForecast, TaskToAsk, forecast_output
from harness.runner.forecast.references import reference_lengths
from harness.runner.plan import ModelPlan
from harness.stats.totals_to_come import RareEvents, rare_events_upper_bound
from tests.support import runs
from tests.support.ledger_rows import fill, outcome, start
from tests.support.runs import number_suite

NOW = datetime(2026, 11, 22, tzinfo=UTC)
REFERENCES = {("add", True): 5000}


def model(name: str = "openai/o1", *, reasons: bool | None = True) -> ModelPlan:
    return ModelPlan(spec=parse_model(name), reasons=reasons, simulated=False)


def answer(
    tokens: int, number: int = 0, *, name: str = "openai/o1", cut: bool = False, task: str = "add", **changes: bool
) -> AnswerLength:
    spec = parse_model(name)
    kind = {"reasoning": True, "simulated": False, **changes}
    return AnswerLength(
        task=task, sample_id=f"s{number}", provider=spec.provider, model=spec.model, setting=spec.setting,
        output_tokens=tokens, truncated=cut, **kind,
    )  # fmt: skip


def forecast(answers: Sequence[AnswerLength], *, of: ModelPlan | None = None, cap: int | None = 9000) -> OutputForecast:
    task = TaskToAsk(name="add", requests={f"new{number}": 1 for number in range(10)}, cap=cap)
    return forecast_output([task], of or model(), History(answers=answers), REFERENCES)


def lengths(ledger: Ledger, suite: str, **digests: str) -> list[AnswerLength]:
    return list(answer_lengths(ledger, ledger.runs(), suite, digests, set()))


OWN = [answer(1000 + 10 * number, number) for number in range(20)]


def test_own_answers_come_first_then_those_of_like_models_then_a_reference_then_the_default() -> None:
    alike = [answer(300, name="openai/o3"), *[answer(500, number, name="openai/o4") for number in range(3)]]
    found = forecast([*alike, *OWN])
    assert (found.sources, found.expected, found.n_answers) == ({"add": "own answers"}, 10 * 1095, 20)
    found = forecast(alike)
    assert (found.sources, found.expected) == ({"add": "like models"}, 10 * 400)  # each model counts the same
    found = forecast([])
    assert (found.sources, found.expected) == ({"add": "reference"}, 10 * 5000)
    found = forecast([], of=model("openai/gpt-4o", reasons=False))
    assert (found.sources, found.expected) == ({"add": "default"}, 10 * 350)


@pytest.mark.parametrize(
    "other",
    [
        answer(1, name="openai/o3@low"),
        answer(1, name="openai/o1@low"),
        answer(1, name="openai/gpt-4o", reasoning=False),
        answer(1, name="sim/reasoner", simulated=True),
        answer(1, name="openai/o3", task="subtract"),
    ],
)
def test_another_effort_kind_task_or_a_simulation_says_nothing(other: AnswerLength) -> None:
    assert forecast([other]).sources == {"add": "reference"}


def test_only_own_answers_to_enough_items_give_an_interval() -> None:
    found = forecast(OWN)
    assert found.low is not None
    assert found.high is not None
    assert 10_000 < found.low < found.expected < found.high < 12_000
    for answers in ([], OWN[:7], [answer(1000, name="openai/o3")], [answer(1000, 0) for _ in range(50)]):
        assert (forecast(answers).low, forecast(answers).high) == (None, None)


def test_answers_that_a_lower_cap_cut_short_give_no_interval_but_a_higher_ceiling() -> None:
    cut = [*OWN, answer(2000, 99, cut=True)]
    assert forecast(cut).low is None
    ceiling, before = forecast(cut).ceiling, forecast(OWN).ceiling
    assert ceiling is not None
    assert before is not None
    assert before < ceiling < 10 * 9000


def test_the_ceiling_keeps_the_cut_answers_of_one_task_apart_from_another_tasks() -> None:
    tasks = [TaskToAsk(name=name, requests={f"new{number}": 1 for number in range(100)}, cap=cap)
             for name, cap in (("add", 9000), ("prove", 90_000))]  # fmt: skip
    answers = [*OWN, *(answer(1000 + number, number, task="prove") for number in range(20))]
    of_short = [answer(9000, 50 + number, cut=True) for number in range(3)]
    of_long = [answer(90_000, 50 + number, cut=True, task="prove") for number in range(3)]
    short, long = (
        forecast_output(tasks, model(), History(answers=[*answers, *cut]), REFERENCES).ceiling
        for cut in (of_short, of_long)
    )
    assert short is not None
    assert long is not None
    # one in eight of each: of hundred answers 12.5 more at 9,000 tokens, or 12.5 more at 90,000
    assert long - short > 12 * 81_000 - 12 * 8000


def test_items_that_are_asked_again_are_told_apart_from_new_ones() -> None:
    answers = [answer(1000 + 100 * (number % 7) + extra, number) for number in range(20) for extra in (0, 30)]
    again, new = (
        forecast_output(
            [TaskToAsk(name="add", requests={f"{name}{number}": 1 for number in range(20)}, cap=9000)],
            model(), History(answers=answers), REFERENCES,
        )
        for name in ("s", "new")
    )  # fmt: skip
    assert again.high is not None
    assert new.high is not None
    assert again.expected == new.expected
    assert again.high - again.expected < (new.high - new.expected) / 3


def test_the_ceiling_counts_runaways_that_were_not_seen() -> None:
    answers = [answer(1000, number) for number in range(20)]
    share = rare_events_upper_bound([RareEvents(n_hits=0, n_seen=20, would_add=1)])
    assert forecast(answers).ceiling == round(10_000 + share * 80_000)
    assert forecast(OWN[:7]).ceiling == forecast([]).ceiling == 90_000
    assert forecast(OWN, cap=None).ceiling is None


def test_lengths_stop_at_the_cap() -> None:
    assert forecast(OWN, cap=100).expected == forecast([], cap=100).expected == 1000
    assert forecast(OWN, cap=100).high == 1000


def test_every_reference_is_of_a_task_that_ships() -> None:
    tasks = {task.name for name in list_suites() for task in load_suite(name).tasks}
    lengths = reference_lengths()
    assert {task for task, _ in lengths} <= tasks
    assert min(lengths.values()) > 0


async def test_stored_lengths_are_those_of_the_same_samples_in_any_suite_on_both_databases(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        assert lengths(ledger, "starter", choice="55" * 32) == []
        filled = fill(ledger)
        async with ledger.writer() as writer:
            answered, failed, judged, _unsettled = [
                await writer.send(start(filled, number, request_id=f"r{number}", purpose=purpose))
                for number, purpose in enumerate(["solve", "solve", "judge", "solve"])
            ]
            await writer.settle(outcome(answered))
            await writer.settle(outcome(failed, status="failed"))
            await writer.settle(outcome(judged))
        assert lengths(ledger, "starter", choice="55" * 32) == [
            AnswerLength(
                task="choice", sample_id="choice-000", provider="sim", model="reasoner", setting=None, reasoning=True,
                simulated=True, output_tokens=60, truncated=False,
            )
        ]  # fmt: skip
        assert lengths(ledger, "another", choice="66" * 32) == lengths(ledger, "another", other="55" * 32) == []
        (same,) = lengths(ledger, "another", choice="55" * 32)
        assert (same.task, same.output_tokens) == ("choice", 60)


async def test_charges_are_summed_by_sample_and_by_cell_on_both_databases(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        filled = fill(ledger)
        async with ledger.writer() as writer:
            solved, judged, unknown, _open = [
                await writer.send(start(filled, number, request_id=f"r{place}", purpose=purpose))
                for place, (number, purpose) in enumerate([(0, "solve"), (0, "judge"), (1, "solve"), (2, "solve")])
            ]
            await writer.settle(outcome(solved, charged_pico_usd=700))
            await writer.settle(outcome(judged, charged_pico_usd=50))
            await writer.settle(outcome(unknown, charged_pico_usd=None))
        first, second, third = list(sample_charges(ledger, filled.run_id, first=9))
        assert (first.pico_usd, first.n_cut, second.pico_usd, third.pico_usd) == (750, 0, None, None)
        assert len(list(sample_charges(ledger, filled.run_id, first=1))) == 1
        (bill,) = cell_bills(ledger, [filled.run_id])[filled.run_id]
        assert (bill.pico_usd, bill.n_unknown) == (750, 2)
        assert cell_bills(ledger, ["another"]) == {}


def planned(suite: str, *models: str, ledger: Ledger | None) -> DryRun:
    spec = RunSpec(suites=(suite,), models=tuple(map(parse_model, models)))
    return dry_run(spec, ledger=ledger, book=load_price_book(), now=NOW, run_id=None, retry_failed=False)


def test_a_run_lies_within_the_forecast_from_its_first_samples(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path / "suite", 60)
    (before,) = planned(suite, "sim/reasoner", ledger=ledger).estimates
    assert (before.low_usd, before.output.sources) == (None, {"questions": "default"})
    runs.run(suite, ["sim/reasoner"], ledger, run_id="pilot", limit=20)
    (after,) = planned(suite, "sim/reasoner", ledger=ledger).estimates
    runs.run(suite, ["sim/reasoner"], ledger, run_id="whole")
    written = sum(one.output_tokens for one in lengths(ledger, "mine", questions="")[:60])
    assert after.output.n_answers == 20
    assert after.output.low is not None
    assert after.output.high is not None
    assert after.output.low <= written <= after.output.high


def test_dollars_are_those_of_the_forecast_tokens_and_the_total_has_an_interval_of_its_own(
    ledger: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path / "suite", 20)
    names = ("sim/reasoner", "sim/direct")
    runs.run(suite, list(names), ledger)
    estimates = planned(suite, *names, ledger=ledger).estimates
    reasoner = estimates[0]
    assert reasoner.input_usd == reasoner.input_tokens * Decimal("0.000002")
    assert reasoner.estimated_usd == reasoner.input_usd + reasoner.output.expected * Decimal("0.000008")
    assert reasoner.ceiling_usd is not None
    assert reasoner.high_usd is not None
    assert reasoner.upper_bound_usd is not None
    assert reasoner.estimated_usd <= reasoner.high_usd <= reasoner.ceiling_usd <= reasoner.upper_bound_usd
    table = estimate_table(estimates)
    first, second, total = [
        dict(zip([column.name for column in table.columns], row, strict=True)) for row in table.rows
    ]
    wide = first["high_usd"] + second["high_usd"]
    assert max(first["high_usd"], total["estimated_usd"]) < total["high_usd"] < wide


def test_a_model_without_a_price_has_tokens_and_no_dollars(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path / "suite", 3)
    (found,) = planned(suite, "openai/nobody-prices-this", ledger=ledger).estimates
    assert found.output.expected == 3 * 2000
    dollars = (found.input_usd, found.estimated_usd, found.low_usd, found.high_usd, found.ceiling_usd)
    assert dollars == (None,) * 5
    assert all(row[6] is None for row in estimate_table([found]).rows)
