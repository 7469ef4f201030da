"""Scores of tasks that have a scale of their own, such as -100 to 100 with zero for abstaining: table, columns, JSON.

Pure. Data flows SpendReport -> `ScaledScore`s; rows of other tasks get none. A linear scale moves a mean and its
interval alike, so both stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.documents.table import Column, Table
from harness.reports.facts.samples.verdict_counts import VerdictCounts
from harness.reports.spend import wording
from harness.reports.spend.notes import label
from harness.reports.spend.report import SpendReport, SpendRow, task_score
from harness.stats import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledScore:
    """A task's score on its own scale."""

    task: str
    counts: VerdictCounts
    score: Estimate


def on_scale(score: Estimate, low: float, high: float) -> Estimate:
    """Move an estimate from 0..1 to low..high."""

    def moved(value: float | None) -> float | None:
        return None if value is None else low + (high - low) * value

    return Estimate(
        value=moved(score.value),
        se=None if score.se is None else abs(high - low) * score.se,
        ci_low=moved(score.ci_low),
        ci_high=moved(score.ci_high),
        n=score.n,
    )


def scaled_scores(row: SpendRow) -> list[ScaledScore]:
    """Scores of a row's tasks that have a scale."""
    counted = row.facts.verdicts
    return [
        ScaledScore(task=task.task, counts=counts, score=on_scale(task_score(task), *counts.scale))
        for task in row.facts.tasks
        if (counts := counted.get(task.task)) is not None
    ]


def _single(row: SpendRow) -> ScaledScore | None:
    """A row's score where its suite is one task with a scale."""
    found = scaled_scores(row)
    return found[0] if len(found) == len(row.facts.tasks) == 1 else None


_EXPORTED: tuple[tuple[str, str, Callable[[ScaledScore], Any], str], ...] = (
    ("scaled_score", "decimal", lambda s: s.score.value, "Score on the scale of the suite, such as -100 to 100."),
    ("scaled_score_ci_low", "decimal", lambda s: s.score.ci_low, "Lower limit of its 95 % interval."),
    ("scaled_score_ci_high", "decimal", lambda s: s.score.ci_high, "Upper limit of its 95 % interval."),
    ("n_right", "integer", lambda s: s.counts.right, "Answers that are right."),
    ("n_wrong", "integer", lambda s: s.counts.wrong, "Answers that are wrong."),
    ("n_neither", "integer", lambda s: s.counts.neither, "Answers that are neither: they abstain."),
    ("accuracy", "ratio", lambda s: s.counts.accuracy, "Share of the answers that are right."),
    ("hallucination_rate", "ratio", lambda s: s.counts.hallucination_rate,
     "Of the answers that are not right, the share that is wrong."),
)  # fmt: skip
EXPORTED = tuple(
    Column(name=name, kind="integer" if kind == "integer" else "ratio" if kind == "ratio" else "decimal",
           description=description)
    for name, kind, _, description in _EXPORTED
)  # fmt: skip
"""Columns for files, there where some row has such a score."""


def has_scaled(report: SpendReport) -> bool:
    """Say whether some row has a score on a scale of its own."""
    return any(row.facts.verdicts for row in report.rows)


def exported(row: SpendRow) -> tuple[Any, ...]:
    """Values of the columns for files; empty where a row has no such score, or several."""
    found = _single(row)
    return tuple(None if found is None else read(found) for *_, read, _ in _EXPORTED)


def scaled_objects(row: SpendRow) -> list[dict[str, object]]:
    """Write a row's scores on their own scales as JSON values."""
    return [
        {"task": one.task, "scale": list(one.counts.scale)} | {name: read(one) for name, _, read, _ in _EXPORTED}
        for one in scaled_scores(row)
    ]


_SHOWN = (
    Column(name="model", title="model"),
    Column(name="task", title="task", drops=3),
    Column(name="index", kind="decimal", title="index"),
    Column(name="right", kind="integer", title="right"),
    Column(name="wrong", kind="integer", title="wrong"),
    Column(name="neither", kind="integer", title="abstained"),
    Column(name="accuracy", kind="percent", title="accuracy", drops=2),
    Column(name="hallucination", kind="percent", title="hallucination rate", drops=1),
)
_NOTES = (
    "index: right minus wrong answers over all, on the scale of the suite; abstaining counts zero",
    "hallucination rate: of the answers that are not right, the share that is wrong",
    "score % of these rows counts an abstention half: an index of 0 on a scale of -100 to 100 is a score of 50 %",
)


def scaled_table(report: SpendReport) -> Table:
    """Make the table of scores on their own scales; it has no rows where no suite has one."""
    rows = list(_shown_rows(report))
    return Table(
        name="scaled", title="Right, wrong, abstained", columns=_SHOWN, rows=rows, notes=_NOTES if rows else ()
    )


def _shown_rows(report: SpendReport) -> Iterator[tuple[str, ...]]:
    for row in report.rows:
        for one in scaled_scores(row):
            counts = map(wording.count, (one.counts.right, one.counts.wrong, one.counts.neither))
            shares = map(_percent, (one.counts.accuracy, one.counts.hallucination_rate))
            yield (label(row), one.task, _index(one.score), *counts, *shares)


def _percent(share: float | None) -> str:
    return wording.NOT_KNOWN if share is None else f"{100 * share:.1f} %"


def _index(score: Estimate) -> str:
    if score.value is None:
        return wording.NOT_KNOWN
    if score.ci_low is None or score.ci_high is None:
        return f"{score.value:+.1f}"
    return f"{score.value:+.1f} [{score.ci_low:+.1f} to {score.ci_high:+.1f}]"
