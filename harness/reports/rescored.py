"""Scores before and after a rescoring, side by side per suite and model setting.

Pure. Data flows two SpendReports of the same run + what changed per row -> `Document`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.documents.document import Document
from harness.documents.table import Column, Table
from harness.reports.agreement import Agreement, agreement_object, agreement_table
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow
from harness.reports.spend.spend_page import spend_document
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescoring:
    """A run before and after its answers were scored again.

    Attributes:
        changes: by row; rows that are not in it were left alone.
        kept: answers that keep their score, by the reason why.
        problems: what went wrong, one sentence each.
    """

    run_id: str
    before: SpendReport
    after: SpendReport
    changes: Mapping[RowKey, ScoreChanges]
    kept: Mapping[str, int]
    problems: Sequence[str]

    @property
    def rows(self) -> Iterator[tuple[SpendRow, SpendRow, ScoreChanges]]:
        """The old row, the new one, and what changed between them."""
        old = {row_key(row): row for row in self.before.rows}
        for row in self.after.rows:
            yield old[row_key(row)], row, self.changes.get(row_key(row), ScoreChanges())


def row_key(row: SpendRow) -> RowKey:
    """What names a row within one run."""
    return (row.facts.suite, row.facts.provider, row.facts.model, row.facts.setting)


def rescored_document(made: Rescoring, agreement: Agreement | None) -> Document:
    """Give what a rescoring changed, the report of the run, and how far recorded verdicts agree, in every form."""
    report = spend_document(made.after)
    agreed = [] if agreement is None else [agreement_table(agreement)]

    def fields() -> dict[str, object]:
        found: dict[str, object] = {
            "run": made.run_id,
            "rows": rescored_objects(made),
            "kept_scores": dict(sorted(made.kept.items())),
            "problems": list(made.problems),
            "report": report.fields(),
        }
        return found if agreement is None else found | {"agreement": agreement_object(agreement)}

    return Document(
        terminal=lambda width: [rescored_table(made), *report.terminal(width), *agreed],
        markdown=lambda: [rescored_table(made), *report.markdown(), *agreed],
        fields=fields,
    )


def rescored_table(made: Rescoring) -> Table:
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
        for old, new, change in made.rows
    ]
    notes = tuple(f"{count:,} answers keep their score: {why}" for why, count in sorted(made.kept.items()))
    return Table(name="rescored", title="Scores before and after", columns=columns, rows=rows, notes=notes)


def rescored_objects(made: Rescoring) -> list[dict[str, object]]:
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
        for old, new, change in made.rows
    ]
