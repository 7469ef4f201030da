"""What can be exported as it is stored or charged: attempts, scores, charges and runs, streamed in a stable order.

Data flows ledger (driver rows, a batch at a time) + price book -> `RowStream`. Equal ledgers give equal rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from harness.costs.cost import cost_of
from harness.documents.stream import RowStream
from harness.documents.table import Column, ColumnKind
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.reading.attempt_rows import AttemptRow, attempts_by_id
from harness.ledger.reading.batch_rows import batches
from harness.ledger.reading.lookups import KEYS, Lookup
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates, charged_columns, price_used, rate_lines
from harness.reports.facts.charger import usage_of_row
from harness.reports.facts.report_facts import COUNTED_WRONG


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An exported column and the SQL expression that it is read from."""

    column: Column
    sql: str


def _stored(name: str, kind: ColumnKind, unit: str, description: str, sql: str = "") -> Stored:
    return Stored(column=Column(name=name, kind=kind, unit=unit, description=description), sql=sql or name)


NAMES: tuple[Stored, ...] = (
    _stored("run_id", "text", "", "Run.", "cells.run_id"),
    _stored("suite", "text", "", "Suite.", "cells.suite"),
    _stored("suite_version", "text", "", "Version of the suite.", "cells.suite_version"),
    _stored("task", "text", "", "Task; empty for a request that belongs to no sample.", "planned_samples.task"),
    _stored("sample_id", "text", "", "Sample within its task.", "planned_samples.sample_id"),
    _stored("epoch", "integer", "", "Repeat of the sample, from 0.", "planned_samples.epoch"),
    _stored("provider", "text", "", "Provider as asked for.", "cells.provider"),
    _stored("model", "text", "", "Model as asked for.", "cells.model"),
    _stored("setting", "text", "", "Reasoning setting; empty = the provider's default.", "cells.setting"),
    _stored("simulated", "boolean", "", "Whether a built-in simulated model answered.", "cells.simulated"),
)
"""Columns that attempts, scores and charges begin with."""

ATTEMPTS: tuple[Stored, ...] = (
    _stored("attempt_id", "integer", "", "Attempt, in the order sent.", "attempts.attempt_id"),
    *NAMES,
    _stored("request_id", "text", "", "Our id, sent to the provider where its protocol allows."),
    _stored("purpose", "text", "", "`solve` or `judge`."),
    _stored("try_number", "integer", "", "1 for the first attempt."),
    _stored("retry_of", "integer", "", "Attempt that this one repeats."),
    _stored("status", "text", "", "`sent` (never settled), `succeeded`, `failed`, `timed_out`, `cancelled` (given up;"
            " `billed` is `no` when it never left), `reused`.", "attempts.status"),
    _stored("error_class", "text", "", "Kind of failure."),
    _stored("error_message", "text", "", "The provider's words, secrets removed."),
    _stored("http_status", "integer", "", "HTTP status code."),
    _stored("model_requested", "text", "", "Model name as sent."),
    _stored("model_served", "text", "", "Model name in the answer."),
    _stored("service_tier", "text", "", "Service tier.", "attempts.service_tier"),
    _stored("mode", "text", "", "`batch` for batch requests.", "attempts.mode"),
    _stored("provider_request_id", "text", "", "The provider's id."),
    _stored("started_at", "timestamp", "UTC", "When the request left.", "started_at_us"),
    _stored("finished_at", "timestamp", "UTC", "When it was settled.", "finished_at_us"),
    _stored("first_byte_us", "integer", "us", "Time from sending to the first byte."),
    _stored("input_tokens", "integer", "tokens", "Uncached input; empty = usage unknown."),
    _stored("cache_read_tokens", "integer", "tokens", "Input read from a cache."),
    _stored("cache_write_5m_tokens", "integer", "tokens", "Input written to a cache of five minutes."),
    _stored("cache_write_1h_tokens", "integer", "tokens", "Input written to a cache of one hour or longer."),
    _stored("output_tokens", "integer", "tokens", "Everything generated, reasoning included; empty = usage unknown."),
    _stored("reasoning_tokens", "integer", "tokens", "Of the output, reasoning; empty = not itemised."),
    _stored("other_meters", "json", "", "Other billed quantities and other models inside the answer."),
    _stored("raw_usage", "json", "", "Usage as the provider sent it."),
    _stored("usage_kind", "text", "", "Reader that understands `raw_usage`."),
    _stored("usage_source", "text", "", "`provider`, `missing` or `estimated`."),
    _stored("usage_flags", "json", "", "Why the usage does not add up; empty = it does."),
    _stored("normaliser_version", "integer", "", "Version of the usage readers."),
    _stored("reserved_usd", "usd", "USD", "Worst case reserved before sending.", "reserved_pico_usd"),
    _stored("stated_cost_usd", "usd", "USD", "Cost that the provider states."),
    _stored("billed", "text", "", "Whether the provider bills it by its stated rule: `yes`, `no`, `unknown`."),
    _stored("finish_reason", "text", "", "`stop`, `length` (cut at the cap), ..."),
    _stored("refused", "boolean", "", "Whether the model refused."),
    _stored("parameters", "json", "", "Every parameter as sent.", "parameter_sets.parameters"),
)  # fmt: skip

_WRONG = ", ".join(f"`{reason}`" for reason in sorted(COUNTED_WRONG))
_COUNTED = "CASE WHEN value_millionths IS NULL AND ({}) THEN 0 ELSE value_millionths END".format(
    " OR ".join(f"reason = '{reason}'" for reason in sorted(COUNTED_WRONG))
)

SCORES: tuple[Stored, ...] = (
    _stored("score_id", "integer", "", "Score, in the order recorded."),
    *NAMES,
    _stored("attempt_id", "integer", "", "Attempt that was scored.", "scores.attempt_id"),
    _stored("scorer", "text", "", "Scorer."),
    _stored("scorer_version", "text", "", "Version of the scorer."),
    _stored("score", "ratio", "", "0 to 1; empty = unscored. Its average is not the report's score: replies without an"
            " answer are left out of it.", "value_millionths"),
    _stored("reason", "text", "", "Why there is no score."),
    _stored("answer", "text", "", "Answer as extracted."),
    _stored("explanation", "text", "", "What the scorer saw."),
    _stored("rule", "text", "", "Extraction rule that fired."),
    _stored("scored_at", "timestamp", "UTC", "When it was scored.", "scored_at_us"),
    _stored("is_newest", "boolean", "", "Whether this is the score that counts for its attempt.",
            "CASE WHEN score_id = (SELECT max(score_id) FROM scores AS later "
            "WHERE later.attempt_id = scores.attempt_id) THEN 1 ELSE 0 END"),
    _stored("counted_score", "ratio", "", f"As reports count: 0 where the reply holds no answer (reason {_WRONG}),"
            " empty where nothing is known of the model. Average this one, where `is_newest`; the table `samples` has"
            " exactly the scores that count.", _COUNTED),
)  # fmt: skip

RUNS: tuple[Stored, ...] = (
    _stored("run_id", "text", "", "Run."),
    _stored("status", "text", "", "`running`, `complete`, `partial` or `failed`."),
    _stored("created_at", "timestamp", "UTC", "When it began.", "created_at_us"),
    _stored("finished_at", "timestamp", "UTC", "When it ended.", "finished_at_us"),
    _stored("suites", "json", "", "Suites with versions, digests and revisions."),
    _stored("models", "json", "", "Models as typed."),
    _stored("config", "json", "", "Options."),
    _stored("plan_sha256", "text", "", "Digest of what was planned."),
    _stored("price_book_sha256", "text", "", "Digest of the price book."),
    _stored("price_sources", "json", "", "Price files with digests."),
    _stored("harness_version", "text", "", "Version of benchtab."),
    _stored("git_commit", "text", "", "Commit of the checkout."),
    _stored("sample_seed", "integer", "", "Seed of the draw."),
    _stored("budget_usd", "usd", "USD", "Cap of the run; empty = none.", "budget_pico_usd"),
    _stored("warnings", "json", "", "What was warned about."),
)

CHARGES: tuple[Column, ...] = (
    Column(name="attempt_id", kind="integer", description="Attempt that was charged."),
    *(stored.column for stored in NAMES),
    Column(name="purpose", description="`solve` or `judge`."),
    Column(name="status", description="How the attempt ended."),
    Column(name="meter", description="What was used."),
    Column(name="quantity", kind="integer", unit="units", description="How much: tokens, calls or images."),
    Column(name="usd_per_unit", kind="usd", unit="USD", description="Exact rate; empty = unpriced."),
    Column(name="usd", kind="usd", unit="USD", description="Quantity times rate at list price; empty = unpriced."),
    Column(name="price_model", description="Price row used, `provider/model`; empty = unpriced."),
    Column(name="price_effective_from", kind="timestamp", unit="UTC", description="Start of that row; empty = open."),
)

_FROM_ATTEMPTS = """FROM attempts JOIN cells ON cells.cell_id = attempts.cell_id
    LEFT JOIN planned_samples ON planned_samples.planned_id = attempts.planned_id"""


def export_stream(ledger: Ledger, table: str, *, book: PriceBook, run_ids: Sequence[str] | None = None) -> RowStream:
    """Open a table for export; rows are read while the stream is.

    Args:
        table: `attempts`, `scores`, `charges` or `runs`.
        book: prices of the charges.
        run_ids: None = every run.
    """
    if table == "charges":
        return RowStream(name=table, columns=CHARGES, batches=_charges(ledger, book, run_ids))
    if table == "runs":
        listed = ", ".join(f"{entry.sql} AS {entry.column.name}" for entry in RUNS)
        query = f"SELECT {listed} FROM runs WHERE {_in_runs('run_id', run_ids)} ORDER BY created_at_us, run_id"
        stream, stored = _columns(batches(ledger, query, run_ids=run_ids)), RUNS
    elif table == "attempts":
        stream, stored = _named(ledger, ATTEMPTS, "attempts", "attempt_id", run_ids), ATTEMPTS
    else:
        stream, stored = _named(ledger, SCORES, "scores", "score_id", run_ids), SCORES
    return RowStream(name=table, columns=tuple(entry.column for entry in stored), batches=_typed(stream, stored))


def _columns(stream: Iterator[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    for rows in stream:
        yield list(zip(*rows, strict=True))


def _named(
    ledger: Ledger, stored: Sequence[Stored], table: str, key: str, run_ids: Sequence[str] | None
) -> Iterator[list[Sequence[Any]]]:
    """Read a table in the order of its key; columns of other tables are looked up by the ids that each row carries."""
    sources = [entry.sql.rpartition(".")[0] for entry in stored]
    own = [entry.sql for entry, source in zip(stored, sources, strict=True) if source not in KEYS]
    others = [name for name in KEYS if name in sources]
    # `+`: in the order of the key, whatever index there is, so that nothing is sorted
    chosen = (
        f"+{table}.cell_id IN (SELECT cell_id FROM cells WHERE run_id IN :run_ids)" if run_ids is not None else "1 = 1"
    )
    ids = [f"{table}.{KEYS[name]}" for name in others]
    query = f"SELECT {', '.join((*own, *ids))} FROM {table} WHERE {chosen} ORDER BY {table}.{key}"
    wanted = {name: tuple(entry.sql.rpartition(".")[2] for entry, source in zip(stored, sources, strict=True)
                          if source == name) for name in others}  # fmt: skip
    lookups = [Lookup(ledger, name, wanted[name]) for name in others]
    for columns in _columns(batches(ledger, query, run_ids=run_ids)):
        mine = iter(columns[: len(own)])
        found = {
            lookup.table: iter(zip(*lookup.rows(columns[len(own) + place]), strict=True))
            for place, lookup in enumerate(lookups)
        }
        yield [next(found.get(source, mine)) for source in sources]


def _in_runs(column: str, run_ids: Sequence[str] | None) -> str:
    return "1 = 1" if run_ids is None else f"{column} IN :run_ids"


def _typed(stream: Iterator[list[Sequence[Any]]], stored: Sequence[Stored]) -> Iterator[list[Sequence[Any]]]:
    """Turn stored forms into values: flags, decimal dollars, scores."""
    conversions = [
        _CONVERSIONS.get(entry.sql.rpartition(".")[2]) or _CONVERSIONS.get(entry.column.kind) for entry in stored
    ]
    for columns in stream:
        for place, convert in enumerate(conversions):
            if convert is not None:
                columns[place] = [None if value is None else convert(value) for value in columns[place]]
        yield columns


@lru_cache(maxsize=10_000)
def _pico(value: int) -> Decimal:
    """Turn picodollars into dollars; reservations repeat a few amounts."""
    return Decimal(int(value)).scaleb(-12)


_CONVERSIONS: Mapping[str, Callable[[Any], Any]] = {
    "boolean": bool,
    "usd": Decimal,
    "reserved_pico_usd": _pico,
    "budget_pico_usd": _pico,
    "ratio": lambda millionths: millionths / 1_000_000,
}

_HEAD = 1 + len(NAMES) + 2
"""Columns that a charge begins with: the attempt, its names, purpose and status."""


def _charges(ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None) -> Iterator[list[Sequence[Any]]]:
    """Charge every settled attempt, meter by meter: by group where sums may, one by one elsewhere; in order sent."""
    names = ", ".join(f"{entry.sql} AS {entry.column.name}" for entry in NAMES)
    query = f"""SELECT attempts.attempt_id, {names}, purpose, attempts.status, {charged_columns()},
        CASE WHEN {SETTLED_AND_SUMMABLE} THEN 1 ELSE 0 END AS summable
        {_FROM_ATTEMPTS} LEFT JOIN usage_groups ON usage_groups.usage_group_id = attempts.usage_group_id
        WHERE attempts.status NOT IN ('sent', 'reused') AND {_in_runs("cells.run_id", run_ids)}
        ORDER BY attempts.attempt_id"""
    simulated = 1 + [entry.column.name for entry in NAMES].index("simulated")
    rates = AttemptRates(book)
    for rows in batches(ledger, query, run_ids=run_ids):
        charged: list[Sequence[Any]] = []
        singles = {row.attempt_id: row for row in attempts_by_id(ledger, [row[0] for row in rows if row[-1] == 0])}
        for row in rows:
            first = (*row[:simulated], bool(row[simulated]), *row[simulated + 1 : _HEAD])
            if row[-1] == 1:
                charged += [
                    (*first, *line)
                    for line in rate_lines(row[_HEAD : _HEAD + len(TOKEN_COLUMNS)], rates.of(row[_HEAD:-1]))
                ]
            else:
                charged += [(*first, *line) for line in _single_lines(book, singles[row[0]])]
        if charged:
            yield list(zip(*charged, strict=True))


def _single_lines(book: PriceBook, row: AttemptRow) -> Iterator[tuple[Any, ...]]:
    """Charge one attempt with fees, other models or a stated cost: by the price book, else as its provider states."""
    cost = cost_of(
        book,
        usage_of_row(row),
        provider=row.provider_asked,
        model=row.model_requested,
        at=from_us(row.finished_at_us or row.started_at_us),
        service_tier=row.service_tier,
        mode=row.mode,
        thinking=row.thinking,
        served_model=row.model_served,
    )
    if cost.list_usd is None and cost.usd is not None:
        yield ("stated", 1, cost.usd, cost.usd, None, None)
        return
    for line in cost.lines:
        yield (line.meter.value, line.quantity, line.usd_per_unit, line.usd, *price_used(cost))
