"""What a ledger knows of the tasks of a run before it starts: answers to the same samples, from any suite and run."""

from __future__ import annotations

from harness.ledger import Ledger
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
        answers = answer_lengths(ledger, runs, loaded.suite.name, digests, models)
        found[loaded.suite.name] = History(answers=tuple(answers))
    return found
