"""Runs that were added up before count in a report as if every attempt had been read again, whatever happened since."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.ledger import Ledger
from harness.ledger.records import InvoicedRecord, ScoreRecord
from harness.pricing.book import PriceBook
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.report_facts import TaskOutcomes
from harness.reports.facts.samples.kept_runs import KeptRuns
from harness.reports.spend.report import SpendReport, report_object
from tests.support.kept_files import spoil_kept
from tests.support.ledger_rows import outcome
from tests.support.report_ledgers import AT_US, Try, add_attempt, add_run, used

BOOK = load_price_book()
MODELS = ("openai/o3", "anthropic/claude-sonnet-4-6@high")
PRICES = """provider = "openai"
[[price]]
model = "o3"
effective_from = "2026-01-01"
input = "1"
output = "3"
source = "a contract"
checked_on = 2026-11-01
confidence = "high"
"""


def _kept(folder: Path, **changes: object) -> KeptRuns:
    return KeptRuns(**{"folder": folder, "program": ["this one"], "fewest_attempts": 1, **changes})  # type: ignore[arg-type]


def _told(report: SpendReport) -> object:
    """All that a report says, and every column per sample that it rests on."""
    names = [name for name in TaskOutcomes.__dataclass_fields__ if name != "drawn_score"]
    columns = [
        [list(found) if name not in ("task", "weight") else found for name in names for found in [getattr(task, name)]]
        for row in report.rows
        for task in row.facts.tasks
    ]
    return report_object(report), columns


def _try(chance: random.Random) -> Try:
    reason = chance.choice([None, None, None, "no_answer", "undecided", "a reason of a later version"])
    stated = chance.choice([None, None, Decimal("0.0125")])  # such attempts are charged one by one
    usage = used(
        chance.randrange(9_000), chance.randrange(1, 900), chance.choice([0, 1, None]), cached=chance.choice([0, 500]),
        stated_cost_usd=stated,
    )  # fmt: skip
    return Try(
        status=chance.choice(["succeeded", "succeeded", "succeeded", "failed"]),
        usage=usage,
        score=None if reason else chance.choice([0.0, 0.25, 1.0]),
        reason=reason,
        purpose=chance.choice(["solve", "solve", "solve", "judge"]),
    )


class _Happenings:
    """What happens to a ledger, at random; every one of them changes what a report says."""

    def __init__(self, ledger: Ledger, chance: random.Random) -> None:
        self.ledger, self.chance = ledger, chance
        self.n_runs = self.n_requests = 0
        self.places: list[tuple[int, int, str]] = []
        self.settled: list[tuple[int, int, int]] = []
        self.under_way: list[int] = []

    def add_run(self) -> None:
        self.n_runs += 1
        names = [f"sample-{number}" for number in self.chance.sample(range(12), 8)]
        cells = {
            model: {(name, epoch): [_try(self.chance)] for name in names for epoch in range(self.n_runs % 2 + 1)}
            for model in MODELS
        }
        run_id = f"run-{self.n_runs}"
        asyncio.run(add_run(self.ledger, run_id, cells))
        planned = [row[0] for row in self._rows(f"SELECT planned_id FROM planned_samples WHERE run_id = '{run_id}'")]
        own = self._rows(f"SELECT cell_id, provider || '/' || model FROM cells WHERE run_id = '{run_id}'")
        self.places += [(cell_id, planned_id, name) for cell_id, name in own for planned_id in planned]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.ledger.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query).fetchall()]

    def ask_again(self) -> None:
        cell_id, planned_id, name = self.chance.choice(self.places)
        self.n_requests += 1

        async def ask() -> None:
            async with self.ledger.writer() as writer:
                request = f"more-{self.n_requests}"
                attempt = replace(_try(self.chance), status=self.chance.choice(["succeeded", None]), billed="unknown")
                made = await add_attempt(
                    writer, attempt, request, cell_id, planned_id, name, 2, None, AT_US + self.n_requests
                )
                if attempt.status is None:
                    self.under_way.append(made)
                else:
                    self.settled.append((made, planned_id, cell_id))

        asyncio.run(ask())

    def settle(self) -> None:
        settled, self.under_way = self.under_way, []

        async def end() -> None:
            async with self.ledger.writer() as writer:
                for attempt_id in settled:
                    await writer.settle(outcome(attempt_id))

        asyncio.run(end())

    def score_again(self) -> None:
        if not self.settled:
            return
        attempt_id, planned_id, cell_id = self.chance.choice(self.settled)
        found = ScoreRecord(
            attempt_id=attempt_id, planned_id=planned_id, cell_id=cell_id, scorer="choice", scorer_version="2",
            scored_at_us=AT_US, value_millionths=self.chance.randrange(1_000_000),
        )  # fmt: skip

        async def add() -> None:
            async with self.ledger.writer() as writer:
                await writer.add_score(found)

        asyncio.run(add())

    def invoice(self) -> None:
        if self.settled:
            attempt_id = self.chance.choice(self.settled)[0]
            self.ledger.add_invoiced(
                [InvoicedRecord(attempt_id=attempt_id, source="bill", recorded_at_us=AT_US, billed_pico_usd=7_000_000)]
            )


@pytest.fixture
def other_book(tmp_path: Path) -> PriceBook:
    folder = tmp_path / "prices"
    folder.mkdir()
    (folder / "own.toml").write_text(PRICES)
    return load_price_book(folder)


def test_a_report_over_kept_runs_is_the_full_recount(ledger_url: str, tmp_path: Path, other_book: PriceBook) -> None:
    chance = random.Random(20261129)
    with Ledger.open(ledger_url) as ledger:
        happenings = _Happenings(ledger, chance)
        happenings.add_run()
        todo: list[Callable[[], None]] = [
            *[happenings.add_run] * 2, *[happenings.ask_again] * 3, *[happenings.score_again] * 2, happenings.invoice,
            happenings.settle,
        ]  # fmt: skip
        for happen in (lambda: None, *chance.sample(todo, len(todo))):
            happen()
            for book, question in ((BOOK, {}), (other_book, {}), (BOOK, {"as_of": datetime(2026, 3, 1, tzinfo=UTC)})):
                recount = _told(spend_report(ledger, book, **question))  # type: ignore[arg-type]
                for _ in range(2 if book is BOOK else 1):
                    kept = _kept(tmp_path / "kept")
                    assert _told(spend_report(ledger, book, **question, kept=kept)) == recount  # type: ignore[arg-type]
        assert happenings.n_runs > 1
        assert happenings.settled
    assert len(list((tmp_path / "kept").iterdir())) >= 8


def _spoil(folder: Path) -> None:
    spoil_kept(
        folder,
        lambda told: told.replace(b'"n_attempts":', b'"n_attempts":1').replace(b"no_answer", b"spoiled"),
    )


@pytest.fixture
def told(tmp_path: Path) -> tuple[Ledger, Path, object]:
    """A ledger of a run, the files that were kept of it, and what a report says of it."""
    ledger = Ledger.open(tmp_path / "ledger.db")
    tries = {(f"sample-{number}", 0): [Try(score=None, reason="no_answer")] for number in range(5)}
    asyncio.run(add_run(ledger, "run-1", {"openai/o3": tries}))
    made = _told(spend_report(ledger, BOOK, kept=_kept(tmp_path / "kept")))
    return ledger, tmp_path / "kept", made


def test_what_was_kept_is_read_by_the_same_program_that_asks_for_it(told: tuple[Ledger, Path, object]) -> None:
    ledger, folder, made = told
    assert len(list(folder.iterdir())) == 2
    _spoil(folder)
    spoiled = spend_report(ledger, BOOK, kept=_kept(folder))
    assert spoiled.rows[0].facts.solve.n_attempts == 15
    assert spoiled.rows[0].facts.n_without_answer == {"spoiled": 5}
    assert _told(spend_report(ledger, BOOK, kept=_kept(folder, program=["another"]))) == made
    assert _told(spend_report(ledger, BOOK, kept=_kept(folder, fewest_attempts=6))) == made
    _spoil(folder)
    assert _told(spend_report(ledger, BOOK, kept=_kept(folder, is_read=False))) == made
    assert _told(spend_report(ledger, BOOK, kept=_kept(folder))) == made, "a recount is kept"
    ledger.close()


@pytest.mark.parametrize("damage", ["empty", "cut", "a bit", "another file"])
def test_a_damaged_file_is_as_good_as_none(told: tuple[Ledger, Path, object], damage: str) -> None:
    ledger, folder, made = told
    files = sorted(folder.iterdir())
    for path, other in zip(files, reversed(files), strict=True):
        data = bytearray(path.read_bytes())
        if damage == "a bit":
            data[len(data) // 3] ^= 1
        whole = {"empty": b"", "cut": bytes(data[:-40]), "a bit": bytes(data), "another file": other.read_bytes()}
        path.write_bytes(whole[damage])
    assert _told(spend_report(ledger, BOOK, kept=_kept(folder))) == made
    ledger.close()


def test_nothing_is_kept_of_a_run_with_an_attempt_under_way(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_run(ledger, "run-1", {"openai/o3": {("a", 0): [Try()], ("b", 0): [Try(status=None)]}}))
        spend_report(ledger, BOOK, kept=_kept(tmp_path / "kept"))
    assert not (tmp_path / "kept").exists()
