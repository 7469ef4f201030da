"""A run's attempts added up by cell and planned answer, a slice at a time: what each cost, which attempt stands for it.

Pure. Data flows columns of numbers (`RunRows`) -> `RunTotals`, some twenty bytes for each cell and planned answer ->
`sample_columns`. Costs here are floats and serve intervals only; sums are exact elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, get_args

from harness.ledger.columns import INPUT_METERS, TOKEN_COLUMNS
from harness.ledger.reading.batch_rows import Texts
from harness.ledger.reading.sample_rows import N_FACTS, PURPOSES_BY_NUMBER, REUSED, SENT, UNANSWERED, Fact, RunRows
from harness.replies.unscored import UnscoredReason
from harness.reports.facts.samples.packed_columns import NameColumn
from harness.reports.facts.samples.sample_keys import SampleKeys
from harness.reports.facts.samples.timing import Timing
from harness.usage.values import Meter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.ledger.reading.sample_rows import Planned

    Ints: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

Rates = Mapping[Meter, float]
"""USD per token, of the meters that occurred."""
KNOWN_REASONS: tuple[str, ...] = get_args(UnscoredReason)
_SOLVE = PURPOSES_BY_NUMBER.index("solve")
_N_PURPOSES = len(PURPOSES_BY_NUMBER)
_FACTS_AT = 6
"""Columns before those of tokens."""


def rate_vector(rates: Rates) -> tuple[float, ...]:
    """Order rates like the counts that `split_output` gives."""
    get = rates.get
    output = get(Meter.OUTPUT, get(Meter.REASONING, 0.0))
    return (*(get(meter, 0.0) for meter in INPUT_METERS), output, get(Meter.REASONING, output))


def split_output(tokens: Sequence[int]) -> tuple[int, ...]:
    """Turn counts in the order of `TOKEN_COLUMNS` into disjoint ones: reasoning is a part of output there."""
    return (*tokens[:4], tokens[4] - tokens[5], tokens[5])


def _ahead(slices: Iterator[Texts]) -> Iterator[Texts]:
    """Have the database join the next slice while this one is added up."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, slices, None)
        while (texts := coming.result()) is not None:
            coming = reader.submit(next, slices, None)
            yield texts


def _numbers(texts: Texts) -> Ints:
    """Read columns of numbers: one row for each."""
    import numpy as np

    return np.stack([np.fromstring(text, dtype=np.int64, sep=",") for text in texts])


@dataclass(frozen=True, slots=True)
class _RateTable:
    """Rates by (cell, usage group), in order; the last column, all zero, is for groups charged attempt by attempt."""

    keys: Ints
    columns: Floats

    @classmethod
    def of(cls, rates: Mapping[tuple[int, int], Rates | None], cells: Ints) -> _RateTable:
        import numpy as np

        own = set(cells.tolist())
        listed = sorted(key for key in rates if key[0] in own)
        nothing, unknown = [0.0] * len(TOKEN_COLUMNS), [np.nan] * len(TOKEN_COLUMNS)
        rows = [unknown if (found := rates[key]) is None else rate_vector(found) for key in listed]
        cell_ids, groups = np.array(listed, dtype=np.int64).reshape(-1, 2).T
        return cls(_pair(np.searchsorted(cells, cell_ids), groups), np.array([*rows, nothing], dtype=float).T.copy())

    def places(self, cell: Ints, group: Ints, counted: Flags) -> Ints:
        """Find the rates of attempts; those that do not count have none."""
        import numpy as np

        none = self.columns.shape[1] - 1
        if not none:
            return np.zeros(len(cell), dtype=np.int64)
        pairs = _pair(cell, group)
        place = np.searchsorted(self.keys, pairs)
        place[place == none] = 0
        return np.where((self.keys[place] == pairs) & counted, place, none)

    def usd(self, place: Ints, tokens: Mapping[str, Ints]) -> Floats:
        """Charge attempts; columns that are not there are zero everywhere."""
        quantities = dict(tokens)
        if (reasoning := tokens.get(TOKEN_COLUMNS[5])) is not None:
            quantities[TOKEN_COLUMNS[4]] = tokens[TOKEN_COLUMNS[4]] - reasoning
        first, *others = (
            self.columns[number][place] * quantities[name]
            for number, name in enumerate(TOKEN_COLUMNS)
            if name in quantities
        )
        total: Floats = first + sum(others)  # in this order, on which the last digit depends
        return total


def _pair(cell: Ints, group: Ints) -> Ints:
    # a group of -1 (never settled) borrows from the cell's digits: such attempts are not counted anyway
    pairs: Ints = cell * (1 << 32) + group
    return pairs


@dataclass(frozen=True, slots=True)
class Plan:
    """What was planned, in the order of a report: by task, then as drawn, the repeats of a sample side by side.

    Attributes:
        planned: ids of planned answers, in this order.
        sample: which sample each answers.
        keys, probabilities: of samples.
    """

    planned: Ints
    sample: Ints
    keys: SampleKeys
    probabilities: Floats
    _sorted: Ints
    _order: Ints

    @classmethod
    def read(cls, batches: Iterable[Planned]) -> Plan:
        import numpy as np

        tasks: dict[str, int] = {}
        ids, of_task, chances = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0)]

        def named(rows: Planned) -> Sequence[str]:
            planned, task, sample_id, probability = zip(*rows, strict=True)
            ids.append(np.array(planned, dtype=np.int64))
            of_task.append(np.array([tasks.setdefault(name, len(tasks)) for name in task], dtype=np.int64))
            chances.append(np.array(probability, dtype=float))
            return sample_id

        names = NameColumn.of(map(named, batches))
        planned, task, probabilities = np.concatenate(ids), np.concatenate(of_task), np.concatenate(chances)
        sample, first = _numbered(task, names)
        order = np.lexsort((planned, sample))
        by_id = np.argsort(planned[order])
        return cls(
            planned=planned[order],
            sample=sample[order],
            keys=SampleKeys(list(tasks), task[first], names if len(first) == len(names) else names.take(first)),
            probabilities=probabilities[first],
            _sorted=planned[order][by_id],
            _order=by_id,
        )

    @property
    def is_repeated(self) -> bool:
        """Whether a sample was planned more than once."""
        return len(self.keys) < len(self.planned)

    def places(self, planned: Ints) -> Ints:
        """Find answers by their ids."""
        import numpy as np

        n, first = len(self._sorted), int(self._sorted[0])
        in_a_row = int(self._sorted[-1]) - first == n - 1
        return self._order[planned - first if in_a_row else np.searchsorted(self._sorted, planned)]


def _numbered(task: Ints, names: NameColumn) -> tuple[Ints, Ints]:
    """Number the samples of planned answers by their first one, which are given, too."""
    import numpy as np

    hashes = np.fromiter(map(hash, names), dtype=np.int64, count=len(names)) ^ task
    alone = np.arange(len(names))
    if len(np.unique(hashes)) == len(hashes):  # no two names are equal
        return alone, alone
    numbers: dict[tuple[int, str], int] = {}
    number = np.array([numbers.setdefault(key, len(numbers)) for key in zip(task.tolist(), names, strict=True)])
    return number, np.unique(number, return_index=True)[1]


class RunTotals:
    """What became of each planned answer of each cell, in tables of cells by planned answers.

    Attributes:
        cells: ids, in order.
        plan: the order of the tables' columns.
        usd: over all attempts on an answer; not-a-number = not known.
        output: tokens, likewise.
        timings, n_retries, n_flagged: by cell; the last also by purpose (`PURPOSES_BY_NUMBER`).
        has_turns: whether some samples are conversations of several requests.
    """

    def __init__(self, rows: RunRows, cell_ids: Sequence[int], rates: Mapping[tuple[int, int], Rates | None],
                 tokens: Sequence[str]) -> None:  # fmt: skip
        import numpy as np

        self.cells = np.array(sorted(cell_ids), dtype=np.int64)
        self.plan = Plan.read(rows.planned)
        n_cells, n_planned = len(self.cells), len(self.plan.planned)
        shape = n_cells, n_planned
        # pages of a table that nothing is written to take no memory
        self.usd = np.zeros(shape)
        self.output: NDArray[np.unsignedinteger] = np.zeros(shape, np.uint32)
        # of the attempt that stands: its id, what became of it; answered ones are above all others
        self._bits = max(29, rows.span.n_ids.bit_length())
        self._standing: NDArray[np.unsignedinteger] = np.zeros(shape, np.uint32 if self._bits == 29 else np.uint64)
        self.n_retries = np.zeros(n_cells, np.int64)
        self.n_flagged = np.zeros((n_cells, _N_PURPOSES), np.int64)
        self._times = np.zeros((4, n_cells), np.int64)
        self._most_output = 0
        self.has_turns = False
        table = _RateTable.of(rates, self.cells)
        for texts in _ahead(rows.attempts):
            self._add(_numbers(texts), tokens, table)
        self._results = _Results(rows)

    def _add(self, columns: Ints, tokens: Sequence[str], table: _RateTable) -> None:
        import numpy as np

        if (columns[0][1:] < columns[0][:-1]).any():  # a database may join in any order; sums need that of sending
            columns = columns[:, np.argsort(columns[0])]
        attempt, packed, planned, group, lasted_us, first_byte_us, *counts = columns
        cell = np.searchsorted(self.cells, packed >> N_FACTS)
        purpose, status = packed & 3, packed >> 2 & 3
        flag = {fact: packed >> fact & 1 for fact in Fact}
        self.has_turns |= bool(flag[Fact.TURN].any())
        self._time(cell, flag[Fact.TIMED] == 1, lasted_us, first_byte_us)
        marked = (flag[Fact.FLAGGED] == 1) & (status != REUSED) & (status != SENT)
        if marked.any():
            np.add.at(self.n_flagged, (cell[marked], purpose[marked]), 1)
        used = dict(zip(tokens, counts, strict=True))
        place = table.places(cell, group, (flag[Fact.SUMMED] == 1) & (status != REUSED))
        usd = table.usd(place, used)
        output = np.where(place != table.columns.shape[1] - 1, used[TOKEN_COLUMNS[4]], 0)
        tried = (purpose == _SOLVE) & (planned >= 0)
        if not tried.all():
            kept = (column[tried] for column in (attempt, cell, planned, status, flag[Fact.RETRY], usd, output))
            attempt, cell, planned, status, retry, usd, output = kept
        else:
            retry = flag[Fact.RETRY]
        if not len(attempt):
            return
        self.n_retries += np.bincount(cell[retry == 1], minlength=len(self.cells))
        at = cell * len(self.plan.planned) + self.plan.places(planned)
        np.add.at(self.usd.reshape(-1), at, usd)
        self._add_output(at, output)
        standing = attempt + 1 << 2 | status | (status < UNANSWERED).astype(np.int64) << self._bits + 2
        np.maximum.at(self._standing.reshape(-1), at, standing.astype(self._standing.dtype))

    def _time(self, cell: Ints, timed: Flags, lasted_us: Ints, first_byte_us: Ints) -> None:
        import numpy as np

        begun = timed & (first_byte_us >= 0)
        for number, (chosen, values) in enumerate(
            ((timed, None), (timed, lasted_us), (begun, None), (begun, first_byte_us))
        ):
            weights = None if values is None else values[chosen]
            self._times[number] += np.bincount(cell[chosen], weights, minlength=len(self.cells)).astype(np.int64)

    def _add_output(self, at: Ints, output: Ints) -> None:
        """Add output tokens; the table takes wider numbers as soon as a sum may not fit."""
        import numpy as np

        if self.output.dtype == np.uint32 and self._most_output + int(output.max()) * len(output) >= 1 << 32:
            self.output = self.output.astype(np.uint64)
        flat = self.output.reshape(-1)
        np.add.at(flat, at, output.astype(self.output.dtype))
        self._most_output = max(self._most_output, int(flat[at].max()))

    def timing(self, place: int) -> Timing:
        """Durations of a cell's answers; `place` = of the cell in `cells`."""
        n_answers, answered_us, n_first_bytes, first_byte_us = self._times[:, place].tolist()
        return Timing(
            n_answers=n_answers,
            n_tasks=n_answers,
            answered_s=answered_us / 1e6,
            n_first_bytes=n_first_bytes,
            first_byte_s=first_byte_us / 1e6,
        )

    def tried(self, place: int) -> Ints:
        """Places in the plan of the answers that a cell was asked for."""
        import numpy as np

        return np.flatnonzero(self._standing[place])

    def results(self, place: int, tried: Ints, *, lost: Ints | None = None) -> tuple[Ints, Sequence[str]]:
        """Give the score of each of these answers of a cell: millionths, or -1 less the number of why there is none.

        Args:
            lost: planned answers that failed, though earlier requests of theirs were answered; None = there are none.

        Returns:
            The scores, and the reasons by number.
        """
        import numpy as np

        standing = self._standing[place][tried].astype(np.int64)
        attempt = (standing >> 2 & (1 << self._bits) - 1) - 1
        found = self._results.of(attempt)
        unanswered = standing & 3 == UNANSWERED
        if lost is not None:
            unanswered |= np.isin(self.plan.planned[tried], lost)
        reasons = [*self._results.reasons, "failed", "pending"]
        n_reasons = len(reasons)
        none = np.where(unanswered, 1 - n_reasons, -n_reasons)
        return np.where(found == _NO_SCORE, none, found), reasons


_NO_SCORE = -(1 << 31)


class _Results:
    """The newest score of each attempt of a run: millionths, or -1 less the number of its reason in `reasons`."""

    def __init__(self, rows: RunRows) -> None:
        import numpy as np

        self.reasons = list(KNOWN_REASONS)
        # one more than is meant, so that nothing need be written where there is none
        self._scores: NDArray[np.signedinteger] = np.zeros(rows.span.n_ids, np.int32)
        is_complete = True
        for texts in _ahead(rows.scores):
            attempt, score_id, found = _numbers(texts)
            ordered = np.sort(attempt)
            if (ordered[1:] == ordered[:-1]).any():  # scored again: the newest counts
                order = np.lexsort((score_id, attempt))
                last = order[np.append(attempt[order][1:] != attempt[order][:-1], True)]
                attempt, found = attempt[last], found[last]
            is_complete &= int(found.min()) >= -len(KNOWN_REASONS)
            if self._scores.dtype == np.int32 and int(found.max()) >= (1 << 31) - 1:
                self._scores = self._scores.astype(np.int64)
            self._scores[attempt] = np.where(found >= 0, found + 1, found)
        if not is_complete:
            self._name_others(rows.other_reasons)

    def _name_others(self, others: Iterable[tuple[int, str]]) -> None:
        numbers: dict[str, int] = {}
        for attempt, reason in others:
            if self._scores[attempt] < -len(KNOWN_REASONS):
                number = numbers.setdefault(reason, len(KNOWN_REASONS) + len(numbers))
                self._scores[attempt] = -1 - number
        self.reasons += numbers

    def of(self, attempt: Ints) -> Ints:
        """Give the scores of attempts; `_NO_SCORE` for those without any."""
        import numpy as np

        found = self._scores[attempt].astype(np.int64)
        return np.where(found > 0, found - 1, np.where(found == 0, _NO_SCORE, found))
