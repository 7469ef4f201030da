"""Indexes as a table: score, measured share of the weight, what a task costs and of what, and what one pass costs.

Pure. Data flows SpendReport -> `Table`; rows of suites that are no index are left out.
"""

from __future__ import annotations

from harness.documents.table import Column, Table
from harness.reports.indexes.index_costs import index_costs
from harness.reports.precision.precision_table import score_words
from harness.reports.spend import wording
from harness.reports.spend.notes import label
from harness.reports.spend.report import SpendReport, SpendRow

_COLUMNS = (
    Column(name="model", title="model"),
    Column(name="suite", title="suite", drops=4),
    Column(name="measured", kind="percent", title="weight measured"),
    Column(name="score", kind="decimal", title="score %"),
    Column(name="per_task", kind="usd", title="$/index task"),
    Column(name="input", kind="usd", title="input", drops=5),
    Column(name="cache_read", kind="usd", title="cache read", drops=7),
    Column(name="cache_write", kind="usd", title="cache write", drops=8),
    Column(name="reasoning", kind="usd", title="reasoning", drops=2),
    Column(name="answer", kind="usd", title="answer", drops=3),
    Column(name="one_pass", kind="usd", title="one pass", drops=1),
    Column(name="cost", kind="usd", title="with repeats", drops=6),
)
_NOTES = (
    "$/index task: cost of an answer, each task counting by its weight in the index; input to answer are its parts",
    "one pass: one answer to each sample that was asked, repeats left out, at list price and without judges",
)


def index_table(report: SpendReport) -> Table:
    """Make the table of indexes; it has no rows where no suite is one."""
    rows = [_row(row) for row in report.rows if row.facts.index is not None and not row.facts.index.unanswered]
    return Table(name="index", title="Index", columns=_COLUMNS, rows=rows, notes=_NOTES if rows else ())


def _row(row: SpendRow) -> tuple[str, ...]:
    share, found = row.facts.index, index_costs(row.facts)
    parts = ("total", "input", "cache_read", "cache_write", "reasoning", "answer")
    usd = [None if found is None else found.per_task[part] for part in parts]
    bound = ">= " if row.facts.solve.is_lower_bound and found is not None else ""
    return (
        label(row),
        row.facts.suite,
        "" if share is None else f"{100 * share.measured:.4g} %",
        score_words(row),
        bound + wording.dollars(usd[0]),
        *map(wording.dollars, usd[1:]),
        bound + wording.dollars(None if found is None else found.one_pass["total"]),
        wording.whole(row.facts.solve),
    )
