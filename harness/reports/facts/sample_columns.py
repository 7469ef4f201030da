"""A run's results and spend per sample, in columns: a report walks a million attempts of them.

Pure. Data flows `RunTotals`, one entry per planned answer -> per cell, one entry per sample -> `assembly`. Costs here
are floats and serve intervals only; sums are exact elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import mul
from typing import TYPE_CHECKING, TypeAlias

from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.reading.sample_rows import PURPOSES_BY_NUMBER
from harness.replies.unscored import COUNTED_WRONG
from harness.reports.facts.samples.packed_columns import NameColumn, NumberColumn
from harness.reports.facts.samples.run_totals import Rates, RunTotals, rate_vector, split_output
from harness.reports.facts.samples.sample_keys import KeyUnions, SampleKeys
from harness.reports.facts.samples.timing import Timing
from harness.reports.facts.samples.turn_figures import TurnFigures
from harness.reports.facts.samples.turn_totals import CellTurns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]
    Floats: TypeAlias = NDArray[np.float64]

Singles: TypeAlias = Mapping[int, tuple[float | None, int]]
"""By planned answer: cost (None = not known) and output of the attempts charged one by one."""


@dataclass(slots=True)
class SampleSpend:
    """What per-sample costs are made from.

    Attributes:
        rates: by cell and usage group; None = unpriced. Groups that are charged attempt by attempt are not in it.
        singles: by cell, what was charged one by one.
        tokens: columns of tokens that occur in these groups, input and output in any case.
    """

    rates: dict[tuple[int, int], Rates | None] = field(default_factory=dict)
    singles: dict[int, dict[int, tuple[float | None, int]]] = field(default_factory=dict)
    _used: set[str] = field(default_factory=lambda: {TOKEN_COLUMNS[0], TOKEN_COLUMNS[4]})

    @property
    def tokens(self) -> tuple[str, ...]:
        return tuple(name for name in TOKEN_COLUMNS if name in self._used)

    def add_rates(self, cell_id: int, usage_group_id: int, rates: Rates | None, counts: Sequence[int]) -> None:
        """Remember the rates of a group, whose sums by status may each have used some of the meters.

        Args:
            counts: what a sum used, in the order of `TOKEN_COLUMNS`.
        """
        known = self.rates.get((cell_id, usage_group_id))
        self.rates[cell_id, usage_group_id] = rates if not known or rates is None else {**known, **rates}
        self._used.update(name for name, count in zip(TOKEN_COLUMNS, counts, strict=True) if count)

    def add_single(self, cell_id: int, planned_id: int, usd: float | None, output_tokens: int) -> None:
        """Add an attempt that was charged alone."""
        singles = self.singles.setdefault(cell_id, {})
        before_usd, before_tokens = singles.get(planned_id, (0.0, 0))
        total = None if usd is None or before_usd is None else before_usd + usd
        singles[planned_id] = (total, before_tokens + output_tokens)

    def add_tokens(self, cell_id: int, planned_id: int, tokens: Sequence[int], rates: Rates | None) -> None:
        """Add an attempt by its counts, in the order of `TOKEN_COLUMNS`, and its rates; None = unpriced."""
        usd = None if rates is None else sum(map(mul, split_output(tokens), rate_vector(rates)))
        self.add_single(cell_id, planned_id, usd, tokens[4])


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """The samples of a cell in columns of equal length, one entry per sample, its repeats added up.

    Attributes:
        keys: samples, these and perhaps others; `places` = of these among them, None = they are all.
        score_counts: answers that count, right or wrong.
        costs_usd: over all attempts; None = not known.
    """

    keys: SampleKeys
    places: Ints | None
    probabilities: NumberColumn[float]
    score_sums: NumberColumn[float]
    score_counts: NumberColumn[int]
    n_solves: NumberColumn[int]
    costs_usd: NumberColumn[float | None]
    output_tokens: NumberColumn[int]

    @property
    def task(self) -> Ints:
        """Of each sample, the place of its task in `keys.tasks`."""
        return self.keys.task if self.places is None else self.keys.task[self.places]

    @property
    def names(self) -> NameColumn:
        """Sample ids."""
        return self.keys.names if self.places is None else self.keys.names.take(self.places)


def merged(parts: Sequence[Samples], unions: KeyUnions) -> Samples:
    """Add up the samples of a cell over runs, which are in the order of the runs: repeats of a sample stay one."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    union = unions.of([part.keys for part in parts])
    n = len(union.keys)
    first, order = np.full(n, len(parts)), np.zeros(n, np.int64)
    sums = {name: np.zeros(n) for name in _ADDED}
    probabilities = np.zeros(n)
    for number, (part, places) in enumerate(zip(parts, union.places, strict=True)):
        at = places if part.places is None else places[part.places]
        new = np.flatnonzero(first[at] == len(parts))
        first[at[new]], order[at[new]] = number, new
        for name, total in sums.items():
            total[at] += np.asarray(getattr(part, name))
        probabilities[at] = np.maximum(probabilities[at], part.probabilities.array)
    rows = np.flatnonzero(first < len(parts))
    rows = rows[np.lexsort((order[rows], first[rows]))]
    is_whole = np.array_equal(rows, np.arange(n))
    every = slice(None) if is_whole else rows
    return Samples(
        keys=union.keys,
        places=None if is_whole else rows,
        probabilities=NumberColumn(probabilities[every]),
        **{name: NumberColumn(_as_before(name, total[every])) for name, total in sums.items()},
    )


_ADDED = ("score_sums", "score_counts", "n_solves", "costs_usd", "output_tokens")


def _as_before(name: str, total: Floats) -> NDArray[np.generic]:
    import numpy as np

    if name in ("score_sums", "costs_usd"):
        return total
    most = int(total.max(initial=0))
    return total.astype(np.uint8 if most < 1 << 8 else np.uint32 if most < 1 << 32 else np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSamples:
    """What became of a cell's samples.

    Attributes:
        samples: None = none was tried.
        n_retries: solving attempts that repeat an earlier one.
        n_flagged: settled attempts by purpose whose usage does not add up as the provider sent it.
        n_unscored, n_without_answer: answers by the reason why there is none; the second kind counts as wrong.
        timing: how long its answers took.
        turns: of samples that are conversations; None = each is one request.
    """

    cell_id: int
    samples: Samples | None
    n_retries: int
    n_flagged: Mapping[str, int]
    n_unscored: Mapping[str, int]
    n_without_answer: Mapping[str, int]
    timing: Timing
    turns: TurnFigures | None = None


def cell_samples(
    totals: RunTotals, singles: Mapping[int, Singles], turns: Mapping[int, CellTurns]
) -> Iterator[CellSamples]:
    """Give the results of every cell of a run that was tried, in order of cells.

    Args:
        turns: of cells whose samples are conversations.
    """
    for place, cell_id in enumerate(totals.cells.tolist()):
        tried = totals.tried(place)
        timing, n_flagged = totals.timing(place), _flagged(totals.n_flagged[place])
        if not (len(tried) or timing.n_answers or n_flagged):
            continue
        own = turns.get(cell_id)
        scores, reasons = totals.results(place, tried, lost=None if own is None else own.lost)
        why = _reasons(scores, reasons, totals.plan.planned[tried])
        wrong = [number for number, reason in enumerate(reasons) if reason in COUNTED_WRONG]
        yield CellSamples(
            cell_id=cell_id,
            samples=_added_up(totals, place, tried, scores, wrong, singles.get(cell_id, {})) if len(tried) else None,
            n_retries=int(totals.n_retries[place]),
            n_flagged=n_flagged,
            n_unscored={reason: count for reason, count in why.items() if reason not in COUNTED_WRONG},
            n_without_answer={reason: count for reason, count in why.items() if reason in COUNTED_WRONG},
            timing=timing if own is None else timing.with_turns(own.figures),
            turns=None if own is None else own.figures,
        )


def _flagged(counts: Ints) -> Mapping[str, int]:
    return {PURPOSES_BY_NUMBER[number]: count for number, count in enumerate(counts.tolist()) if count}


def _reasons(scores: Ints, reasons: Sequence[str], planned: Ints) -> Mapping[str, int]:
    """Count why answers have no score, in the order in which the reasons occur first."""
    import numpy as np

    without = scores < 0
    numbers, ids = -1 - scores[without], planned[without]
    counts = np.bincount(numbers, minlength=len(reasons))
    found = sorted((int(ids[numbers == number].min()), number) for number in np.flatnonzero(counts).tolist())
    total: dict[str, int] = {}
    for _, number in found:
        total[reasons[number]] = total.get(reasons[number], 0) + int(counts[number])
    return total


def _added_up(
    totals: RunTotals, place: int, tried: Ints, scores: Ints, wrong: Sequence[int], singles: Singles
) -> Samples:
    """Add up the repeats of each sample of a cell.

    Args:
        tried: places of its answers in the plan; `scores` = of each its millionths, else -1 less the reason's number.
        wrong: numbers of the reasons that count as wrong.
    """
    import numpy as np

    plan, everything = totals.plan, len(tried) == len(totals.plan.planned)
    usd, output = (table[place] if everything else table[place][tried] for table in (totals.usd, totals.output))
    if singles:
        at = np.flatnonzero(np.isin(plan.planned[tried], list(singles)))
        alone = [singles[planned_id] for planned_id in plan.planned[tried[at]].tolist()]
        usd, output = usd.copy(), output.astype(np.int64)
        usd[at] += [np.nan if cost is None else cost for cost, _ in alone]
        output[at] += [tokens for _, tokens in alone]
    counts = ((scores >= 0) | np.isin(-1 - scores, wrong)).astype(np.uint8)
    value = np.where(scores >= 0, scores, 0)
    whole: list[NDArray[np.generic]]
    if plan.is_repeated:
        number, which = np.unique(plan.sample[tried], return_inverse=True)

        def total(values: NDArray[np.generic] | None) -> Floats:
            return np.bincount(which.reshape(-1), values, minlength=len(number)).astype(np.float64, copy=False)

        scored, dollars = NumberColumn[float](total(value / 1_000_000)), total(usd)
        whole = [total(values).astype(np.int64) for values in (counts, None, output)]
    else:
        number, dollars = plan.sample[tried], usd
        scored = NumberColumn(value.astype(np.int32) if value.max() < 1 << 31 else value, divisor=1_000_000)
        whole = [counts, np.ones(len(tried), np.uint8), output]
    every = len(number) == len(plan.keys)
    return Samples(
        keys=plan.keys,
        places=None if every else number,
        probabilities=NumberColumn(plan.probabilities if every else plan.probabilities[number]),
        score_sums=scored,
        score_counts=NumberColumn(whole[0]),
        n_solves=NumberColumn(whole[1]),
        costs_usd=NumberColumn(dollars),
        output_tokens=NumberColumn(whole[2]),
    )
