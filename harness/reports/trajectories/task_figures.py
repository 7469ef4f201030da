"""What a conversation cost and took, per sample and per solved one, whoever was asked in it; and which role spent what.

Pure. Data flows `SpendRow` -> `TaskFigures`, one `RoleSpend` per role -> tables and JSON values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce

from harness.ledger.records import Purpose
from harness.reports.facts.report_facts import NOTHING, Spend
from harness.reports.facts.samples.turn_figures import TurnFigures
from harness.reports.spend.report import SpendReport, SpendRow, quotient

ROLES: Mapping[Purpose, str] = {
    "solve": "model", "user_simulator": "user", "judge": "judge", "tool": "tools",
}  # fmt: skip
"""Who is asked in a conversation, in a word: the model under test, one that plays its user, one that judges, those that
tools ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleSpend:
    """What was spent on one role in all conversations of a row."""

    purpose: Purpose
    spend: Spend

    @property
    def role(self) -> str:
        """The role in words."""
        return ROLES[self.purpose]

    @property
    def cache_share(self) -> float | None:
        """Input that was read from a cache by all input; None = not known, or there was none."""
        tokens = self.spend.known_tokens
        if tokens is None or not tokens.entered_tokens:
            return None
        return tokens.cache_read_tokens / tokens.entered_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFigures:
    """What a sample took in the mean; a repeat counts as a sample.

    Attributes:
        whole: everything that was spent, whoever was asked.
        usd_per_task: dollars of that per sample asked; None = nothing of it is known.
        usd_per_solved: per sample solved, scores added up; None = likewise, or none was.
        model_s: seconds that the model under test took to answer, all turns together; None = not known.
    """

    turns: TurnFigures
    whole: Spend
    usd_per_task: Decimal | None
    usd_per_solved: Decimal | None
    model_s: float | None
    roles: tuple[RoleSpend, ...]

    @property
    def of_model(self) -> RoleSpend:
        """What was spent on the model under test."""
        return self.roles[0]


def task_figures(row: SpendRow) -> TaskFigures | None:
    """Work out the figures of a row; None = its samples are single requests."""
    turns = row.facts.turns
    if turns is None:
        return None
    whole = reduce(Spend.plus, row.facts.spends.values())
    # what waves drew is not what the whole suite costs: only the row's own figures are those of the suite
    is_priced = not whole.is_unpriced and row.cost_per_task_usd is not None and row.facts.drawn is None
    return TaskFigures(
        turns=turns,
        whole=whole,
        usd_per_task=quotient(whole.cost.total, row.n_solves) if is_priced else None,
        usd_per_solved=quotient(whole.cost.total, row.n_correct) if is_priced else None,
        model_s=row.facts.timing.mean_s,
        roles=role_spends(row),
    )


def role_spends(row: SpendRow) -> tuple[RoleSpend, ...]:
    """Give what each role of a row spent: the model first, then others of which there were requests."""
    spends = row.facts.spends
    return tuple(
        RoleSpend(purpose=purpose, spend=spends[purpose])
        for purpose in ROLES
        if purpose == "solve" or spends[purpose] != NOTHING
    )


def rows_with_figures(report: SpendReport) -> Iterator[tuple[SpendRow, TaskFigures]]:
    """Give the rows of a report whose samples are conversations, in its order."""
    for row in report.rows:
        found = task_figures(row)
        if found is not None:
            yield row, found
