"""What a task of an index costs, weighted as its score is, and what one pass over everything costs, repeats left out.

Pure. Data flows spend and outcomes by task -> `IndexCosts`. Artificial Analysis states both: the cost per task weighted
by the index' weights, and a cost to run of tokens at list price without repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from harness.money import EXACT
from harness.reports.facts.report_facts import CellFacts, Spend

PARTS = ("input", "cache_read", "cache_write", "reasoning", "answer", "output", "fees", "total")
PICO = Decimal("1e-12")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCosts:
    """Dollars by part; None = that part is not itemised.

    Attributes:
        per_task: of one answer, each task counting by its weight in the index, to the picodollar.
        one_pass: of one answer to every sample that was asked: what repeats would add is left out.
    """

    per_task: Mapping[str, Decimal | None]
    one_pass: Mapping[str, Decimal | None]


@dataclass(frozen=True, slots=True)
class _TaskCost:
    weight: Fraction
    n_samples: int
    n_solves: int
    spend: Spend


def index_costs(facts: CellFacts) -> IndexCosts | None:
    """Weigh what the tasks of an index cost; None where some have no answer or the dollars of a task are not known.

    That is so where waves asked a part of it, where answers were reused from earlier runs and billed there, and where
    something was charged that belongs to no task (hardware by the hour, settled invoices).
    """
    share = facts.index
    if share is None or share.unanswered or facts.drawn is not None or facts.solve.n_reused:
        return None
    tasks = list(_task_costs(facts))
    known = sum((task.spend.cost.total for task in tasks), Decimal(0))
    if not tasks or len(tasks) < len(facts.tasks) or any(one.spend.is_unpriced for one in tasks):
        return None
    if EXACT.compare(known, facts.solve.cost.total):
        return None
    whole = sum(task.weight for task in tasks)
    return IndexCosts(
        per_task={part: _added(tasks, part, [one.weight / whole / one.n_solves for one in tasks]) for part in PARTS},
        one_pass={
            part: _added(tasks, part, [Fraction(one.n_samples, one.n_solves) for one in tasks]) for part in PARTS
        },
    )


def _task_costs(facts: CellFacts) -> Iterator[_TaskCost]:
    for task in facts.tasks:
        spend, n_solves = facts.by_task.get(task.task), int(sum(task.n_solves))
        if spend is not None and task.weight is not None and n_solves:
            yield _TaskCost(Fraction(task.weight), len(task.sample_ids), n_solves, spend)


def _added(tasks: Sequence[_TaskCost], part: str, factors: Sequence[Fraction]) -> Decimal | None:
    """Add a part of the tasks' costs, each times its factor, rounded once."""
    total = Fraction(0)
    for task, factor in zip(tasks, factors, strict=True):
        usd = task.spend.part(part)
        if usd is None:
            return None
        total += Fraction(usd) * factor
    return (Decimal(total.numerator) / Decimal(total.denominator)).quantize(PICO)
