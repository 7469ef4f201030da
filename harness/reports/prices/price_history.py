"""What a report's models cost per million tokens over the years, beside what their runs cost.

Pure. Data flows price book + CellFacts -> `PriceHistory` values -> a `Timeline` chart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from harness.documents.chart import TimeLine, Timeline, TimeStep
from harness.pricing.book import PriceBook
from harness.providers.endpoints import SIMULATED
from harness.reports.facts.report_facts import CellFacts
from harness.reports.spend import wording
from harness.usage.values import Meter

MOST_MODELS = 8
"""As many as there are colours that colour-blind readers tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceHistory:
    """The list price of a model's output over time, and its runs.

    Attributes:
        steps: (since, USD per million output tokens); since None = from the beginning, price None = none known.
        runs: (when it began, what solving cost) of every run that is priced.
        reasoning: whether one of its rows counts as a reasoning model.
    """

    name: str
    steps: tuple[tuple[datetime | None, Decimal | None], ...]
    runs: tuple[tuple[datetime, Decimal], ...]
    reasoning: bool = False


def price_histories(book: PriceBook, cells: Iterable[CellFacts]) -> tuple[PriceHistory, ...]:
    """Read the history of every model in a report, the dearest first; settings and suites of a model are one line."""
    runs: dict[tuple[str, str], dict[datetime, Decimal]] = {}
    reasoning = set()
    for cell in cells:
        if cell.reasons:
            reasoning.add((cell.provider, cell.model))
        found = runs.setdefault((cell.provider, cell.model), {})
        for run in cell.run_costs:
            found[run.created_at] = found.get(run.created_at, Decimal(0)) + run.usd
    ordered = sorted(runs.items(), key=lambda entry: -sum(entry[1].values()))
    return tuple(
        PriceHistory(
            name=model if provider in (SIMULATED, "") else f"{provider}/{model}",
            steps=rate_steps(book, provider, model),
            runs=tuple(sorted((when, usd) for when, usd in found.items() if usd)),
            reasoning=(provider, model) in reasoning,
        )
        for (provider, model), found in ordered
    )


def rate_steps(
    book: PriceBook, provider: str, model: str, meter: Meter = Meter.OUTPUT
) -> tuple[tuple[datetime | None, Decimal | None], ...]:
    """List what a meter costs from which instant on; since None = from the beginning, rate None = none known."""
    steps: list[tuple[datetime | None, Decimal | None]] = []
    for since in (None, *book.boundaries(provider, model)):
        match = book.match(provider, model, since or datetime.min.replace(tzinfo=UTC))
        rate = None
        if match is not None:
            rate = Decimal(0) if match.price.free else match.price.rates.get(meter)
            rate = None if rate is None else rate * match.multiply
        if not steps or steps[-1][1] != rate:
            steps.append((since, rate))
    return tuple(steps)


def price_timeline(histories: Iterable[PriceHistory]) -> Timeline | None:
    """Draw the histories over one time axis; None when no run is priced."""
    shown = [history for history in histories if history.runs][:MOST_MODELS]
    if not shown:
        return None
    return Timeline(
        name="prices-over-time",
        title="Price over time, and what the runs cost",
        upper_title="list price, USD per million output tokens (log scale)",
        lower_title="what a run cost, USD (log scale)",
        lines=tuple(
            TimeLine(
                label=history.name,
                steps=tuple(
                    TimeStep(at=since, value=None if rate is None else float(rate)) for since, rate in history.steps
                ),
                points=tuple((when, float(usd)) for when, usd in history.runs),
                reasoning=history.reasoning,
            )
            for history in shown
        ),
        description="; ".join(map(_in_words, shown)),
    )


def _in_words(history: PriceHistory) -> str:
    prices = ", ".join(
        ("no price" if rate is None else f"{wording.dollars(rate)} per million output tokens")
        + ("" if since is None else f" from {since:%Y-%m-%d}")
        for since, rate in history.steps
    )
    runs = ", ".join(f"{wording.dollars(usd)} on {when:%Y-%m-%d}" for when, usd in history.runs[-3:])
    return f"{history.name}: {prices}; runs cost {runs}"
