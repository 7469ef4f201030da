"""What each task of an index cost, to the digit of the whole: the same sums and rows as a report's, charged by task.

Data flows ledger -> sums by task and the attempts that sums cannot carry -> `Spend` per cell and task. Suites without
weights are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.reading.sample_rows import SplitRow, split_rows
from harness.ledger.reading.sums import UsageSum, planned_tasks, task_sums
from harness.reports.facts.apart import ServedSum, taken_apart
from harness.reports.facts.charger import Charger
from harness.reports.facts.pooled_cells import RunCell
from harness.reports.facts.report_facts import Spend
from harness.reports.facts.weights import task_weights

Part = tuple[int, str]
"""A cell and one of its tasks."""


def charge_tasks(ledger: Ledger, cells: Mapping[int, RunCell], charger: Charger) -> None:
    """Charge the tasks of every cell of an index apart; the cells' own sums stay as they are.

    Args:
        charger: one of its own, so that no price counts as used twice.
    """
    indexes = {cell_id: cell for cell_id, cell in cells.items() if task_weights(cell.run, cell.record)}
    if not indexes:
        return
    run_ids = sorted({cell.run.run_id for cell in indexes.values()})
    found = [(task, sums) for task, sums in task_sums(ledger, run_ids) if sums.cell_id in indexes]
    parts = list(dict.fromkeys((sums.cell_id, task) for task, sums in found))
    for one in taken_apart(_numbered(found, parts, indexes), partial(_part_rows, ledger, run_ids, parts), charger):
        cell_id, task = parts[one.sums.cell_id]
        spend, _ = charger.charge_sum(one.sums, one.served)
        indexes[cell_id].add_to_task(task, _reused(one.sums.n_attempts, spend, one.sums.status))
    for row in attempt_rows(ledger, run_ids, only="one_by_one"):
        if row.purpose == "solve" and row.task is not None and row.cell_id in indexes:
            indexes[row.cell_id].add_to_task(row.task, _reused(1, charger.charge_row(row), row.status))


def _reused(n_attempts: int, spend: Spend, status: str) -> Spend:
    """An answer of an earlier run is not billed again."""
    return Spend(n_reused=n_attempts, reused_list_usd=spend.cost.total) if status == "reused" else spend


def _numbered(
    found: Sequence[tuple[str, UsageSum]], parts: Sequence[Part], cells: Mapping[int, RunCell]
) -> Iterator[ServedSum]:
    """Give the sums under the numbers of their parts, so that tasks of a cell are told apart where prices change."""
    numbers = {part: number for number, part in enumerate(parts)}
    for task, sums in found:
        yield ServedSum.of(replace(sums, cell_id=numbers[sums.cell_id, task]), cells[sums.cell_id].record)


def _part_rows(
    ledger: Ledger, run_ids: Sequence[str], parts: Sequence[Part], numbers: Sequence[int]
) -> Iterator[SplitRow]:
    """Read the attempts of parts, under the numbers of these."""
    wanted = {parts[number]: number for number in numbers}
    tasks = planned_tasks(ledger, run_ids)
    for row in split_rows(ledger, sorted({cell_id for cell_id, _ in wanted})):
        number = None if row.planned_id is None else wanted.get((row.cell_id, tasks[row.planned_id]))
        if number is not None:
            yield row._replace(cell_id=number)
