"""A batch run against a spoilt server, session by session, and ways to spoil what the server answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from harness.ledger import Ledger
from harness.ledger.batch_states import open_batches
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import PreparedRun, RunResult, RunSpec, SessionOptions, run_suites
from harness.runner.batch.batch_lines import Waits
from harness.runner.session_setup import StoredPlan, usual_planner
from harness.runner.wave_loop import WavePlanner
from tests.support.loopback_batches import Batches
from tests.support.runs import Watcher, number_suite

OPENAI, CLAUDE = "openai/gpt-4o", "anthropic/claude-3-7-sonnet-20250219"
BOTH = pytest.mark.parametrize("model", [OPENAI, CLAUDE])
BOOK = load_price_book()
WAITS = Waits(first_s=0.001, longest_s=0.004, doubt_s=0.01, most_failures=12)
LINES = 4
ANSWER_PICO = {OPENAI: 13 * 1_250_000 + 8 * 625_000 + 30 * 5_000_000, CLAUDE: 30 * 7_500_000}
"""What one answer of the loopback server costs at least, at the batch price."""

Spoil = Callable[[bytes], bytes | web.Response]
Edit = Callable[[list[dict[str, Any]]], Any]


@dataclass(slots=True)
class Session:
    """One session of the run and what it said."""

    result: RunResult
    notices: list[str]


def address(books: Batches, model: str) -> str:
    """Where a model's batches are taken on the loopback server."""
    return books.url + ("/v1" if model == OPENAI else "")


async def run_on_thread(
    spec: RunSpec,
    ledger: Ledger,
    run_id: str,
    watcher: Watcher,
    waits: Waits,
    *,
    planner: Callable[[StoredPlan], WavePlanner] = usual_planner,
) -> RunResult:
    """Run or resume on a thread, as the server lives on the test's loop."""

    @contextlib.contextmanager
    def observe(prepared: PreparedRun) -> Iterator[Watcher]:
        yield watcher

    session = SessionOptions(batch_waits=waits, planner=planner)
    return await asyncio.to_thread(
        lambda: run_suites(spec, ledger=ledger, book=BOOK, run_id=run_id, observe=observe, session=session)
    )


class Played:
    """A run against a spoilt server, session by session."""

    def __init__(self, books: Batches, model: str, ledger: Ledger, folder: Path) -> None:
        self.books, self.model, self.ledger = books, model, ledger
        self._suite = number_suite(folder, LINES)

    async def session(self, **options: Any) -> Session:
        """Run or resume."""
        watcher = Watcher()
        spec = RunSpec(
            suites=(self._suite,),
            models=(parse_model(self.model),),
            base_url=f"{self.model.partition('/')[0]}={address(self.books, self.model)}",
            batch=True,
            budget_usd=Decimal(5),
            **options,
        )
        return Session(await run_on_thread(spec, self.ledger, "r", watcher, WAITS), watcher.notices)

    @property
    def rows(self) -> list[AttemptRow]:
        return list(attempt_rows(self.ledger))

    def check_complete(self, *, lost: int = 0) -> None:
        """All samples answered; `lost` lines had no result that could be read and were asked again."""
        rows = self.rows
        assert Counter(row.status for row in rows if row.status == "succeeded") == {"succeeded": LINES}
        assert len({row.planned_id for row in rows if row.status == "succeeded"}) == LINES
        assert len(rows) == LINES + lost
        assert Counter(row.billed for row in rows if row.status != "succeeded") == Counter({"unknown": lost})
        assert self.books.asked.total() == LINES + lost
        assert open_batches(self.ledger, "r") == []
        self.check_budget()

    async def check_bought_again_on_resume(self) -> None:
        """A whole batch is gone: the session ends with words, everything is settled, and the next one asks again."""
        stopped = await self.session()
        assert (stopped.result.exit_code, stopped.result.models[0].n_left) == (1, LINES)
        assert "possibly billed" in str(stopped.result.models[0].stopped_by)
        assert any("4 lines have no result that can be read" in text for text in stopped.notices)
        assert len(self.books.batches) == 1
        assert {(row.status, row.billed) for row in self.rows} == {("failed", "unknown")}
        assert (await self.session()).result.exit_code == 0
        self.check_complete(lost=LINES)

    def check_budget(self) -> None:
        """No line that the server answered is missing from the budget."""
        budget = self.ledger.budget("run:r")
        assert budget is not None
        least = self.books.asked.total() * ANSWER_PICO[self.model]
        assert budget.spent_pico_usd + budget.reserved_pico_usd >= least


def of_the_first_batch(books: Batches, spoil: Spoil) -> Callable[[str, bytes], bytes | web.Response]:
    """Spoil the results while there is one batch only; later ones are in order."""
    return lambda what, body: spoil(body) if what == "results" and body and len(books.batches) == 1 else body


def edited(change: Edit) -> Spoil:
    """Change parsed lines; bytes among them are sent as they are."""

    def spoil(body: bytes) -> bytes:
        lines = [json.loads(line) for line in body.splitlines()]
        changed = change(lines)
        parts = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in changed or lines]
        return b"\n".join(parts) + b"\n"

    return spoil


def beside(*extra: bytes, at: int = 1) -> Spoil:
    return edited(lambda lines: [*lines[:at], *extra, *lines[at:]])


def first_line(**fields: Any) -> Spoil:
    return edited(lambda lines: [{**lines[0], **fields}, *lines[1:]])


def without(*names: str) -> Spoil:
    return edited(lambda lines: [{k: v for k, v in lines[0].items() if k not in names}, *lines[1:]])


def answer_of(line: dict[str, Any]) -> dict[str, Any]:
    """The part of a line that the model wrote, in either dialect."""
    part: dict[str, Any] = line["response"]["body"] if "response" in line else line["result"]["message"]
    return part


def with_answer(**fields: Any) -> Spoil:
    def change(lines: list[dict[str, Any]]) -> None:
        answer_of(lines[0]).update(fields)

    return edited(change)


DEEP = b'{"custom_id": "a1", "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


def page(status: int = 200) -> web.Response:
    return web.Response(text="<html>down for maintenance</html>", content_type="text/html", status=status)


def gone() -> web.Response:
    return web.json_response({"error": {"message": "No such file", "code": "not_found"}}, status=404)
