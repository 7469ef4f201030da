"""Batch mode: half the price, one row a line, nothing handed over twice, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.costs import cost_of
from harness.errors import InputError
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.batch_states import open_batches, stored_batches
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows, score_rows, transcript_rows
from harness.models import parse_model
from harness.money import from_pico, plain
from harness.runner import RunResult, RunSpec
from harness.runner.batch.batch_lines import Waits
from harness.usage import parse_json, read_usage
from tests.support.batch_traits import BOOK, BOTH, CLAUDE, OPENAI, address, run_on_thread
from tests.support.loopback_batches import Batches
from tests.support.runs import Watcher, chain_suite, number_suite, suite_with_a_broken_row

WAITS = Waits(first_s=0.005, longest_s=0.02, doubt_s=0.05, most_failures=20)


async def batch_run(
    books: Batches,
    suite: str,
    model: str,
    ledger: Ledger,
    *,
    beside: str | None = None,
    watcher: Watcher | None = None,
    **options: Any,
) -> RunResult:
    """Run in batch mode on a thread, as the server lives on this test's loop."""
    spec = RunSpec(
        suites=(suite,),
        models=tuple(parse_model(name) for name in (model, beside) if name is not None),
        base_url=address(books, model),
        batch=True,
        **options,
    )
    return await run_on_thread(spec, ledger, "run-1", watcher or Watcher(), WAITS)


def list_and_charged(row: AttemptRow) -> tuple[Decimal, Decimal]:
    """What an attempt costs outside a batch, and what the ledger charged for it."""
    assert row.usage_kind is not None
    assert row.raw_usage is not None
    assert row.charged_pico_usd is not None
    cost = cost_of(
        BOOK,
        read_usage(row.usage_kind, parse_json(row.raw_usage.encode())),
        provider=row.provider,
        model=row.model,
        at=from_us(row.finished_at_us or 0),
    )
    assert cost.usd is not None
    return cost.usd, from_pico(row.charged_pico_usd)


@BOTH
async def test_each_line_is_one_scored_attempt_at_half_price(
    books: Batches, model: str, ledger: Ledger, tmp_path: Path
) -> None:
    result = await batch_run(books, number_suite(tmp_path, 40), model, ledger)
    assert (result.status, result.exit_code, result.resume_command) == ("complete", 0, None)
    rows = list(attempt_rows(ledger))
    assert Counter((row.mode, row.status) for row in rows) == {("batch", "succeeded"): 40}
    assert all(charged * 2 == listed for listed, charged in map(list_and_charged, rows))
    assert [one.value_millionths for one in score_rows(ledger)] == [1_000_000] * 40
    assert len(list(transcript_rows(ledger, "run-1"))) == len(list(score_rows(ledger))) == 40
    assert set(books.asked.values()) == {1}
    assert len(books.batches) == 1
    (batch,) = stored_batches(ledger, "run-1")
    assert (batch.status, batch.provider_batch_id, batch.n_lines) == ("collected", *books.batches, 40)


async def test_the_batch_price_counts_although_the_response_says_default(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    await batch_run(books, number_suite(tmp_path, 1), OPENAI, ledger)
    (row,) = attempt_rows(ledger)
    assert (row.service_tier, row.mode) == ("default", "batch")
    # 13 uncached and 8 cached input tokens, 30 output tokens, at half of $2.50, $1.25 and $10
    assert row.charged_pico_usd == 13 * 1_250_000 + 8 * 625_000 + 30 * 5_000_000


@BOTH
async def test_expired_lines_are_asked_again_and_failed_ones_reported(
    books: Batches, model: str, ledger: Ledger, tmp_path: Path
) -> None:
    books.expires, books.fails = {"a2", "a5"}, {"a7"}
    result = await batch_run(books, number_suite(tmp_path, 10), model, ledger)
    assert (result.status, result.models[0].n_failed) == ("failed", 1)
    assert [len(batch["lines"]) for batch in books.batches.values()] == [10, 2]
    rows = {row.attempt_id: row for row in attempt_rows(ledger)}
    assert Counter(row.status for row in rows.values()) == {"succeeded": 9, "timed_out": 2, "failed": 1}
    retried = [row for row in rows.values() if row.try_number == 2]
    assert {row.retry_of for row in retried} == {2, 5}
    assert rows[2].billed == "no"
    assert rows[2].charged_pico_usd == 0


async def test_lines_that_always_expire_are_given_up_after_the_last_attempt(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    books.expires = {f"a{number}" for number in range(100)}
    result = await batch_run(books, number_suite(tmp_path, 4), OPENAI, ledger, max_attempts=3)
    assert (result.status, result.models[0].n_failed) == ("failed", 4)
    assert set(books.asked.values()) == {3}


@BOTH
async def test_results_that_break_off_are_read_again_and_nothing_is_taken_twice(
    books: Batches, model: str, ledger: Ledger, tmp_path: Path
) -> None:
    books.cut_results = 2
    result = await batch_run(books, number_suite(tmp_path, 60), model, ledger)
    assert result.status == "complete"
    assert Counter(row.status for row in attempt_rows(ledger)) == {"succeeded": 60}
    assert set(books.asked.values()) == {1}


@BOTH
async def test_a_batch_that_is_refused_for_now_is_handed_over_again(
    books: Batches, model: str, ledger: Ledger, tmp_path: Path
) -> None:
    books.refusals = [429, 429]
    assert (await batch_run(books, number_suite(tmp_path, 5), model, ledger)).status == "complete"
    assert [row.try_number for row in attempt_rows(ledger)] == [1] * 5


@BOTH
async def test_a_rejected_key_stops_the_model_and_its_lines_cost_nothing(
    books: Batches, model: str, ledger: Ledger, tmp_path: Path
) -> None:
    books.refusals = [401]
    suite = number_suite(tmp_path, 5)
    stopped = await batch_run(books, suite, model, ledger, max_attempts=1, budget_usd=Decimal(5))
    assert (stopped.exit_code, stopped.models[0].n_left) == (1, 5)
    assert "not now" in str(stopped.models[0].stopped_by)
    assert {(row.status, row.billed, row.charged_pico_usd) for row in attempt_rows(ledger)} == {("cancelled", "no", 0)}
    budget = ledger.budget("run:run-1")
    assert budget is not None
    assert (budget.spent_pico_usd, budget.reserved_pico_usd) == (0, 0)
    again = await batch_run(books, suite, model, ledger, max_attempts=1, budget_usd=Decimal(5))
    assert again.status == "complete"
    assert set(books.asked.values()) == {1}


async def test_a_batch_that_fails_as_a_whole_stops_the_model_with_the_reason(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    books.failure = "enqueued token limit reached"
    suite = number_suite(tmp_path, 5)
    stopped = await batch_run(books, suite, OPENAI, ledger)
    assert (stopped.exit_code, stopped.models[0].n_left) == (1, 5)
    assert "enqueued token limit reached" in str(stopped.models[0].stopped_by)
    books.failure = None
    assert (await batch_run(books, suite, OPENAI, ledger)).status == "complete"
    assert [batch.status for batch in stored_batches(ledger, "run-1")] == ["failed", "collected"]


async def test_questions_that_need_earlier_answers_wait_for_the_batch_that_brings_them(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    result = await batch_run(books, chain_suite(tmp_path), OPENAI, ledger)
    assert result.status == "complete"
    assert [len(batch["lines"]) for batch in books.batches.values()] == [4, 4, 4]
    (last,) = (question for question in books.asked if "What is 3 + 2?" in question)
    assert " ".join(last.split()).startswith("Earlier: # earlier steps 3 4 # end of earlier steps What is 3 + 2?")
    assert [one.value_millionths for one in score_rows(ledger)] == [1_000_000] * 12


async def test_a_row_of_which_no_line_can_be_made_fails_alone(books: Batches, ledger: Ledger, tmp_path: Path) -> None:
    result = await batch_run(books, suite_with_a_broken_row(tmp_path, 30), OPENAI, ledger)
    assert (result.status, result.models[0].n_failed) == ("complete", 1)
    assert Counter(row.status for row in attempt_rows(ledger)) == {"succeeded": 29, "failed": 1}
    assert books.asked.total() == 29


# a hand-over whose answer is lost


@BOTH
async def test_a_lost_answer_is_found_and_nothing_is_handed_over_twice(
    books: Batches, model: str, ledger: Ledger, tmp_path: Path
) -> None:
    """Anthropic lists batches without a name of ours: it was bought again when the run was resumed."""
    books.lost_answers = 1
    result = await batch_run(books, number_suite(tmp_path, 8), model, ledger)
    assert result.status == "complete"
    assert set(books.asked.values()) == {1}
    assert len(books.batches) == 1


async def test_a_lost_batch_is_waited_for_where_only_its_results_say_whose_it_is(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    books.lost_answers, books.looks_needed, watcher = 1, 4, Watcher()
    result = await batch_run(books, number_suite(tmp_path, 8), CLAUDE, ledger, watcher=watcher)
    assert result.status == "complete"
    assert set(books.asked.values()) == {1}
    assert sum("waiting to see" in text for text in watcher.notices) == 1


async def test_a_batch_of_somebody_else_is_not_taken_for_a_lost_one(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    """A hand-over is refused before it begins, while another ledger's batch of as many lines and the same ids ended."""
    suite = number_suite(tmp_path, 8)
    with Ledger.open(tmp_path / "other.db") as other:
        await batch_run(books, suite, CLAUDE, other)
    books.refusals = [502]
    assert (await batch_run(books, suite, CLAUDE, ledger)).status == "complete"
    assert len(books.batches) == 2
    assert set(books.asked.values()) == {2}


# budgets


async def test_a_budget_holds_batches_at_their_worst_case_and_takes_what_fits_in_draw_order(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 200, cap=400)
    cap = Decimal("0.02")  # each line may cost 0.2 cents and costs 0.017
    first = await batch_run(books, suite, OPENAI, ledger, budget_usd=cap)
    assert (first.exit_code, first.status) == (3, "partial")
    budget = ledger.budget("run:run-1")
    assert budget is not None
    assert Decimal("0.017") < from_pico(budget.spent_pico_usd) <= cap
    assert budget.reserved_pico_usd == 0
    assert max(len(batch["lines"]) for batch in books.batches.values()) == 9
    order = {planned.planned_id: planned.draw_order for planned in ledger.planned("run-1")}
    asked = sorted(order[row.planned_id] for row in attempt_rows(ledger) if row.planned_id is not None)
    assert asked == list(range(len(asked)))
    second = await batch_run(books, suite, OPENAI, ledger, budget_usd=Decimal(10))
    assert second.status == "complete"
    assert set(books.asked.values()) == {1}


async def test_two_models_of_one_run_wait_for_each_others_room_in_the_budget(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    suite, other = number_suite(tmp_path, 20, cap=400), "openai/gpt-4o-2024-08-06"
    # room for about nine worst cases at a time, and more than what all forty cost
    result = await batch_run(books, suite, OPENAI, ledger, beside=other, budget_usd=Decimal("0.02"))
    assert (result.status, result.exit_code) == ("complete", 0)
    assert Counter((row.model, row.status) for row in attempt_rows(ledger)) == {
        ("gpt-4o", "succeeded"): 20,
        ("gpt-4o-2024-08-06", "succeeded"): 20,
    }
    assert set(books.asked.values()) == {2}
    assert all(len({line["body"]["model"] for line in batch["lines"]}) == 1 for batch in books.batches.values())


async def test_two_models_without_room_for_either_both_stop(books: Batches, ledger: Ledger, tmp_path: Path) -> None:
    suite, other = number_suite(tmp_path, 5, cap=400), "openai/gpt-4o-2024-08-06"
    result = await batch_run(books, suite, OPENAI, ledger, beside=other, budget_usd=Decimal("0.002"))
    assert (result.status, result.exit_code) == ("partial", 3)
    assert [model.n_left for model in result.models] == [5, 5]
    assert books.seen == []


async def test_a_reservation_is_the_worst_case_at_the_batch_price(
    books: Batches, ledger: Ledger, tmp_path: Path
) -> None:
    await batch_run(books, number_suite(tmp_path, 1, cap=1000), OPENAI, ledger, budget_usd=Decimal(5))
    (row,) = attempt_rows(ledger)
    stepped = -(-row.reserved_input_tokens // 64) * 64
    assert row.reserved_pico_usd == stepped * 1_250_000 + 1000 * 5_000_000


# what is refused


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("xai/grok-4", {}, "no batch interface"),
        ("sim/reasoner", {}, "no batch interface"),
        (OPENAI, {"service_tier": "flex"}, "service tier"),
    ],
)
async def test_what_cannot_be_had_in_a_batch_is_refused_before_anything_is_sent(
    books: Batches, ledger: Ledger, tmp_path: Path, model: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        await batch_run(books, number_suite(tmp_path, 3), model, ledger, **options)
    assert ledger.runs() == []
    assert books.seen == []


# stopping and dying


def command(books: Batches, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "harness", "run", *arguments, "--db", str(folder / "ledger.db"), "-q"]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=folder
    )


async def test_ctrl_c_while_waiting_leaves_the_batch_and_resuming_collects_it(books: Batches, tmp_path: Path) -> None:
    books.finished, model = False, CLAUDE
    suite = number_suite(tmp_path, 12)
    options = ["-m", model, "--base-url", address(books, model), "--batch", "--batch-poll-s", "0.05"]
    process = command(books, tmp_path, suite, *options, "--run-id", "night")
    try:
        async with asyncio.timeout(30):
            await books.looked.wait()
        process.send_signal(signal.SIGINT)
        _, said = await asyncio.to_thread(process.communicate, timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "benchtab run --resume night" in said
    assert "collected when the run is resumed" in said
    books.finished = True
    resumed = command(books, tmp_path, "--resume", "night", "--json")
    report, said = await asyncio.to_thread(resumed.communicate, timeout=60)
    assert resumed.returncode == 0, said
    assert len(books.batches) == 1
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        rows = list(attempt_rows(ledger))
        assert Counter(row.status for row in rows) == {"succeeded": 12}
        assert open_batches(ledger, "night") == []
    charged = from_pico(sum(row.charged_pico_usd or 0 for row in rows))
    assert [row["cost_usd"]["total"] for row in json.loads(report)["rows"]] == [plain(charged)]


@BOTH
async def test_a_process_killed_before_it_stored_the_id_finds_its_batch_when_it_is_resumed(
    books: Batches, model: str, ledger: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 12)
    books.held = asyncio.Event()
    process = command(
        books, tmp_path, suite, "-m", model, "--base-url", address(books, model), "--batch", "--run-id", "run-1"
    )
    try:
        async with asyncio.timeout(30):
            await books.taken.wait()
    finally:
        process.kill()
    await asyncio.to_thread(process.communicate)
    books.held.set()
    assert [batch.status for batch in open_batches(ledger, "run-1")] == ["submitting"]
    result = await batch_run(books, suite, model, ledger)
    assert result.status == "complete"
    assert set(books.asked.values()) == {1}
    assert Counter(row.status for row in attempt_rows(ledger)) == {"succeeded": 12}


def test_looks_become_rarer_up_to_the_longest_wait() -> None:
    waits = Waits.up_to(60)
    assert [waits.after(looks) for looks in (0, 1, 2, 10, 5000)] == [5.0, 7.5, 11.25, 60.0, 60.0]
    assert Waits.up_to(1).after(0) == 1
