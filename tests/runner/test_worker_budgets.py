"""Budgets, refused keys, failures, reuse and retries of a run that several workers ask."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BudgetReached
from harness.ledger import Ledger
from harness.ledger.leases.lease_records import WorkerKind
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.money import to_pico_ceiling
from harness.runner.endings import ending_lines
from harness.runner.workers.budget_edge import QUIET_S, OthersInFlight
from tests.support.answering import Asked, answering, chat, priced
from tests.support.runs import number_suite, run
from tests.support.worker_threads import driven

pytestmark = pytest.mark.postgres

MODEL = "openai-compatible/m"
REFUSED = json.dumps({"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}).encode()
BAD = json.dumps({"error": {"message": "no", "type": "invalid_request_error"}}).encode()
THREE: tuple[WorkerKind, ...] = ("all", "all", "all")


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Ledger]:
    with Ledger.open(postgres_url) as ledger:
        yield ledger


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


def uneven(number: int) -> tuple[int, bytes]:
    """An answer of up to 1,800 tokens out, of 2 dollars a million."""
    n_out = random.Random(number).randrange(10, 1_800)
    return 200, chat(usage={"prompt_tokens": 100, "completion_tokens": n_out, "total_tokens": 100 + n_out})


def billed_pico(server: Asked) -> int:
    """What the server bills by its own books: 1 and 2 dollars a million tokens."""
    usage = [json.loads(uneven(number)[1])["usage"] for number in range(len(server.bodies))]
    return sum(one["prompt_tokens"] * 1_000_000 + one["completion_tokens"] * 2_000_000 for one in usage)


def test_a_strict_budget_holds_over_all_workers_and_more_money_goes_on(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 60)
    with answering(uneven) as server:
        options: dict[str, Any] = {"budget_mode": "strict", "concurrency": 9, "kinds": THREE}
        options |= {"book": priced(tmp_path), "base_url": server.url}
        first = driven(suite, [MODEL], postgres_url, budget_usd=Decimal("0.05"), **options)
        n_first = len(server.bodies)
        assert billed_pico(server) <= to_pico_ceiling(Decimal("0.05"))
        assert (first.result.exit_code, first.result.status) == (3, "partial")
        assert isinstance(first.result.models[0].stopped_by, BudgetReached)
        assert first.result.models[0].n_left == 60 - n_first > 0
        said = "\n".join(ending_lines(first.result))
        assert "of $0.05 is left" in said
        assert first.result.resume_command is not None
        assert "--budget-usd" in first.result.resume_command
        assert first.result.resume_command.endswith("--workers 2"), "one process alone would go on without them"
        more = driven(suite, [MODEL], postgres_url, budget_usd=Decimal(1), retry_failed=True, **options)
        assert (more.result.exit_code, more.result.status) == (0, "complete")
        assert len(server.bodies) == 60, "nothing that was answered is sent again"


@pytest.mark.parametrize("which", ["day", "model"])
def test_budgets_over_the_ledger_hold_over_all_workers(
    which: str, postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    scope = f"day:{datetime.now(UTC):%Y-%m-%d}" if which == "day" else f"model:{MODEL}"
    cap = Decimal("0.03")
    shared.set_budget(scope, to_pico_ceiling(cap))
    with answering(uneven) as server:
        made = driven(
            number_suite(tmp_path, 40), [MODEL], postgres_url, book=priced(tmp_path), base_url=server.url, kinds=THREE
        )
        assert billed_pico(server) <= to_pico_ceiling(cap)
    stopped = made.result.models[0].stopped_by
    assert isinstance(stopped, BudgetReached)
    assert (made.result.exit_code, stopped.where) == (3, scope)


def test_in_expected_mode_the_cap_is_exceeded_by_no_more_than_is_said(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    """What each worker had in flight adds up: the bound that is told holds for all of them together."""
    cap = Decimal("0.1")
    with answering(uneven) as server:
        made = driven(
            number_suite(tmp_path, 150),
            [MODEL],
            postgres_url,
            book=priced(tmp_path),
            base_url=server.url,
            kinds=THREE,
            budget_usd=cap,
            budget_mode="expected",
        )
        billed = billed_pico(server)
    assert sum("budget mode expected: once" in said for said in made.notices) == 1
    (note,) = made.result.notes
    bound = sum(one.ended.most_exposed_pico for one in made.workers)
    assert f"plus ${Decimal(bound) / 10**12:f}".rstrip("0") in note
    assert billed <= to_pico_ceiling(cap) + bound
    assert made.result.exit_code == 3


async def test_nothing_in_flight_elsewhere_counts_once_everyone_was_heard_of() -> None:
    """A worker gave up at the edge of a budget because others had not yet said what they had just sent."""
    now_s, n_in_flight = 100.0, None
    others = OthersInFlight(lambda: n_in_flight, lambda: now_s)
    assert not await others(), "nobody else asks"
    n_in_flight = 0
    assert await others()
    now_s += QUIET_S / 2
    assert await others()
    n_in_flight = 2
    assert await others()
    now_s, n_in_flight = now_s + QUIET_S / 2, 0
    assert await others()
    now_s += QUIET_S
    assert not await others()
    now_s += 10 * QUIET_S
    assert await others(), "that was another edge"


def test_a_refused_key_stops_the_model_everywhere(postgres_url: str, shared: Ledger, tmp_path: Path) -> None:
    with answering(lambda _: (401, REFUSED)) as server:
        made = driven(
            number_suite(tmp_path, 80),
            [MODEL, "sim/direct"],
            postgres_url,
            book=priced(tmp_path),
            base_url=server.url,
            kinds=THREE,
            concurrency=6,
        )
        n_asked = len(server.bodies)
    refused, other = made.result.models
    assert n_asked <= 6 * 3
    assert (other.n_left, other.stopped_by, other.n_failed) == (0, None, 0)
    assert refused.stopped_by is not None
    assert "Incorrect API key" in refused.stopped_by.message
    assert refused.n_left + refused.n_failed == 80
    assert (made.result.exit_code, made.result.status) == (1, "partial")
    told = [stopped.model for one in made.workers for stopped in one.ended.stopped]
    assert set(told) == {MODEL}
    assert len(told) == 3, "who met no refusal has heard of it"


def test_a_model_whose_first_samples_all_fail_is_given_up_over_all_workers(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    """Each worker counted its own ten failures."""
    with answering(lambda _: (400, BAD)) as server:
        made = driven(
            number_suite(tmp_path, 200),
            [MODEL],
            postgres_url,
            book=priced(tmp_path),
            base_url=server.url,
            kinds=THREE,
            concurrency=6,
        )
        n_asked = len(server.bodies)
    (model,) = made.result.models
    assert model.stopped_by is not None
    assert "samples failed and none was answered" in model.stopped_by.message
    assert (made.result.exit_code, made.result.status) == (1, "partial")
    assert model.n_left > 100, f"{n_asked} were asked"


def test_a_worker_that_meets_only_failures_goes_on_where_others_were_answered(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    with answering(lambda number: (200, chat()) if number < 2 else (400, BAD)) as server:
        made = driven(
            number_suite(tmp_path, 60),
            [MODEL],
            postgres_url,
            book=priced(tmp_path),
            base_url=server.url,
            kinds=THREE,
            concurrency=3,
        )
    (model,) = made.result.models
    assert (model.stopped_by, model.n_left, model.n_failed) == (None, 0, 58)
    assert made.result.status == "failed"


def test_answers_are_taken_from_earlier_runs_by_all_workers(postgres_url: str, shared: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 30)
    run(suite, ["sim/direct"], shared, run_id="earlier")
    made = driven(suite, ["sim/direct"], postgres_url, reuse=True)
    rows = list(attempt_rows(shared, ["run-1"]))
    assert [one.status for one in rows] == ["reused"] * 30
    assert "30 answers were taken from earlier runs, nothing was sent for them" in made.result.notes
    assert made.result.status == "complete"


def counted(ledger: Ledger) -> dict[tuple[str, int], Any]:
    return {(one.sample_id, one.epoch): (one.value_millionths, one.reason, one.answer) for one in score_rows(ledger)}


def test_a_model_that_fails_now_and_then_ends_with_the_answers_of_one_process(
    postgres_url: str, shared: Ledger, alone: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 60)
    made = driven(suite, ["sim/flaky"], postgres_url, kinds=THREE)
    whole = run(suite, ["sim/flaky"], alone)
    tries = [
        sorted((one.sample_id, one.try_number, one.status) for one in attempt_rows(led)) for led in (shared, alone)
    ]
    assert (made.result.status, made.result.models[0].n_failed) == (whole.status, whole.models[0].n_failed)
    assert counted(shared) == counted(alone)
    assert tries[0] == tries[1]
