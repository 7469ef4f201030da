"""From a real ledger to the report: every attempt is in it once, what is unknown is said, prices are dated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli import report as report_command
from harness.errors import InputError
from harness.ledger import NO_USAGE, Ledger, TaskRecord, UsageFacts
from harness.ledger.reading.attempt_rows import score_rows
from harness.ledger.writing.usage_facts import usage_facts
from harness.pricing import Adjustment, Price, PriceBook
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import report_object
from harness.reports.spend.spend_tables import label, notes
from harness.usage import meters, read_usage
from harness.usage.values import Meter
from tests.support.report_ledgers import AT_US, Try, add_run, used

REASONER = {Meter.INPUT: Decimal(2), Meter.CACHE_READ: Decimal("0.5"), Meter.OUTPUT: Decimal(8)}
HALF = Adjustment(tiers=frozenset({"batch"}), multiply=Decimal("0.5"))
BOOK = PriceBook(
    rows=(
        Price(provider="sim", model="reasoner", rates=REASONER, adjustments=(HALF,), source="invented"),
        Price(provider="sim", model="direct", rates={Meter.INPUT: Decimal("0.4"), Meter.OUTPUT: Decimal("1.6")}),
        Price(
            provider="sim",
            model="direct",
            rates={Meter.INPUT: Decimal(4), Meter.OUTPUT: Decimal(16)},
            effective_from=datetime(2026, 11, 15, tzinfo=UTC),
        ),
    )
)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


def only_row(ledger: Ledger, book: PriceBook = BOOK, **asked: Any) -> dict[str, Any]:
    document = report_object(spend_report(ledger, book, **asked))
    (row,) = document["rows"]
    return dict(row)


async def test_cached_tokens_are_not_billed_twice(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/reasoner": {("a", 0): [Try(usage=used(600, 900, 700, cached=400))]}})
    row = only_row(ledger)
    # 600*2 + 400*0.5 + 900*8 micro-USD
    assert row["cost_usd"]["total"] == "0.0086"
    assert row["cost_usd"]["reasoning"] == "0.0056"  # 700*8
    assert row["cost_usd"]["answer"] == "0.0016"  # 200*8
    assert (row["input_tokens"], row["cache_read_tokens"], row["output_tokens"]) == (600, 400, 900)
    assert row["cost_is_lower_bound"] is False
    assert row["simulated"] is True


async def test_a_retried_sample_keeps_the_spend_of_its_failed_attempt(ledger: Ledger) -> None:
    tries = [Try(status="failed", usage=used(100, 0), score=None), Try(usage=used(100, 50))]
    await add_run(ledger, "r", {"sim/direct": {("a", 0): tries}})
    row = only_row(ledger)
    assert row["cost_usd"]["total"] == "0.00016"  # 200*0.4 + 50*1.6
    assert row["wasted_usd"] == "0.00004"
    assert (row["n_attempts"], row["n_failed_attempts"], row["n_retries"], row["n_solves"]) == (2, 1, 1, 1)


async def test_timed_out_attempts_do_not_vanish(ledger: Ledger) -> None:
    silent = Try(status="timed_out", usage=NO_USAGE, score=None, reserved_pico_usd=5 * 10**9)
    dead = Try(status=None, reserved_pico_usd=7 * 10**9)
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [silent, Try()], ("b", 0): [dead]}})
    row = only_row(ledger)
    assert row["n_attempts"] == 3
    assert row["n_unknown_usage_attempts"] == 2
    assert row["n_open_attempts"] == 1
    assert row["cost_is_lower_bound"] is True
    assert row["possibly_billed_usd"] == "0.012"


async def test_missing_usage_is_not_taken_as_zero_tokens(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(usage=NO_USAGE)], ("b", 0): [Try()]}})
    row = only_row(ledger)
    assert row["n_unknown_usage_attempts"] == 1
    assert row["cost_is_lower_bound"] is True
    assert row["possibly_billed_usd"] is None  # nothing was reserved: no bound


async def test_a_failure_that_is_not_billed_leaves_the_total_complete(ledger: Ledger) -> None:
    refused = Try(status="failed", usage=NO_USAGE, score=None, billed="no")
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [refused, Try()]}})
    row = only_row(ledger)
    assert row["cost_is_lower_bound"] is False
    assert row["n_failed_attempts"] == 1


async def test_reasoning_not_itemised_is_null_in_the_report(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(usage=used(1, 2, None))], ("b", 0): [Try()]}})
    assert only_row(ledger)["reasoning_tokens"] is None


async def test_an_unpriced_model_is_not_free(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"acme/mystery": {("a", 0): [Try()]}})
    row = only_row(ledger)
    assert row["cost_usd"]["total"] is None
    assert row["n_unpriced_attempts"] == 1
    assert row["cost_is_lower_bound"] is True


async def test_failures_are_unscored_and_their_spend_stays(ledger: Ledger) -> None:
    failed = Try(status="failed", usage=used(100, 10), score=None, reason=None)
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try()], ("b", 0): [failed]}})
    row = only_row(ledger)
    assert row["n_unscored"] == 1
    assert row["unscored_reasons"] == {"failed": 1}
    assert row["score"] == 1.0
    # 200*0.4 + 60*1.6 micro-USD over one correct answer
    assert row["cost_per_correct_usd"] == "0.000176"
    assert row["cost_per_task_usd"] == "0.000088"


async def test_a_model_that_thinks_its_budget_away_does_not_score_a_silent_zero(ledger: Ledger) -> None:
    cut = Try(usage=used(100, 1000, 1000), score=None, reason="truncated", finish_reason="length")
    await add_run(ledger, "r", {"sim/reasoner": {("a", 0): [cut], ("b", 0): [Try()]}})
    made = spend_report(ledger, BOOK)
    (row,) = report_object(made)["rows"]
    assert row["score"] == 0.5  # the cut answer is wrong, as in published protocols
    assert (row["n_truncated"], row["n_unscored"], row["n_without_answer"]) == (1, 0, 1)
    assert row["without_answer_reasons"] == {"truncated": 1}
    assert any("1 of 2 replies hold no answer (1 truncated); they count as wrong" in note for note in notes(made))
    assert row["wasted_usd"] == "0.0082"  # 100*2 + 1000*8
    assert [score.value_millionths for score in score_rows(ledger, ["r"])] == [None, 1_000_000]


@pytest.mark.parametrize("reason", ["no_answer", "refused"])
async def test_a_reply_without_an_answer_counts_as_wrong(ledger: Ledger, reason: str) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(score=None, reason=reason)], ("b", 0): [Try()]}})
    row = only_row(ledger)
    assert (row["score"], row["n_unscored"], row["without_answer_reasons"]) == (0.5, 0, {reason: 1})


@pytest.mark.parametrize("reason", ["failed", "unsandboxed", "undecided"])
async def test_failures_are_not_scored_as_wrong_answers(ledger: Ledger, reason: str) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(score=None, reason=reason)], ("b", 0): [Try()]}})
    row = only_row(ledger)
    assert (row["score"], row["unscored_reasons"], row["n_without_answer"]) == (1.0, {reason: 1}, 0)


async def test_judge_calls_have_their_own_column(ledger: Ledger) -> None:
    judge = Try(purpose="judge", usage=used(1000, 100))
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(), judge]}})
    row = only_row(ledger)
    assert row["judge_cost_usd"] == "0.00056"
    assert row["cost_usd"]["total"] == "0.00012"
    assert row["n_attempts"] == 1


async def test_a_stated_cost_is_what_was_charged_beside_the_list_price(ledger: Ledger) -> None:
    stated = Try(usage=replace(used(100, 50), stated_cost_usd=Decimal("0.0001")))
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [stated]}})
    row = only_row(ledger)
    assert row["cost_usd"]["total"] == "0.00012"
    assert row["charged_usd"] == "0.0001"


async def test_a_later_price_never_changes_an_earlier_bill(ledger: Ledger) -> None:
    later = AT_US + 20 * 86_400 * 1_000_000
    await add_run(ledger, "old", {"sim/direct": {("a", 0): [Try()]}})
    await add_run(ledger, "new", {"sim/direct": {("a", 0): [Try()]}}, at_us=later)
    assert only_row(ledger, run_ids=["old"])["cost_usd"]["total"] == "0.00012"
    assert only_row(ledger, run_ids=["new"])["cost_usd"]["total"] == "0.0012"
    assert only_row(ledger, run_ids=["old"], as_of=datetime(2026, 12, 1, tzinfo=UTC))["cost_usd"]["total"] == "0.0012"


async def test_questions_about_other_prices(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/reasoner": {("a", 0): [Try(usage=used(600, 900, 700, cached=400))]}})
    assert only_row(ledger, what_if="batch")["cost_usd"]["total"] == "0.0043"
    without = only_row(ledger, what_if="no-cache")
    assert without["cost_usd"]["total"] == "0.0092"  # 1000*2 + 900*8
    assert (without["input_tokens"], without["cache_read_tokens"]) == (1000, 0)
    assert only_row(ledger, what_if="model=sim/direct")["cost_usd"]["total"] == "0.00184"  # 1000*0.4 + 900*1.6
    with pytest.raises(InputError, match="not a question: 'cheaper'"):
        only_row(ledger, what_if="cheaper")


async def test_repeats_over_epochs_and_runs_stay_one_sample(ledger: Ledger) -> None:
    tries = {("a", 0): [Try()], ("a", 1): [Try(score=0.0)], ("b", 0): [Try()], ("b", 1): [Try()]}
    await add_run(ledger, "r1", {"sim/direct": tries})
    await add_run(ledger, "r2", {"sim/direct": tries})
    row = only_row(ledger)
    assert (row["n_samples"], row["n_solves"], row["n_correct"]) == (2, 8, 6.0)
    assert row["score"] == 0.75
    assert row["run_ids"] == ["r1", "r2"]


async def test_an_answer_reused_from_another_run_is_not_billed_again(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(status="reused")], ("b", 0): [Try()]}})
    row = only_row(ledger)
    assert (row["n_attempts"], row["n_reused"]) == (1, 1)
    assert row["reused_list_usd"] == row["cost_usd"]["total"] != "0", "the same answer: its list cost is kept"
    assert row["cost_usd"]["total"] == "0.00012"
    assert row["score"] == 1.0


async def test_only_complete_runs_are_reported_unless_named(ledger: Ledger) -> None:
    await add_run(ledger, "half", {"sim/direct": {("a", 0): [Try()]}}, status="partial")
    with pytest.raises(InputError, match="half \\(partial\\)"):
        spend_report(ledger, BOOK)
    named = spend_report(ledger, BOOK, ["half"])
    assert any("half is partial" in warning for warning in named.warnings)
    with pytest.raises(InputError, match="no run nothing"):
        spend_report(ledger, BOOK, ["nothing"])


def weighed(name: str, weight: float | None, epochs: int | None = 1) -> TaskRecord:
    return TaskRecord(name=name, revision="r", samples_sha256="3" * 64, weight=weight, epochs=epochs)


async def test_weights_of_an_index_come_from_the_ledger_and_not_from_todays_suite_file(ledger: Ledger) -> None:
    tries = {"sim/direct": {("a", 0): [Try()], ("b", 0): [Try(score=0.0)]}}
    await add_run(ledger, "r", tries, suite="my_index", tasks=(weighed("questions", 0.25),))
    assert spend_report(ledger, BOOK).rows[0].facts.tasks[0].weight == 0.25


async def test_an_index_without_one_of_its_tasks_is_no_index_and_says_so(ledger: Ledger) -> None:
    tasks = (weighed("questions", 0.5), weighed("missing", 0.5))
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try()]}}, suite="my_index", tasks=tasks)
    made = spend_report(ledger, BOOK)
    assert made.rows[0].facts.tasks[0].weight is None
    assert label(made.rows[0]) == "direct (simulated, not the index)"
    assert [one for one in made.warnings if "my_index" in one] == [
        "my_index on sim/direct: no answers of missing, so its score is the plain mean and not the index"
    ]


async def test_a_run_of_an_index_that_recorded_no_weights_says_when_they_are_lost(ledger: Ledger) -> None:
    old = (TaskRecord(name="questions", revision="r", samples_sha256="3" * 64),)
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try()]}}, suite="aa_index_v2", tasks=old)
    made = spend_report(ledger, BOOK)
    assert made.rows[0].facts.tasks[0].weight is None
    assert any("recorded no task weights and aa_index_v2 has changed" in one for one in made.warnings)


async def test_the_price_rows_used_are_listed_with_their_source(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/reasoner": {("a", 0): [Try()], ("b", 0): [Try()]}})
    (used,) = spend_report(ledger, BOOK).prices
    assert (used.price.model, used.n_attempts, used.price.source) == ("reasoner", 2, "invented")


async def test_a_reconstructed_run_is_marked(ledger: Ledger) -> None:
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try()]}}, config={"reconstructed_from": "a table"})
    assert only_row(ledger)["mark"] == "reconstructed"


def run_cli(*arguments: str) -> Any:
    app = typer.Typer()
    app.callback()(lambda: None)
    report_command.register(app)
    return CliRunner().invoke(app, ["report", *arguments], catch_exceptions=False)


@pytest.mark.parametrize("output_format", ["table", "json", "md", "csv"])
async def test_the_command_prints_every_format(
    ledger: Ledger, ledger_url: str, tmp_path: Path, output_format: str
) -> None:
    await add_run(ledger, "r", {"sim/reasoner": {("a", 0): [Try()]}, "sim/direct": {("a", 0): [Try()]}})
    db = ledger_url
    result = run_cli("--db", db, "--format", output_format)
    assert result.exit_code == 0
    assert "simulated" in result.stdout
    if output_format == "json":
        assert set(json.loads(result.stdout)["groups"]) == {"reasoning", "non_reasoning"}
    written = tmp_path / "out" / "report.txt"
    assert run_cli("--db", db, "--format", output_format, "-o", str(written)).exit_code == 0
    assert written.read_text(encoding="utf-8") == result.stdout


async def test_a_wrong_date_is_an_error_with_a_remedy(ledger: Ledger, ledger_url: str) -> None:
    with pytest.raises(InputError, match="not a date or an instant"):
        run_cli("--db", ledger_url, "--as-of", "yesterday")


async def test_usage_that_does_not_add_up_is_counted_and_missing_usage_is_not_the_same(ledger: Ledger) -> None:
    dirty = used(100, 50, flags=(("reasoning_above_output", "70 of 50"),))
    lost = UsageFacts(usage_kind="openai.chat", flags=(("missing", "no usage object"),))
    await add_run(
        ledger,
        "r",
        {"sim/direct": {("a", 0): [Try(usage=dirty)], ("b", 0): [Try(usage=lost)], ("c", 0): [Try()]}},
    )
    row = only_row(ledger)
    assert (row["n_flagged_usage"], row["n_unknown_usage_attempts"]) == (1, 1)


async def test_a_bill_with_a_count_that_nobody_reads_does_not_look_complete(ledger: Ledger) -> None:
    raw = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150, "mystery_cached": 60}
    usage = read_usage("openai.chat", raw)
    partial = usage_facts(usage, meters(usage), raw_usage=raw, usage_kind="openai.chat")
    await add_run(ledger, "r", {"sim/direct": {("a", 0): [Try(usage=partial)], ("b", 0): [Try()]}})
    row = only_row(ledger)
    assert (row["cost_is_lower_bound"], row["n_incomplete_usage"], row["n_unpriced_attempts"]) == (True, 1, 0)
    assert any("1 of 2 attempts used more than is priced" in note for note in notes(spend_report(ledger, BOOK)))
