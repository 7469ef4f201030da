"""The published bill as a ledger: as many requests as the suite sends, the solved totals, marked "reconstructed".

Data flows `Reproduction` -> attempts in a ledger -> the ordinary spend report, which must land on those dollars.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.errors import LedgerError
from harness.instants import to_us
from harness.ledger import AttemptOutcome, AttemptStart, CellRecord, Ledger, PlannedRecord, RunRecord, UsageFacts
from harness.ledger.records import SuiteRecord, TaskRecord
from harness.ledger.writing.append import Appender
from harness.ledger.writing.drivers import open_driver
from harness.ledger.writing.operations import Send, Settle
from harness.pricing.book import PriceBook
from harness.reports.facts.assembly import spend_report
from harness.reproduction.published import PublishedTable
from harness.reproduction.results import RebuiltRow, Reproduction
from harness.version import __version__

BATCH = 4_000
"""Requests per transaction."""


def rebuild(solved: Reproduction, ledger: Ledger) -> list[str]:
    """Write the reconstructed runs, one for each instant whose prices are used; returns their ids."""
    by_instant: dict[datetime, list[RebuiltRow]] = {}
    for row in solved.rebuilt:
        by_instant.setdefault(row.candidate.vintage.at, []).append(row)
    run_ids = []
    for number, (instant, rows) in enumerate(sorted(by_instant.items()), 1):
        run_id = f"{solved.table.name}-reconstructed" + (f"-{number}" if len(by_instant) > 1 else "")
        _write_run(solved, ledger, run_id, instant, rows)
        run_ids.append(run_id)
    return run_ids


def rebuilt_bill(
    solved: Reproduction, book: PriceBook, database: str | Path | None = None
) -> list[tuple[str, int, Decimal]]:
    """Rebuild the ledger, run the ordinary report over it, and return (model, requests, dollars) per row.

    Args:
        database: where to keep the ledger; None = a temporary one.
    """
    with TemporaryDirectory(prefix="benchtab-") as folder, Ledger.open(database or Path(folder) / "l.db") as ledger:
        report = spend_report(ledger, book, rebuild(solved, ledger))
    found = {row.facts.setting: row.facts.solve for row in report.rows}
    return [
        (row.model, found[row.model].n_attempts, found[row.model].cost.total.quantize(Decimal("0.01")))
        for row in solved.rebuilt
    ]


def _write_run(solved: Reproduction, ledger: Ledger, run_id: str, instant: datetime, rows: list[RebuiltRow]) -> None:
    table, at_us = solved.table, to_us(instant)
    digest = "0" * 64
    ledger.create_run(
        RunRecord(
            run_id=run_id,
            created_at_us=at_us,
            plan_sha256=digest,
            harness_version=__version__,
            price_book_sha256=solved.price_book_sha256,
            config={"reconstructed_from": table.name},
            suites=(
                SuiteRecord(
                    name=table.suite,
                    version=table.suite_version,
                    sha256=digest,
                    tasks=(TaskRecord(name="all", revision="reconstructed", samples_sha256=digest),),
                ),
            ),
            models=tuple(row.model for row in rows),
            warnings=(f"reconstructed from {table.name}: tokens were solved from dollars, not measured",),
        )
    )
    planned = ledger.add_planned(run_id, list(_planned(table)))
    cells = ledger.add_cells(run_id, [_cell(table, row, digest) for row in rows])
    _write_attempts(ledger, run_id, at_us, list(zip(rows, cells, strict=True)), planned)
    ledger.finish_run(run_id, "complete", finished_at_us=at_us)


def _planned(table: PublishedTable) -> Iterator[PlannedRecord]:
    for number in range(table.n_requests):
        yield PlannedRecord(
            suite=table.suite,
            task="all",
            sample_id=f"request-{number}",
            epoch=0,
            draw_order=number,
            inclusion_probability=1.0,
            sample_sha256="reconstructed",
        )


def _cell(table: PublishedTable, row: RebuiltRow, digest: str) -> CellRecord:
    """Name the price's model, and keep the published name as the setting, so that no two rows fall together."""
    return CellRecord(
        suite=table.suite,
        suite_version=table.suite_version,
        suite_sha256=digest,
        provider=row.candidate.vintage.provider,
        model=row.candidate.vintage.model,
        setting=row.model,
        reasoning=row.reasoning,
        settings_sent={"published_as": row.model},
    )


def _write_attempts(
    ledger: Ledger, run_id: str, at_us: int, rows: list[tuple[RebuiltRow, int]], planned: Sequence[int]
) -> None:
    """Write in large batches on this thread: there is no request to wait for."""
    driver = open_driver(ledger.engine)
    try:
        appender = Appender(driver)
        for row, cell_id in rows:
            inputs, outputs = spread(row.input_tokens, len(planned)), spread(row.output_tokens, len(planned))
            for first in range(0, len(planned), BATCH):
                numbers = range(first, min(first + BATCH, len(planned)))
                sent = appender.apply(
                    [Send(start=_start(run_id, row, cell_id, number, planned[number], at_us)) for number in numbers]
                )
                attempts = [attempt for attempt in sent if isinstance(attempt, int)]
                if len(attempts) < len(numbers):
                    raise LedgerError("the reconstructed ledger cannot be written", where=ledger.database)
                appender.apply(
                    [
                        Settle(outcome=_outcome(attempt_id, at_us, inputs[number], outputs[number]))
                        for attempt_id, number in zip(attempts, numbers, strict=True)
                    ]
                )
    finally:
        driver.close()


def _start(run_id: str, row: RebuiltRow, cell_id: int, number: int, planned_id: int, at_us: int) -> AttemptStart:
    return AttemptStart(
        request_id=f"{run_id}.{cell_id}.{number}.e0.t1",
        cell_id=cell_id,
        planned_id=planned_id,
        model_requested=row.candidate.vintage.model,
        started_at_us=at_us,
    )


def _outcome(attempt_id: int, at_us: int, input_tokens: int, output_tokens: int) -> AttemptOutcome:
    return AttemptOutcome(
        attempt_id=attempt_id,
        status="succeeded",
        finished_at_us=at_us,
        usage=_usage(input_tokens, output_tokens),
        billed="yes",
        finish_reason="stop",
    )


@cache
def _usage(input_tokens: int, output_tokens: int) -> UsageFacts:
    """Make the usage of a share; there are at most four different ones per model."""
    return UsageFacts(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        context_tokens=input_tokens,
        usage_source="estimated",
    )


def spread(total: int, parts: int) -> list[int]:
    """Split a total into whole parts that differ by one at most."""
    base, rest = divmod(total, parts)
    return [base + 1] * rest + [base] * (parts - rest)
