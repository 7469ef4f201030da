"""Rows written beside the reader of a log: found by the next query, undone together, and no thread is left over."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.records import CellRecord, RunRecord, ScoreRecord
from harness.ledger.writing.drivers import ROWS_AT_ONCE, SqliteDriver
from harness.ledger.writing.import_writer import MOST_WAITING, ImportWriter, LoggedSample, WriteBehind

RUN = RunRecord(run_id="r1", created_at_us=1, plan_sha256="", harness_version="", price_book_sha256="")
CELL = CellRecord(suite="s", suite_version="", suite_sha256="", provider="openai", model="m")
ADD = "INSERT INTO budgets (scope, cap_pico_usd, spent_pico_usd, reserved_pico_usd) VALUES (?, NULL, 0, 0)"


def of_no_attempt() -> ScoreRecord:
    return ScoreRecord(
        attempt_id=999, planned_id=1, cell_id=1, scorer="s", scorer_version="", scored_at_us=1, value_millionths=0
    )


def write_run(writer: ImportWriter) -> int:
    writer.add_run(RUN)
    [planned_id] = writer.planned("r1", [LoggedSample("s", "s", "q1", 0, "", None)])
    writer.cell("r1", CELL)
    return planned_id


def threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name.startswith("benchtab import")]


def test_what_was_handed_over_is_found_by_the_next_query(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        with ledger.importing() as writer:
            planned_id = write_run(writer)
            assert writer.run("r1") is not None
            assert writer.planned("r1", [LoggedSample("s", "s", "q1", 0, "", None)]) == [planned_id]
        assert [run.run_id for run in ledger.runs()] == ["r1"]
    assert threads() == []


def test_a_row_refused_after_the_last_call_leaves_nothing_of_the_import(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        with pytest.raises(LedgerError, match=r"(?i)foreign key"), ledger.importing() as writer:
            write_run(writer)
            writer.scores([of_no_attempt()])
        assert ledger.runs() == []
        assert list(attempt_rows(ledger)) == []
    assert threads() == []


def test_an_interrupted_import_leaves_no_row_and_no_thread(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        with pytest.raises(KeyboardInterrupt), ledger.importing() as writer:
            write_run(writer)
            raise KeyboardInterrupt
        assert ledger.runs() == []
    assert threads() == []


def test_an_import_that_fails_says_why_it_failed_and_not_what_came_of_its_rows(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        with pytest.raises(ValueError, match="the log's own"), ledger.importing() as writer:
            write_run(writer)
            writer.scores([of_no_attempt()])
            raise ValueError("the log's own")
        assert ledger.runs() == []


def test_more_lists_than_may_wait_are_written_in_their_order(ledger: Ledger) -> None:
    behind = WriteBehind(SqliteDriver(str(ledger.engine.url.database), 1.0))
    behind.begin()
    for number in range(3 * MOST_WAITING):
        behind.many(ADD, [(f"day:{number:04}",)])
    found = behind.fetch("SELECT scope FROM budgets ORDER BY budget_id")
    behind.rollback()
    behind.close()
    assert found == [(f"day:{number:04}",) for number in range(3 * MOST_WAITING)]


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_every_row_is_written_once_around_the_longest_statement(tmp_path: Path, more: int) -> None:
    n_rows = ROWS_AT_ONCE[0] + more
    with Ledger.open(tmp_path / "ledger.db"):
        pass
    driver = SqliteDriver(str(tmp_path / "ledger.db"), 1.0)
    driver.begin()
    assert driver.many(ADD, [(f"day:{number}",) for number in range(n_rows)]) == n_rows
    assert driver.fetch("SELECT count(DISTINCT scope), count(*) FROM budgets") == [(n_rows, n_rows)]
    driver.rollback()
    driver.close()
