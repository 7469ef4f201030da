"""The nights of a job in order: per suite and model setting, what an answer cost, how it scored and how long it was.

Data flows ledger + price book -> one spend report a night -> `Trend` values -> `harness.rendering.html.html_history`.
"""

from __future__ import annotations

from harness.documents.trend import Night, Trend, TrendPoint
from harness.instants import from_us
from harness.ledger import Ledger, RunRecord
from harness.ledger.records import NO_BASELINE_NOTE
from harness.nightly.night_result import is_night_of
from harness.pricing.book import PriceBook
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import SpendRow
from harness.reports.spend.spend_tables import label
from harness.runner.failed_samples import MAX_FAILED, too_many_failed


def job_history(ledger: Ledger, book: PriceBook, name: str, *, nights: int) -> tuple[list[Night], list[Trend]]:
    """Read the last nights of a job, oldest first, and the trends of every row that they have."""
    runs = [run for run in ledger.runs() if is_night_of(run, name)][-nights:]
    told = [_told(run) for run in runs]
    points: dict[tuple[str, str], list[TrendPoint]] = {}
    for place, run in enumerate(runs):
        for row in spend_report(ledger, book, [run.run_id]).rows:
            points.setdefault((row.facts.suite, label(row)), []).append(_point(row, place))
    trends = [Trend(suite=suite, model=model, points=tuple(found)) for (suite, model), found in points.items()]
    return told, sorted(trends, key=lambda trend: (trend.suite, trend.model))


def _told(run: RunRecord) -> Night:
    gate = next(
        (w.removeprefix(NO_BASELINE_NOTE).partition(" ")[0] for w in run.warnings if w.startswith(NO_BASELINE_NOTE)), ""
    )
    verdict = gate or ("good" if run.status == "complete" else run.status)
    return Night(run_id=run.run_id, started_at=from_us(run.created_at_us), verdict=verdict)


def _point(row: SpendRow, place: int) -> TrendPoint:
    """Place a row in its night; answers that never came cost nothing, which must not look like a fall in price."""
    n_failed = row.facts.n_unscored.get("failed", 0)
    lost = too_many_failed(n_failed, row.n_solves, MAX_FAILED) or n_failed == row.n_solves
    cost = None if lost else row.cost_per_task_usd
    return TrendPoint(
        night=place,
        usd_per_answer=None if cost is None else float(cost),
        is_lower_bound=row.facts.solve.is_lower_bound,
        score=row.score.value,
        score_low=row.score.ci_low,
        score_high=row.score.ci_high,
        output_tokens_per_answer=None if lost else row.output_tokens_per_task,
    )
