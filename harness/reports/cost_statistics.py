"""Statistics of cost per row and between rows: intervals, concentration, waste, paired ratios, ladders, repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.reports import wording
from harness.reports.repeats import passes
from harness.reports.spend import SpendReport, SpendRow
from harness.reports.spend_tables import label
from harness.stats import (
    concentration,
    cost_of_pass,
    cost_ratio,
    marginal_usd_per_point,
    paired_difference,
)
from harness.tables import Column, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedSamples:
    """Two rows on the samples that both have: mean scores (where both are scored) and costs (where both are known)."""

    scores: tuple[list[float], list[float]]
    costs: tuple[list[float], list[float]]
    tokens: tuple[list[float], list[float]]


def pair(base: SpendRow, head: SpendRow) -> PairedSamples:
    """Match two rows sample by sample; per-sample costs and tokens are means over that row's repeats."""
    scores: tuple[list[float], list[float]] = ([], [])
    costs: tuple[list[float], list[float]] = ([], [])
    tokens: tuple[list[float], list[float]] = ([], [])
    known = dict(_samples(base))
    for key, (score, cost, output) in _samples(head):
        if key not in known:
            continue
        base_score, base_cost, base_output = known[key]
        for columns, left, right in ((scores, base_score, score), (costs, base_cost, cost),
                                     (tokens, base_output, output)):  # fmt: skip
            if left is not None and right is not None:
                columns[0].append(left)
                columns[1].append(right)
    return PairedSamples(scores=scores, costs=costs, tokens=tokens)


Values = tuple[float | None, float | None, float | None]


def _samples(row: SpendRow) -> Iterator[tuple[tuple[str, str], Values]]:
    for task in row.facts.tasks:
        columns = zip(
            task.sample_ids,
            task.score_sums,
            task.score_counts,
            task.costs_usd,
            task.output_tokens,
            task.n_solves,
            strict=True,
        )
        for sample_id, total, count, cost, output, n_solves in columns:
            yield (
                (task.task, sample_id),
                (
                    total / count if count else None,
                    None if cost is None else cost / n_solves,
                    None if output is None else output / n_solves,
                ),
            )


def statistics_table(report: SpendReport) -> Table:
    """Make the table of cost statistics, one line per row of the report."""
    columns = (
        Column(name="model", title="model"),
        Column(name="suite", title="suite"),
        Column(name="cost_per_correct", kind="usd", title="$/correct [95 %]"),
        Column(name="cost_of_pass", kind="usd", title="cost of pass"),
        Column(name="top_percent", kind="percent", title="dearest 1 % of samples"),
        Column(name="wasted", kind="usd", title="failed or cut"),
        Column(name="wasted_share", kind="percent", title="of the bill"),
        Column(name="possibly", kind="usd", title="possibly billed"),
        Column(name="judges", kind="usd", title="judges"),
    )
    return Table(
        name="cost_statistics",
        title="Statistics of cost",
        columns=columns,
        rows=[_statistics(row) for row in report.rows],
        notes=(
            "cost of pass: mean over solved samples of cost per answer / success rate; unsolved samples are left out.",
            "dearest 1 %: what share of the bill the dearest hundredth of the samples made.",
        ),
    )


def _statistics(row: SpendRow) -> tuple[str, ...]:
    solve, per_correct = row.facts.solve, row.cost_per_correct
    costs = [cost for task in row.facts.tasks for cost in task.costs_usd if cost is not None]
    samples = [(cost, score) for _, (score, cost, _) in _samples(row) if cost is not None and score is not None]
    passing = cost_of_pass([cost for cost, _ in samples], [score for _, score in samples])
    share = concentration(costs)
    total = float(solve.cost.total)
    return (
        label(row),
        row.facts.suite,
        _with_interval(per_correct.value, per_correct.ci_low, per_correct.ci_high),
        f"{wording.dollars(passing.value)} ({passing.n} of {row.n_samples})" if passing.value else wording.NOT_KNOWN,
        f"{wording.percent(share)} %" if share is not None else wording.NOT_KNOWN,
        wording.dollars(solve.wasted_usd),
        f"{100 * float(solve.wasted_usd) / total:.1f} %" if total else wording.NOT_KNOWN,
        wording.dollars(solve.possibly_billed_usd) if solve.n_unknown_usage else wording.NOT_KNOWN,
        wording.spent(row.facts.judge) if row.facts.judge.n_attempts else wording.NOT_KNOWN,
    )


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return wording.NOT_KNOWN
    if low is None:
        return wording.dollars(value)
    upper = wording.dollars(high) if high is not None else "no upper limit"
    return f"{wording.dollars(value)} [{wording.dollars(low)}, {upper}]"


def pairs_table(report: SpendReport) -> Table:
    """Compare each reasoning row with each other row of its suite, on the same samples."""
    columns = (
        Column(name="suite", title="suite"),
        Column(name="reasoning", title="reasoning model"),
        Column(name="other", title="other model"),
        Column(name="cost_ratio", kind="ratio", title="cost ratio [95 %]"),
        Column(name="token_ratio", kind="ratio", title="output ratio [95 %]"),
        Column(name="difference", kind="percent", title="score difference, points [95 %]"),
        Column(name="n", kind="integer", title="common samples"),
    )
    rows = []
    for suite, members in by_suite(report.rows).items():
        heads, bases = [r for r in members if r.facts.reasons], [r for r in members if not r.facts.reasons]
        rows += [(suite, *_pair_row(base, head)) for head in heads for base in bases]
    note = "ratios of sums over the samples that both rows have; intervals are paired by sample."
    return Table(name="pairs", title="Reasoning models against the others", columns=columns, rows=rows, notes=(note,))


def _pair_row(base: SpendRow, head: SpendRow) -> tuple[str | int, ...]:
    paired = pair(base, head)
    difference = paired_difference(*paired.scores)
    return (
        label(head),
        label(base),
        wording.ratio(cost_ratio(*paired.costs)),
        wording.ratio(cost_ratio(*paired.tokens)),
        points(difference.value, difference.ci_low, difference.ci_high),
        len(paired.scores[0]),
    )


def points(value: float | None, low: float | None, high: float | None) -> str:
    """Write a score difference in percentage points: `+3.2 [-0.4, +6.8]`."""
    if value is None or low is None or high is None:
        return wording.NOT_KNOWN
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


def by_suite(rows: Sequence[SpendRow]) -> dict[str, list[SpendRow]]:
    """Group rows by suite and version."""
    found: dict[str, list[SpendRow]] = {}
    for row in rows:
        found.setdefault(f"{row.facts.suite} {row.facts.suite_version}", []).append(row)
    return found


def ladder_table(report: SpendReport) -> Table:
    """Price one more point between the settings of one model, from the cheapest to the dearest."""
    columns = (
        Column(name="suite", title="suite"),
        Column(name="model", title="model"),
        Column(name="step", title="step"),
        Column(name="extra", kind="usd", title="extra cost"),
        Column(name="difference", kind="percent", title="points [95 %]"),
        Column(name="per_point", kind="usd", title="$ per point"),
    )
    rows = []
    for suite, members in by_suite(report.rows).items():
        models: dict[str, list[SpendRow]] = {}
        for row in members:
            models.setdefault(f"{row.facts.provider}/{row.facts.model}", []).append(row)
        for model, settings in models.items():
            ordered = sorted(settings, key=lambda row: float(row.facts.solve.cost.total))
            rows += [(suite, model, *_step(base, head)) for base, head in pairwise(ordered)]
    note = "unresolved: the paired score difference covers zero, so that dollars per point would be a guess."
    return Table(name="ladder", title="Effort ladder", columns=columns, rows=rows, notes=(note,))


def _step(base: SpendRow, head: SpendRow) -> tuple[str, ...]:
    paired = pair(base, head)
    difference = paired_difference(*paired.scores)
    extra = sum(paired.costs[1]) - sum(paired.costs[0])
    step = marginal_usd_per_point(extra, difference)
    return (
        f"{base.facts.setting or 'default'} to {head.facts.setting or 'default'}",
        wording.dollars(extra, sign=True),
        points(difference.value, difference.ci_low, difference.ci_high),
        step.verdict if step.usd_per_point is None else wording.dollars(step.usd_per_point),
    )


def repeats_table(report: SpendReport) -> Table:
    """Make the list of pass@k, one row per task, model setting and k."""
    columns = (
        Column(name="suite", title="suite"),
        Column(name="task", title="task"),
        Column(name="model", title="model"),
        Column(name="k", kind="integer", title="k"),
        Column(name="pass_at_k", kind="decimal", title="pass@k %"),
        Column(name="n_answers", kind="integer", title="answers per sample"),
        Column(name="n_samples", kind="integer", title="samples"),
    )
    rows = [
        (row.facts.suite, found.task, label(row), found.k, wording.score(found.estimate), found.n_answers,
         found.estimate.n)
        for row in report.rows
        for found in passes(row.facts.tasks)
    ]  # fmt: skip
    note = "the chance that at least one of k answers is right, without bias; shown where samples have 2k answers."
    return Table(name="pass_at_k", title="pass@k", columns=columns, rows=rows, notes=(note,))
