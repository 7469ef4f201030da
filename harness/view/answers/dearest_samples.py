"""The samples that cost most, over runs: `benchtab report --dearest` asks what the samples' page asks, with its digits.

Data flows indexes of runs, one at a time -> the dearest of each -> the dearest of all -> a table that names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from operator import attrgetter
from typing import Any

import numpy as np

from harness.documents.document import Document
from harness.documents.table import Column, Table, without_repeated
from harness.errors import InputError
from harness.ledger import Ledger
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.reports.imported.log_bounds import log_gaps
from harness.view.answers.listed_samples import Listed, listed
from harness.view.answers.run_indexes import RunIndexes
from harness.view.answers.sample_choice import key_of, model_name, part_in_order
from harness.view.answers.sample_index import IS_THERE, SampleIndex
from harness.view.page_addresses import sample_address

MOST = 10_000
COLUMNS = (
    Column(name="usd", kind="amount", unit="USD", title="USD", description="All solving attempts, exactly."),
    Column(name="model", description="Model as asked for."),
    Column(name="task", drops=4),
    Column(name="sample_id", title="sample", description="Sample within its task."),
    Column(name="epoch", kind="integer", title="repeat", drops=8),
    Column(name="output_tokens", kind="integer", unit="tokens", title="output", drops=2),
    Column(name="reasoning_share", kind="percent", title="reasoning %", description="Of the output.", drops=3),
    Column(name="verdict"),
    Column(name="n_retries", kind="integer", title="retries", drops=9),
    Column(name="question", title="it begins", description="First words of the question.", drops=6),
    Column(name="run_id", title="run", drops=5),
    Column(name="open", title="--sample", description="What `benchtab report --sample` takes to open it.", whole=True),
    Column(name="address", description="Of its page, under that of `benchtab view`.", drops=7),
    Column(name="usd_is_lower_bound", kind="boolean", title="or more", description="Something of it is not known."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dear:
    """One sample and what it cost."""

    run_id: str
    usd: Decimal
    is_lower_bound: bool
    one: Listed


def dearest_samples(
    ledger: Ledger, book: PriceBook, run_ids: Sequence[str], *, n: int, models: Sequence[str] = ()
) -> list[Dear]:
    """Find the samples that cost most, the dearest first; of equal ones the earlier planned.

    Args:
        models: as typed, without a setting every setting; none = all.
    """
    found: list[Dear] = []
    for run_id in run_ids:
        # one at a time: what was read of a run is forgotten before the next one is
        with RunIndexes().of(ledger, book, run_id, is_patient=True) as index:
            found += _dearest_of(index, ledger, n, models)
        found = sorted(found, key=attrgetter("usd"), reverse=True)[:n]
    return found


def _dearest_of(index: SampleIndex, ledger: Ledger, n: int, models: Sequence[str]) -> list[Dear]:
    run = ledger.run(index.run_id)
    assert run is not None  # its samples were read
    kept = index.has(IS_THERE) & ~np.isnan(key_of(index, "cost"))
    if models:
        names = list(map(model_name, index.plan.cells))
        wanted = [name in models or name.partition("@")[0] in models for name in names]
        kept &= np.array(wanted or [False])[index.model]
    entries = np.flatnonzero(kept)
    dearest = entries[part_in_order(-key_of(index, "cost")[entries], len(entries), 0, n)]
    usd = index.usd("cost", dearest.tolist())
    shown = listed(index, ledger, dearest)
    log_is_lossy = log_gaps(run).is_lower_bound
    bounds = [log_is_lossy or is_bound for is_bound in index.is_lower_bound("cost", dearest).tolist()]
    return [
        Dear(run_id=index.run_id, usd=amount, is_lower_bound=is_bound, one=one)
        for amount, is_bound, one in zip(usd, bounds, shown, strict=True)
        if amount
    ]


def dearest_document(found: Sequence[Dear], *, n: int, place: str) -> Document:
    """Make the document of `benchtab report --dearest`.

    Args:
        place: options that name the ledger on a command line.
    """
    table = dearest_table(found, n=n, place=place)
    short = _with_bounds(table)
    for name in ("run_id", "task", "epoch"):
        short = without_repeated(short, name)
    return Document(
        terminal=lambda _width: [short],
        markdown=lambda: [short],
        fields=lambda: {"dearest": [_object(table, row) for row in table.rows]},
        rows=lambda: table,
    )


def dearest_table(found: Sequence[Dear], *, n: int, place: str) -> Table:
    """Lay them out, and say how each is opened."""
    rows = [_cells(one) for one in found]
    notes = (f"open one: benchtab report{place} --sample attempt:ID",
             f"in a browser: benchtab view{place}, then its address (--json and wide terminals have it)")  # fmt: skip
    title = f"The {len(rows):,} dearest samples" if len(rows) == n else f"All {len(rows):,} samples that cost anything"
    return Table(name="dearest", title=title, columns=COLUMNS, rows=rows, notes=notes if rows else ())


def _with_bounds(table: Table) -> Table:
    """Word the dollars for people: `>=` where something of them is not known."""
    usd, *others = table.columns[:-1]
    rows = [(f"{'>= ' if row[-1] else ''}{plain(row[0])}", *row[1:-1]) for row in table.rows]
    return replace(table, columns=(replace(usd, kind="text"), *others), rows=rows)


def _cells(dear: Dear) -> tuple[Any, ...]:
    one, values = dear.one, dear.one.values
    shown = [values[column.name] for column in COLUMNS[1:10]]
    name = f"planned:{one.planned_id}" if one.attempt_id is None else f"attempt:{one.attempt_id}"
    return (dear.usd, *shown, dear.run_id, name, sample_address(dear.run_id, one.cell_id, one.planned_id),
            dear.is_lower_bound)  # fmt: skip


def _object(table: Table, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((column.name for column in table.columns), row, strict=True))


def checked_count(n: int) -> int:
    """Give how many are asked for.

    Raises:
        InputError: fewer than one, or more than anybody reads.
    """
    if not 1 <= n <= MOST:
        raise InputError(f"{n} samples cannot be listed", where="--dearest", fix=f"a number from 1 to {MOST:,}")
    return n
