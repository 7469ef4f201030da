"""Between table rows and records, in both directions; no SQL here."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from harness.ledger.encoding import canonical_json, storable
from harness.ledger.records import (
    Budget,
    CellRecord,
    PlannedRecord,
    RunRecord,
    SampleOutcome,
    SuiteRecord,
    TaskRecord,
)


def run_values(run: RunRecord) -> dict[str, Any]:
    """Write a run as column values."""
    return {
        "run_id": run.run_id,
        "status": run.status,
        "created_at_us": run.created_at_us,
        "finished_at_us": run.finished_at_us,
        "plan_sha256": run.plan_sha256,
        "config": canonical_json(run.config),
        "suites": canonical_json([asdict(suite) for suite in run.suites]),
        "models": canonical_json(list(run.models)),
        "price_book_sha256": run.price_book_sha256,
        "price_sources": canonical_json(list(run.price_sources)),
        "harness_version": run.harness_version,
        "git_commit": run.git_commit,
        "sample_seed": run.sample_seed,
        "budget_pico_usd": run.budget_pico_usd,
        "warnings": canonical_json(list(run.warnings)),
    }


def run_record(row: Any) -> RunRecord:
    """Read a run from its row."""
    return RunRecord(
        run_id=row.run_id,
        status=row.status,
        created_at_us=row.created_at_us,
        finished_at_us=row.finished_at_us,
        plan_sha256=row.plan_sha256,
        config=json.loads(row.config),
        suites=tuple(_suite(stored) for stored in json.loads(row.suites)),
        models=tuple(json.loads(row.models)),
        price_book_sha256=row.price_book_sha256,
        price_sources=tuple(json.loads(row.price_sources)),
        harness_version=row.harness_version,
        git_commit=row.git_commit,
        sample_seed=row.sample_seed,
        budget_pico_usd=row.budget_pico_usd,
        warnings=tuple(json.loads(row.warnings)),
    )


def _suite(stored: dict[str, Any]) -> SuiteRecord:
    tasks = tuple(TaskRecord(**task) for task in stored["tasks"])
    return SuiteRecord(name=stored["name"], version=stored["version"], sha256=stored["sha256"], tasks=tasks)


def cell_values(run_id: str, cell: CellRecord) -> dict[str, Any]:
    """Write a cell as column values."""
    return {
        "run_id": run_id,
        "suite": cell.suite,
        "suite_version": cell.suite_version,
        "suite_sha256": cell.suite_sha256,
        "provider": cell.provider,
        "model": cell.model,
        "setting": cell.setting,
        "reasoning": None if cell.reasoning is None else int(cell.reasoning),
        "simulated": int(cell.simulated),
        "settings_sent": canonical_json(cell.settings_sent),
    }


def cell_record(row: Any) -> CellRecord:
    """Read a cell from its row."""
    return CellRecord(
        cell_id=row.cell_id,
        run_id=row.run_id,
        suite=row.suite,
        suite_version=row.suite_version,
        suite_sha256=row.suite_sha256,
        provider=row.provider,
        model=row.model,
        setting=row.setting,
        reasoning=None if row.reasoning is None else bool(row.reasoning),
        simulated=bool(row.simulated),
        settings_sent=json.loads(row.settings_sent),
    )


def planned_values(run_id: str, sample: PlannedRecord) -> dict[str, Any]:
    """Write a planned sample as column values."""
    return {
        "run_id": run_id,
        "suite": sample.suite,
        "task": sample.task,
        "sample_id": sample.sample_id,
        "epoch": sample.epoch,
        "draw_order": sample.draw_order,
        "inclusion_probability": sample.inclusion_probability,
        "sample_sha256": sample.sample_sha256,
        "presentation": None if sample.presentation is None else canonical_json(sample.presentation),
        "reference": storable(sample.reference),
    }


def planned_record(row: Any) -> PlannedRecord:
    """Read a planned sample from its row."""
    return PlannedRecord(
        planned_id=row.planned_id,
        run_id=row.run_id,
        suite=row.suite,
        task=row.task,
        sample_id=row.sample_id,
        epoch=row.epoch,
        draw_order=row.draw_order,
        inclusion_probability=row.inclusion_probability,
        sample_sha256=row.sample_sha256,
        presentation=None if row.presentation is None else json.loads(row.presentation),
        reference=row.reference,
    )


def facts(sample: PlannedRecord) -> PlannedRecord:
    """Return what identifies a planned sample, in stored form, for comparison.

    Without the ids that the ledger gives, and without the reference, which older ledgers do not hold and whose text
    `sample_sha256` covers.
    """
    presentation = None if sample.presentation is None else canonical_json(sample.presentation)
    return replace(sample, planned_id=None, run_id=None, presentation=presentation, reference=None)


def budget(row: Any) -> Budget:
    """Read a budget from its row."""
    return Budget(
        scope=row.scope,
        cap_pico_usd=row.cap_pico_usd,
        spent_pico_usd=row.spent_pico_usd,
        reserved_pico_usd=row.reserved_pico_usd,
    )


def sample_outcome(row: Any) -> SampleOutcome:
    """Read a sample's standing from a row of the outcomes query."""
    return SampleOutcome(
        cell_id=row.cell_id,
        planned_id=row.planned_id,
        n_attempts=row.n_attempts,
        last_try_number=row.last_try_number,
        n_open=int(row.n_open),
        n_cancelled=int(row.n_cancelled),
        attempt_id=row.succeeded_id,
        status=row.status,
        error_class=None if row.succeeded_id is not None else row.error_class,
        scored=bool(row.scored),
    )
