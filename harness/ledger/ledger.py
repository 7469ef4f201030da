"""The ledger of runs: opening it, storing what was planned, locks, budgets, where a run stands, and the append writer.

Low-volume rows are written here through SQLAlchemy; attempts, transcripts and scores go through `writer()`.
Reading for reports and exports is in `reading`.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from sqlalchemy import Connection, Engine, Table, insert, not_, select, update
from sqlalchemy.exc import IntegrityError

from harness.errors import InputError, LedgerError, NoLedgerError
from harness.ledger import row_forms
from harness.ledger.connections import (
    BUSY_TIMEOUT_S,
    NO_LEDGER_FIX,
    LedgerFile,
    again_after_collisions,
    database_url,
    explain,
    explained,
    make_engine,
    read_only_engine,
    shown,
    writing,
)
from harness.ledger.encoding import canonical_json
from harness.ledger.leases.lease_records import WorkerRecord
from harness.ledger.locks import STANDSTILL_MS, Hold, Renew, hold_run_lock
from harness.ledger.reading.underway.outcome_query import sample_outcomes
from harness.ledger.records import (
    Budget,
    CellRecord,
    DrawRecord,
    ForecastRecord,
    InvoicedRecord,
    PlannedRecord,
    Purpose,
    RunRecord,
    RunStatus,
    SampleOutcome,
)
from harness.ledger.schema import tables
from harness.ledger.schema.versions import prepare_schema
from harness.ledger.scopes import SAMPLE, simulated_twin
from harness.ledger.writing.drivers import Driver, open_driver
from harness.ledger.writing.import_writer import ImportWriter, importing
from harness.ledger.writing.writer import Writer

if TYPE_CHECKING:
    from sqlalchemy.dialects.sqlite import Insert

T = TypeVar("T")
ROWS_PER_STATEMENT = 1_000


class Ledger:
    """An open ledger; close it, or use it as a context manager.

    Attributes:
        engine: SQLAlchemy engine, for `reading`.
        database: path or URL as shown to people (no password).
        file: a SQLite ledger's; None: another database, or read as it stood at one moment.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        database: str,
        busy_timeout_s: float,
        file: LedgerFile | None = None,
        read_only: bool = False,
    ) -> None:
        self.engine = engine
        self.database = database
        self._read_only = read_only
        self._busy_timeout_s = busy_timeout_s
        self.file = file
        self._held: dict[str, Renew] = {}
        self._moment: Connection | None = None

    @classmethod
    def open(
        cls,
        name: str | Path,
        *,
        create: bool = True,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        read_only: bool = False,
    ) -> Self:
        """Open a ledger by path or SQLAlchemy URL; makes it when `create` and there is none.

        Args:
            read_only: nothing is made, led to a newer schema or written, and the database itself refuses to.

        Raises:
            InputError: not a SQLite or PostgreSQL name.
            LedgerError: cannot be opened, is not a ledger, or has an older or newer schema.
        """
        url = database_url(name)
        database = shown(url)
        file = None
        create = create and not read_only
        if url.get_backend_name() == "sqlite":
            _prepare_folder(Path(database), create=create)
            file = None if read_only else LedgerFile(str(url.database))
        engine = read_only_engine(url) if read_only else make_engine(url, busy_timeout_s=busy_timeout_s, file=file)
        try:
            with explained(database):
                prepare_schema(engine, database=database, create=create, upgrade=not read_only)
        except BaseException:
            engine.dispose()
            raise
        if file is not None:
            file.remember()
        return cls(engine, database=database, busy_timeout_s=busy_timeout_s, file=file, read_only=read_only)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # runs and what they planned

    def create_run(self, run: RunRecord) -> None:
        """Store a new run.

        Raises:
            LedgerError: there is a run of that id.
        """
        with self.changing() as connection:
            try:
                connection.execute(insert(tables.runs), row_forms.run_values(run))
            except IntegrityError as error:
                if connection.dialect.name == "sqlite" and "UNIQUE" not in str(error.orig):
                    raise
                raise LedgerError(
                    f"run {run.run_id} exists already", where=self.database, fix="resume it, or choose another --run-id"
                ) from None

    def run(self, run_id: str) -> RunRecord | None:
        """Read one run; None when there is none of that id."""
        with self.reading() as connection:
            found = connection.execute(select(tables.runs).where(tables.runs.c.run_id == run_id)).one_or_none()
        return None if found is None else row_forms.run_record(found)

    def runs(self, run_ids: Collection[str] | None = None) -> list[RunRecord]:
        """Read runs, oldest first; `run_ids` None = all, and those that there are not are left out."""
        query = select(tables.runs).order_by(tables.runs.c.created_at_us, tables.runs.c.run_id)
        if run_ids is not None:
            query = query.where(tables.runs.c.run_id.in_(run_ids))
        with self.reading() as connection:
            return [row_forms.run_record(row) for row in connection.execute(query)]

    def finish_run(
        self,
        run_id: str,
        status: RunStatus,
        *,
        finished_at_us: int | None = None,
        warnings: Sequence[str] | None = None,
        budget_pico_usd: int | None = None,
    ) -> None:
        """Change where a run stands: `running` again when it is resumed, its end otherwise.

        Args:
            warnings: replaces the stored warnings; None keeps them.
            budget_pico_usd: the cap of the latest invocation; None keeps the stored one.
        """
        values: dict[str, object] = {"status": status, "finished_at_us": finished_at_us}
        if warnings is not None:
            values["warnings"] = canonical_json(list(warnings))
        if budget_pico_usd is not None:
            values["budget_pico_usd"] = budget_pico_usd
        query = update(tables.runs).where(tables.runs.c.run_id == run_id).values(values)
        n_changed = self.change(lambda connection: connection.execute(query).rowcount)
        if self.file is not None and self.file.is_gone:
            raise self.file.gone()
        if n_changed != 1:
            raise LedgerError(f"there is no run {run_id}", where=self.database, fix="see: benchtab runs list")

    def add_cells(self, run_id: str, cells: Sequence[CellRecord]) -> list[int]:
        """Store a run's cells; a cell that is there already keeps its id. Returns ids in the given order."""
        with self.changing() as connection:
            _insert_new(connection, tables.cells, [row_forms.cell_values(run_id, cell) for cell in cells])
        known = {_cell_key(cell): cell.cell_id for cell in self.cells(run_id)}
        return [found for cell in cells if (found := known[_cell_key(cell)]) is not None]

    def cells(self, run_id: str) -> list[CellRecord]:
        """Read a run's cells in the order they were stored."""
        query = select(tables.cells).where(tables.cells.c.run_id == run_id).order_by(tables.cells.c.cell_id)
        with self.reading() as connection:
            return [row_forms.cell_record(row) for row in connection.execute(query)]

    def add_planned(self, run_id: str, planned: Iterable[PlannedRecord]) -> Sequence[int]:
        """Store a run's planned samples; one that is there already keeps its id. Returns ids in the given order.

        Args:
            planned: read once and in parts, so that a plan of any size need not exist as records at once.

        Raises:
            LedgerError: a sample is stored with other contents or another place in the draw.
        """
        table = tables.planned_samples
        stored_ids = select(table.c.planned_id).where(table.c.run_id == run_id).order_by(table.c.planned_id)
        with self.changing() as connection:
            is_new = connection.execute(stored_ids.limit(1)).first() is None
            if not is_new:
                planned = list(planned)  # to be compared with what is there
            n_planned = _insert_planned(connection, run_id, planned)
            ids = array("q", connection.execute(stored_ids).scalars() if is_new else ())
        if self.engine.dialect.name == "sqlite":
            with self.reading() as connection:
                connection.exec_driver_sql("PRAGMA shrink_memory")  # a large plan fills the cache, and is written once
        if not is_new:
            assert isinstance(planned, list)
            return self._known_planned(run_id, planned)
        if len(ids) != n_planned:  # nothing to compare with, and ids grow in the order of insertion
            raise LedgerError(f"run {run_id} plans a sample twice", where=self.database)
        return ids

    def _known_planned(self, run_id: str, planned: Sequence[PlannedRecord]) -> list[int]:
        """Give the ids of samples that are stored; LedgerError unless they are what the run planned before."""
        known = {_planned_key(sample): sample for sample in self.planned(run_id)}
        changed = [
            sample for sample in planned if row_forms.facts(sample) != row_forms.facts(known[_planned_key(sample)])
        ]
        if changed:
            first = changed[0]
            raise LedgerError(
                f"{len(changed)} samples are not what run {run_id} planned, first {first.task}/{first.sample_id}"
                f" epoch {first.epoch}",
                where=self.database,
                fix="run the suite and data of the first time, or start a new run with another --run-id",
            )
        return [found for sample in planned if (found := known[_planned_key(sample)].planned_id) is not None]

    def planned(self, run_id: str) -> list[PlannedRecord]:
        """Read a run's planned samples in the order they were stored."""
        table = tables.planned_samples
        with self.reading() as connection:
            found = connection.execute(select(table).where(table.c.run_id == run_id).order_by(table.c.planned_id))
            return [row_forms.planned_record(row) for row in found]

    def outcomes(
        self, run_id: str, *, purpose: Purpose = "solve", planned_ids: Collection[int] | None = None
    ) -> dict[tuple[int, int], SampleOutcome]:
        """Say where each sample of each cell stands, by `(cell_id, planned_id)`; samples without any row are absent.

        Args:
            planned_ids: of these samples only; None = of all.
        """
        return sample_outcomes(self, run_id, purpose, planned_ids)

    # waves and forecasts

    def add_draws(self, draws: Sequence[DrawRecord]) -> None:
        """Store what a wave drew, all of it or nothing; a sample that its cell drew already keeps its first draw."""
        rows = [row_forms.draw_values(draw) for draw in draws]
        self.change(lambda connection: _insert_new(connection, tables.draws, rows))

    def draws(self, run_id: str) -> list[DrawRecord]:
        """Read what a run's waves drew, in the order they were stored; none for a run that was asked as a whole."""
        table, cells = tables.draws, tables.cells
        query = select(table).join(cells).where(cells.c.run_id == run_id).order_by(table.c.draw_id)
        with self.reading() as connection:
            return [row_forms.draw_record(row) for row in connection.execute(query)]

    def add_forecasts(self, forecasts: Sequence[ForecastRecord]) -> None:
        """Store forecasts of a run's bill that were made at one time."""
        rows = [row_forms.forecast_values(one) for one in forecasts]
        self.change(lambda connection: connection.execute(insert(tables.forecasts), rows))

    def forecasts(self, run_ids: Iterable[str] | None = None) -> list[ForecastRecord]:
        """Read forecasts in the order they were made; `run_ids` None = those of all runs."""
        query = select(tables.forecasts).order_by(tables.forecasts.c.forecast_id)
        if run_ids is not None:
            query = query.where(tables.forecasts.c.run_id.in_(list(run_ids)))
        with self.reading() as connection:
            return [row_forms.forecast_record(row) for row in connection.execute(query)]

    # what accounts say later

    def add_invoiced(self, facts: Sequence[InvoicedRecord]) -> None:
        """Store what an account says of attempts, all of it or nothing; the attempts themselves stay as they are."""
        rows = [{**asdict(fact), "usage": None if fact.usage is None else canonical_json(fact.usage)} for fact in facts]
        if rows:
            with self.changing() as connection:
                connection.execute(insert(tables.invoiced), rows)

    # budgets

    def set_budget(self, scope: str, cap_pico_usd: int | None) -> Budget:
        """Set the cap of a scope (None = tracked without a cap); what was spent there before keeps counting.

        A day's or a month's cap holds simulated spending, too, which is counted apart (`scopes.simulated_twin`).
        """
        if cap_pico_usd is not None and cap_pico_usd < 0:
            raise InputError(f"a budget cannot be negative: {cap_pico_usd} picodollars", where=scope)

        def cap(connection: Connection) -> None:
            for name in filter(None, (scope, simulated_twin(scope))):
                values = {"scope": name, "cap_pico_usd": cap_pico_usd, "spent_pico_usd": 0, "reserved_pico_usd": 0}
                insertion = _upsert(connection, tables.budgets).values(values)
                connection.execute(
                    insertion.on_conflict_do_update(index_elements=["scope"], set_={"cap_pico_usd": cap_pico_usd})
                )

        self.change(cap)
        stored = self.budget(scope)
        assert stored is not None
        return stored

    def budget(self, scope: str) -> Budget | None:
        """Read one budget; None when nothing was ever spent or capped in that scope."""
        return self.budgets([scope]).get(scope)

    def budgets(self, scopes: Iterable[str] | None = None, *, of_samples: bool = False) -> dict[str, Budget]:
        """Read budgets by scope; None = all, those of single samples only where they are asked for (`of_samples`)."""
        query = select(tables.budgets).order_by(tables.budgets.c.scope)
        if scopes is not None:
            query = query.where(tables.budgets.c.scope.in_(list(scopes)))
        elif not of_samples:
            query = query.where(not_(tables.budgets.c.scope.startswith(SAMPLE, autoescape=True)))
        with self.reading() as connection:
            return {row.scope: row_forms.budget(row) for row in connection.execute(query)}

    # working on a run

    @contextmanager
    def run_lock(self, run_id: str) -> Iterator[None]:
        """Hold a run for this process; a dead process's hold is gone at once.

        Raises:
            RunLockedError: another live process works on it (raised on entering).
        """
        with explained(self.database), hold_run_lock(self.engine, run_id, database=self.database) as renew:
            self._held[run_id] = renew
            try:
                yield
            finally:
                del self._held[run_id]

    def hold_on(self, run_id: str) -> None:
        """See to it that this process still has the lock of a run that it holds, where a server ended its session.

        Raises:
            RunLockedError: another process has taken it meanwhile.
            LedgerUnreachable: the server does not answer.
        """
        with explained(self.database):
            self._held[run_id]()

    def writer(self, worker: WorkerRecord | None = None) -> Writer:
        """Return the append writer; use it as `async with`. Its own session holds the runs that are held by now, too.

        Args:
            worker: writes as this worker of a run, beside others, for as long as it counts as alive.

        Raises:
            RunLockedError: another live process works on one of them (raised on entering).
            LedgerError: on leaving, when the ledger's file was deleted or replaced; says where its rows were copied to.
        """
        self._refuse_unless_writable()
        runs = tuple(self._held) if worker is None else (worker.run_id,)
        worker_id = None if worker is None else worker.worker_id

        def opened(*, again: bool = False) -> Driver:
            hold = Hold(runs=runs, database=self.database, must_be_free=not again, worker_id=worker_id)
            return open_driver(self.engine, busy_timeout_s=self._busy_timeout_s, file=self.file, hold=hold)

        return Writer(opened, lambda error: explain(error, self.database))

    @contextmanager
    def importing(self) -> Iterator[ImportWriter]:
        """Give a writer of what logs of other tools hold: all that it writes in the block is kept, or none of it.

        Until the block ends no other process can write to a SQLite ledger.
        """
        self._refuse_unless_writable()
        try:
            driver = open_driver(self.engine, busy_timeout_s=self._busy_timeout_s, file=self.file)
            if self.engine.dialect.name == "sqlite":
                driver.fetch(
                    "PRAGMA cache_size = -65536"
                )  # 64 MB: ids of calls come in no order, and spread over an index
            with importing(driver) as writer:
                yield writer
        except Exception as error:
            if type(error).__module__.startswith(("sqlite3", "psycopg")):
                raise explain(error, self.database) from error
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection in a read transaction; database errors become LedgerError."""
        if self._moment is not None:
            yield self._moment
            return
        with explained(self.database), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def at_one_moment(self) -> Iterator[Self]:
        """Give this ledger for reading, as it stands at the first query: what is committed later does not show in it.

        Everything inside the block is read in one transaction; what is given belongs to one thread.
        """
        with explained(self.database), self.engine.connect() as connection:
            if connection.dialect.name != "sqlite":  # where a transaction of reads is one snapshot anyway
                connection.execution_options(isolation_level="REPEATABLE READ")
            still = copy(self)
            still._moment, still.file = connection, None
            yield still

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that writes, for rooms of the ledger; its errors become LedgerError."""
        self._refuse_unless_writable()
        with explained(self.database), writing(self.engine).begin() as connection:
            if connection.dialect.name == "postgresql":  # others wait for what a process has locked that stands still
                connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = {STANDSTILL_MS}")
            yield connection

    def change(self, step: Callable[[Connection], T]) -> T:
        """Take a step in a transaction as `changing` gives it, and again where it met another process's."""

        def once() -> T:
            with self.changing() as connection:
                return step(connection)

        return again_after_collisions(once)

    def _refuse_unless_writable(self) -> None:
        if self._read_only:
            raise LedgerError("this ledger was opened for reading only", where=self.database)


def _prepare_folder(path: Path, *, create: bool) -> None:
    if path.exists():
        return
    if not create:
        raise NoLedgerError("there is no ledger here", where=str(path.absolute()), fix=NO_LEDGER_FIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LedgerError(
            f"the ledger's folder cannot be made: {error.strerror}", where=str(path.parent), fix="name another --db"
        ) from None


def _upsert(connection: Connection, table: Table) -> Insert:
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # the same methods

    return insert(table)


def _insert_new(connection: Connection, table: Table, values: Sequence[row_forms.Values]) -> None:
    statement = _upsert(connection, table).on_conflict_do_nothing()
    for start in range(0, len(values), ROWS_PER_STATEMENT):
        connection.execute(statement, values[start : start + ROWS_PER_STATEMENT])


def _insert_planned(connection: Connection, run_id: str, planned: Iterable[PlannedRecord]) -> int:
    """Insert what is not there yet, in parts; returns how many were planned."""
    waiting, n_planned = iter(planned), 0
    while some := list(itertools.islice(waiting, ROWS_PER_STATEMENT)):
        _insert_new(connection, tables.planned_samples, [row_forms.planned_values(run_id, one) for one in some])
        n_planned += len(some)
    return n_planned


def _cell_key(cell: CellRecord) -> tuple[str, str, str, str | None]:
    return (cell.suite, cell.provider, cell.model, cell.setting)


def _planned_key(sample: PlannedRecord) -> tuple[str, str, str, int]:
    return (sample.suite, sample.task, sample.sample_id, sample.epoch)
