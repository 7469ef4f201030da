"""The samples that cost most, over runs: `benchtab report --dearest` asks what the samples' page asks, with its digits.

Data flows indexes of runs, one at a time -> the dearest of each -> the dearest of all -> a table that names them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import Any

import numpy as np

from harness.documents.document import Document
from harness.documents.table import Column, Table, without_repeated
from harness.errors import InputError
from harness.ledger import Ledger
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.view.answers.listed_samples import Listed, listed
from harness.view.answers.run_indexes import RunIndexes
from harness.view.answers.sample_choice import key_of, part_in_order
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
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dear:
    """One sample and what it cost."""

    run_id: str
    usd: Decimal
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
    kept = index.has(IS_THERE) & ~np.isnan(key_of(index, "cost"))
    if models:
        names = [str(ModelSpec.of(cell)) for cell in index.plan.cells]
        wanted = [name in models or name.partition("@")[0] in models for name in names]
        kept &= np.array(wanted or [False])[index.model]
    entries = np.flatnonzero(kept)
    dearest = entries[part_in_order(-key_of(index, "cost")[entries], len(entries), 0, n)]
    usd = index.usd("cost", dearest.tolist())
    shown = listed(index, ledger, dearest)
    return [Dear(run_id=index.run_id, usd=amount, one=one) for amount, one in zip(usd, shown, strict=True) if amount]


def dearest_document(found: Sequence[Dear], *, n: int, place: str) -> Document:
    """Make the document of `benchtab report --dearest`.

    Args:
        place: options that name the ledger on a command line.
    """
    table = dearest_table(found, n=n, place=place)
    short = table
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


def _cells(dear: Dear) -> tuple[Any, ...]:
    one, values = dear.one, dear.one.values
    shown = [values[column.name] for column in COLUMNS[1:10]]
    name = f"planned:{one.planned_id}" if one.attempt_id is None else f"attempt:{one.attempt_id}"
    return (dear.usd, *shown, dear.run_id, name, sample_address(dear.run_id, one.cell_id, one.planned_id))


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
