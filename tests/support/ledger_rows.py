"""Short ways to fill a ledger in tests: a run with its cells and samples, starts and outcomes with sensible values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.ledger import (
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    Ledger,
    PlannedRecord,
    RunRecord,
    ScoreRecord,
    SuiteRecord,
    TaskRecord,
    UsageFacts,
)

NOON_US = 1_795_348_800_000_000
"""2026-11-22 12:00:00 UTC."""

RUN = RunRecord(
    run_id="run-1",
    created_at_us=NOON_US,
    plan_sha256="11" * 32,
    harness_version="0.1.0",
    price_book_sha256="22" * 32,
    suites=(
        SuiteRecord(
            name="starter",
            version="1",
            sha256="33" * 32,
            tasks=(TaskRecord(name="choice", revision="local:44", samples_sha256="55" * 32),),
        ),
    ),
    models=("sim/reasoner", "sim/direct"),
    config={"limit": 5, "temperature": 0.5},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Ids of what `fill` stored: cells of sim/reasoner and sim/direct, and planned samples in draw order."""

    run_id: str
    cells: list[int]
    planned: list[int]


def cell(model: str, **changes: Any) -> CellRecord:
    """A cell of the starter suite."""
    values: dict[str, Any] = {"suite": "starter", "suite_version": "1", "suite_sha256": "33" * 32, "provider": "sim"}
    return CellRecord(**{**values, "model": model, "simulated": True, **changes})


def sample(number: int, **changes: Any) -> PlannedRecord:
    """A planned sample of the starter suite."""
    values: dict[str, Any] = {
        "suite": "starter",
        "task": "choice",
        "sample_id": f"choice-{number:03}",
        "epoch": 0,
        "draw_order": number,
        "inclusion_probability": 1.0,
        "sample_sha256": f"{number:064x}",
    }
    return PlannedRecord(**{**values, **changes})


def fill(ledger: Ledger, *, run_id: str = "run-1", n_samples: int = 4) -> Filled:
    """Store a run with two cells and some planned samples."""
    ledger.create_run(replace(RUN, run_id=run_id))
    cells = ledger.add_cells(run_id, [cell("reasoner", reasoning=True), cell("direct", reasoning=False)])
    planned = list(ledger.add_planned(run_id, [sample(number) for number in range(n_samples)]))
    return Filled(run_id=run_id, cells=cells, planned=planned)


def start(filled: Filled, number: int = 0, **changes: Any) -> AttemptStart:
    """A request about to leave: of the first cell, for sample `number`."""
    values: dict[str, Any] = {
        "request_id": f"{filled.run_id}.{filled.cells[0]}.{number}.e0.t1",
        "cell_id": filled.cells[0],
        "planned_id": filled.planned[number % len(filled.planned)],
        "model_requested": "reasoner",
        "started_at_us": NOON_US,
        "parameters": {"temperature": 0.5, "max_completion_tokens": 1000},
    }
    return AttemptStart(**{**values, **changes})


def outcome(attempt_id: int, **changes: Any) -> AttemptOutcome:
    """A good answer: 100 tokens in, 60 out of which 40 reasoning."""
    values: dict[str, Any] = {
        "status": "succeeded",
        "finished_at_us": NOON_US + 2_000_000,
        "usage": UsageFacts(
            input_tokens=100,
            output_tokens=60,
            reasoning_tokens=40,
            raw_usage={"prompt_tokens": 100, "completion_tokens": 60},
            usage_kind="openai.chat",
            usage_source="provider",
            context_tokens=100,
        ),
        "charged_pico_usd": 5,
        "billed": "yes",
        "finish_reason": "stop",
    }
    return AttemptOutcome(attempt_id=attempt_id, **{**values, **changes})


def score(filled: Filled, attempt_id: int, number: int = 0, **changes: Any) -> ScoreRecord:
    """A right answer."""
    values: dict[str, Any] = {
        "planned_id": filled.planned[number],
        "cell_id": filled.cells[0],
        "scorer": "choice",
        "scorer_version": "1",
        "scored_at_us": NOON_US + 3_000_000,
        "value_millionths": 1_000_000,
        "answer": "B",
    }
    return ScoreRecord(attempt_id=attempt_id, **{**values, **changes})
