"""A report is read from one moment of the ledger: what a run commits between two of its queries is not half in it."""

from __future__ import annotations

import asyncio
import json
from itertools import count

from sqlalchemy import event

from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import report_object
from tests.support.report_ledgers import AT_US, Try, add_attempt, add_run, used

BOOK = load_price_book()


def _told(ledger: Ledger) -> str:
    return json.dumps(report_object(spend_report(ledger, BOOK, ["r"])), default=str)


async def _answer_another(ledger: Ledger, place: int) -> None:
    """Commit an answer, and a request that is lost, of a sample that was planned."""
    (cell,), planned = ledger.cells("r"), ledger.planned("r")
    assert cell.cell_id is not None
    planned_id = planned[place].planned_id
    assert planned_id is not None
    async with ledger.writer() as writer:
        for number, attempt in enumerate((Try(status=None), Try(usage=used(700, 900))), 1):
            request = f"later-{place}-{number}"
            await add_attempt(writer, attempt, request, cell.cell_id, planned_id, "sim/direct", number, None, AT_US)


def test_what_a_run_commits_between_two_queries_of_a_report_does_not_show_in_it(ledger_url: str) -> None:
    unanswered: dict[tuple[str, int], list[Try]] = {(f"later-{number}", 0): [] for number in range(40)}
    with Ledger.open(ledger_url) as ledger, Ledger.open(ledger_url) as running:
        asyncio.run(add_run(ledger, "r", {"sim/direct": {("a", 0): [Try()], **unanswered}}, status="running"))
        before = _told(ledger)
        places = count(1)

        def commit_something(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            if statement != "BEGIN":
                asyncio.run(_answer_another(running, next(places)))

        event.listen(ledger.engine, "after_cursor_execute", commit_something)
        meanwhile = _told(ledger)
        event.remove(ledger.engine, "after_cursor_execute", commit_something)
        assert next(places) > 5, "nothing was committed meanwhile"
        assert meanwhile == before
        assert _told(ledger) != before


def test_a_look_at_one_moment_leaves_the_next_look_at_what_is_new(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger, Ledger.open(ledger_url) as running:
        asyncio.run(add_run(ledger, "r", {"sim/direct": {("a", 0): [Try()]}}, status="running"))
        with ledger.at_one_moment() as still:
            assert [run.status for run in still.runs()] == ["running"]
            running.finish_run("r", "complete")
            assert [run.status for run in still.runs()] == ["running"]
            assert [run.status for run in ledger.runs()] == ["complete"]
