"""Small suites and runs for tests of the runner: everything on loopback or simulated, every ledger a temporary one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ProviderError
from harness.ledger import Ledger
from harness.ledger.leases.lease_records import WorkerRecord
from harness.models import ModelSpec, parse_model
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.runner import PreparedRun, RunResult, RunSpec, SessionOptions, run_suites
from harness.runner.forecast.bills import BillForecast
from harness.runner.precision.planned_bill import PlannedTask, WavesPlan
from harness.runner.requests.attempt_ends import Spent
from harness.runner.requests.policy import RetryLimits
from harness.runner.session_setup import StoredPlan, usual_planner
from harness.runner.wave_loop import WavePlanner

QUICK = RetryLimits(first_wait_s=0.002, longest_wait_s=0.004)


class Watcher:
    """An observer that remembers what it saw."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.forecasts: list[BillForecast] = []
        self.questions: list[str] = []
        self.consents = True
        self.errors: list[ProviderError] = []
        self.planned: dict[ModelSpec, int] = {}
        self.expected: list[PlannedTask] = []
        self.sent_when_expected: int | None = None
        self.sent = 0
        self.finished = 0
        self.workers: list[WorkerRecord] = []

    def attempt_sent(self, model: ModelSpec) -> None:
        self.sent += 1

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None:
        if error is not None:
            self.errors.append(error)

    def waves_planned(self, plan: WavesPlan) -> None:
        self.expected, self.sent_when_expected = list(plan.tasks), self.sent

    def samples_planned(self, model: ModelSpec, n_samples: int) -> None:
        self.planned[model] = n_samples

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None:
        self.finished += 1

    def workers_seen(self, workers: Sequence[WorkerRecord]) -> None:
        self.workers = list(workers)

    def forecast_made(self, forecast: BillForecast, *, spent: int) -> None:
        self.forecasts.append(forecast)

    def ask(self, question: str, *, is_over: Callable[[], bool]) -> bool:
        self.questions.append(question)
        return self.consents

    def notice(self, text: str) -> None:
        self.notices.append(text)


def observing(watcher: Watcher) -> Callable[[PreparedRun], contextlib.AbstractContextManager[Watcher]]:
    """Have a run watched."""
    return lambda _: contextlib.nullcontext(watcher)


def number_suite(folder: Path, count: int, *, cap: int = 2000, epochs: int = 1) -> str:
    """Write a suite of `count` sums whose answers are numbers; gives its path."""
    rows = [{"id": f"sum-{i}", "question": f"What is {i} + {i + 1}?", "answer": str(2 * i + 1)} for i in range(count)]
    return suite_file(folder, rows, scorer="number", cap=cap, epochs=epochs)


def suite_file(
    folder: Path, rows: list[dict[str, Any]], *, scorer: str, cap: int = 2000, epochs: int = 1, options: str = ""
) -> str:
    """Write a suite of given rows (`id`, `question`, `answer`); gives its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(
        f"""
name = "mine"
version = "1"
title = "Mine"

[[tasks]]
name = "questions"
prompt = "{{question}} End with the answer alone on the last line."
scorer = {{ name = "{scorer}"{options} }}
epochs = {epochs}
max_output_tokens = {cap}
max_output_tokens_reasoning = {cap}

[tasks.dataset]
source = "files"
path = "mine"
revision = "1"
local = "rows.jsonl"
fields = {{ sample_id = "id", question = "question", target = "answer" }}
""",
        encoding="utf-8",
    )
    return str(path)


def chain_suite(folder: Path, n_chains: int = 4) -> str:
    """Write a suite of chains of three sums, each of which shows the answers of the earlier ones; gives its path."""
    rows = [
        {
            "id": f"{chain}-{step}",
            "question": f"What is {chain} + {step}?",
            "answer": str(chain + step),
            "chain": f"chain {chain}",
            "needs": [f"{chain}-{earlier}" for earlier in range(step)],
        }
        for chain in range(n_chains)
        for step in range(3)
    ]
    suite = Path(suite_file(folder, rows, scorer="number"))
    text = suite.read_text(encoding="utf-8").replace("{question} End", "Earlier: {earlier_code} {question} End")
    fields = 'id = "id", group = "chain", depends_on = "needs"'
    suite.write_text(text.replace('sample_id = "id"', fields), encoding="utf-8")
    return str(suite)


def suite_with_a_broken_row(folder: Path, count: int) -> str:
    """A suite of sums, the second of which has a number where signatures of earlier steps should be."""
    rows: list[dict[str, Any]] = [
        {"id": f"q{i}", "question": f"What is {i} + 1?", "answer": str(i + 1), "needs": ["q0"], "signed": {}}
        for i in range(count)
    ]
    rows[1]["signed"] = 7
    path = Path(suite_file(folder, rows, scorer="number"))
    text = path.read_text(encoding="utf-8")
    fields = 'sample_id = "id", depends_on = "needs", earlier_signatures = "signed"'
    path.write_text(text.replace('sample_id = "id"', fields), encoding="utf-8")
    return str(path)


def run(
    suite: str,
    models: list[str],
    ledger: Ledger,
    *,
    run_id: str = "run-1",
    watcher: Watcher | None = None,
    book: PriceBook | None = None,
    limits: RetryLimits = QUICK,
    retry_failed: bool = False,
    can_ask: bool = False,
    planner: Callable[[StoredPlan], WavePlanner] = usual_planner,
    **options: Any,
) -> RunResult:
    """Run a suite on models with test-friendly waits."""
    spec = RunSpec(suites=(suite,), models=tuple(parse_model(model) for model in models), **options)
    return run_suites(
        spec,
        ledger=ledger,
        book=book or load_price_book(),
        run_id=run_id,
        observe=observing(watcher or Watcher()),
        session=SessionOptions(limits=limits, retry_failed=retry_failed, can_ask=can_ask, planner=planner),
    )
