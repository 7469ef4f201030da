"""What a ledger knows of the tasks of a run before it starts: answers to the same samples, from any suite and run."""

from __future__ import annotations

from harness.ledger import Ledger
from harness.ledger.reading.conversations.conversation_costs import conversation_costs
from harness.ledger.reading.forecast_rows import answer_lengths
from harness.runner.forecast.output_forecast import History
from harness.runner.plan import PreparedRun


def stored_history(prepared: PreparedRun, ledger: Ledger, *, but_run: str | None = None) -> dict[str, History]:
    """Stored answers to the tasks of each suite; `but_run` = a run that has begun, whose charges tell more."""
    runs = [run for run in ledger.runs() if run.run_id != but_run]
    models = {model.spec for model in prepared.models}
    found = {}
    for loaded in prepared.suites:
        digests = {task.task.name: task.samples_sha256 for task in loaded.tasks}
        name = loaded.suite.name
        talks = {task.task.name: task.samples_sha256 for task in loaded.tasks if task.task.is_conversation}
        found[name] = History(
            answers=tuple(answer_lengths(ledger, runs, name, digests, models)),
            conversations=tuple(conversation_costs(ledger, runs, name, talks, models)) if talks else (),
        )
    return found
