"""What is exported as it is stored: the columns of attempts, scores and runs, and their rows in the order recorded.

Data flows tables -> rows a batch at a time, with what belongs to cells and samples looked up by id -> typed columns.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.documents.table import Column, ColumnKind
from harness.ledger.columns import ATTEMPT_COLUMNS
from harness.ledger.connections import Readable
from harness.ledger.reading.arrow.arrow_rows import LEAST_FOR_A_PROCESS, Kind, TableQuery, arrow_rows
from harness.ledger.reading.batch_rows import KEYS, Lookup, batches, listed

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An exported column and where it is read from.

    Attributes:
        source: SQL of the table itself, or the column of another one that is looked up.
        table: that other table (of `KEYS`); empty = the table itself.
    """

    column: Column
    source: str
    table: str = ""

    @property
    def is_pico_usd(self) -> bool:
        """Whether dollars are stored as whole picodollars; else they are stored as decimal texts."""
        return self.source.endswith("_pico_usd")

    @property
    def stored_as(self) -> Kind:
        """What the database gives."""
        if self.column.kind in ("text", "json") or (self.column.kind == "usd" and not self.is_pico_usd):
            return "text"
        return "integer"


def _stored(name: str, kind: ColumnKind, about: str, source: str = "", *, table: str = "", unit: str = "") -> Stored:
    column = Column(name=name, kind=kind, unit=unit, description=about)
    return Stored(column=column, source=source or name, table=table)


def _of_cell(name: str, about: str, kind: ColumnKind = "text") -> Stored:
    return _stored(name, kind, about, table="cells")


def _of_sample(name: str, about: str, kind: ColumnKind = "text") -> Stored:
    return _stored(name, kind, about, table="planned_samples")


NAMES: tuple[Stored, ...] = (
    _of_cell("run_id", "Run."),
    _of_cell("suite", "Suite."),
    _of_cell("suite_version", "Version of the suite."),
    _of_sample("task", "Task; empty for a request that belongs to no sample."),
    _of_sample("sample_id", "Sample within its task."),
    _of_sample("epoch", "Repeat of the sample, from 0.", "integer"),
    _of_cell("provider", "Provider as asked for."),
    _of_cell("model", "Model as asked for."),
    _of_cell("setting", "Reasoning setting; empty = the provider's default."),
    _of_cell("simulated", "Whether a built-in simulated model answered.", "boolean"),
)
"""Columns that attempts, scores and charges begin with."""

_ATTEMPT_ID, *_ATTEMPT = [
    Stored(column=declared.exported, source=declared.name) for declared in ATTEMPT_COLUMNS if declared.about
]
_ATTEMPTS: tuple[Stored, ...] = (
    _ATTEMPT_ID,
    *NAMES,
    *_ATTEMPT,
    _stored("parameters", "json", "Every parameter as sent.", table="parameter_sets"),
)

_SCORES: tuple[Stored, ...] = (
    _stored("score_id", "integer", "Score, in the order recorded."),
    *NAMES,
    _stored("attempt_id", "integer", "Attempt that was scored."),
    _stored("scorer", "text", "Scorer."),
    _stored("scorer_version", "text", "Version of the scorer."),
    _stored("score", "ratio", "0 to 1; empty = unscored. Its average is not the report's score: replies without an"
            " answer are left out of it.", "value_millionths"),
    _stored("reason", "text", "Why there is no score."),
    _stored("answer", "text", "Answer as extracted."),
    _stored("explanation", "text", "What the scorer saw."),
    _stored("rule", "text", "Extraction rule that fired."),
    _stored("scored_at", "timestamp", "When it was scored.", "scored_at_us", unit="UTC"),
    _stored("is_newest", "boolean", "Whether this is the score that counts for its attempt.",
            "CASE WHEN score_id = (SELECT max(score_id) FROM scores AS later "
            "WHERE later.attempt_id = scores.attempt_id) THEN 1 ELSE 0 END"),
)  # fmt: skip

_RUNS: tuple[Stored, ...] = (
    _stored("run_id", "text", "Run."),
    _stored("status", "text", "`running`, `complete`, `partial` or `failed`."),
    _stored("created_at", "timestamp", "When it began.", "created_at_us", unit="UTC"),
    _stored("finished_at", "timestamp", "When it ended.", "finished_at_us", unit="UTC"),
    _stored("suites", "json", "Suites with versions, digests and revisions."),
    _stored("models", "json", "Models as typed."),
    _stored("config", "json", "Options."),
    _stored("plan_sha256", "text", "Digest of what was planned."),
    _stored("price_book_sha256", "text", "Digest of the price book."),
    _stored("price_sources", "json", "Price files with digests."),
    _stored("harness_version", "text", "Version of benchtab."),
    _stored("git_commit", "text", "Commit of the checkout."),
    _stored("sample_seed", "integer", "Seed of the draw."),
    _stored("budget_usd", "usd", "Cap of the run; empty = none.", "budget_pico_usd", unit="USD"),
    _stored("warnings", "json", "What was warned about."),
)
STORED: Mapping[str, tuple[Stored, ...]] = {"attempts": _ATTEMPTS, "scores": _SCORES, "runs": _RUNS}
"""What is exported of a table as it is stored."""


def stored_batches(
    ledger: Readable, table: str, run_ids: Sequence[str] | None = None, *, least: int = LEAST_FOR_A_PROCESS
) -> Iterator[pa.RecordBatch]:
    """Read a table of `STORED` in the order of its key, with flags, instants, dollars and scores as such.

    Dollars that are stored as texts stay texts: those may have more digits than a column of decimals.

    Args:
        run_ids: None = every run.
        least: as `arrow_rows` has it.
    """
    import pyarrow as pa

    stored = STORED[table]
    own = [entry for entry in stored if not entry.table]
    names = Names(ledger, stored)
    columns = (
        *(
            (f"own_{place}" if place else entry.source, entry.source, entry.stored_as)
            for place, entry in enumerate(own)
        ),
        *((f"{key}_", key, "integer") for key in names.keys),
    )
    if table == "runs":
        where = "1 = 1" if run_ids is None else "run_id IN :run_ids"
        query = TableQuery(table=table, columns=columns, where=where, order="created_at_us, run_id", run_ids=run_ids)
    else:
        query = TableQuery(table=table, columns=columns, where=of_runs(ledger, table, run_ids))
    for batch in arrow_rows(ledger, query, least=least):
        ids = dict(zip(names.keys, batch.columns[len(own) :], strict=True))
        arrays = names.columns(ids, own=batch.columns[: len(own)])
        yield pa.record_batch(arrays, names=[entry.column.name for entry in stored])


def of_runs(ledger: Readable, table: str, run_ids: Sequence[str] | None) -> str:
    """Write the SQL condition that chooses rows of these runs' cells; `run_ids` None = every run."""
    if run_ids is None:
        return "1 = 1"
    query = "SELECT cell_id FROM cells WHERE run_id IN :run_ids ORDER BY cell_id"
    cells = [row[0] for rows in batches(ledger, query, run_ids=run_ids) for row in rows]
    # `+`: in the order of the key, whatever index there is, so that nothing is sorted
    return f"+{table}.cell_id IN {listed(cells)}"


class Names:
    """Exported columns, those of other tables looked up by the ids that rows carry.

    Attributes:
        keys: names of those ids.
    """

    def __init__(self, ledger: Readable, stored: Sequence[Stored] = NAMES) -> None:
        self._stored = stored
        wanted = {table: [entry for entry in stored if entry.table == table] for table in KEYS}
        self._lookups = [
            (Lookup(ledger, table, tuple(entry.source for entry in entries)), entries)
            for table, entries in wanted.items()
            if entries
        ]
        self.keys = [KEYS[lookup.table] for lookup, _ in self._lookups]

    def columns(self, ids: Mapping[str, pa.Array], own: Sequence[pa.Array] = ()) -> list[pa.Array]:
        """Give typed values of rows, column by column.

        Args:
            ids: of the rows, by the names of `keys`.
            own: the rows' own columns, in their order.
        """
        found: dict[str, Iterator[pa.Array]] = {"": iter(own)}
        for lookup, entries in self._lookups:
            found[lookup.table] = _looked_up(lookup, entries, ids[KEYS[lookup.table]])
        return [next(found[entry.table]) if entry.table else _typed(next(found[""]), entry) for entry in self._stored]


def _looked_up(lookup: Lookup, entries: Sequence[Stored], ids: pa.Array) -> Iterator[pa.Array]:
    """Look every different id up once, and repeat what was found row by row."""
    import pyarrow as pa

    coded = ids.dictionary_encode()
    # the row of None comes last, so that there is one
    rows = lookup.rows([*coded.dictionary.to_pylist(), None])
    types = {"integer": pa.int64(), "text": pa.string()}
    for values, entry in zip(zip(*rows, strict=True), entries, strict=True):
        yield _typed(pa.array(values, type=types[entry.stored_as]), entry).take(coded.indices)


def _typed(values: pa.Array, entry: Stored) -> pa.Array:
    """Turn stored forms into values: flags, instants, decimal dollars, scores."""
    import pyarrow as pa
    import pyarrow.compute as pc

    match entry.column.kind:
        case "boolean":
            return values.cast(pa.bool_())
        case "timestamp":
            return values.cast(pa.timestamp("us", tz="UTC"))
        case "ratio":
            return pc.divide(values.cast(pa.float64()), 1_000_000.0)
        case "usd" if entry.is_pico_usd:
            return scaled_usd(values, 12)
    return values


def scaled_usd(values: pa.Array, scale: int) -> pa.Array:
    """Read integers as dollars with that many decimals, exactly.

    Args:
        values: int64, in units of 10^-scale dollars.

    Returns:
        decimal128(38, 18).
    """
    import pyarrow as pa

    whole = values.cast(pa.decimal128(38, 0))
    placed = pa.Array.from_buffers(pa.decimal128(38, scale), len(whole), whole.buffers(), offset=whole.offset)
    return placed.cast(pa.decimal128(38, 18))


def planned_ids(ledger: Readable, run_id: str, suite: str) -> Sequence[int]:
    """Give the ids of a run's planned samples of a suite, in the order planned."""
    query = "SELECT planned_id FROM planned_samples WHERE run_id = :run_id AND suite = :suite ORDER BY planned_id"
    found = array("q")
    for rows in batches(ledger, query, values={"run_id": run_id, "suite": suite}):
        found.extend(row[0] for row in rows)
    return found


class PlannedSample(NamedTuple):
    """A planned sample, as far as it is exported beside what was said."""

    planned_id: int
    task: str
    sample_id: str
    epoch: int
    inclusion_probability: float
    reference: str | None


def planned_samples(ledger: Readable, ids: Sequence[int]) -> dict[int, PlannedSample]:
    """Give planned samples by their ids."""
    query = f"SELECT {', '.join(PlannedSample._fields)} FROM planned_samples WHERE planned_id IN {listed(ids)}"
    return {row[0]: PlannedSample._make(row) for rows in batches(ledger, query) for row in rows}


class Scored(NamedTuple):
    """The score that counts for an attempt."""

    attempt_id: int
    value_millionths: int | None
    reason: str | None
    answer: str | None
    rule: str | None
    scorer: str


def scores_by_attempt(ledger: Readable, attempt_ids: Sequence[int]) -> dict[int, Scored]:
    """Give the newest score of each of these attempts that has one."""
    query = f"""SELECT {", ".join(Scored._fields)} FROM scores
        WHERE attempt_id IN {listed(attempt_ids)} ORDER BY score_id"""
    return {row[0]: Scored._make(row) for rows in batches(ledger, query) for row in rows}
