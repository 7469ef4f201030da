"""The edge of the spend report: reads a ledger's sums, attempts and results, has them charged, and lays out nothing.

Data flows ledger + price book -> sums (`apart`) -> `Spend` per cell and rates (`charger`) -> columns per sample
(`sample_columns`) -> `CellFacts` (`pooled_cells`) -> `SpendReport`. All reading of a report happens here. Sums are
exact; per-sample costs are floats and serve intervals only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from importlib import import_module
from threading import Thread

from harness.costs.served import Served
from harness.costs.worst_case import worst_case_usd
from harness.errors import InputError
from harness.imports.log_runs import IMPORTED
from harness.instants import from_us
from harness.ledger import Ledger, RunRecord
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.ledger.reading.sample_rows import run_rows, split_rows
from harness.ledger.reading.sums import (
    UnknownBill,
    estimated_counts,
    failure_causes,
    invoiced_sums,
    tool_costs,
    unknown_bills,
    usage_sums,
)
from harness.ledger.records import PURPOSES
from harness.money import from_pico
from harness.pricing.book import PriceBook
from harness.reports.facts.apart import ServedSum, taken_apart
from harness.reports.facts.charge_warnings import told_once
from harness.reports.facts.charger import Charger, invoiced_spend
from harness.reports.facts.hardware_time import Busy, busy_usd
from harness.reports.facts.pooled_cells import RunCell, pooled
from harness.reports.facts.report_facts import NOTHING, CellFacts, CostSums, Spend, ToolCost
from harness.reports.facts.sample_columns import CellSamples, SampleSpend, cell_samples
from harness.reports.facts.samples.kept_runs import KeptRuns, charged_with, summed_runs
from harness.reports.facts.samples.read_verdicts import verdict_counts
from harness.reports.facts.samples.run_totals import KNOWN_REASONS, RunTotals
from harness.reports.facts.samples.turn_totals import sample_turns
from harness.reports.facts.weights import lost_weights, unmeasured
from harness.reports.forecasts.stored_forecasts import kept_forecasts
from harness.reports.imported.log_bounds import log_gaps
from harness.reports.imported.tool_costs import other_rates, tool_cost
from harness.reports.indexes.task_spends import charge_tasks
from harness.reports.precision.drawn_rows import DrawnFacts
from harness.reports.prices.price_standing import price_warnings
from harness.reports.questions import check_names, parse_pricing
from harness.reports.spend.report import SpendReport, SpendRow, with_rows
from harness.stats.values import QUANTILES
from harness.waves.design_record import DESIGN

Cells = Mapping[int, RunCell]


def spend_report(
    ledger: Ledger,
    book: PriceBook,
    run_ids: Sequence[str] | None = None,
    *,
    as_of: datetime | None = None,
    what_if: str | None = None,
    kept: KeptRuns | None = None,
) -> SpendReport:
    """Make the spend report over stored runs, all of it from one moment, even while a run writes.

    Args:
        run_ids: None = every complete run.
        as_of: charge everything at the prices of this instant; None = when each request completed.
        what_if: `batch`, `no-cache`, `model=provider/name` for all rows, `provider/name=provider/name` for those of
            one model, or several with commas.
        kept: runs that were added up before; new ones are kept there.

    Raises:
        InputError: no such run, no complete run, or a question that cannot be asked.
    """
    pricing = parse_pricing(as_of, what_if)
    charger = Charger(book=book, pricing=pricing)
    with ledger.at_one_moment() as still:
        runs = _complete(still) if run_ids is None else _named(still, run_ids)
        # a fifth of a second that passes while the database adds up
        Thread(target=import_module, args=(QUANTILES,), name="benchtab quantiles").start()
        cells = _cells(still, runs)
        check_names(pricing, book, {(cell.record.provider, cell.record.model) for cell in cells.values()})
        own_ids = [run.run_id for run in runs]
        if kept is not None:
            kept.look(still, own_ids)
        _charge(still, own_ids, cells, charger, kept)
        _read_draws(still, [run for run in runs if DESIGN in run.config], cells)
        _read_verdicts(still, runs, cells)
        charge_tasks(still, cells, Charger(book=book, pricing=pricing))
        # what is asked of a report beyond what happened changes its amounts, and no forecast was made of those
        forecasts = () if as_of or what_if else kept_forecasts(still, own_ids)
    facts = pooled(list(cells.values()))
    report = SpendReport(
        price_book_sha256=book.sha256,
        book=book,
        runs=tuple(runs),
        as_of=pricing.as_of,
        what_if=what_if,
        prices=tuple(charger.prices_used()),
        warnings=tuple(_warnings(charger, runs, facts)),
        forecasts=tuple(forecasts),
    )
    return with_rows(report, facts)


def _complete(ledger: Ledger) -> list[RunRecord]:
    stored = ledger.runs()
    complete = [run for run in stored if run.status == "complete"]
    if not complete:
        others = ", ".join(f"{run.run_id} ({run.status})" for run in stored[-3:])
        raise InputError(
            "there is no complete run in this ledger" + (f"; there are {others}" if others else ""),
            where=ledger.database,
            fix="benchtab run SUITE -m MODEL, or name an unfinished run: benchtab report RUN",
        )
    return complete


def _named(ledger: Ledger, run_ids: Sequence[str]) -> list[RunRecord]:
    known = {run.run_id: run for run in ledger.runs(run_ids)}
    missing = [run_id for run_id in run_ids if run_id not in known]
    if missing:
        raise InputError(f"there is no run {', '.join(missing)}", where=ledger.database, fix="see: benchtab runs list")
    return [known[run_id] for run_id in dict.fromkeys(run_ids)]


def _cells(ledger: Ledger, runs: Sequence[RunRecord]) -> Cells:
    """The cells of runs by their id, nothing read into them yet."""
    return {
        cell.cell_id: RunCell(record=cell, run=run)
        for run in runs
        for cell in ledger.cells(run.run_id)
        if cell.cell_id is not None
    }


def _warnings(charger: Charger, runs: Sequence[RunRecord], cells: Sequence[CellFacts]) -> Iterator[str]:
    if charger.warnings:
        yield from told_once(charger.warnings)
    yield from price_warnings(charger.used.values())
    yield from _changed_book(charger.book, runs)
    yield from lost_weights(runs)
    yield from unmeasured(runs, cells)
    waves = {run_id: cell.drawn for cell in cells if cell.drawn is not None for run_id in cell.run_ids}
    yield from (_standing(run, waves.get(run.run_id)) for run in runs if run.status != "complete")
    for run in runs:
        if IMPORTED in run.config:
            yield from (f"{run.run_id}: {warning}" for warning in run.warnings)


def _changed_book(book: PriceBook, runs: Sequence[RunRecord]) -> Iterator[str]:
    changed = sorted(run.run_id for run in runs if run.price_book_sha256 != book.sha256)
    if changed:
        listed = ", ".join(changed[:3]) + (" and others" if len(changed) > 3 else "")
        yield f"the price book has changed since {listed} ran; amounts are from the present book"


def _standing(run: RunRecord, drawn: DrawnFacts | None) -> str:
    if run.status == "failed":
        return f"run {run.run_id} failed: more of a model's samples have no answer than may fail"
    if drawn is not None and drawn.kind != "pilot":
        return f"run {run.run_id} is {run.status}: it has not come to the precision that it was asked for"
    if run.config.get("pilot") and run.status == "partial":
        return (
            f"run {run.run_id} is partial and began with a pilot, which asks some tasks more than others: scores by"
            " task hold, a mean over tasks leans towards those"
        )
    return f"run {run.run_id} is {run.status}: not everything planned is in it"


def _charge(
    ledger: Ledger, run_ids: Sequence[str], cells: Cells, charger: Charger, kept: KeptRuns | None = None
) -> None:
    """Read everything about the cells of these runs, and charge it."""
    spent = SampleSpend()
    _charge_attempts(ledger, run_ids, cells, charger, spent, kept)
    _read_results(ledger, run_ids, cells, spent, kept)
    _read_imported(ledger, cells, charger)


def run_spends(ledger: Ledger, book: PriceBook, run_ids: Sequence[str]) -> dict[str, Spend]:
    """Charge runs as a report does, whatever their attempts were for, without looking at their samples: for a summary
    of many or large ones, in a fraction of a report's time and memory."""
    charger = Charger(book=book)
    with ledger.at_one_moment() as still:
        cells = _cells(still, _named(still, run_ids))
        _charge_attempts(still, run_ids, cells, charger, SampleSpend())
        _read_imported(still, cells, charger)
    spends = dict.fromkeys(run_ids, NOTHING)
    for cell in cells.values():
        spends[cell.run.run_id] = reduce(Spend.plus, cell.spends, spends[cell.run.run_id])
    return spends


def settled_cells(ledger: Ledger, run: RunRecord, charger: Charger) -> Cells:
    """Charge what is settled of a run as a report does, cell by cell; `unknown_spend` has the rest."""
    cells = _cells(ledger, [run])
    _charge_settled(ledger, [run.run_id], cells, charger, SampleSpend())
    return cells


def rows_by_run(ledger: Ledger, book: PriceBook, run_ids: Sequence[str]) -> dict[str, Sequence[SpendRow]]:
    """Make the rows that each of these runs has in a report of its own, all from one reading: for a list of runs."""
    charger = Charger(book=book)
    with ledger.at_one_moment() as still:
        runs = _named(still, run_ids)
        cells = _cells(still, runs)
        _charge(still, list(run_ids), cells, charger)
        _read_draws(still, [run for run in runs if DESIGN in run.config], cells)
        _read_verdicts(still, runs, cells)
    by_run: dict[str, list[RunCell]] = {run_id: [] for run_id in run_ids}
    for cell in cells.values():
        by_run[cell.run.run_id].append(cell)
    empty = SpendReport(price_book_sha256=book.sha256, book=book)
    return {run_id: with_rows(empty, pooled(own)).rows for run_id, own in by_run.items()}


def _charge_attempts(
    ledger: Ledger,
    run_ids: Sequence[str],
    cells: Cells,
    charger: Charger,
    spent: SampleSpend,
    kept: KeptRuns | None = None,
) -> None:
    """Charge all attempts of these runs."""
    _charge_settled(ledger, run_ids, cells, charger, spent, kept)
    for bill in unknown_bills(ledger, run_ids):
        cell = cells[bill.cell_id]
        cell.add(bill.purpose, unknown_spend(bill, cell, charger.book))


def _charge_settled(
    ledger: Ledger,
    run_ids: Sequence[str],
    cells: Cells,
    charger: Charger,
    spent: SampleSpend,
    kept: KeptRuns | None = None,
) -> None:
    found = usage_sums(ledger, run_ids) if kept is None else summed_runs(ledger, run_ids, kept)
    sums = (ServedSum.of(each, cells[each.cell_id].record) for each in found)
    for one in taken_apart(sums, lambda cell_ids: split_rows(ledger, cell_ids), charger):
        _add_sum(cells[one.sums.cell_id], one, charger, spent)
    for row in attempt_rows(ledger, run_ids, only="one_by_one"):
        _add_single(cells[row.cell_id], row, charger, spent)
    _charge_hardware(ledger, run_ids, cells, charger, spent)
    for settled in invoiced_sums(ledger, run_ids):
        cells[settled.cell_id].add(settled.purpose, invoiced_spend(settled))


def _read_imported(ledger: Ledger, cells: Cells, charger: Charger) -> None:
    """Read what only logs of other tools have: tokens counted from texts, costs of the tool, spend that they lack."""
    imported = {cell.run.run_id: cell.run for cell in cells.values() if IMPORTED in cell.run.config}
    if not imported:
        return
    for count in estimated_counts(ledger, list(imported)):
        cells[count.cell_id].add(count.purpose, Spend(n_estimated=count.n_attempts))
    for cell in cells.values():
        if cell.run.run_id in imported:
            _add_notes(cell)
    for cell_id, (usd, n_attempts) in tool_costs(ledger, list(imported)).items():
        cell = cells[cell_id]
        if charger.as_it_was:
            cell.by_tool = tool_cost(usd, n_attempts, cell.spends, other_rates(charger.book, cell.record, cell.run))
        else:  # a question about other prices has nothing to compare with
            cell.by_tool = ToolCost(usd=usd, n_attempts=n_attempts)


def _add_notes(cell: RunCell) -> None:
    """Note on the first purpose that a cell spent for what its log says that it lacks."""
    lacks = log_gaps(cell.run)
    if lacks != NOTHING:
        purposes = [purpose for purpose, spend in zip(PURPOSES, cell.spends, strict=True) if spend.n_attempts]
        cell.add(purposes[0] if purposes else "solve", lacks)


def _read_draws(ledger: Ledger, runs: Sequence[RunRecord], cells: Cells) -> None:
    """Read what waves drew, of the runs that were asked in waves."""
    if not runs:
        return
    from harness.reports.precision.drawn_cells import drawn_cells  # most reports need nothing of it

    for run in runs:
        for cell_id, drawn in drawn_cells(ledger, run).items():
            cells[cell_id].drawn = drawn


def _read_verdicts(ledger: Ledger, runs: Sequence[RunRecord], cells: Cells) -> None:
    for cell_id, counts in verdict_counts(ledger, runs).items():
        cells[cell_id].verdicts = counts


def _read_results(
    ledger: Ledger, run_ids: Sequence[str], cells: Cells, spent: SampleSpend, kept: KeptRuns | None
) -> None:
    """Read what became of the samples, how long that took, and why requests failed."""
    for run_id in run_ids:
        own = [cell_id for cell_id, cell in cells.items() if cell.run.run_id == run_id]
        for found in _run_results(ledger, run_id, own, spent, kept):
            cells[found.cell_id].take(found)
    if any(spend.n_failed_attempts for cell in cells.values() for spend in cell.spends):
        for cause in failure_causes(ledger, run_ids):
            cells[cause.cell_id].causes.append(cause)


def _run_results(
    ledger: Ledger, run_id: str, cell_ids: Sequence[int], spent: SampleSpend, kept: KeptRuns | None
) -> Iterable[CellSamples]:
    """Give what became of a run's samples: as kept, else as read now."""
    charged = "" if kept is None else charged_with(cell_ids, spent)
    found = None if kept is None else kept.columns(run_id, charged)
    if found is not None:
        return found
    rows = run_rows(ledger, run_id, tokens=spent.tokens, reasons=KNOWN_REASONS)
    if rows is None:
        return ()
    totals = RunTotals(rows, cell_ids, spent.rates, spent.tokens)
    turns = sample_turns(ledger, run_id) if totals.has_turns else None
    made = cell_samples(totals, spent.singles, {} if turns is None else {own.cell_id: own for own in turns.by_cell()})
    if kept is None:
        return made
    found = list(made)
    kept.keep_columns(run_id, charged, found)
    return found


def _add_sum(cell: RunCell, one: ServedSum, charger: Charger, spent: SampleSpend) -> None:
    sums = one.sums
    spend, rates = charger.charge_sum(sums, one.served)
    if sums.status == "reused":
        cell.add(sums.purpose, Spend(n_reused=sums.n_attempts, reused_list_usd=spend.cost.total))
        return
    cell.add(sums.purpose, spend)
    if sums.purpose != "solve":
        return
    if not one.samples:
        spent.add_rates(sums.cell_id, sums.group.usage_group_id, rates, sums.counts)
    for planned_id, tokens in one.samples:
        if planned_id is not None:
            spent.add_tokens(sums.cell_id, planned_id, tokens, rates)


def _add_single(cell: RunCell, row: AttemptRow, charger: Charger, spent: SampleSpend) -> None:
    """Charge one attempt where sums cannot."""
    spend = charger.charge_row(row)
    if row.status == "reused":
        cell.add(row.purpose, Spend(n_reused=1, reused_list_usd=spend.cost.total))
        return
    cell.add(row.purpose, spend)
    if row.purpose == "solve" and row.planned_id is not None:
        usd = None if spend.is_unpriced else float(spend.cost.total)
        spent.add_single(row.cell_id, row.planned_id, usd, spend.tokens.output_tokens)


def _charge_hardware(
    ledger: Ledger, run_ids: Sequence[str], cells: Cells, charger: Charger, spent: SampleSpend
) -> None:
    """Charge what models kept busy whose price is by the hour."""
    prices = [used.price for used in charger.used.values()]
    if hourly := {price.name: usd for price in prices if (usd := price.usd_per_hour)}:
        for run_id in run_ids:
            _add_hardware(_busy(attempt_rows(ledger, [run_id]), hourly, charger), hourly, cells, spent)


def _busy(
    rows: Iterator[AttemptRow], hourly: Mapping[str, Decimal], charger: Charger
) -> Mapping[str, Sequence[AttemptRow]]:
    """Find the settled attempts of a run that kept hardware busy, by the name of its price."""
    found: dict[str, list[AttemptRow]] = {}
    for row in rows:
        if row.finished_at_us is None or row.status == "reused":
            continue
        at = charger.pricing.as_of or from_us(row.started_at_us)
        match = charger.book.match(row.provider_asked, row.model_requested, at)
        if match is not None and match.price.name in hourly:
            found.setdefault(match.price.name, []).append(row)
    return found


def _add_hardware(
    busy: Mapping[str, Sequence[AttemptRow]], hourly: Mapping[str, Decimal], cells: Cells, spent: SampleSpend
) -> None:
    """Add the hardware's cost to models priced by its hour: what ran at the same time shares it."""
    for name, rows in busy.items():
        stretches = [Busy(start_us=row.started_at_us, end_us=row.finished_at_us or 0) for row in rows]
        for row, usd in zip(rows, busy_usd(stretches, hourly[name]), strict=True):
            cells[row.cell_id].add(row.purpose, Spend(cost=CostSums(fees=usd, charged=usd)))
            if row.purpose == "solve" and row.planned_id is not None:
                spent.add_single(row.cell_id, row.planned_id, float(usd), 0)


def unknown_spend(bill: UnknownBill, cell: RunCell, book: PriceBook) -> Spend:
    """Bound what may be billed beside what is settled: only open rows add attempts, the others are counted there."""
    bound: Decimal | None = from_pico(bill.reserved_pico_usd)
    # in mode expected less than the worst case is reserved
    if bill.n_unbounded or cell.run.config.get("budget_mode") == "expected":
        worst = None
        if bill.reserved_input_tokens or bill.reserved_output_tokens:
            worst = worst_case_usd(
                book,
                Served(provider=cell.record.provider, model=cell.record.model, at=from_us(cell.run.created_at_us)),
                input_tokens=bill.reserved_input_tokens,
                max_output_tokens=bill.reserved_output_tokens,
            )
        bound = None if worst is None else max(worst, from_pico(bill.reserved_pico_usd))
    return Spend(
        n_attempts=bill.n_sent,
        n_open_attempts=bill.n_sent,
        n_unknown_usage=bill.n_attempts,
        possibly_billed_usd=bound,
    )


__all__ = ["rows_by_run", "run_spends", "settled_cells", "spend_report", "unknown_spend"]
