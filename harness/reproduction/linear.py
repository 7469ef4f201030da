"""Exact linear programs over rationals: is there a point, and how low and high can a quantity go.

The two-phase simplex method with Bland's rule (Bland 1977, Math. Oper. Res. 2), which always ends; made for tens of
unknowns, where exact answers matter more than speed. `sympy.solvers.simplex` is exact as well, but its first phase may
oscillate (sympy 1.14): some programs without a solution get one, others never end; so it cannot say which prices fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

Terms = Mapping[str, Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """`sum(terms) <= bound`; the label names the fact that it comes from."""

    terms: Terms
    bound: Fraction
    label: str


def at_most(terms: Terms, bound: Fraction, label: str) -> Constraint:
    """Make `sum(terms) <= bound`."""
    return Constraint(terms=terms, bound=bound, label=label)


def at_least(terms: Terms, bound: Fraction, label: str) -> Constraint:
    """Make `sum(terms) >= bound`."""
    return Constraint(terms={name: -factor for name, factor in terms.items()}, bound=-bound, label=label)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Lowest and highest value over the feasible points; `high` None = without limit."""

    low: Fraction
    high: Fraction | None


def is_feasible(constraints: Sequence[Constraint]) -> bool:
    """Say whether some point with all unknowns at zero or above meets every constraint."""
    return _Tableau(constraints).find_point()


def value_range(name: str, constraints: Sequence[Constraint]) -> Interval | None:
    """Find how low and high one unknown can be; None when no point is feasible."""
    highest = _Tableau(constraints)
    if not highest.find_point():
        return None
    high = highest.maximise({name: Fraction(1)})
    lowest = _Tableau(constraints)
    lowest.find_point()
    low = lowest.maximise({name: Fraction(-1)})
    return Interval(low=-low if low is not None else Fraction(0), high=high)


class _Tableau:
    """A dictionary: each basic variable as a constant and a combination of the others, all of them at zero."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        names = sorted({name for constraint in constraints for name in constraint.terms})
        self.column = {name: place for place, name in enumerate(names)}
        self.free = list(range(len(names)))
        self.basic = [len(names) + place for place in range(len(constraints))]
        self.constant = [constraint.bound for constraint in constraints]
        self.rows = [[-constraint.terms.get(name, Fraction(0)) for name in names] for constraint in constraints]
        self.n_variables = len(names) + len(constraints)

    def find_point(self) -> bool:
        """Phase one: drive the auxiliary variable out; False when it cannot become zero."""
        worst = min(range(len(self.constant)), key=lambda i: self.constant[i], default=None)
        if worst is None or self.constant[worst] >= 0:
            return True
        auxiliary = self.n_variables
        self.free.append(auxiliary)
        for row in self.rows:
            row.append(Fraction(1))
        self._pivot(worst, len(self.free) - 1)
        goal = [Fraction(0)] * len(self.free)
        shift = self._expressed({auxiliary: Fraction(-1)}, goal)
        best = self._climb(goal, shift)
        if best is None or best != 0:
            return False
        self._remove(auxiliary)
        return True

    def maximise(self, terms: Terms) -> Fraction | None:
        """Phase two, from a feasible point; None = without limit. Unknown names are free and cost nothing."""
        known = {self.column[name]: factor for name, factor in terms.items() if name in self.column}
        if len(known) < len(terms) and any(factor > 0 for name, factor in terms.items() if name not in self.column):
            return None
        goal = [Fraction(0)] * len(self.free)
        return self._climb(goal, self._expressed(known, goal))

    def _expressed(self, terms: Mapping[int, Fraction], goal: list[Fraction]) -> Fraction:
        """Write an objective in the free variables; returns its constant."""
        shift = Fraction(0)
        for variable, factor in terms.items():
            if variable in self.free:
                goal[self.free.index(variable)] += factor
                continue
            row = self.basic.index(variable)
            shift += factor * self.constant[row]
            for place, coefficient in enumerate(self.rows[row]):
                goal[place] += factor * coefficient
        return shift

    def _climb(self, goal: list[Fraction], shift: Fraction) -> Fraction | None:
        while True:
            rising = [place for place in range(len(goal)) if goal[place] > 0]
            if not rising:
                return shift
            enter = min(rising, key=lambda place: self.free[place])
            limits = [
                (-self.constant[i] / self.rows[i][enter], self.basic[i], i)
                for i in range(len(self.rows))
                if self.rows[i][enter] < 0
            ]
            if not limits:
                return None
            step, _, leave = min(limits)
            factor = goal[enter]
            shift += factor * step
            self._pivot(leave, enter)
            goal[enter] = Fraction(0)
            for place, coefficient in enumerate(self.rows[leave]):
                goal[place] += factor * coefficient
            # the constant of the entering row is its new value, already added to `shift` as factor * step

    def _pivot(self, leave: int, enter: int) -> None:
        """Exchange a basic and a free variable."""
        row = self.rows[leave]
        factor = row[enter]
        new_row = [-coefficient / factor for coefficient in row]
        new_row[enter] = 1 / factor
        new_constant = -self.constant[leave] / factor
        for i, other in enumerate(self.rows):
            if i != leave and other[enter] != 0:
                scale = other[enter]
                self.constant[i] += scale * new_constant
                self.rows[i] = [
                    scale * new_row[place] if place == enter else other[place] + scale * new_row[place]
                    for place in range(len(other))
                ]
        self.rows[leave], self.constant[leave] = new_row, new_constant
        self.basic[leave], self.free[enter] = self.free[enter], self.basic[leave]

    def _remove(self, variable: int) -> None:
        """Drop the auxiliary variable, which is zero."""
        if variable in self.basic:
            row = self.basic.index(variable)
            enter = next((place for place, value in enumerate(self.rows[row]) if value != 0), None)
            if enter is None:
                del self.basic[row], self.rows[row], self.constant[row]
                for place_row in self.rows:
                    assert len(place_row) == len(self.free)
                return
            self._pivot(row, enter)
        place = self.free.index(variable)
        del self.free[place]
        for values in self.rows:
            del values[place]
