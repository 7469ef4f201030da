"""Response reuse: a stored answer is taken only for exactly the same question, and shown for what it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows, transcript_rows
from harness.ledger.reading.sums import usage_sums
from tests.support.loopback import serve
from tests.support.runs import Watcher, number_suite, run


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


def _statuses(ledger: Ledger, run_id: str) -> Counter[str]:
    return Counter(row.status for row in attempt_rows(ledger, [run_id]))


def test_a_stored_answer_is_taken_once_paid_and_scored_as_usual(ledger: Ledger, tmp_path: Path) -> None:
    suite, watcher = number_suite(tmp_path, 20), Watcher()
    run(suite, ["sim/reasoner"], ledger, run_id="first")
    result = run(suite, ["sim/reasoner"], ledger, run_id="second", reuse=True, watcher=watcher, budget_usd=Decimal(1))
    assert (result.exit_code, watcher.sent, watcher.finished) == (0, 0, 20)
    assert _statuses(ledger, "second") == {"reused": 20}
    assert result.notes == ("20 answers were taken from earlier runs, nothing was sent for them",)
    for row in attempt_rows(ledger, ["second"]):
        assert (row.charged_pico_usd, row.reserved_pico_usd, row.billed) == (0, 0, "no")
    budget = ledger.budget("run:second")
    assert budget is not None
    assert budget.spent_pico_usd == 0
    values = [[(one.sample_id, one.value_millionths) for one in score_rows(ledger, [name])] for name in
              ("first", "second")]  # fmt: skip
    assert sorted(values[0]) == sorted(values[1])


def test_the_tokens_of_a_reused_answer_are_kept_so_that_its_list_cost_stays_known(
    ledger: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 10)
    run(suite, ["sim/reasoner"], ledger, run_id="first")
    run(suite, ["sim/reasoner"], ledger, run_id="second", reuse=True)
    facts = {
        name: Counter(
            (row.sample_id, row.input_tokens, row.output_tokens, row.reasoning_tokens, row.raw_usage, row.model_served)
            for row in attempt_rows(ledger, [name])
        )
        for name in ("first", "second")
    }
    assert facts["first"] == facts["second"]
    totals = Counter[str]()
    for one in usage_sums(ledger):
        totals[one.status] += one.output_tokens
    assert totals["reused"] == totals["succeeded"] > 0
    texts = [sorted(row.answer for row in transcript_rows(ledger, name)) for name in ("first", "second")]
    assert texts[0] == texts[1]


def test_response_cache_keyed_without_the_model_gives_model_b_the_answers_of_model_a(
    ledger: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 5)
    run(suite, ["sim/reasoner"], ledger, run_id="first")
    run(suite, ["sim/direct", "sim/reasoner@high"], ledger, run_id="second", reuse=True)
    assert _statuses(ledger, "second") == {"succeeded": 10}, "another model, and the same one with another setting"


@pytest.mark.parametrize("changed", [{"temperature": 0.5}, {"max_output_tokens": 1000}], ids=str)
def test_another_parameter_is_another_question(changed: dict[str, Any], ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 5)
    run(suite, ["sim/reasoner"], ledger, run_id="first")
    run(suite, ["sim/reasoner"], ledger, run_id="second", reuse=True, **changed)
    assert _statuses(ledger, "second") == {"succeeded": 5}


def test_repeats_stay_independent_draws(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 5)
    run(suite, ["sim/reasoner"], ledger, run_id="first")
    run(suite, ["sim/reasoner"], ledger, run_id="second", reuse=True, epochs=3)
    taken = Counter((row.status, row.epoch) for row in attempt_rows(ledger, ["second"]))
    assert taken == {("reused", 0): 5, ("succeeded", 1): 5, ("succeeded", 2): 5}


def test_runs_without_transcripts_cannot_be_reused_and_that_is_said(ledger: Ledger, tmp_path: Path) -> None:
    suite, watcher = number_suite(tmp_path, 5), Watcher()
    run(suite, ["sim/reasoner"], ledger, run_id="first", keep_transcripts=False)
    run(suite, ["sim/reasoner"], ledger, run_id="second", reuse=True, watcher=watcher)
    assert _statuses(ledger, "second") == {"succeeded": 5}
    assert watcher.notices == ["1 stored runs kept no transcripts: their answers cannot be reused"]


def test_without_the_option_everything_is_sent_again(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 5)
    run(suite, ["sim/reasoner"], ledger, run_id="first")
    run(suite, ["sim/reasoner"], ledger, run_id="second")
    assert _statuses(ledger, "second") == {"succeeded": 5}


async def test_nothing_reaches_the_server_for_a_reused_answer(tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 6)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        async with serve() as server:
            for name in ("first", "second"):
                options: dict[str, Any] = {"run_id": name, "base_url": f"{server.url}/v1", "reuse": True}
                await asyncio.to_thread(run, suite, ["openai-compatible/m"], ledger, **options)
            assert len(server.seen) == 6
        assert _statuses(ledger, "second") == {"reused": 6}
