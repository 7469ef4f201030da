"""What was added up of a run, kept in files until something of the run changes: a report over many reads only new ones.

Data flows `UsageSum`s, `CellSamples` <-> columns and values of JSON in a kept file. Sums hold at any prices;
columns per sample are those of the rates that they were charged with, down to the last digit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.ledger.connections import Readable
from harness.ledger.encoding import canonical_json
from harness.ledger.marks.kept_columns import keep_columns, read_columns
from harness.ledger.marks.kept_files import KeptFile, Shelf
from harness.ledger.marks.run_marks import run_mark
from harness.ledger.reading.sums import UsageGroup, UsageSum, usage_sums
from harness.reports.facts.sample_columns import CellSamples, Samples, SampleSpend
from harness.reports.facts.samples.packed_columns import NameColumn, NumberColumn
from harness.reports.facts.samples.sample_keys import SampleKeys
from harness.reports.facts.samples.timing import Timing
from harness.reports.facts.samples.turn_figures import TurnFigures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

FEWEST_ATTEMPTS = 10_000
"""Attempts of a run below which it is read as quickly from the ledger."""
MOST_BYTES = 2 << 30
MOST_FILES = 2_000
_COLUMNS = ("probabilities", "score_sums", "score_counts", "n_solves", "costs_usd", "output_tokens")
_BROKEN = (ValueError, KeyError, TypeError, IndexError)
"""Of whatever a file can hold."""
T = TypeVar("T")


@dataclass(slots=True)
class KeptRuns:
    """Files of runs that were added up.

    Attributes:
        folder: where they lie.
        program: says which program adds up; another one's files are not read.
        is_read: else everything is counted anew, and kept.
        fewest_attempts: of a run that is kept.
    """

    folder: Path
    program: Sequence[str]
    is_read: bool = True
    fewest_attempts: int = FEWEST_ATTEMPTS
    _marks: dict[str, str | None] = field(default_factory=dict)

    def look(self, ledger: Readable, run_ids: Sequence[str]) -> None:
        """Look how runs stand, at the moment at which they are read."""
        self._marks = {run_id: run_mark(ledger, run_id, fewest=self.fewest_attempts) for run_id in run_ids}

    def sums(self, run_id: str) -> list[UsageSum] | None:
        """Give the sums of a run; None where they are not kept."""
        return self._read(run_id, "sums", _read_sums)

    def keep_sums(self, run_id: str, sums: Sequence[UsageSum]) -> None:
        """Keep the sums of a run."""
        self._write(run_id, "sums", [asdict(one) for one in sums], [])

    def columns(self, run_id: str, charged: str) -> list[CellSamples] | None:
        """Give what became of a run's samples; None where it is not kept.

        Args:
            charged: `charged_with` of this run.
        """
        return self._read(run_id, charged, _read_columns)

    def keep_columns(self, run_id: str, charged: str, cells: Sequence[CellSamples]) -> None:
        """Keep what became of a run's samples."""
        import numpy as np

        places: dict[int, int] = {}
        arrays: list[Array] = []

        def put(column: Array | bytes) -> int:
            """Keep a column once, however many cells share it; those live as long as the cells."""
            if id(column) not in places:
                places[id(column)] = len(arrays)
                arrays.append(np.frombuffer(column, np.uint8) if isinstance(column, bytes) else column)
            return places[id(column)]

        told = [_cell_object(cell, put) for cell in cells]
        self._write(run_id, charged, told, arrays)

    def _place(self, run_id: str, what: str) -> KeptFile | None:
        mark = self._marks.get(run_id)
        if mark is None:
            return None
        shelf = Shelf(folder=self.folder, most_bytes=MOST_BYTES, most_files=MOST_FILES)
        # not called by its mark: what a run was before makes room for what it is
        return KeptFile(shelf=shelf, name=[run_id, what], depends_on=[self.program, mark])

    def _read(self, run_id: str, what: str, read: Callable[[Any, Sequence[Array]], T]) -> T | None:
        place = self._place(run_id, what)
        if place is None or not self.is_read:
            return None
        try:
            found = read_columns(place)
            return None if found is None else read(*found)
        except _BROKEN:
            return None

    def _write(self, run_id: str, what: str, told: object, arrays: Sequence[Array]) -> None:
        place = self._place(run_id, what)
        if place is not None:
            keep_columns(place, told, arrays)


def summed_runs(ledger: Readable, run_ids: Sequence[str], kept: KeptRuns) -> list[UsageSum]:
    """Give `usage_sums` of runs in its order, and keep those that had to be read."""
    found = {run_id: kept.sums(run_id) for run_id in run_ids}
    others = [run_id for run_id, sums in found.items() if sums is None]
    read = usage_sums(ledger, others) if others else []
    for run_id in others:
        kept.keep_sums(run_id, [one for one in read if one.run_id == run_id])
    every = (one for sums in (*found.values(), read) for one in sums or ())
    return sorted(every, key=lambda one: (one.cell_id, one.purpose, one.status, one.group.usage_group_id))


def charged_with(cell_ids: Sequence[int], spent: SampleSpend) -> str:
    """Give a digest of all that columns of these cells rest on besides the ledger: rates, attempts charged alone."""
    own = set(cell_ids)
    rates = [
        (*key, None if found is None else sorted((meter.value, usd) for meter, usd in found.items()))
        for key, found in sorted(spent.rates.items())
        if key[0] in own
    ]
    singles = [(cell_id, sorted(found.items())) for cell_id, found in sorted(spent.singles.items()) if cell_id in own]
    return sha256(canonical_json([rates, singles]).encode()).hexdigest()


def _read_sums(told: Any, _: Sequence[Array]) -> list[UsageSum]:
    return [UsageSum(**{**one, "group": UsageGroup(**one["group"])}) for one in told]


def _cell_object(cell: CellSamples, put: Callable[[Array | bytes], int]) -> Mapping[str, object]:
    return {
        **{name: getattr(cell, name) for name in ("cell_id", "n_retries", "n_flagged", "n_unscored")},
        "n_without_answer": cell.n_without_answer,
        "timing": asdict(cell.timing),
        "turns": None if cell.turns is None else asdict(cell.turns),
        "samples": None if cell.samples is None else _samples_object(cell.samples, put),
    }


def _samples_object(samples: Samples, put: Callable[[Array | bytes], int]) -> Mapping[str, object]:
    keys, names = samples.keys, samples.keys.names
    return {
        "tasks": list(keys.tasks),
        "keys": [put(array) for array in (keys.task, names.starts, names.stops)],
        "names": put(names.text),
        "places": None if samples.places is None else put(samples.places),
        "columns": {name: [put((own := getattr(samples, name)).stored), own.divisor] for name in _COLUMNS},
    }


def _read_columns(told: Any, arrays: Sequence[Array]) -> list[CellSamples]:
    keys: dict[str, SampleKeys] = {}

    def keys_of(own: Any) -> SampleKeys:
        """One for all cells of a run: they are matched once."""
        task, starts, stops = (arrays[number] for number in own["keys"])
        known = canonical_json([own["tasks"], own["keys"], own["names"]])
        if known not in keys:
            names = NameColumn(arrays[own["names"]].tobytes(), starts, stops)
            keys[known] = SampleKeys(own["tasks"], task, names)
        return keys[known]

    def samples_of(own: Any) -> Samples:
        columns: dict[str, Any] = {
            name: NumberColumn(arrays[at], divisor=divisor) for name, (at, divisor) in own["columns"].items()
        }
        places = None if own["places"] is None else arrays[own["places"]]
        return Samples(keys=keys_of(own), places=places, **columns)

    return [
        CellSamples(
            **{
                **one,
                "timing": Timing(**one["timing"]),
                "turns": None if one["turns"] is None else TurnFigures(**one["turns"]),
                "samples": None if one["samples"] is None else samples_of(one["samples"]),
            }
        )
        for one in told
    ]
