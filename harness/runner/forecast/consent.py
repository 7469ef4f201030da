"""Whether a run goes on after its pilot: said with the forecast, and asked of a person where one sits there.

Data flows forecast + budget (+ an answer) -> on, or the reason why the run ends with its pilot kept.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Protocol

from harness.errors import BudgetReached, NoMoreWaves
from harness.money import from_pico, plain
from harness.runner.forecast.bill_forecaster import RunForecasts
from harness.runner.forecast.bill_words import bill_words, forecast_words, usd_words
from harness.runner.forecast.bills import BillForecast
from harness.runner.forecast.remaining import cap_above


class Questioned(Protocol):
    """Who is told of a forecast and may be asked."""

    def notice(self, text: str) -> None: ...

    def ask(self, question: str, *, is_over: Callable[[], bool]) -> bool: ...


class PilotConsent:
    """Decides after a pilot.

    Args:
        budget_usd: of the run; None = it has none.
        can_ask: whether a person can be asked and wants to be.
        is_over: whether the run is being stopped, so that an answer is not waited for.
    """

    def __init__(
        self, observer: Questioned, *, budget_usd: Decimal | None, can_ask: bool, is_over: Callable[[], bool]
    ) -> None:
        self._observer = observer
        self._budget_usd = budget_usd
        self._can_ask = can_ask
        self._is_over = is_over

    def __call__(self, found: RunForecasts | None, is_new: bool) -> NoMoreWaves | None:
        """Say what the bill will be, and whether the run goes on; who comes back to a pilot is not asked again."""
        for line in (
            ["pilot done; it gives no forecast: no model has a price, or too few answers have a bill that is known"]
            if found is None
            else pilot_lines(found)
        ):
            self._observer.notice(line)
        if self._is_over():
            return None  # nothing is asked any more, whatever is said here
        if self._can_ask and is_new:
            return self._asked(found)
        return None if found is None else self._fits(found.whole)

    def _asked(self, found: RunForecasts | None) -> NoMoreWaves | None:
        high = None if found is None else _high(found.whole)
        if self._budget_usd is not None and high is not None and high > self._budget_usd:
            self._observer.notice(
                f"the budget of ${plain(self._budget_usd)} does not hold the upper end: it may end the run on its way"
            )
        more = "" if found is None else f" for about {forecast_words(found.whole.rest)} more"
        if self._observer.ask(f"go on with the rest{more}?", is_over=self._is_over) or self._is_over():
            return None
        return NoMoreWaves("ended after the pilot, as you said", exit_code=BudgetReached.exit_code)

    def _fits(self, whole: BillForecast) -> NoMoreWaves | None:
        high = _high(whole)
        if self._budget_usd is None:
            self._observer.notice("going on: there is no --budget-usd that it has to fit")
            return None
        budget = f"the budget of ${plain(self._budget_usd)}"
        if high <= self._budget_usd:
            self._observer.notice(f"going on: the upper end of the forecast fits {budget}")
            return None
        return NoMoreWaves(
            f"the upper end of the forecast, {usd_words(high)}, does not fit {budget}",
            exit_code=BudgetReached.exit_code,
            where="--budget-usd",
            cap_usd=cap_above(high),
        )


def _high(whole: BillForecast) -> Decimal:
    return from_pico(whole.expected if whole.high is None else whole.high)


def pilot_lines(found: RunForecasts) -> list[str]:
    """Say what a pilot cost, and what the bill will be, as a whole and cell by cell."""
    whole = found.whole
    done = f"pilot done: {whole.share:.1%} of the answers for {bill_words(whole.spent)}"
    lines = [done, f"the whole run: {_told(whole)}"]
    if len(found.cells) > 1:
        suites = {suite for _, suite in found.cells}
        names = {
            (model, suite): f"{model} on {suite}" if len(suites) > 1 else f"{model}" for model, suite in found.cells
        }
        width = max(map(len, names.values()))
        lines += [f"  {names[cell]:<{width}}  {_told(forecast)}" for cell, forecast in found.cells.items()]
    if whole.unpriced:
        lines.append(f"  without {', '.join(whole.unpriced)}: no price")
    return [*lines, "[] = 90 % interval; ceiling = with answers that run away to their output cap"]


def _told(forecast: BillForecast) -> str:
    ceiling = "" if forecast.ceiling is None else f", ceiling {bill_words(forecast.ceiling)}"
    return f"about {forecast_words(forecast)}{ceiling}"
