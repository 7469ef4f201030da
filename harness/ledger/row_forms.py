"""Between table rows and records, in both directions; no SQL here.

A record's fields are named as the columns; what is stored in another form (JSON, flags) is said apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from functools import cache
from inspect import signature
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Row

from harness.ledger.encoding import canonical_json, storable
from harness.ledger.records import (
    Budget,
    CellRecord,
    DrawRecord,
    ForecastRecord,
    MissingRecord,
    PlannedRecord,
    RunRecord,
    SampleOutcome,
    SuiteRecord,
    TaskRecord,
)

Record = TypeVar("Record")
Values = dict[str, object]
"""A row's contents by column."""
StoredRow: TypeAlias = Row[Any]
"""A row that a query gave: its columns by name."""


def record_of(kind: Callable[..., Record], row: StoredRow, **read: object) -> Record:
    """Make a record of a row's columns by the names of its fields; `read` = fields that are read from another form."""
    stored = row._mapping
    return kind(**{name: stored[name] for name in _names(kind) if name not in read}, **read)


def flag(stored: int | None) -> bool | None:
    """Read a flag column."""
    return None if stored is None else bool(stored)


@cache
def _names(kind: Callable[..., object]) -> tuple[str, ...]:
    return tuple(signature(kind).parameters)


Written: TypeAlias = RunRecord | CellRecord | PlannedRecord | DrawRecord | ForecastRecord


def _values(record: Written, *left_out: str) -> Values:
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name not in left_out}


def run_values(run: RunRecord) -> Values:
    """Write a run as column values."""
    return {
        **_values(run),
        "config": canonical_json(run.config),
        "suites": canonical_json([asdict(suite) for suite in run.suites]),
        "models": canonical_json(list(run.models)),
        "price_sources": canonical_json(list(run.price_sources)),
        "warnings": canonical_json(list(run.warnings)),
    }


def run_record(row: StoredRow) -> RunRecord:
    """Read a run from its row."""
    return record_of(
        RunRecord,
        row,
        config=json.loads(row.config),
        suites=tuple(
            SuiteRecord(
                **{
                    **stored,
                    "tasks": tuple(TaskRecord(**task) for task in stored["tasks"]),
                    "missing": tuple(MissingRecord(**one) for one in stored.get("missing", ())),
                }
            )
            for stored in json.loads(row.suites)
        ),
        models=tuple(json.loads(row.models)),
        price_sources=tuple(json.loads(row.price_sources)),
        warnings=tuple(json.loads(row.warnings)),
    )


def cell_values(run_id: str, cell: CellRecord) -> Values:
    """Write a cell as column values."""
    return {
        **_values(cell, "cell_id"),
        "run_id": run_id,
        "reasoning": None if cell.reasoning is None else int(cell.reasoning),
        "simulated": int(cell.simulated),
        "settings_sent": canonical_json(cell.settings_sent),
    }


def cell_record(row: StoredRow) -> CellRecord:
    """Read a cell from its row."""
    return record_of(
        CellRecord,
        row,
        reasoning=flag(row.reasoning),
        simulated=bool(row.simulated),
        settings_sent=json.loads(row.settings_sent),
    )


def planned_values(run_id: str, sample: PlannedRecord) -> Values:
    """Write a planned sample as column values."""
    return {
        **_values(sample, "planned_id"),
        "run_id": run_id,
        "presentation": None if sample.presentation is None else canonical_json(sample.presentation),
        "reference": storable(sample.reference),
    }


def planned_record(row: StoredRow) -> PlannedRecord:
    """Read a planned sample from its row."""
    return record_of(
        PlannedRecord, row, presentation=None if row.presentation is None else json.loads(row.presentation)
    )


def facts(sample: PlannedRecord) -> PlannedRecord:
    """Return what identifies a planned sample, in stored form, for comparison.

    Without the ids that the ledger gives, and without the reference, which older ledgers do not hold and whose text
    `sample_sha256` covers.
    """
    presentation = None if sample.presentation is None else canonical_json(sample.presentation)
    return replace(sample, planned_id=None, run_id=None, presentation=presentation, reference=None)


def draw_values(draw: DrawRecord) -> Values:
    """Write a draw as column values."""
    return _values(draw)


def draw_record(row: StoredRow) -> DrawRecord:
    """Read a draw from its row."""
    return record_of(DrawRecord, row)


def forecast_values(forecast: ForecastRecord) -> Values:
    """Write a forecast as column values."""
    return {**_values(forecast), "basis": canonical_json(forecast.basis)}


def forecast_record(row: StoredRow) -> ForecastRecord:
    """Read a forecast from its row."""
    return record_of(ForecastRecord, row, basis=json.loads(row.basis))


def read_stored(text: str) -> Any:
    """Read a JSON column as it was written."""
    return json.loads(text)


def budget(row: StoredRow) -> Budget:
    """Read a budget from its row."""
    return record_of(Budget, row)


def sample_outcome(row: StoredRow) -> SampleOutcome:
    """Read a sample's standing from a row of the outcomes query."""
    attempt_id = row.newest_own_id if row.succeeded_id is None and row.scored else row.succeeded_id
    return record_of(
        SampleOutcome,
        row,
        n_open=int(row.n_open),
        n_cancelled=int(row.n_cancelled),
        attempt_id=attempt_id,
        error_class=None if attempt_id is not None else row.error_class,
        scored=bool(row.scored),
    )
