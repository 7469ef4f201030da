"""Scores before and after a rescoring, side by side per suite and model setting.

Pure. Data flows two SpendReports of the same run + what changed per row -> `Table` and JSON objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.documents.table import Column, Table
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow
from harness.reports.spend.spend_tables import label

RowKey = tuple[str, str, str, str | None]
"""Suite, provider, model, setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreChanges:
    """What a rescoring did to one row.

    Attributes:
        n_scored: answers that were scored again.
        n_other_reason: the same value for another reason (for example `truncated` instead of `no_answer`).
    """

    n_scored: int = 0
    n_higher: int = 0
    n_lower: int = 0
    n_other_reason: int = 0


def row_key(row: SpendRow) -> RowKey:
    """What names a row within one run."""
    return (row.facts.suite, row.facts.provider, row.facts.model, row.facts.setting)


def _rows(
    before: SpendReport, after: SpendReport, changes: Mapping[RowKey, ScoreChanges]
) -> list[tuple[SpendRow, SpendRow, ScoreChanges]]:
    old = {row_key(row): row for row in before.rows}
    return [(old[row_key(row)], row, changes.get(row_key(row), ScoreChanges())) for row in after.rows]


def rescored_table(
    before: SpendReport, after: SpendReport, changes: Mapping[RowKey, ScoreChanges], notes: tuple[str, ...] = ()
) -> Table:
    """Put the old score and the new one of every row side by side."""
    columns = (
        Column(name="suite", title="suite"),
        Column(name="model", title="model"),
        Column(name="n_scored", kind="integer", title="scored again"),
        Column(name="old_score", kind="decimal", title="old score %"),
        Column(name="new_score", kind="decimal", title="new score %"),
        Column(name="n_higher", kind="integer", title="higher"),
        Column(name="n_lower", kind="integer", title="lower"),
        Column(name="n_other_reason", kind="integer", title="other reason"),
    )
    rows = [
        (
            new.facts.suite,
            label(new),
            f"{change.n_scored:,}",
            wording.score(old.score),
            wording.score(new.score),
            f"{change.n_higher:,}",
            f"{change.n_lower:,}",
            f"{change.n_other_reason:,}",
        )
        for old, new, change in _rows(before, after, changes)
    ]
    return Table(name="rescored", title="Scores before and after", columns=columns, rows=rows, notes=notes)


def rescored_objects(
    before: SpendReport, after: SpendReport, changes: Mapping[RowKey, ScoreChanges]
) -> list[dict[str, Any]]:
    """Write the same rows as JSON objects."""
    return [
        {
            "suite": new.facts.suite,
            "provider": new.facts.provider,
            "model": new.facts.model,
            "setting": new.facts.setting,
            "old_score": old.score.value,
            "new_score": new.score.value,
            "n_scored": change.n_scored,
            "n_higher": change.n_higher,
            "n_lower": change.n_lower,
            "n_other_reason": change.n_other_reason,
        }
        for old, new, change in _rows(before, after, changes)
    ]
