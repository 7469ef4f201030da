"""The charts of a spend report, each with its text alternative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from harness.documents.chart import Bars, Chart, Point, Role, Scatter, Series, Spread, Spreads, Unit
from harness.reports.compare.pairs import Placed, by_suite, on_common_samples, on_own_samples, one_each
from harness.reports.prices.price_history import price_histories, price_timeline
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow
from harness.reports.spend.spend_tables import label
from harness.stats import convex_hull, pareto_front

MOST_BARS = 40
"""Charts show the dearest rows; the table has them all."""


def report_charts(report: SpendReport) -> tuple[Chart, ...]:
    """Make every chart that the rows allow, suite by suite where scores are compared."""
    rows = _dearest(report.rows)
    if not rows:
        return ()
    names = _names(rows)
    charts: list[Chart | None] = [_cost_bars(rows, names), _token_bars(rows, names)]
    for suite, members in by_suite(report.rows).items():
        suffix = f", {suite}" if len(by_suite(report.rows)) > 1 else ""
        charts.append(_scatter(members, suite, suffix, by_cost=True))
        charts.append(_scatter(members, suite, suffix, by_cost=False))
        charts.append(_ladder(members, suite, suffix))
    charts += [_efficiency_bars(rows, names), _price_timeline(report), _cost_spreads(rows, names)]
    return tuple(chart for chart in charts if chart is not None)


def _price_timeline(report: SpendReport) -> Chart | None:
    return price_timeline(price_histories(report.book, (row.facts for row in report.rows)))


def _dearest(rows: Sequence[SpendRow]) -> list[SpendRow]:
    return sorted(rows, key=lambda row: -row.facts.solve.cost.total)[:MOST_BARS]


def _names(rows: Sequence[SpendRow]) -> tuple[str, ...]:
    several = len({row.facts.suite for row in rows}) > 1
    return tuple(f"{label(row)}, {row.facts.suite}" if several else label(row) for row in rows)


def _series(
    rows: Sequence[SpendRow], name: str, role: Role, read: Callable[[SpendRow], Decimal | int | None]
) -> Series | None:
    values = tuple(None if (found := read(row)) is None else float(found) for row in rows)
    return Series(name=name, role=role, values=values) if any(values) else None


def _cost_bars(rows: Sequence[SpendRow], names: tuple[str, ...]) -> Bars:
    series = (
        _series(rows, "input", "input", lambda r: r.facts.solve.cost.input),
        _series(rows, "cache", "cache", lambda r: r.facts.solve.cost.cache_read + r.facts.solve.cost.cache_write),
        _series(rows, "reasoning", "reasoning", lambda r: r.facts.solve.cost.reasoning),
        _series(rows, "answer", "answer", lambda r: r.facts.solve.cost.answer),
        _series(rows, "output, not itemised", "output",
                lambda r: r.facts.solve.cost.output if r.facts.solve.cost.reasoning is None else None),
        _series(rows, "fees", "fees", lambda r: r.facts.solve.cost.fees + r.facts.solve.cost.stated),
    )  # fmt: skip
    totals = tuple(wording.whole(row.facts.solve) for row in rows)
    return Bars(
        name="cost-to-run",
        title="Cost to run",
        unit="usd",
        categories=names,
        series=tuple(part for part in series if part is not None),
        totals=totals,
        description="Cost by model, split into input, cache, reasoning and answer: "
        + "; ".join(f"{name} {total}" for name, total in zip(names, totals, strict=True)),
    )


def _token_bars(rows: Sequence[SpendRow], names: tuple[str, ...]) -> Bars:
    tokens = [row.facts.solve.tokens for row in rows]
    series = (
        _series(rows, "reasoning", "reasoning", lambda r: r.facts.solve.tokens.reasoning_tokens),
        _series(rows, "answer", "answer", lambda r: r.facts.solve.tokens.answer_tokens),
        _series(rows, "not itemised", "output",
                lambda r: None if r.facts.solve.tokens.reasoning_tokens is not None
                else r.facts.solve.tokens.output_tokens),
    )  # fmt: skip
    totals = tuple(wording.tokens(sums.output_tokens) for sums in tokens)
    return Bars(
        name="output-tokens",
        title="Output tokens used",
        unit="tokens",
        categories=names,
        series=tuple(part for part in series if part is not None),
        totals=totals,
        description="Output tokens by model, split into reasoning and answer: "
        + "; ".join(f"{name} {total}" for name, total in zip(names, totals, strict=True)),
    )


def _scatter(rows: Sequence[SpendRow], suite: str, suffix: str, *, by_cost: bool) -> Scatter | None:
    """Place rows by cost or output per task on the samples that all of them have; elsewhere no front is drawn."""
    shared, ground = _on_one_ground(rows)
    points = _points(shared, by_cost=by_cost)
    if len(points) < 2:
        return None
    pairs = [] if ground == DIFFERENT else [(point.x, point.y) for point in points]
    front, hull = tuple(pareto_front(pairs)), tuple(convex_hull(pairs))
    what = "cost per task" if by_cost else "output tokens per task"
    best = ", ".join(points[place].label for place in front)
    told = f"; nothing scores more for less than: {best}" if front else ""
    return Scatter(
        name=f"score-against-{'cost' if by_cost else 'output-tokens'}-{_slug(suite)}",
        title=f"Score against {what}{suffix}{ground}",
        x_title="cost per task, USD (log scale)" if by_cost else "output tokens per task (log scale)",
        x_unit="usd" if by_cost else "tokens",
        y_title="score, %",
        points=points,
        front=front,
        hull=hull,
        description=f"Score in percent against {what}{ground}{told}. "
        + "; ".join(f"{point.label} {point.y:.1f} %" for point in points),
    )


DIFFERENT = " (rows answered different samples)"


def _on_one_ground(rows: Sequence[SpendRow]) -> tuple[Sequence[Placed], str]:
    """Put rows on their common samples, with words for the title where those are not all samples of every row."""
    shared = on_common_samples(rows)
    if shared is None:
        return [on_own_samples(row) for row in rows], DIFFERENT
    if any(row.facts.drawn for row in rows):
        return shared.rows, " (estimates for the whole suite)"
    return shared.rows, "" if shared.is_whole else f" (on {shared.n_samples:,} common samples)"


def _points(rows: Sequence[Placed], *, by_cost: bool) -> tuple[Point, ...]:
    """Place the rows that have a score and something to place them by."""
    xs = [row.usd_per_task if by_cost else row.tokens_per_task for row in rows]
    return tuple(_point(row, x) for row, x in zip(rows, xs, strict=True) if x and row.score.value is not None)


def _point(placed: Placed, x: float) -> Point:
    score = placed.score
    return Point(
        label=label(placed.row),
        x=x,
        y=100 * (score.value or 0.0),
        low=None if score.ci_low is None else 100 * score.ci_low,
        high=None if score.ci_high is None else 100 * score.ci_high,
        reasoning=placed.row.facts.reasons,
    )


def _ladder(rows: Sequence[SpendRow], suite: str, suffix: str) -> Scatter | None:
    """Connect the settings of one model, from the cheapest task to the dearest."""
    models: dict[tuple[str, str, str | None], list[SpendRow]] = {}
    for row in rows:
        models.setdefault((row.facts.provider, row.facts.model, row.facts.mark), []).append(row)
    points: list[Point] = []
    ladders: list[tuple[int, ...]] = []
    grounds: set[str] = set()
    for settings in models.values():
        shared, ground = _on_one_ground(one_each(settings))
        placed = sorted(_points(shared, by_cost=True), key=lambda point: point.x)
        if len(placed) > 1:
            if ground != DIFFERENT:
                ladders.append(tuple(range(len(points), len(points) + len(placed))))
            points += placed
            grounds.add(ground)
    if not points:
        return None
    ground = grounds.pop() if len(grounds) == 1 else " (each model on its own common samples)"
    return Scatter(
        name=f"effort-ladder-{_slug(suite)}",
        title=f"Effort ladder{suffix}{ground}",
        x_title="cost per task, USD (log scale)",
        x_unit="usd",
        y_title="score, %",
        points=tuple(points),
        ladders=tuple(ladders),
        description="Score and cost per task of one model at several settings: "
        + "; ".join(f"{point.label} {point.y:.1f} % at {wording.dollars(point.x)}" for point in points),
    )


def _efficiency_bars(rows: Sequence[SpendRow], names: tuple[str, ...]) -> Bars | None:
    per_task = _series(rows, "per task", "first", lambda r: r.cost_per_task_usd)
    per_correct = _series(rows, "per correct answer", "second", lambda r: r.cost_per_correct_usd)
    if per_task is None:
        return None
    totals = tuple(f"{wording.dollars(r.cost_per_task_usd)} / {wording.dollars(r.cost_per_correct_usd)}" for r in rows)
    return Bars(
        name="cost-per-answer",
        title="Cost per task and per correct answer",
        unit="usd",
        categories=names,
        series=tuple(part for part in (per_task, per_correct) if part is not None),
        totals=totals,
        stacked=False,
        description="Dollars per task / per correct answer: "
        + "; ".join(f"{name} {total}" for name, total in zip(names, totals, strict=True)),
    )


def _cost_spreads(rows: Sequence[SpendRow], names: tuple[str, ...]) -> Spreads | None:
    spreads = []
    for row, name in zip(rows, names, strict=True):
        costs = sorted(cost for task in row.facts.tasks for cost in task.costs_usd if cost)
        if len(costs) >= 5:
            cuts = tuple(costs[min(len(costs) - 1, int(share * len(costs)))] for share in (0.05, 0.25, 0.5, 0.75, 0.95))
            mean = sum(costs) / len(costs)
            spreads.append(Spread(label=name, quantiles=cuts, mean=mean, reasoning=row.facts.reasons))  # type: ignore[arg-type]
    if not spreads:
        return None
    unit: Unit = "usd"
    return Spreads(
        name="cost-per-sample",
        title="Distribution of cost per sample",
        unit=unit,
        spreads=tuple(spreads),
        description="Cost per sample, median (5 to 95 percent): "
        + "; ".join(
            f"{s.label} {wording.dollars(s.quantiles[2])} ({wording.dollars(s.quantiles[0])} to "
            f"{wording.dollars(s.quantiles[4])})"
            for s in spreads
        ),
    )


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text.lower()).strip("-")
