"""The nouns of a precision-targeted run: what is drawn, what came of it, what is wanted, and what to ask next.

A *unit* is a sample, or a group of samples that are drawn together. Units of a stratum have one fixed random order, and
a draw is a prefix of it for each pass, so that two models, two runs or a resumed run share their samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import HarnessError
from harness.precision.observed import Observed, UnitResult, observed

Kind = Literal["score", "difference"]


class PrecisionError(HarnessError):
    """A design or a target that means nothing, or that the suite cannot give."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """A task, or a part of it, whose units are drawn alike.

    Attributes:
        task: task, as `suite/task` where a run has several suites.
        name: which part of the task; "" = all of it.
        n_units: units that exist.
        n_items: samples that exist in them; more than `n_units` where units are groups.
        repeats: the suite's epochs, the most attempts of a sample.
        weight: share of the score, so that those of all strata sum to 1.
        prediction: mean prediction of the bank over all samples, or over those of the first `n_predicted` units of the
            order where the bank knows no more (None = it knows all); None without a bank.
    """

    task: str
    name: str = ""
    n_units: int
    n_items: int
    repeats: int = 1
    weight: float
    prediction: float | None = None
    n_predicted: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.n_units <= self.n_items or self.repeats < 1:
            raise PrecisionError(
                f"stratum {self.key}: {self.n_units} units, {self.n_items} samples and {self.repeats} epochs; a "
                "stratum has at least one unit, one sample in each and one epoch"
            )
        if not 0 < self.weight <= 1:
            raise PrecisionError(f"stratum {self.key}: weight {self.weight}, wanted above 0 and at most 1")

    @property
    def key(self) -> str:
        """What names the stratum in a ledger."""
        return f"{self.task}/{self.name}" if self.name else self.task

    @property
    def unit_items(self) -> float:
        """Mean number of samples in a unit."""
        return self.n_items / self.n_units

    @property
    def most_attempts(self) -> int:
        """Attempts of all its samples with all repeats."""
        return self.n_items * self.repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class StratumState:
    """What is known of a stratum so far.

    Attributes:
        observed: scored answers of the units that were drawn.
        passes: units drawn for each pass so far; may exceed what is observed, where answers have no score.
        usd_per_attempt: mean cost of an attempt so far, input included; None = not known, 0 = free.
        n_pilot: units of the pilot, which were drawn whatever they showed.
    """

    stratum: Stratum
    observed: Observed
    passes: tuple[int, ...] = ()
    usd_per_attempt: float | None = None
    n_pilot: int = 0

    @property
    def whole_usd(self) -> float | None:
        """Cost of all its attempts at the mean cost so far; None = not known."""
        return None if self.usd_per_attempt is None else self.usd_per_attempt * self.stratum.most_attempts

    @classmethod
    def of(
        cls,
        stratum: Stratum,
        results: Sequence[UnitResult] = (),
        *,
        passes: Sequence[int] | None = None,
        usd_per_attempt: float | None = None,
        n_pilot: int = 0,
    ) -> StratumState:
        """Make a state from results in draw order; `passes` defaults to what they show."""
        seen = observed(results)
        return cls(
            stratum=stratum,
            observed=seen,
            passes=tuple(passes) if passes is not None else seen.passes(),
            usd_per_attempt=usd_per_attempt,
            n_pilot=n_pilot,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """How precise the score, or a difference of two scores, is to be.

    Attributes:
        half_width: wanted half of the interval's width, as a share (0.01 = one point).
        level: confidence level of the interval.
    """

    half_width: float
    level: float = 0.95
    kind: Kind = "score"

    def __post_init__(self) -> None:
        if not 0 < self.half_width < 0.5:
            raise PrecisionError(
                f"a precision of {100 * self.half_width:g} points: wanted more than 0 and less than 50 points"
            )
        if not 0.5 <= self.level < 1:
            raise PrecisionError(f"a confidence of {100 * self.level:g} %: wanted from 50 % to below 100 %")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """How far a stratum is to be asked: the first `passes[e]` units of its order get their attempt number e + 1.

    Passes never grow with e and never shrink from one wave to the next; what a wave adds is the difference.
    """

    stratum: str
    passes: tuple[int, ...]

    @property
    def n_units(self) -> int:
        """Units with at least one attempt."""
        return self.passes[0] if self.passes else 0


def checked(strata: Sequence[Stratum]) -> None:
    """Refuse strata that are no whole: none, two of one name, or weights that do not sum to 1."""
    names = [stratum.key for stratum in strata]
    if not names or len(set(names)) < len(names):
        raise PrecisionError(f"strata need names of their own, and there must be some: {', '.join(names) or 'none'}")
    if abs(sum(stratum.weight for stratum in strata) - 1) > 1e-6:
        raise PrecisionError(f"weights of strata sum to {sum(s.weight for s in strata):.6f}, wanted 1")
