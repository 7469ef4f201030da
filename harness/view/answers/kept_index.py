"""Indexes kept between starts: a file of plain columns each.

Data flows `SampleIndex` <-> kept files under the cache folder. One of another ledger, price book or program is not
read, and made anew.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from harness.ledger import Ledger
from harness.ledger.marks.kept_columns import keep_columns, read_columns
from harness.ledger.marks.kept_files import KeptFile, Shelf
from harness.ledger.marks.program_mark import program_mark
from harness.ledger.reading.viewed.indexed_rows import Heads, Marks, PlanSize, marks
from harness.money import plain
from harness.view.answers.index_building import is_extendable
from harness.view.answers.index_plan import IndexPlan
from harness.view.answers.index_turns import TURN_KINDS
from harness.view.answers.sample_index import KINDS, Column, SampleIndex

MOST_BYTES = 2 << 30
MOST_FILES = 200


def keep(index: SampleIndex, ledger: Ledger, book_sha256: str, folder: Path) -> None:
    """Write an index; a folder that cannot be written to is no reason to show nothing, so it is left alone.

    Args:
        ledger: as it stood when the index was read.
        folder: of all kept indexes.
    """
    told = {
        "n": index.plan.n,
        "seen": list(index.seen),
        "size": list(index.size or ()),
        "marks": list(marks(ledger, index.run_id, index.seen)),
        "reasons": index.reasons,
        "last_attempt": index.last_attempt,
        "open_ids": sorted(index.open_ids),
        "beyond": [[name, entry, plain(usd)] for (name, entry), usd in index.beyond.items()],
        "columns": list(index.columns),
    }
    keep_columns(_place(ledger, index.run_id, book_sha256, folder), told, list(index.columns.values()))


def kept(ledger: Ledger, run_id: str, book_sha256: str, folder: Path) -> SampleIndex | None:
    """Read an index that was kept; None = there is none of this ledger as it was.

    Args:
        ledger: as it stands at one moment.
    """
    try:
        found = read_columns(_place(ledger, run_id, book_sha256, folder))
        return None if found is None else _read(ledger, run_id, *found)
    except (ValueError, KeyError, TypeError, ArithmeticError):  # of whatever a file can hold
        return None


def _read(ledger: Ledger, run_id: str, told: dict[str, Any], columns: list[Column]) -> SampleIndex | None:
    seen, known = Heads(*told["seen"]), Marks(*told["marks"])
    plan = IndexPlan.read(ledger, run_id)
    index = SampleIndex.over(run_id, plan, seen, {})
    index.size = PlanSize(*told["size"])
    if plan.n != told["n"] or not is_extendable(index, ledger) or marks(ledger, run_id, seen) != known:
        return None
    by_name = dict(zip(told["columns"], columns, strict=True))
    kinds = {**KINDS, **(TURN_KINDS if "n_turns" in by_name else {})}
    for name, kind in kinds.items():
        index.columns[name] = _checked(by_name[name], plan.n, np.dtype(kind))
    index.reasons = list(map(str, told["reasons"]))
    index.last_attempt = int(told["last_attempt"])
    index.open_ids = set(map(int, told["open_ids"]))
    index.beyond = {(str(name), int(entry)): Decimal(usd) for name, entry, usd in told["beyond"]}
    return index


def _checked(column: Column, n: int, kind: np.dtype[Any]) -> Column:
    if column.dtype not in (kind, np.dtype(np.int64)) or len(column) != n:
        raise ValueError("a column of another form")
    return column


def _place(ledger: Ledger, run_id: str, book_sha256: str, folder: Path) -> KeptFile:
    """Find the file of a run's index by what it depends on that does not change with the run."""
    run = ledger.run(run_id)
    told = [run_id, book_sha256, None if run is None else [run.created_at_us, run.plan_sha256]]
    shelf = Shelf(folder=folder, most_bytes=MOST_BYTES, most_files=MOST_FILES)
    return KeptFile(shelf=shelf, name=told, depends_on=program_mark())
