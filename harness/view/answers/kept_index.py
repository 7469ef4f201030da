"""Indexes kept between starts: one folder of plain columns each, read by mapping their files into memory.

Data flows `SampleIndex` <-> files under the cache folder (`BENCHTAB_CACHE`). A folder is written beside its place and
moved there; one that is broken, of another ledger, price book or version is not read, and made anew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zlib
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from harness.ledger import Ledger
from harness.ledger.reading.viewed.indexed_rows import Heads, Marks, PlanSize, marks
from harness.money import plain
from harness.version import __version__
from harness.view.answers.index_building import is_extendable
from harness.view.answers.index_plan import IndexPlan
from harness.view.answers.sample_index import KINDS, Column, SampleIndex

FORM = 1
"""Changes when what files hold means something else."""
_HEAD = "index.json"


def keep(index: SampleIndex, ledger: Ledger, book_sha256: str, folder: Path) -> None:
    """Write an index; a folder that cannot be written to is no reason to show nothing, so it is left alone.

    Args:
        ledger: as it stood when the index was read.
        folder: of all kept indexes.
    """
    place = folder / _name(ledger, index.run_id, book_sha256)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=folder))
    except OSError:
        return
    try:
        _write(index, marks(ledger, index.run_id, index.seen), unfinished)
        _move(unfinished, place)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(index: SampleIndex, known: Marks, folder: Path) -> None:
    columns = {}
    for name, column in index.columns.items():
        data = np.ascontiguousarray(column)
        data.tofile(folder / name)
        columns[name] = {"kind": data.dtype.str, "crc32": zlib.crc32(data.data)}
    head = {
        "form": FORM,
        "harness_version": __version__,
        "n": index.plan.n,
        "seen": list(index.seen),
        "size": list(index.size or ()),
        "marks": list(known),
        "reasons": index.reasons,
        "last_attempt": index.last_attempt,
        "open_ids": sorted(index.open_ids),
        "beyond": [[name, entry, plain(usd)] for (name, entry), usd in index.beyond.items()],
        "columns": columns,
    }
    (folder / _HEAD).write_bytes(orjson.dumps(head))


def _move(unfinished: Path, place: Path) -> None:
    """Put a folder in place of the one that is there."""
    old = unfinished.with_name(f"{unfinished.name}.old")
    if place.exists():
        place.rename(old)
    unfinished.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def kept(ledger: Ledger, run_id: str, book_sha256: str, folder: Path) -> SampleIndex | None:
    """Read an index that was kept; None = there is none of this ledger as it was.

    Args:
        ledger: as it stands at one moment.
    """
    place = folder / _name(ledger, run_id, book_sha256)
    try:
        head = orjson.loads((place / _HEAD).read_bytes())
        return _read(ledger, run_id, head, place)
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError):  # of whatever a file can hold
        return None


def _read(ledger: Ledger, run_id: str, head: dict[str, Any], place: Path) -> SampleIndex | None:
    if head["form"] != FORM or head["harness_version"] != __version__:
        return None
    seen, known = Heads(*head["seen"]), Marks(*head["marks"])
    plan = IndexPlan.read(ledger, run_id)
    index = SampleIndex.over(run_id, plan, seen, {})
    index.size = PlanSize(*head["size"])
    if plan.n != head["n"] or not is_extendable(index, ledger) or marks(ledger, run_id, seen) != known:
        return None
    for name, kind in KINDS.items():
        index.columns[name] = _column(place / name, plan.n, np.dtype(kind), head["columns"][name])
    index.reasons = list(map(str, head["reasons"]))
    index.last_attempt = int(head["last_attempt"])
    index.open_ids = set(map(int, head["open_ids"]))
    index.beyond = {(str(name), int(entry)): Decimal(usd) for name, entry, usd in head["beyond"]}
    return index


def _column(path: Path, n: int, kind: np.dtype[Any], said: dict[str, Any]) -> Column:
    """Map a column; what is changed later stays in memory."""
    found = np.dtype(said["kind"])
    if found not in (kind, np.dtype(np.int64)) or path.stat().st_size != n * found.itemsize:
        raise ValueError("a column of another form")
    if not n:
        return np.empty(0, found)
    column = np.memmap(path, found, mode="c", shape=(n,))
    if zlib.crc32(column.data) != said["crc32"]:
        raise ValueError("a damaged column")
    return column.view(np.ndarray)  # a map's own type makes every operation slower


def _name(ledger: Ledger, run_id: str, book_sha256: str) -> str:
    """Name the folder of a run's index: what it depends on that does not change with the run."""
    run = ledger.run(run_id)
    told = [run_id, book_sha256, "" if run is None else f"{run.created_at_us} {run.plan_sha256}"]
    return f"samples-{sha256(os.fsencode('|'.join(told))).hexdigest()[:32]}"
