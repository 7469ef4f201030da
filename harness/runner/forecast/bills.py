"""What a run will have cost in the end: what was charged so far, and what the samples left will be.

Pure. Data flows charges of answered samples and counts of those to come, task by task -> `BillForecast`, which a ledger
keeps as a `ForecastRecord`. Amounts are picodollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import hypot
from statistics import fmean, harmonic_mean
from typing import Any, Literal, NamedTuple

from harness.ledger.records import ForecastRecord
from harness.stats.totals_to_come import (
    FEWEST_SEEN,
    FORECAST_LEVEL,
    RareEvents,
    Stratum,
    noise_share,
    rare_events_upper_bound,
    total_to_come,
)
from harness.stats.values import known_sum

SHARES = (0.02, 0.1, 0.25, 0.5)
"""Shares of a run's answers at which its bill is forecast again."""
Stage = Literal["start", "share", "pilot", "wave"]
"""When a forecast was made: before the first request, when a share of the samples was answered, after a wave."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillForecast:
    """What a run, or one cell of it, will have cost in the end.

    Attributes:
        share: of the answers, on which it rests; 0 at the start.
        wave: waves that were asked by then.
        n_seen: answers that it rests on.
        sources: where lengths or costs of answers come from, such as `this run` or `own answers`.
        spent: when it was made; the other amounts include it.
        low, high: 90 % prediction interval; None = too little was known for one.
        ceiling: what runaway answers should not lift the bill above; None = not known.
        unpriced: models without a price, whose cost is in no amount.
    """

    stage: Stage
    share: float
    wave: int = 0
    n_seen: int
    sources: tuple[str, ...]
    spent: int
    expected: int
    low: int | None
    high: int | None
    ceiling: int | None
    unpriced: tuple[str, ...] = ()

    @property
    def rest(self) -> BillForecast:
        """The same of what is not spent yet."""
        low, high = (None if end is None else max(0, end - self.spent) for end in (self.low, self.high))
        return replace(self, spent=0, expected=max(0, self.expected - self.spent), low=low, high=high, ceiling=None)

    def to_record(self, run_id: str, made_at_us: int, *, cell_id: int | None) -> ForecastRecord:
        """The forecast as a ledger keeps it: one without an interval stands with the expected bill at both ends."""
        has_interval = self.low is not None and self.high is not None
        return ForecastRecord(
            run_id=run_id,
            cell_id=cell_id,
            made_at_us=made_at_us,
            wave=self.wave,
            basis={
                "stage": self.stage,
                "share": self.share,
                "n_seen": self.n_seen,
                "sources": list(self.sources),
                "has_interval": has_interval,
                "unpriced": list(self.unpriced),
            },
            level=FORECAST_LEVEL,
            spent_pico_usd=self.spent,
            expected_pico_usd=self.expected,
            low_pico_usd=self.expected if self.low is None else self.low,
            high_pico_usd=self.expected if self.high is None else self.high,
            ceiling_pico_usd=self.ceiling,
        )

    @classmethod
    def from_record(cls, stored: ForecastRecord) -> BillForecast:
        """Read a forecast back."""
        basis: Mapping[str, Any] = stored.basis
        has_interval = basis.get("has_interval", True)
        return cls(
            stage=basis.get("stage", "wave"),
            share=basis.get("share", 0.0),
            wave=stored.wave,
            n_seen=basis.get("n_seen", 0),
            sources=tuple(basis.get("sources", ())),
            spent=stored.spent_pico_usd,
            expected=stored.expected_pico_usd,
            low=stored.low_pico_usd if has_interval else None,
            high=stored.high_pico_usd if has_interval else None,
            ceiling=stored.ceiling_pico_usd,
            unpriced=tuple(basis.get("unpriced", ())),
        )


class Charge(NamedTuple):
    """What one answer cost, and whether it was cut at its output cap."""

    pico: float
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCharges:
    """What one task cost one model so far, and how much of it is to come.

    Attributes:
        seen: charges of answers by sample: of all samples up to a place in the draw, or of whole waves, so that quick
            answers are no likelier to be among them.
        n_again: answers to come to samples that were seen.
        n_new: answers to come to other samples.
        repeats: answers to come to one of those.
        worst: most that an answer can cost; None = not known.
        expected: of an answer before any is seen; None = not known.
        source: where that comes from.
    """

    seen: Sequence[Sequence[Charge]]
    n_new: int
    n_again: int = 0
    repeats: float = 1.0
    worst: float | None = None
    expected: float | None = None
    source: str = ""

    @property
    def n_to_come(self) -> int:
        """Answers to come."""
        return self.n_again + self.n_new

    @property
    def n_seen(self) -> int:
        """Answers that were seen."""
        return sum(map(len, self.seen))

    @property
    def spent(self) -> float:
        """Charges of the answers that were seen."""
        return sum(charge.pico for found in self.seen for charge in found)

    @property
    def to_come(self) -> float | None:
        """Expected charges of the answers to come; None = nothing is known of them."""
        mean = fmean(self.stratum.seen) if self.seen else self.expected
        return mean if mean is None else self.n_to_come * mean

    @property
    def worst_to_come(self) -> float | None:
        """Most that the answers to come can cost; None = not known."""
        return None if self.worst is None else self.n_to_come * self.worst

    @property
    def stratum(self) -> Stratum:
        """The task as statistics take it."""
        return self._stratum(self.seen)

    @property
    def body(self) -> Stratum:
        """Likewise, as if no answer were cut."""
        whole = [[charge for charge in found if not charge.is_cut] for found in self.seen]
        return self._stratum([found for found in whole if found])

    @property
    def cut(self) -> RareEvents:
        """What answers cut at the cap would add to the body if all to come were so."""
        body = self.body.seen
        more = 0.0 if self.worst is None else max(0.0, self.worst - (fmean(body) if body else 0.0))
        n_cut = sum(charge.is_cut for found in self.seen for charge in found)
        return RareEvents(n_hits=n_cut, n_seen=self.n_seen, would_add=self.n_to_come * more)

    def _stratum(self, seen: Sequence[Sequence[Charge]]) -> Stratum:
        values = [[charge.pico for charge in found] for found in seen]
        return Stratum(
            seen=[fmean(found) for found in values],
            n_to_come=self.n_to_come,
            n_again=self.n_again,
            answers=harmonic_mean(map(len, values)) if values else 1.0,
            repeats=self.repeats,
            noise=noise_share(values),
        )


class Amounts(NamedTuple):
    """Expected bill in the end, the ends of its interval, and its ceiling."""

    expected: float
    low: float | None
    high: float | None
    ceiling: float | None


UNSURE_COUNTS = ((0.35, 0.35), (0.1, 0.3), (0.0, 2.5))
"""How far the answers to come of a run in waves may be below and above what is expected, in nine of ten runs, as shares
of them: after the pilot, after the second wave, and after later ones, when few are left. Measured on the simulated
models of `benchmarks.precision`."""


def with_unsure_counts(found: Amounts, spent: float, *, n_waves: int) -> Amounts:
    """Widen an interval for not knowing how many answers are to come; both sides are joined as independent parts.

    Zou & Donner (2008), Statistics in Medicine 27(10).

    Args:
        spent: charges of the answers that were seen.
    """
    below, above = UNSURE_COUNTS[min(n_waves, len(UNSURE_COUNTS)) - 1]
    rest = found.expected - spent
    low = None if found.low is None else found.expected - hypot(found.expected - found.low, below * rest)
    high = None if found.high is None else found.expected + hypot(found.high - found.expected, above * rest)
    ceiling = None if found.ceiling is None else found.ceiling + above * rest
    return Amounts(found.expected, None if low is None else max(low, spent), high, ceiling)


def bill_in_the_end(cells: Sequence[Sequence[TaskCharges]]) -> Amounts | None:
    """Forecast the bill of cells from their tasks; None where nothing is known of what a task to come costs."""
    tasks = [task for cell in cells for task in cell]
    to_come = known_sum(task.to_come for task in tasks if task.n_to_come)
    if to_come is None:
        return None
    spent = sum(task.spent for task in tasks)
    expected, most = spent + to_come, _most(tasks, spent)
    sides = _sides(cells)
    if sides is None:
        return Amounts(expected, None, None, most)
    low, high = max(expected - sides[0], spent), expected + sides[1]
    if most is None:
        return Amounts(expected, low, high, None)
    high = min(high, most)
    return Amounts(expected, low, high, _ceiling(cells, spent, high=high, most=most))


def _most(tasks: Sequence[TaskCharges], spent: float) -> float | None:
    """The bill if every answer to come costs the most that it can; None = not known."""
    worst = known_sum(task.worst_to_come for task in tasks if task.n_to_come)
    return None if worst is None else spent + worst


def _sides(cells: Sequence[Sequence[TaskCharges]]) -> tuple[float, float] | None:
    """How far the bill may end below and above what is expected; None where too little was seen.

    Tasks that were put together have another total: the sides of its interval are those of the forecast all the same.
    """
    found = total_to_come(_enough([[task.stratum for task in cell] for cell in cells]))
    if found.value is None or found.ci_low is None or found.ci_high is None:
        return None
    return found.value - found.ci_low, found.ci_high - found.value


def _ceiling(cells: Sequence[Sequence[TaskCharges]], spent: float, *, high: float, most: float) -> float:
    """What runaway answers should not lift the bill above: between the end of its interval and the most it can be."""
    body = total_to_come(_enough([[task.body for task in cell] for cell in cells]))
    if body.ci_high is None:
        return most
    cut = rare_events_upper_bound([task.cut for cell in cells for task in cell if task.n_to_come])
    return min(most, max(high, spent + body.ci_high + cut))


def _enough(cells: Sequence[Sequence[Stratum]]) -> list[Stratum]:
    """Put the strata of a cell with few values together until they have enough.

    Collapsed strata, Cochran (1977), Sampling Techniques, section 5A.12: they make an interval wider, not narrower.
    """
    enough = []
    for cell in cells:
        strata = sorted((one for one in cell if one.n_to_come), key=lambda one: len(one.seen))
        while len(strata) > 1 and len(strata[0].seen) < FEWEST_SEEN:
            strata = sorted([_together(*strata[:2]), *strata[2:]], key=lambda one: len(one.seen))
        enough += strata
    return enough


def _together(one: Stratum, other: Stratum) -> Stratum:
    n_new = [each.n_to_come - each.n_again for each in (one, other)]
    return Stratum(
        seen=[*one.seen, *other.seen],
        n_to_come=one.n_to_come + other.n_to_come,
        n_again=one.n_again + other.n_again,
        answers=min(one.answers, other.answers),
        repeats=(n_new[0] * one.repeats + n_new[1] * other.repeats) / sum(n_new) if sum(n_new) else 1.0,
    )
