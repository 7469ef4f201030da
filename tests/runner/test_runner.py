"""Whole runs: on SQLite and PostgreSQL, on simulated models and on a scripted server on loopback."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ErrorClass, InputError, RunLockedError, UnpricedModelError
from harness.instants import to_us
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.ledger.reading.sums import usage_sums
from harness.models import parse_model
from harness.money import from_pico
from harness.runner import RunResult
from tests.support.loopback import CHAT_ANSWER, Loopback, Reply, serve
from tests.support.runs import Watcher, number_suite, run, suite_file


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def test_every_sample_on_every_model_is_asked_answered_and_scored(ledger: Ledger, tmp_path: Path) -> None:
    result = run(number_suite(tmp_path, 30), ["sim/reasoner", "sim/direct"], ledger, epochs=2)
    assert (result.status, result.exit_code, result.resume_command) == ("complete", 0, None)
    outcomes = ledger.outcomes("run-1")
    assert len(outcomes) == 2 * 2 * 30
    assert all(outcome.status == "succeeded" and outcome.scored for outcome in outcomes.values())
    assert all(outcome.n_attempts == 1 for outcome in outcomes.values())
    sums = usage_sums(ledger)
    assert sum(one.n_attempts for one in sums) == 120
    assert {cell.model: cell.reasoning for cell in ledger.cells("run-1")} == {"reasoner": True, "direct": False}
    assert all(cell.simulated for cell in ledger.cells("run-1"))


def test_the_same_run_id_again_sends_nothing(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 10)
    run(suite, ["sim/direct"], ledger)
    before, watcher = list(attempt_rows(ledger)), Watcher()
    again = run(suite, ["sim/direct"], ledger, watcher=watcher)
    assert (again.status, again.exit_code, watcher.sent) == ("complete", 0, 0)
    assert list(attempt_rows(ledger)) == before


def test_another_question_under_a_stored_run_id_is_refused(sqlite: Ledger, tmp_path: Path) -> None:
    run(number_suite(tmp_path / "a", 5), ["sim/direct"], sqlite)
    with pytest.raises(InputError, match="asked something else"):
        run(number_suite(tmp_path / "b", 6), ["sim/direct"], sqlite)


def test_two_sessions_cannot_work_on_one_run(ledger: Ledger, tmp_path: Path) -> None:
    with ledger.run_lock("run-1"), pytest.raises(RunLockedError):
        run(number_suite(tmp_path, 3), ["sim/direct"], ledger)


def test_retries_are_rows_and_no_attempt_vanishes(sqlite: Ledger, tmp_path: Path) -> None:
    watcher = Watcher()
    result = run(number_suite(tmp_path, 120), ["sim/flaky"], sqlite, watcher=watcher)
    rows = list(attempt_rows(sqlite))
    assert len(rows) == watcher.sent > 120
    statuses = Counter(row.status for row in rows)
    assert statuses["sent"] == 0
    assert statuses["succeeded"] + result.models[0].n_failed == 120
    classes = {row.error_class for row in rows if row.error_class is not None}
    assert {"rate_limit", "server_error", "timeout"} <= classes
    retried = [row for row in rows if row.retry_of is not None]
    by_id = {row.attempt_id: row for row in rows}
    assert retried
    assert all(by_id[row.retry_of].planned_id == row.planned_id for row in retried if row.retry_of is not None)


def test_an_answer_without_usage_is_unknown_and_not_zero_tokens(sqlite: Ledger, tmp_path: Path) -> None:
    run(number_suite(tmp_path, 120), ["sim/flaky"], sqlite)
    missing = [row for row in attempt_rows(sqlite) if row.status == "succeeded" and row.usage_source == "missing"]
    assert missing
    assert all(row.input_tokens is None and row.output_tokens is None for row in missing)


# budgets


def test_a_budget_is_never_exceeded_and_the_partial_run_goes_on_later(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 200)
    first = run(suite, ["sim/reasoner"], ledger, budget_usd=Decimal("0.5"), concurrency=64)
    budget = ledger.budget("run:run-1")
    assert budget is not None
    assert (first.exit_code, first.status) == (3, "partial")
    assert Decimal("0.25") < from_pico(budget.spent_pico_usd) <= Decimal("0.5")
    assert budget.reserved_pico_usd == 0
    command, _, hinted = str(first.resume_command).rpartition(" ")
    assert command == "benchtab run --resume run-1 --budget-usd"
    answered = {key for key, outcome in ledger.outcomes("run-1").items() if outcome.status == "succeeded"}
    watcher = Watcher()
    second = run(suite, ["sim/reasoner"], ledger, budget_usd=Decimal(hinted), watcher=watcher)
    assert (second.exit_code, second.status) == (0, "complete")
    assert watcher.sent == 200 - len(answered)


def test_a_partial_run_is_the_beginning_of_the_drawn_order(sqlite: Ledger, tmp_path: Path) -> None:
    run(number_suite(tmp_path, 200), ["sim/reasoner"], sqlite, budget_usd=Decimal("0.5"), concurrency=16)
    order = {planned.planned_id: planned.draw_order for planned in sqlite.planned("run-1")}
    asked = sorted(order[planned_id] for _, planned_id in sqlite.outcomes("run-1"))
    assert asked == list(range(len(asked)))


def test_a_budget_stop_is_an_outcome_and_not_an_error(sqlite: Ledger, tmp_path: Path) -> None:
    result = run(number_suite(tmp_path, 50), ["sim/reasoner"], sqlite, budget_usd=Decimal("0.1"))
    assert result.exit_code == 3
    assert all(row.error_class is None for row in attempt_rows(sqlite))


def test_an_unpriced_model_with_a_budget_is_refused_with_the_fix(sqlite: Ledger, tmp_path: Path) -> None:
    with pytest.raises(UnpricedModelError, match="openai/o9-imaginary") as caught:
        run(number_suite(tmp_path, 3), ["openai/o9-imaginary"], sqlite, budget_usd=Decimal(5))
    assert "--pricing" in str(caught.value)
    assert sqlite.runs() == []


def test_a_budget_without_an_output_cap_is_refused_because_it_could_not_hold(sqlite: Ledger, tmp_path: Path) -> None:
    path = Path(number_suite(tmp_path, 2))
    uncapped = [line for line in path.read_text().splitlines() if not line.startswith("max_output_tokens")]
    path.write_text("\n".join(uncapped))
    with pytest.raises(InputError, match="output cap"):
        run(str(path), ["sim/direct"], sqlite, budget_usd=Decimal(5))
    assert run(str(path), ["sim/direct"], sqlite, budget_usd=Decimal(5), max_output_tokens=500).exit_code == 0


def test_a_setting_that_a_model_cannot_take_is_refused_before_anything_is_sent(sqlite: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="setting"):
        run(number_suite(tmp_path, 3), ["sim/reasoner", "sim/direct@high"], sqlite)
    assert list(attempt_rows(sqlite)) == []


async def test_long_reasoning_is_streamed_with_its_usage_captured(sqlite: Ledger, tmp_path: Path) -> None:
    async with serve() as server:
        await _on_loopback(server, number_suite(tmp_path, 2, cap=32_768), sqlite)
    assert all(seen.body["stream"] and seen.body["stream_options"] == {"include_usage": True} for seen in server.seen)
    assert {(row.output_tokens, row.reasoning_tokens) for row in attempt_rows(sqlite)} == {(30, 24)}


async def test_short_answers_are_not_streamed(sqlite: Ledger, tmp_path: Path) -> None:
    async with serve() as server:
        await _on_loopback(server, number_suite(tmp_path, 1), sqlite)
    assert "stream" not in server.seen[0].body


def test_a_password_in_the_base_url_is_refused_before_it_could_be_stored(sqlite: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="password"):
        run(number_suite(tmp_path, 1), ["openai-compatible/m"], sqlite, base_url="http://me:hush@127.0.0.1:9/v1")
    assert sqlite.runs() == []


# faults, with the exact number of requests that the server saw

FAULTS = {
    ErrorClass.RATE_LIMIT: Reply(status=429, body={"error": {"message": "slow"}}, headers={"Retry-After": "0"}),
    ErrorClass.OVERLOADED: Reply(status=503, body={"error": {"message": "overloaded"}}),
    ErrorClass.SERVER_ERROR: Reply(status=500, body={"error": {"message": "oops"}}),
    ErrorClass.CONNECTION: Reply(drop=True),
    ErrorClass.MALFORMED_RESPONSE: Reply(body=b"<html>not json</html>"),
    ErrorClass.BAD_REQUEST: Reply(status=400, body={"error": {"message": "bad parameter"}}),
    ErrorClass.CONTEXT_TOO_LONG: Reply(
        status=400, body={"error": {"message": "maximum context length", "code": "context_length_exceeded"}}
    ),
    ErrorClass.QUOTA_EXHAUSTED: Reply(
        status=429, body={"error": {"message": "no credit", "code": "insufficient_quota"}}
    ),
    ErrorClass.AUTHENTICATION: Reply(status=401, body={"error": {"message": "bad key"}}),
    ErrorClass.NOT_FOUND: Reply(status=404, body={"error": {"message": "no such model"}}),
    ErrorClass.CONTENT_FILTER: Reply(status=400, body={"error": {"message": "blocked", "code": "content_filter"}}),
    ErrorClass.TIMEOUT: Reply(),  # never given: each test's event belongs to its own loop
}
BILLED = {
    # refused at the door: nothing was made that could be billed
    ErrorClass.RATE_LIMIT: "no",
    ErrorClass.BAD_REQUEST: "no",
    ErrorClass.CONTEXT_TOO_LONG: "no",
    ErrorClass.QUOTA_EXHAUSTED: "no",
    ErrorClass.AUTHENTICATION: "no",
    ErrorClass.NOT_FOUND: "no",
}
"""By the endpoint's stated rule, which an OpenAI-compatible one has not: the others are unknown."""
RETRIED = {
    ErrorClass.RATE_LIMIT,
    ErrorClass.OVERLOADED,
    ErrorClass.SERVER_ERROR,
    ErrorClass.CONNECTION,
    ErrorClass.MALFORMED_RESPONSE,
    ErrorClass.TIMEOUT,
}


async def _on_loopback(server: Loopback, suite: str, ledger: Ledger, **options: Any) -> RunResult:
    return await asyncio.to_thread(
        lambda: run(suite, ["openai-compatible/m"], ledger, base_url=f"{server.url}/v1", max_attempts=4, **options)
    )


@pytest.mark.parametrize("error_class", FAULTS)
@pytest.mark.parametrize("faults", [1, 3, None], ids=["first", "repeated", "permanent"])
async def test_each_error_is_sent_exactly_as_often_as_its_rule_says(
    error_class: ErrorClass, faults: int | None, sqlite: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 1)
    fault = Reply(until=asyncio.Event()) if error_class is ErrorClass.TIMEOUT else FAULTS[error_class]
    async with serve() as server:
        if faults is None:
            server.always = fault
        else:
            server.answer_with(*[fault] * faults)
        result = await _on_loopback(server, suite, sqlite, timeout_s=0.3 if error_class is ErrorClass.TIMEOUT else 60.0)
    rows = list(attempt_rows(sqlite))
    expected = {1: 2, 3: 4, None: 4}[faults] if error_class in RETRIED else 1
    assert len(server.seen) == len(rows) == expected
    assert [row.error_class for row in rows].count(error_class) == (
        expected if faults is None else min(faults, expected)
    )
    failed = [row for row in rows if row.status != "succeeded"]
    assert {row.billed for row in failed} == {BILLED.get(error_class, "unknown")}
    assert {row.charged_pico_usd for row in failed} == {0 if error_class in BILLED else None}
    answered = error_class in RETRIED and faults is not None
    if error_class is ErrorClass.TIMEOUT:
        assert {row.status for row in failed} == {"timed_out"}
    assert (rows[-1].status == "succeeded") is answered
    assert result.models[0].n_failed == (0 if answered else 1)


async def test_a_rejected_key_stops_the_model_at_once_with_the_reason(sqlite: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 40)
    async with serve() as server:
        server.always = FAULTS[ErrorClass.AUTHENTICATION]
        result = await _on_loopback(server, suite, sqlite, concurrency=2)
    assert len(server.seen) <= 2
    assert (result.exit_code, result.status) == (1, "partial")
    assert "bad key" in str(result.models[0].stopped_by)


async def test_what_was_recorded_ahead_of_a_stop_never_leaves_and_costs_nothing(sqlite: Ledger, tmp_path: Path) -> None:
    """While places come free fast the next in line are recorded before they have one."""
    suite = number_suite(tmp_path, 2000)

    def n_open() -> int:
        return sum(row.status == "sent" for row in attempt_rows(sqlite))

    async with serve() as server:
        refused = Reply(status=401, body={"error": {"message": "bad key"}}, until=asyncio.Event())
        server.answer_with(*[Reply()] * 1000)
        server.always = refused
        running = asyncio.create_task(_on_loopback(server, suite, sqlite, concurrency=20))
        while len(server.seen) < 1020:
            server.arrived.clear()
            await server.arrived.wait()
        while await asyncio.to_thread(n_open) <= 20:
            pass
        assert refused.until is not None
        refused.until.set()
        result = await running
    rows = list(attempt_rows(sqlite))
    unsent = [row for row in rows if row.status == "cancelled"]
    assert {(row.billed, row.charged_pico_usd, row.error_message) for row in unsent} == {
        ("no", 0, "cancelled before the request left")
    }
    assert len(server.seen) == len(rows) - len(unsent) == 1020
    assert result.models[0].n_left == 2000 - 1020
    budget = sqlite.budget(f"run:{result.run_id}")
    assert budget is not None
    assert budget.reserved_pico_usd == 0


async def test_a_timed_out_attempt_is_a_row_whose_bill_is_unknown(sqlite: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 1)
    async with serve() as server:
        server.answer_with(Reply(until=asyncio.Event()))
        await _on_loopback(server, suite, sqlite, timeout_s=0.2)
    first, second = attempt_rows(sqlite)
    assert (first.status, first.error_class, first.billed) == ("timed_out", "timeout", "unknown")
    assert (second.status, second.retry_of) == ("succeeded", first.attempt_id)


async def test_the_number_in_flight_equals_the_one_asked(sqlite: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 400)
    async with serve() as server:
        server.gate_at(150)
        result = await _on_loopback(server, suite, sqlite, concurrency=150)
    assert (server.most_in_flight, result.most_in_flight) == (150, 150)


async def test_what_the_response_says_it_served_is_recorded_beside_what_was_asked(
    sqlite: Ledger, tmp_path: Path
) -> None:
    async with serve() as server:
        await _on_loopback(server, number_suite(tmp_path, 1), sqlite)
    (row,) = attempt_rows(sqlite)
    assert (row.model_requested, row.model_served) == ("m", "served-model-1")
    assert (row.input_tokens, row.cache_read_tokens, row.output_tokens, row.reasoning_tokens) == (13, 8, 30, 24)
    assert row.started_at_us <= (row.finished_at_us or 0)
    assert server.seen[0].headers["x-client-request-id"] == row.request_id


async def test_failures_are_unscored_and_not_wrong(sqlite: Ledger, tmp_path: Path) -> None:
    async with serve() as server:
        server.answer_with(FAULTS[ErrorClass.BAD_REQUEST])
        await _on_loopback(server, number_suite(tmp_path, 2), sqlite, concurrency=1)
    failed, answered = attempt_rows(sqlite)
    assert (failed.status, answered.status) == ("failed", "succeeded")
    assert [one.attempt_id for one in score_rows(sqlite)] == [answered.attempt_id]


def test_a_judge_of_another_provider_is_priced_there_and_its_spend_stays_with_the_judged_model(
    sqlite: Ledger, tmp_path: Path
) -> None:
    rows = [{"id": f"q{i}", "question": f"Capital {i}?", "answer": "Paris"} for i in range(3)]
    prompt = "{question} Reference: {reference} Reply: {reply}"
    suite = suite_file(tmp_path, rows, scorer="judge", options=f', options = {{ prompt = "{prompt}" }}')
    run(suite, ["sim/direct"], sqlite, judge=parse_model("sim/reasoner"))
    judged = [one for one in usage_sums(sqlite) if one.purpose == "judge"]
    assert {one.group.model for one in judged} == {"reasoner"}
    assert sum(one.n_attempts for one in judged) == 3
    assert {one.cell_id for one in judged} == {one.cell_id for one in usage_sums(sqlite)}


async def test_judges_take_the_same_path_into_the_ledger(sqlite: Ledger, tmp_path: Path) -> None:
    rows = [{"id": f"q{i}", "question": f"Capital {i}?", "answer": "Paris"} for i in range(3)]
    prompt = "{question} Reference: {reference} Reply: {reply}"
    options = f', options = {{ model = "openai-compatible/judge", prompt = "{prompt}" }}'
    suite = suite_file(tmp_path, rows, scorer="judge", options=options)
    async with serve() as server:
        correct = {**CHAT_ANSWER, "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Verdict: CORRECT"}}
        ]}  # fmt: skip
        server.always = Reply(body=correct)
        await _on_loopback(server, suite, sqlite)
    purposes = Counter(row.purpose for row in attempt_rows(sqlite))
    assert purposes == {"solve": 3, "judge": 3}
    judged = [row for row in attempt_rows(sqlite) if row.purpose == "judge"]
    assert {(row.provider_asked, row.model_requested) for row in judged} == {("openai-compatible", "judge")}
    assert len(server.seen) == 6


def test_provenance_is_stored_with_the_run(sqlite: Ledger, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    run(number_suite(tmp_path, 4), ["sim/direct"], sqlite, temperature=0.0, sample_seed=9)
    stored = sqlite.run("run-1")
    assert stored is not None
    assert len(stored.price_book_sha256) == 64
    assert stored.sample_seed == 9
    assert stored.suites[0].tasks[0].samples_sha256
    assert stored.suites[0].sha256
    assert stored.created_at_us <= to_us(datetime.now(UTC))
    assert {tuple(sorted(json.loads(row.parameters))) for row in attempt_rows(sqlite)} == {
        ("max_completion_tokens", "model", "temperature")
    }
