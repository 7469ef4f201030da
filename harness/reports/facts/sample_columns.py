"""A run's results and spend per sample, in columns: a report walks a million attempts of them.

Pure. Data flows rows of whole numbers, a batch at a time (`RunRows`) -> columns of one entry per attempt -> per cell,
one entry per sample -> `assembly`. Costs here are floats and serve intervals only; sums are exact elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from operator import mul
from typing import TYPE_CHECKING, TypeAlias

from harness.ledger.columns import INPUT_METERS, TOKEN_COLUMNS
from harness.ledger.reading.sample_rows import (
    PURPOSES_BY_NUMBER,
    REUSED,
    SENT,
    UNANSWERED,
    Numbers,
    Planned,
    RunRows,
    Scored,
)
from harness.scorers.values import COUNTED_WRONG
from harness.usage.values import Meter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Small: TypeAlias = NDArray[np.int8]
    Floats: TypeAlias = NDArray[np.float64]
    Flags: TypeAlias = NDArray[np.bool_]

Rates = Mapping[Meter, float]
"""USD per token, of the meters that occurred."""


@dataclass(slots=True)
class SampleSpend:
    """What per-sample costs are made from.

    Attributes:
        rates: by cell and usage group; None = unpriced. Groups that are charged attempt by attempt are not in it.
        singles: cost (None = not known) and output of the attempts charged one by one, by cell and sample.
    """

    rates: dict[tuple[int, int], Rates | None] = field(default_factory=dict)
    singles: dict[tuple[int, int], tuple[float | None, int]] = field(default_factory=dict)

    def add_rates(self, cell_id: int, usage_group_id: int, rates: Rates | None) -> None:
        """Remember the rates of a group; its sums by status may each have used some of the meters."""
        known = self.rates.get((cell_id, usage_group_id))
        self.rates[cell_id, usage_group_id] = rates if not known or rates is None else {**known, **rates}

    def add_single(self, cell_id: int, planned_id: int, usd: float | None, output_tokens: int) -> None:
        """Add an attempt that was charged alone."""
        before_usd, before_tokens = self.singles.get((cell_id, planned_id), (0.0, 0))
        total = None if usd is None or before_usd is None else before_usd + usd
        self.singles[cell_id, planned_id] = (total, before_tokens + output_tokens)

    def add_tokens(self, cell_id: int, planned_id: int, tokens: Sequence[int], rates: Rates | None) -> None:
        """Add an attempt by its counts, in the order of `TOKEN_COLUMNS`, and its rates; None = unpriced."""
        usd = None if rates is None else sum(map(mul, _split_output(tokens), _rate_vector(rates)))
        self.add_single(cell_id, planned_id, usd, tokens[4])


def _rate_vector(rates: Rates) -> tuple[float, ...]:
    """Order rates like the counts that `_split_output` gives."""
    get = rates.get
    output = get(Meter.OUTPUT, get(Meter.REASONING, 0.0))
    return (*(get(meter, 0.0) for meter in INPUT_METERS), output, get(Meter.REASONING, output))


def _split_output(tokens: Sequence[int]) -> tuple[int, ...]:
    """Turn counts in the order of `TOKEN_COLUMNS` into disjoint ones: reasoning is a part of output there."""
    return (*tokens[:4], tokens[4] - tokens[5], tokens[5])


@dataclass(slots=True)
class Samples:
    """The samples of a cell in columns of equal length, one entry per sample, its repeats added up.

    Attributes:
        keys: (task, sample id).
        score_counts: answers that count, right or wrong.
        costs_usd: over all attempts; None = not known.
    """

    keys: list[tuple[str, str]] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    score_sums: list[float] = field(default_factory=list)
    score_counts: list[int] = field(default_factory=list)
    n_solves: list[int] = field(default_factory=list)
    costs_usd: list[float | None] = field(default_factory=list)
    output_tokens: list[int] = field(default_factory=list)

    def add(self, other: Samples) -> None:
        """Add another cell's samples: repeats of a sample stay one sample."""
        places = {key: place for place, key in enumerate(self.keys)}
        for at, key in enumerate(other.keys):
            place = places.get(key)
            if place is None:
                for name in self.__dataclass_fields__:
                    getattr(self, name).append(getattr(other, name)[at])
                continue
            mine, theirs = self.costs_usd[place], other.costs_usd[at]
            self.costs_usd[place] = None if mine is None or theirs is None else mine + theirs
            self.probabilities[place] = max(self.probabilities[place], other.probabilities[at])
            self.score_sums[place] += other.score_sums[at]
            self.score_counts[place] += other.score_counts[at]
            self.n_solves[place] += other.n_solves[at]
            self.output_tokens[place] += other.output_tokens[at]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSamples:
    """What became of a cell's samples.

    Attributes:
        n_retries: solving attempts that repeat an earlier one.
        n_flagged: settled attempts by purpose whose usage does not add up as the provider sent it.
        n_unscored, n_without_answer: answers by the reason why there is none; the second kind counts as wrong.
    """

    cell_id: int
    samples: Samples
    n_retries: int
    n_flagged: Mapping[str, int]
    n_unscored: Mapping[str, int]
    n_without_answer: Mapping[str, int]


def cell_samples(rows: RunRows, spent: SampleSpend) -> Iterator[CellSamples]:
    """Give the results of every cell of a run that was tried, in order of cells."""
    import numpy as np

    attempts = _Attempts.read(rows.attempts, _RateTable.of(spent.rates))
    plan = _Plan.read(rows.planned)
    answers = _Answers.standing(attempts, rows.scores)
    flagged = attempts.flagged_by_cell()
    for cell_id in np.union1d(answers.tried.cell, np.fromiter(flagged, dtype=np.int64)).tolist():
        own = answers.of_cell(cell_id, spent.singles)
        why = own.reasons_without_score()
        yield CellSamples(
            cell_id=cell_id,
            samples=_added_up(own, plan, why),
            n_retries=int(own.tried.retry.sum()),
            n_flagged=flagged.get(cell_id, {}),
            n_unscored={reason: count for reason, count in Counter(why).items() if reason not in COUNTED_WRONG},
            n_without_answer={reason: count for reason, count in Counter(why).items() if reason in COUNTED_WRONG},
        )


@dataclass(frozen=True, slots=True)
class _Attempts:
    """The attempts of a run in columns, by attempt id; tokens are dollars already, so that memory stays small."""

    attempt: Ints
    cell: Ints
    planned: Ints
    solve: Small
    status: Small
    flagged: Small
    retry: Ints
    usd: Floats
    output: Ints

    @classmethod
    def read(cls, batches: Iterable[Numbers], table: _RateTable) -> _Attempts:
        import numpy as np

        kinds = (*[np.int64] * 3, *[np.int8] * 3, np.int64, np.float64, np.int64)
        parts: list[list[NDArray[np.int64 | np.int8 | np.float64]]] = [[] for _ in kinds]
        for rows in batches:
            batch = np.array(rows, dtype=np.int64)
            *facts, group, summable = batch[:, :9].T
            counted = (summable == 1) & (facts[4] != REUSED)
            charged = table.charge(facts[1], group, batch[:, 9:], counted)
            for part, kind, values in zip(parts, kinds, (*facts, *charged), strict=True):
                part.append(values.astype(kind))
        return cls(*map(np.concatenate, parts))  # type: ignore[arg-type]  # each of its own kind

    def take(self, chosen: Flags | Ints | slice) -> _Attempts:
        """Choose rows, by flag or by place."""
        return _Attempts(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def flagged_by_cell(self) -> dict[int, dict[str, int]]:
        """Count the settled attempts with usage flags, by cell and purpose."""
        marked = self.take((self.flagged == 1) & (self.status != REUSED) & (self.status != SENT))
        found: dict[int, dict[str, int]] = {}
        for (cell_id, purpose), count in Counter(zip(marked.cell.tolist(), marked.solve.tolist(), strict=True)).items():
            found.setdefault(cell_id, {})[PURPOSES_BY_NUMBER[purpose]] = count
        return found


@dataclass(frozen=True, slots=True)
class _RateTable:
    """Rates by (cell, usage group) as one matrix; the last row, all zero, is for groups charged attempt by attempt."""

    places: Mapping[tuple[int, int], int]
    matrix: Floats

    @classmethod
    def of(cls, rates: Mapping[tuple[int, int], Rates | None]) -> _RateTable:
        import numpy as np

        nothing, unknown = [0.0] * len(TOKEN_COLUMNS), [np.nan] * len(TOKEN_COLUMNS)
        rows = [unknown if found is None else _rate_vector(found) for found in rates.values()]
        return cls({key: place for place, key in enumerate(rates)}, np.array([*rows, nothing], dtype=float))

    def charge(self, cell: Ints, group: Ints, tokens: Ints, counted: Flags) -> tuple[Floats, Ints]:
        """Give cost and output per attempt."""
        import numpy as np

        none = len(self.matrix) - 1
        pairs, which = np.unique(cell * (1 << 32) + group, return_inverse=True)
        # a group of -1 (never settled) borrows from the cell's digits: such attempts are not counted anyway
        known = [self.places.get((int(pair) >> 32, int(pair) & 0xFFFFFFFF), none) for pair in pairs.tolist()]
        place = np.where(counted, np.array(known, dtype=np.int64)[which.reshape(-1)], none)
        listed = place != none
        reasoning = tokens[:, 5]
        quantities = np.concatenate((tokens[:, :4], (tokens[:, 4] - reasoning)[:, None], reasoning[:, None]), axis=1)
        return (self.matrix[place] * quantities).sum(axis=1), np.where(listed, tokens[:, 4], 0)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was planned: the samples in the order of a report (by task, then as drawn), and which answers are theirs."""

    planned: Ints
    sample: Ints
    keys: Sequence[tuple[str, str]]
    probabilities: Sequence[float]

    @classmethod
    def read(cls, batches: Iterable[Planned]) -> _Plan:
        import numpy as np

        numbers: dict[tuple[str, str], int] = {}
        probabilities: list[float] = []
        planned, sample = [], []
        for rows in batches:
            for planned_id, task, sample_id, probability in rows:
                number = numbers.setdefault((task, sample_id), len(numbers))
                if number == len(probabilities):
                    probabilities.append(probability)
                planned.append(planned_id)
                sample.append(number)
        ids = np.array(planned, dtype=np.int64)
        order = np.argsort(ids)
        return cls(ids[order], np.array(sample, dtype=np.int64)[order], list(numbers), probabilities)

    def samples(self, planned: Ints) -> Ints:
        """Number the sample of each answer."""
        import numpy as np

        return self.sample[np.searchsorted(self.planned, planned)]


@dataclass(frozen=True, slots=True)
class _Answers:
    """The planned answers of cells in columns, by cell, each with what stands of its attempts.

    Attributes:
        tried: the attempt that stands, with cost, output and retries of all of them.
        value: millionths; -1 = no score.
        reason: why there is none, as a place in `reasons`.
    """

    tried: _Attempts
    value: Ints
    reason: NDArray[np.int16]
    reasons: Sequence[str | None]

    @classmethod
    def standing(cls, attempts: _Attempts, scores: Iterable[Scored]) -> _Answers:
        """Find what stands: the last attempt of a planned answer, the newest answered one, else the newest."""
        import numpy as np

        tried = attempts.take((attempts.solve == 1) & (attempts.planned >= 0))
        tried = tried.take(np.lexsort((tried.attempt, tried.status < UNANSWERED, tried.planned, tried.cell)))
        cell, planned = tried.cell, tried.planned
        is_last = np.append((cell[1:] != cell[:-1]) | (planned[1:] != planned[:-1]), True)[: len(cell)]
        last = np.flatnonzero(is_last)
        first = np.append(0, last[:-1] + 1)[: len(last)]
        stands = tried.take(last)
        if len(last):
            sums = {name: np.add.reduceat(getattr(tried, name), first) for name in ("usd", "output", "retry")}
            stands = replace(stands, **sums)
        return cls(stands, *_newest_scores(scores, stands.attempt))

    def of_cell(self, cell_id: int, singles: Mapping[tuple[int, int], tuple[float | None, int]]) -> _Answers:
        """Take one cell's answers, with what was charged one by one for them."""
        import numpy as np

        here = slice(*np.searchsorted(self.tried.cell, (cell_id, cell_id + 1)))
        own = self.tried.take(here)
        if singles:
            own = replace(own, usd=own.usd.copy(), output=own.output.copy())
            for place, planned_id in enumerate(own.planned.tolist()):
                usd, output = singles.get((cell_id, planned_id), (0.0, 0))
                own.usd[place] += np.nan if usd is None else usd
                own.output[place] += output
        return _Answers(own, self.value[here], self.reason[here], self.reasons)

    @property
    def is_scored(self) -> Flags:
        return self.value >= 0

    def reasons_without_score(self) -> list[str]:
        """Say of every answer without a score why there is none."""
        columns = zip(self.reason.tolist(), self.tried.status.tolist(), strict=True)
        missing = compress(columns, (~self.is_scored).tolist())
        return [self.reasons[number] or ("failed" if status == UNANSWERED else "pending") for number, status in missing]


def _newest_scores(batches: Iterable[Scored], attempts: Ints) -> tuple[Ints, NDArray[np.int16], list[str | None]]:
    """Find the newest score of each attempt: its millionths (-1 = none), and why there is none, by number."""
    import numpy as np

    numbers: dict[str | None, int] = {None: 0}
    ids, values, reasons = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0, np.int16)]
    for rows in batches:
        attempt, value, why = zip(*rows, strict=True)
        ids.append(np.array(attempt, dtype=np.int64))
        values.append(np.array(value, dtype=np.int64))
        reasons.append(np.array([numbers.setdefault(text, len(numbers)) for text in why], dtype=np.int16))
    scored = np.concatenate(ids)
    if not len(scored):
        return np.full(len(attempts), -1), np.zeros(len(attempts), np.int16), list(numbers)
    # the rightmost of equal attempts is the newest score
    place = np.searchsorted(scored, attempts, side="right") - 1
    found = (place >= 0) & (scored[np.maximum(place, 0)] == attempts)
    place = np.where(found, place, 0)
    newest = np.where(found, np.concatenate(values)[place], -1)
    return newest, np.where(found, np.concatenate(reasons)[place], 0), list(numbers)


def _added_up(answers: _Answers, plan: _Plan, why: Sequence[str]) -> Samples:
    """Add up the repeats of each sample of a cell; `why` tells of the answers without a score what they lack."""
    import numpy as np

    is_scored = answers.is_scored
    counts = is_scored.copy()
    counts[~is_scored] = [reason in COUNTED_WRONG for reason in why]
    numbers, which = np.unique(plan.samples(answers.tried.planned), return_inverse=True)

    def total(values: Ints | Floats | Flags) -> Floats:
        return np.bincount(which.reshape(-1), weights=values, minlength=len(numbers)).astype(np.float64, copy=False)

    def whole(values: Ints | Floats | Flags) -> list[int]:
        counted: list[int] = total(values).astype(np.int64).tolist()
        return counted

    return Samples(
        keys=[plan.keys[number] for number in numbers.tolist()],
        probabilities=[plan.probabilities[number] for number in numbers.tolist()],
        score_sums=total(np.where(is_scored, answers.value, 0) / 1_000_000).tolist(),
        score_counts=whole(counts),
        n_solves=whole(np.ones(len(counts))),
        costs_usd=[None if cost != cost else cost for cost in total(answers.tried.usd).tolist()],  # nan
        output_tokens=whole(answers.tried.output),
    )
