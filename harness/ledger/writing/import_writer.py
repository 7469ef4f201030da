"""Writing what other tools' logs hold: runs, cells, samples, attempts and scores of a whole log in one transaction.

Data flows records of `harness.imports` -> `ImportWriter` -> rows; what is refused in the middle leaves none of them.
Unlike the writer of runs it sends nothing, reserves nothing, and waits for nobody. Rows are written by a second thread
while the first one reads on in the log; everything else waits for them first, so that what a query finds, what a
rollback undoes and where an import fails are as without it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import NamedTuple, TypeVar

from sqlalchemy import Table

from harness.declared import request_value
from harness.errors import LedgerError
from harness.ledger import row_forms
from harness.ledger.encoding import canonical_json, storable
from harness.ledger.records import (
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    RunRecord,
    RunStatus,
    ScoreRecord,
    Transcript,
)
from harness.ledger.schema import tables
from harness.ledger.writing import statements as sql
from harness.ledger.writing.append import Appender
from harness.ledger.writing.drivers import Driver, Row
from harness.money import plain

T = TypeVar("T")
_SampleKey = tuple[str, str, str, int]
"""Suite, task, sample, epoch."""
AT_ONCE = 500
"""Ids that one query asks for."""
MOST_WAITING = 8
"""Lists of rows that wait to be written: memory is bounded when the database is slower than the log."""


@request_value
class LoggedAttempt:
    """A request that ended before this ledger knew of it, as the log of another tool has it.

    Attributes:
        logged_cost_usd: what that tool says it cost; it never replaces the list price.
        cost_note: how the tool came to that.
    """

    start: AttemptStart
    outcome: AttemptOutcome
    transcript: Transcript | None = None
    logged_cost_usd: Decimal | None = None
    cost_note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """A file from which a run was imported.

    Attributes:
        name: its path below what was named on the command line.
        n_new, n_known, n_broken: attempts that were added, that the ledger had already, and lines that were lost.
    """

    run_id: str
    format: str
    name: str
    sha256: str
    n_bytes: int
    imported_at_us: int
    n_new: int
    n_known: int = 0
    n_broken: int = 0
    format_version: str | None = None


class LoggedSample(NamedTuple):
    """A sample of a log: all that there was of it was asked, so it was drawn for sure."""

    suite: str
    task: str
    sample_id: str
    epoch: int
    sample_sha256: str
    reference: str | None


class StoredAttempt(NamedTuple):
    """Where an attempt that is in the ledger belongs."""

    attempt_id: int
    cell_id: int
    planned_id: int | None


class ImportWriter:
    """One transaction; made by `importing`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._appender = Appender(driver)
        self._n_planned: dict[str, int] = {}

    def run(self, run_id: str) -> RunRecord | None:
        """Read a run's status, config and warnings; None when there is none of that id."""
        found = self._driver.fetch(
            "SELECT created_at_us, status, config, warnings FROM runs WHERE run_id = ?", (run_id,)
        )
        if not found:
            return None
        created_at_us, status, config, warnings = found[0]
        return RunRecord(
            run_id=run_id,
            created_at_us=created_at_us,
            plan_sha256="",
            harness_version="",
            price_book_sha256="",
            status=status,
            config=row_forms.read_stored(config),
            warnings=tuple(row_forms.read_stored(warnings)),
        )

    def add_run(self, run: RunRecord) -> None:
        """Store a new run."""
        self._insert(tables.runs, [row_forms.run_values(run)])

    def finish_run(
        self, run_id: str, status: RunStatus, *, finished_at_us: int | None, warnings: Sequence[str]
    ) -> None:
        """Say how a run stands when its log has been read."""
        values = (status, finished_at_us, canonical_json(list(warnings)), run_id)
        self._driver.many("UPDATE runs SET status = ?, finished_at_us = ?, warnings = ? WHERE run_id = ?", [values])

    def cell(self, run_id: str, cell: CellRecord) -> int:
        """Store a cell, or find it; gives its id."""
        query = (
            "SELECT cell_id FROM cells WHERE run_id = ? AND suite = ? AND provider = ? AND model = ?"
            " AND coalesce(setting, '') = ?"
        )
        found = self._driver.fetch(query, (run_id, cell.suite, cell.provider, cell.model, cell.setting or ""))
        if found:
            return int(found[0][0])
        [cell_id] = self._driver.ids("cells", "cell_id", 1)
        self._insert(tables.cells, [{**row_forms.cell_values(run_id, cell), "cell_id": cell_id}])
        return cell_id

    def planned(self, run_id: str, samples: Sequence[LoggedSample]) -> list[int]:
        """Store samples, or find them; gives their ids in order. A sample that is there stays as it is."""
        keys = [one[:4] for one in samples]
        known = self._known_samples(run_id, keys)
        new = {key: one for key, one in zip(keys, samples, strict=True) if key not in known}
        if new:
            ids = self._driver.ids("planned_samples", "planned_id", len(new))
            place = self._next_place(run_id, len(new))
            rows = [
                (planned_id, run_id, *key, number, 1.0, one.sample_sha256, None, storable(one.reference))
                for number, (planned_id, (key, one)) in enumerate(zip(ids, new.items(), strict=True), place)
            ]
            self._driver.many(_insertion(tables.planned_samples), rows)
            known.update(zip(new, ids, strict=True))
        return [known[key] for key in keys]

    def _known_samples(self, run_id: str, keys: Sequence[_SampleKey]) -> dict[_SampleKey, int]:
        by_task: dict[tuple[str, str], dict[str, None]] = {}
        for suite, task, sample_id, _ in keys:
            by_task.setdefault((suite, task), {})[sample_id] = None
        known: dict[_SampleKey, int] = {}
        for (suite, task), ids in by_task.items():
            for some in _parts(list(ids)):
                query = f"""SELECT sample_id, epoch, planned_id FROM planned_samples
                    WHERE run_id = ? AND suite = ? AND task = ? AND sample_id IN ({", ".join("?" * len(some))})"""
                found = self._driver.fetch(query, (run_id, suite, task, *some))
                known.update(((suite, task, row[0], row[1]), row[2]) for row in found)
        return known

    def _next_place(self, run_id: str, count: int) -> int:
        place = self._n_planned.get(run_id)
        if place is None:
            place = int(self._driver.fetch("SELECT count(*) FROM planned_samples WHERE run_id = ?", (run_id,))[0][0])
        self._n_planned[run_id] = place + count
        return place

    def known(self, request_ids: Iterable[str]) -> dict[str, StoredAttempt]:
        """Find which of these requests are in the ledger, whatever run they are in."""
        found: dict[str, StoredAttempt] = {}
        for some in _parts(list(request_ids)):
            marks = ", ".join("?" * len(some))
            query = f"SELECT request_id, attempt_id, cell_id, planned_id FROM attempts WHERE request_id IN ({marks})"
            found.update({row[0]: StoredAttempt(*row[1:]) for row in self._driver.fetch(query, some)})
        return found

    def attempts(self, logged: Sequence[LoggedAttempt]) -> list[int]:
        """Insert attempts that are not known; gives their ids in order."""
        ids = self._appender.insert_settled([(one.start, one.outcome, one.transcript) for one in logged])
        costs = [
            (attempt_id, plain(one.logged_cost_usd), storable(one.cost_note, 200))
            for attempt_id, one in zip(ids, logged, strict=True)
            if one.logged_cost_usd is not None
        ]
        self._driver.many(_insertion(tables.imported_costs), costs)
        return ids

    def scored(self, attempt_ids: Iterable[int]) -> set[tuple[int, str, int | None]]:
        """Give attempt, scorer and millionths of every score that these attempts have."""
        found: set[tuple[int, str, int | None]] = set()
        for some in _parts(list(attempt_ids)):
            marks = ", ".join("?" * len(some))
            query = f"SELECT attempt_id, scorer, value_millionths FROM scores WHERE attempt_id IN ({marks})"
            found.update((row[0], row[1], row[2]) for row in self._driver.fetch(query, some))
        return found

    def scores(self, scores: Sequence[ScoreRecord]) -> None:
        """Insert scores."""
        self._driver.many(sql.INSERT_SCORE, [sql.score_row(score) for score in scores])

    def files(self, files: Sequence[ImportedFile]) -> None:
        """Remember which files were read; of a file with the same contents nothing new is said."""
        query = "SELECT sha256 FROM imported_files WHERE run_id = ?"
        known = {
            (run_id, row[0]) for run_id in {one.run_id for one in files} for row in self._driver.fetch(query, (run_id,))
        }
        new: dict[tuple[str, str], ImportedFile] = {}
        for one in files:
            if (one.run_id, one.sha256) not in known:
                new.setdefault((one.run_id, one.sha256), one)
        if new:
            ids = self._driver.ids("imported_files", "file_id", len(new))
            rows = [{**asdict(one), "file_id": file_id} for file_id, one in zip(ids, new.values(), strict=True)]
            self._insert(tables.imported_files, rows)

    def _insert(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        names = tuple(rows[0])
        self._driver.many(_insertion(table, names), [tuple(row[name] for name in names) for row in rows])


def _insertion(table: Table, names: Sequence[str] = ()) -> str:
    columns = names or tuple(table.columns.keys())
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


def _parts(values: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), AT_ONCE):
        yield values[start : start + AT_ONCE]


class WriteBehind:
    """A driver of one transaction that is written by nobody else; the database's work runs beside the reader's."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self.rejections = driver.rejections
        self._thread = ThreadPoolExecutor(1, "benchtab import")
        self._waiting: deque[Future[int]] = deque()

    def many(self, statement: str, rows: Sequence[Row]) -> int:
        """Have a statement run once per row; an error of it comes with a later call, at the latest with `commit`."""
        while len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._driver.many, statement, rows))
        return len(rows)

    def _written(self) -> Driver:
        """Wait until all is written; raises what went wrong with the first of it that could not be."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._driver

    def begin(self) -> None:
        """Begin the transaction."""
        self._written().begin()

    def begin_at_once(self) -> bool:
        """Begin it without waiting for other processes; says whether that is possible now."""
        return self._written().begin_at_once()

    def commit(self) -> None:
        """Make it durable, when all of it was written."""
        self._written().commit()

    def rollback(self) -> None:
        """Undo all of it: what has not begun is not written any more, what has begun is waited for."""
        for one in self._waiting:
            one.cancel()
        for one in self._waiting:
            with suppress(Exception):  # whatever it was, it is undone
                if not one.cancelled():
                    one.result()
        self._waiting.clear()
        self._driver.rollback()

    def fetch(self, statement: str, values: Iterable[object] = ()) -> list[Row]:
        """Run a query."""
        return self._written().fetch(statement, values)

    def ids(self, table: str, column: str, count: int) -> list[int]:
        """Reserve ids."""
        return self._written().ids(table, column, count)

    def budgets(self, scopes: Sequence[str]) -> list[Row]:
        """Read budgets."""
        return self._written().budgets(scopes)

    def move_budgets(self, moved: Sequence[Row]) -> None:
        """Move budgets."""
        self.many(sql.MOVE_BUDGET, moved)

    def lack_of_room(self, in_flight: int) -> LedgerError | None:
        """Say what is wrong when answers might find no room."""
        return self._driver.lack_of_room(in_flight)

    def has_room(self, n_bytes: int, *, in_flight: int) -> bool:
        """Whether so large a body can be written."""
        return self._driver.has_room(n_bytes, in_flight=in_flight)

    def lacks_room(self, error: Exception) -> bool:
        """Whether this error says that the disk is full."""
        return self._driver.lacks_room(error)

    def keep_alive(self) -> None:
        """Look whether the database is still there."""
        self._written().keep_alive()

    def close(self) -> None:
        """End the thread and close the connection."""
        self._thread.shutdown(cancel_futures=True)
        self._driver.close()


@contextmanager
def importing(driver: Driver) -> Iterator[ImportWriter]:
    """Give a writer; what it wrote is kept when the block ends well, and none of it otherwise. Closes the driver."""
    behind = WriteBehind(driver)
    try:
        behind.begin()
        try:
            yield ImportWriter(behind)
            behind.commit()
        except BaseException:
            behind.rollback()
            raise
    finally:
        behind.close()
