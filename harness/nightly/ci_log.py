"""A night as GitHub shows it beside a job: one annotation for each row that the gate names, and for the run itself.

Pure. Data flows `Night` -> workflow commands (`::error title=...::...`), which a runner reads from the job's log.
Source of the form and its escapes: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.nightly.night_result import Night
from harness.nightly.summary import explain, failures
from harness.reports.compare.gate_rules import OnInconclusive
from harness.reports.spend.spend_tables import label


def workflow_commands(night: Night) -> Iterator[str]:
    """Write the commands, one line each: errors for what closes the gate, warnings for what does not."""
    for note in night.notes:
        yield _command("warning", night.name, note)
    if night.result.exit_code != 0:
        yield _command("error", f"{night.name}: {night.verdict}", "; ".join(failures(night)) or night.verdict)
    for row in night.comparison.rows if night.comparison else ():
        if (kind := _annotation(row.verdict, night.on_inconclusive)) is not None:
            yield _command(kind, f"{row.verdict}: {label(row.head)}, {row.head.facts.suite}", explain(row))


def _annotation(verdict: str, on_inconclusive: OnInconclusive) -> str | None:
    """How a row is shown: an error closes the gate; None = not at all."""
    if verdict == "inconclusive":
        return {"fail": "error", "warn": "warning", "pass": None}[on_inconclusive]
    return "error" if verdict == "regression" else None


def _command(kind: str, title: str, message: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
