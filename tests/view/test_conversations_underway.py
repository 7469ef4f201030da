"""A run of conversations under way: a sample of many requests is one sample, and the caps of samples fill no list."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from harness.ledger import Ledger, ScoreRecord
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.pricing.price_files import load_price_book
from harness.view.live.run_reader import RunReader
from tests.reports.test_trajectory_figures import AT_LIMIT, NOT_BILLED, SOLVED
from tests.support.command_lines import said_here
from tests.support.report_ledgers import AT_US
from tests.support.trajectory_ledgers import Conversation, Spoken, add_conversations
from tests.support.viewed import viewer

MODEL = "openai/gpt-4.1"
GOING = Conversation(spoken=(Spoken(), Spoken(by="user_simulator", text="and?")), score=None)
LOST = Conversation(spoken=(Spoken(), Spoken(by="user_simulator", status="failed", usage=NOT_BILLED)), score=None)


def test_a_sample_of_many_requests_is_one_answer_and_open_until_it_has_a_score(tmp_path: Path) -> None:
    found = {("a", 0): SOLVED, ("b", 0): AT_LIMIT, ("c", 0): GOING, ("d", 0): LOST}
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: found}, status="running"))
        reader = RunReader(ledger, load_price_book(), "run-t")
        state = reader.read()
        assert (state.n_planned, state.n_answered, state.n_failed) == (4, 2, 1)
        assert state.n_settled == 5 + 4 + 2 + 2
        newest = max(row for row in _solves(ledger) if row < 12)

        async def score() -> None:
            async with ledger.writer() as writer:
                for value in (1_000_000, 0):  # scored again: it is answered once
                    await writer.add_score(
                        ScoreRecord(attempt_id=newest, planned_id=3, cell_id=1, scorer="environment",
                                    scorer_version="1", scored_at_us=AT_US, value_millionths=value)
                    )  # fmt: skip

        asyncio.run(score())
        for one in (reader, RunReader(ledger, load_price_book(), "run-t")):  # what follows, and a first look
            state = one.read()
            assert (state.n_answered, state.n_failed) == (3, 1)


def _solves(ledger: Ledger) -> list[int]:
    return [row.attempt_id for row in attempt_rows(ledger) if row.purpose == "solve"]


def test_caps_of_single_samples_are_counted_and_not_listed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        ledger.set_budget("month:2026-11", 5_000_000_000_000)
        for planned_id in range(3):
            ledger.set_budget(f"sample:run-t/1/{planned_id}", 10_000_000_000)
        page = viewer(ledger).get("/budgets").text
    assert "sample:run-t" not in page
    assert "3 samples have caps of their own" in page
    told = json.loads(said_here("budgets", "list", "--json", "--db", str(path)).stdout)
    assert [one["scope"] for one in told["budgets"]] == ["month:2026-11"]
    assert told["n_sample_budgets"] == 3
