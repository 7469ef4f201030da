"""Statistics of cost per row: intervals, concentration, waste, repeats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.documents.table import Column, Table
from harness.reports.facts.report_facts import TaskOutcomes, joined
from harness.reports.spend import wording
from harness.reports.spend.repeats import passes
from harness.reports.spend.report import SpendReport, SpendRow
from harness.reports.spend.spend_tables import label
from harness.stats import concentration, cost_of_pass

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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
            *(
                ["asked in waves: no cost of pass and no pass@k, which need all samples."]
                if any(row.facts.drawn for row in report.rows)
                else ()
            ),
        ),
    )


def _statistics(row: SpendRow) -> tuple[str, ...]:
    solve, judge, per_correct = row.facts.solve, row.facts.judge, row.cost_per_correct
    passing = cost_of_pass(*_costs_and_scores([] if row.facts.drawn else row.facts.tasks))
    costs = joined(row.facts.tasks, "costs_usd")
    share = concentration(costs[costs == costs])  # not-a-number is not known
    return (
        label(row),
        row.facts.suite,
        _with_interval(per_correct.value, per_correct.ci_low, per_correct.ci_high),
        f"{wording.dollars(passing.value)} ({passing.n} of {row.n_samples})" if passing.value else wording.NOT_KNOWN,
        wording.NOT_KNOWN if share is None else f"{wording.percent(share)} %",
        wording.dollars(solve.wasted_usd),
        _share(float(solve.wasted_usd), float(solve.cost.total)),
        wording.dollars(solve.possibly_billed_usd) if solve.n_unknown_usage else wording.NOT_KNOWN,
        wording.whole(judge) if judge.n_attempts else wording.NOT_KNOWN,
    )


def _costs_and_scores(tasks: Sequence[TaskOutcomes]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cost and score per answer of the samples of which both are known."""
    costs, counts = joined(tasks, "costs_usd"), joined(tasks, "score_counts")
    known = (costs == costs) & (counts > 0)
    solves, scores = joined(tasks, "n_solves"), joined(tasks, "score_sums")
    return costs[known] / solves[known], scores[known] / counts[known]


def _share(part: float, total: float) -> str:
    return f"{100 * part / total:.1f} %" if total else wording.NOT_KNOWN


def _with_interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return wording.NOT_KNOWN
    if low is None:
        return wording.dollars(value)
    upper = wording.dollars(high) if high is not None else "no upper limit"
    return f"{wording.dollars(value)} [{wording.dollars(low)}, {upper}]"


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
        if row.facts.drawn is None
        for found in passes(row.facts.tasks)
    ]  # fmt: skip
    note = "the chance that at least one of k answers is right, without bias; shown where samples have 2k answers."
    return Table(name="pass_at_k", title="pass@k", columns=columns, rows=rows, notes=(note,))
