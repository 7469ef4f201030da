"""What a night has to say, as tables for people and as cases for a CI server.

Pure. Data flows `Night` -> tables (Markdown) and `JUnitCase` values (XML).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.documents.table import Column, Table
from harness.ledger.reading.causes import told
from harness.money import from_pico
from harness.nightly.night_result import Night
from harness.reports.compare.comparison import ComparedRow, comparison_table
from harness.reports.compare.gate_rules import OnInconclusive
from harness.reports.report_parts import Shown, tables_on
from harness.reports.spend import wording
from harness.reports.spend.spend_tables import label
from harness.runner.options.command_line import command

Outcome = Literal["passed", "failure", "error", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JUnitCase:
    """One test case: a regression is a failure, doubt is an error, what was not asked is skipped."""

    suite: str
    name: str
    outcome: Outcome
    message: str = ""


def summary_tables(night: Night) -> list[Table]:
    """Make the tables of the Markdown summary: the verdict first, then what it rests on."""
    tables = gate_tables(night)
    tables += tables_on("night", Shown(report=night.report))
    if any(budget.cap_pico_usd is not None for budget in night.budgets):
        tables.append(_budget_table(night))
    return tables


def gate_tables(night: Night) -> list[Table]:
    """Make the tables of what the gate said: the verdict with its reasons, and the comparison that it rests on."""
    compared = [] if night.comparison is None else [comparison_table(night.comparison)]
    return [_verdict_table(night), *compared]


def _verdict_table(night: Night) -> Table:
    columns = (Column(name="run"), Column(name="baseline"), Column(name="verdict"), Column(name="exit", title="exit"))
    none = "none: this run becomes the baseline" if night.verdict == "no baseline" else "none"
    row = (night.result.run_id, night.base or none, night.verdict, str(night.exit_code))
    return Table(
        name="verdict", title=f"{night.name}: {night.verdict}", columns=columns, rows=[row], notes=tuple(_notes(night))
    )


def _notes(night: Night) -> list[str]:
    found = list(night.notes)
    found += [
        f"{label(row.head)}, {row.head.facts.suite}: {explain(row)}"
        for row in (night.comparison.rows if night.comparison else ())
        if row.verdict in ("regression", "inconclusive")
    ]
    found += failures(night)
    if night.result.resume_command is not None:
        found.append(f"go on with: {command([*night.again, '--run-id', night.result.run_id])}")
    if night.verdict in ("regression", "inconclusive"):
        accept = command([*night.again, "--accept", night.result.run_id])
        found.append(f"when the change is wanted: {accept} makes it the baseline")
    return found


def failures(night: Night) -> list[str]:
    """Say which models stopped or failed, and why requests failed."""
    found = [f"{model.spec} stopped: {model.stopped_by}" for model in night.result.models if model.stopped_by]
    found += [
        f"{model.spec}: {model.n_failed:,} of {model.n_samples:,} samples failed for good"
        for model in night.result.models
        if model.n_failed and model.stopped_by is None
    ]
    if night.result.causes:
        found.append(f"failed requests: {'; '.join(told(night.result.causes))}")
    return found


def explain(row: ComparedRow) -> str:
    """Say in words what moved: the price, the usage or the score."""
    said = []
    if row.cost_verdict in ("regression", "inconclusive"):
        said.append(f"cost {wording.ratio(row.cost_ratio)} ({row.cost_verdict})")
        if row.price_ratio is not None:
            said.append(f"the same tokens cost {row.price_ratio:.3g}x at the new prices")
        said.append(f"output tokens {wording.ratio(row.tokens_ratio)}")
    if row.score_verdict in ("regression", "inconclusive"):
        low, high, value = row.score_difference.ci_low, row.score_difference.ci_high, row.score_difference.value
        interval = "" if low is None or high is None else f" [{100 * low:+.1f}, {100 * high:+.1f}]"
        said.append(f"score {wording.NOT_KNOWN if value is None else f'{100 * value:+.1f}'}{interval} points"
                    f" ({row.score_verdict})")  # fmt: skip
    said += row.reasons
    if row.more_samples:
        said.append(f"about {row.more_samples:,} more samples would decide")
    return "; ".join(said)


def _budget_table(night: Night) -> Table:
    columns = (
        Column(name="scope", title="budget"),
        Column(name="spent", kind="usd", title="spent or possibly billed"),
        Column(name="cap", kind="usd", title="cap"),
    )
    rows = [
        (
            budget.scope,
            wording.dollars(from_pico(budget.spent_pico_usd + budget.reserved_pico_usd)),
            wording.dollars(None if budget.cap_pico_usd is None else from_pico(budget.cap_pico_usd)),
        )
        for budget in night.budgets
    ]
    return Table(name="budgets", title="Budgets", columns=columns, rows=rows)


def junit_cases(night: Night) -> list[JUnitCase]:
    """List the night's test cases: the run itself, then cost and score of every compared row."""
    ended: dict[int, tuple[Outcome, str]] = {
        0: ("passed", ""),
        1: ("error", "the run failed"),
        3: ("failure", "the budget was reached"),
        130: ("error", "the run was interrupted"),
    }
    outcome, message = ended.get(night.result.exit_code, ("error", "the run failed"))
    said = [message, *failures(night)] if outcome != "passed" else []
    cases = [JUnitCase(suite=night.name, name="run", outcome=outcome, message="; ".join(said))]
    if night.comparison is None:
        return [*cases, JUnitCase(suite=night.name, name="baseline", outcome="skipped", message="no baseline yet")]
    for row in night.comparison.rows:
        for what, verdict in (("cost", row.cost_verdict), ("score", row.score_verdict)):
            cases.append(_case(row, what, verdict, night.on_inconclusive))
    alone = [*night.comparison.only_in_base, *night.comparison.only_in_head]
    return cases + [
        JUnitCase(suite=night.name, name=name, outcome="skipped", message="in one of the two runs only")
        for name in alone
    ]


_OUTCOMES: dict[str, Outcome] = {"pass": "passed", "regression": "failure", "inconclusive": "error"}


def _case(row: ComparedRow, what: str, verdict: str, on_inconclusive: OnInconclusive) -> JUnitCase:
    outcome = _OUTCOMES.get(verdict, "skipped")
    if verdict == "inconclusive" and on_inconclusive != "fail":
        outcome = "skipped"
    message = "" if outcome == "passed" else f"{verdict}: {explain(row)}" if verdict in _OUTCOMES else "no threshold"
    return JUnitCase(suite=row.head.facts.suite, name=f"{label(row.head)}: {what}", outcome=outcome, message=message)
