"""What a run's answers cost so far, task by task, and how many are to come: what its forecasts are made of.

Data flows plan + estimates -> what an answer costs before any is seen; ledger -> charges of those that were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from harness.ledger import Ledger
from harness.ledger.reading.forecast_rows import SampleCharge, sample_charges
from harness.models import ModelSpec
from harness.money import to_pico_ceiling
from harness.runner.forecast.bills import Charge, TaskCharges
from harness.runner.forecast.cost_estimates import CostEstimate
from harness.runner.forecast.estimates import Estimator
from harness.runner.plan import PlannedItem, PreparedRun
from harness.suites.tokens import TokenEstimate

CellKey = tuple[ModelSpec, str]
"""Model and suite."""
TaskKey = tuple[str, str]
"""Suite and task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCome:
    """Answers of a task that a model is still to be asked for.

    Attributes:
        n_again: to samples that it was asked before.
        n_new: to others.
    """

    n_again: int = 0
    n_new: int = 0


StillToAsk = Mapping[tuple[ModelSpec, str, str], ToCome]
"""By model, suite and task; a task that is missing is asked nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPrice:
    """What an answer of a task costs one model, in picodollars, before any is seen.

    Attributes:
        worst: of an answer as long as its cap allows; None = no cap is sent.
        source: where `expected` comes from.
    """

    expected: float
    worst: float | None
    source: str


_TYPICAL_PROMPTS = 500
"""Samples of a task, first in the draw, whose prompts stand for all."""


def answer_prices(
    planned: Mapping[TaskKey, Sequence[PlannedItem]], estimates: Sequence[CostEstimate], estimator: Estimator
) -> dict[tuple[ModelSpec, str, str], AnswerPrice]:
    """Price an answer of each task by each model; models without a price are left out."""
    found = {}
    for (suite, task), items in planned.items():
        prompts = items[:_TYPICAL_PROMPTS]
        tokens = estimator.tokens(prompts)
        for one in (each for each in estimates if each.suite == suite):
            if (price := _price(one, prompts, tokens, estimator)) is not None:
                found[one.model.spec, suite, task] = price
    return found


def _price(
    one: CostEstimate, prompts: Sequence[PlannedItem], tokens: TokenEstimate, estimator: Estimator
) -> AnswerPrice | None:
    """Price an answer to a typical prompt: the mean of what each costs at its size, not the cost of a mean prompt."""
    name = prompts[0].task.name
    if prompts[0].task.is_conversation:
        (talks,) = estimator.talks(one.suite, prompts, tokens, one.model)
        if talks.usd is None:
            return None
        most = None if talks.ceiling_usd is None else to_pico_ceiling(talks.ceiling_usd / talks.n_samples)
        return AnswerPrice(expected=to_pico_ceiling(talks.usd / talks.n_samples), worst=most, source=talks.source)
    usual = estimator.usd_per_answer(one.model, prompts, tokens, round(one.output.means[name]))
    worst = estimator.usd_per_answer(one.model, prompts, tokens, estimator.cap(prompts[0], one.model))
    if usual is None:
        return None
    return AnswerPrice(
        expected=to_pico_ceiling(usual),
        worst=None if worst is None else to_pico_ceiling(worst),
        source=one.output.sources[name],
    )


class RunCharges:
    """Reads what the answers of one run cost.

    Args:
        cells: model and suite of each cell, by the ledger's id.
        planned_ids: the ledger's ids of planned samples, in draw order.
        prices: of an answer; tasks of models that are missing are left out.
    """

    def __init__(
        self,
        prepared: PreparedRun,
        ledger: Ledger,
        *,
        cells: Mapping[int, CellKey],
        planned_ids: Sequence[int],
        prices: Mapping[tuple[ModelSpec, str, str], AnswerPrice],
    ) -> None:
        self._run_id = prepared.run_id
        self._items = prepared.items
        self._ledger = ledger
        self._cells = cells
        self._planned_ids = planned_ids
        self.prices = prices
        self._epochs: dict[TaskKey, Counter[str]] = {}
        for item in self._items:
            self._epochs.setdefault((item.suite.name, item.task.name), Counter())[item.sample.sample_id] += 1

    def by_cell(self, first: int, to_come: StillToAsk | None) -> dict[CellKey, list[TaskCharges]]:
        """Give the charges of every cell's tasks.

        Args:
            first: so many first samples of the draw count as seen.
            to_come: what is still asked; None = all that is planned.
        """
        seen = self._seen(first)
        found: dict[CellKey, list[TaskCharges]] = {}
        for (model, suite, task), price in self.prices.items():
            samples = seen.get((model, suite, task), {})
            found.setdefault((model, suite), []).append(
                self._task((suite, task), samples, price)
                if to_come is None
                else _charged(samples, price, to_come.get((model, suite, task), ToCome()))
            )
        return found

    def _seen(self, first: int) -> dict[tuple[ModelSpec, str, str], dict[str, list[SampleCharge]]]:
        position = {planned_id: at for at, planned_id in enumerate(islice(self._planned_ids, first))}
        found: dict[tuple[ModelSpec, str, str], dict[str, list[SampleCharge]]] = {}
        for charge in sample_charges(self._ledger, self._run_id, first=first):
            item = self._items[position[charge.planned_id]]
            model, suite = self._cells[charge.cell_id]
            samples = found.setdefault((model, suite, item.task.name), {})
            samples.setdefault(item.sample.sample_id, []).append(charge)
        return found

    def _task(self, key: TaskKey, samples: Mapping[str, Sequence[SampleCharge]], price: AnswerPrice) -> TaskCharges:
        epochs = self._epochs[key]
        n_again = sum(epochs[name] - len(charges) for name, charges in samples.items())
        n_new = sum(number for name, number in epochs.items() if name not in samples)
        return _charged(samples, price, ToCome(n_again=n_again, n_new=n_new), repeats=epochs.total() / len(epochs))


def _charged(
    samples: Mapping[str, Sequence[SampleCharge]], price: AnswerPrice, to_come: ToCome, *, repeats: float = 1.0
) -> TaskCharges:
    """Charges whose bill is not known are no values; their answers are not to come any more either."""
    known = (
        [Charge(one.pico_usd, bool(one.n_cut)) for one in charges if one.pico_usd is not None]
        for charges in samples.values()
    )
    seen = [charges for charges in known if charges]
    dearest = max((charge.pico for charges in seen for charge in charges), default=0.0)
    return TaskCharges(
        seen=seen,
        n_again=to_come.n_again,
        n_new=to_come.n_new,
        repeats=repeats,
        worst=None if price.worst is None else max(price.worst, dearest),
        expected=price.expected,
        source=price.source,
    )
