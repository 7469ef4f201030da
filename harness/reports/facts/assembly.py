"""The edge of the spend report: reads the ledger's sums and results, charges them, and hands facts to the pure part.

Data flows ledger + price book -> CellFacts -> `spend.make_report`. Sums are exact; per-sample costs are floats and
serve intervals only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import reduce
from operator import mul

from harness.costs.served import Served
from harness.costs.worst_case import worst_case_usd
from harness.errors import InputError
from harness.instants import from_us
from harness.ledger import CellRecord, Ledger, RunRecord
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.ledger.reading.causes import FailureCause, failure_causes, over_cells
from harness.ledger.reading.sample_rows import Timing, run_rows, timings
from harness.ledger.reading.sums import UnknownBill, UsageSum, unknown_bills, usage_sums
from harness.money import from_pico
from harness.pricing.book import PriceBook
from harness.reports.facts.apart import NamedSum, named_sums
from harness.reports.facts.charge_warnings import told_once
from harness.reports.facts.charger import Charger, usd_per_token
from harness.reports.facts.hardware_time import Busy, busy_usd
from harness.reports.facts.report_facts import NOTHING, ZERO, CellFacts, CostSums, RunCost, Spend, TaskOutcomes
from harness.reports.facts.sample_columns import CellSamples, Rates, Samples, cell_samples, rate_vector, split_output
from harness.reports.facts.weights import lost_weights, task_weights, unmeasured
from harness.reports.prices.price_history import price_histories
from harness.reports.prices.price_standing import price_warnings
from harness.reports.questions import check_names, parse_pricing
from harness.reports.spend.report import RunFacts, SpendReport, make_report
from harness.runner.options.command_line import command, run_words


def spend_report(
    ledger: Ledger,
    book: PriceBook,
    run_ids: Sequence[str] | None = None,
    *,
    as_of: datetime | None = None,
    what_if: str | None = None,
) -> SpendReport:
    """Make the spend report over stored runs.

    Args:
        run_ids: None = every complete run.
        as_of: charge everything at the prices of this instant; None = when each request completed.
        what_if: `batch`, `no-cache`, `model=provider/name` for all rows, `provider/name=provider/name` for those of
            one model, or several with commas.

    Raises:
        InputError: no such run, no complete run, or a question that cannot be asked.
    """
    pricing = parse_pricing(as_of, what_if)
    runs = _runs(ledger, run_ids)
    check_names(pricing, book, {(cell.provider, cell.model) for run in runs for cell in ledger.cells(run.run_id)})
    charger = Charger(book=book, pricing=pricing)
    cells = _cells(ledger, runs, charger)
    changed = sorted(run.run_id for run in runs if run.price_book_sha256 != book.sha256)
    warnings = [*told_once(charger.warnings), *price_warnings(charger.used.values())]
    if changed:
        listed = ", ".join(changed[:3]) + (" and others" if len(changed) > 3 else "")
        warnings.append(f"the price book has changed since {listed} ran; amounts are from the present book")
    warnings += [*lost_weights(runs), *unmeasured(runs, cells)]
    warnings += [_standing(run) for run in runs if run.status != "complete"]
    return make_report(
        cells,
        price_book_sha256=book.sha256,
        runs=[_run_facts(run) for run in runs],
        as_of=charger.pricing.as_of,
        what_if=what_if,
        prices=charger.prices_used(),
        histories=price_histories(book, cells),
        warnings=warnings,
    )


def _standing(run: RunRecord) -> str:
    if run.status == "failed":
        return f"run {run.run_id} failed: more of a model's samples have no answer than may fail"
    return f"run {run.run_id} is {run.status}: not everything planned is in it"


def _runs(ledger: Ledger, run_ids: Sequence[str] | None) -> list[RunRecord]:
    stored = ledger.runs()
    if run_ids is None:
        complete = [run for run in stored if run.status == "complete"]
        if not complete:
            others = ", ".join(f"{run.run_id} ({run.status})" for run in stored[-3:])
            raise InputError(
                "there is no complete run in this ledger" + (f"; there are {others}" if others else ""),
                where=ledger.database,
                fix="benchtab run SUITE -m MODEL, or name an unfinished run: benchtab report RUN",
            )
        return complete
    known = {run.run_id: run for run in stored}
    missing = [run_id for run_id in run_ids if run_id not in known]
    if missing:
        raise InputError(f"there is no run {', '.join(missing)}", where=ledger.database, fix="see: benchtab runs list")
    return [known[run_id] for run_id in dict.fromkeys(run_ids)]


def _run_facts(run: RunRecord) -> RunFacts:
    return RunFacts(
        run_id=run.run_id,
        status=run.status,
        created_at=from_us(run.created_at_us),
        harness_version=run.harness_version,
        price_book_sha256=run.price_book_sha256,
        git_commit=run.git_commit,
        suites=tuple(f"{suite.name} {suite.version}" for suite in run.suites),
        models=run.models,
        settings=(("seed", str(run.sample_seed)), *((name, str(value))
                  for name, value in sorted(run.shown_config.items())
                  if name not in ("suites", "models", "sample_seed") and isinstance(value, str | int | float)
                  and not isinstance(value, bool))),
        warnings=run.warnings,
        command=command(run_words(run.config)) if run.config.get("models") else None,
    )  # fmt: skip


@dataclass(slots=True)
class _Cell:
    """A cell of one run while it is read."""

    record: CellRecord
    run: RunRecord
    solve: Spend = NOTHING
    judge: Spend = NOTHING
    samples: Samples = field(default_factory=Samples)
    causes: list[FailureCause] = field(default_factory=list)
    timing: Timing = field(default_factory=Timing)
    n_unscored: Mapping[str, int] = field(default_factory=dict)
    n_without_answer: Mapping[str, int] = field(default_factory=dict)

    def add(self, purpose: str, spend: Spend) -> None:
        if purpose == "judge":
            self.judge = self.judge.plus(spend)
        else:
            self.solve = self.solve.plus(spend)

    def take(self, found: CellSamples) -> None:
        self.samples = found.samples
        self.n_unscored, self.n_without_answer = found.n_unscored, found.n_without_answer
        self.add("solve", Spend(n_retries=found.n_retries, n_flagged_usage=found.n_flagged.get("solve", 0)))
        self.add("judge", Spend(n_flagged_usage=found.n_flagged.get("judge", 0)))


@dataclass(slots=True)
class _SampleSpend:
    """What per-sample costs are made from: rates by cell and usage group, and attempts charged one by one."""

    rates: dict[tuple[int, int], Rates | None] = field(default_factory=dict)
    singles: dict[tuple[int, int], tuple[float | None, int]] = field(default_factory=dict)

    def add_rates(self, cell_id: int, usage_group_id: int, rates: Rates | None) -> None:
        """Remember the rates of a group; its sums by status may each have used some of the meters."""
        known = self.rates.get((cell_id, usage_group_id))
        self.rates[cell_id, usage_group_id] = rates if not known or rates is None else {**known, **rates}

    def add_single(self, cell_id: int, planned_id: int, usd: float | None, output_tokens: int) -> None:
        before_usd, before_tokens = self.singles.get((cell_id, planned_id), (0.0, 0))
        total = None if usd is None or before_usd is None else before_usd + usd
        self.singles[cell_id, planned_id] = (total, before_tokens + output_tokens)


def _cells(ledger: Ledger, runs: Sequence[RunRecord], charger: Charger) -> list[CellFacts]:
    run_ids = [run.run_id for run in runs]
    cells = {
        record.cell_id: _Cell(record=record, run=run)
        for run in runs
        for record in ledger.cells(run.run_id)
        if record.cell_id is not None
    }

    def names(sums: UsageSum) -> tuple[str, str]:
        if sums.purpose == "judge":
            return sums.group.provider, sums.group.model
        return cells[sums.cell_id].record.provider, cells[sums.cell_id].record.model

    spent = _SampleSpend()
    for named in named_sums(ledger, usage_sums(ledger, run_ids), names, charger):
        _add_sum(cells[named.sums.cell_id], named, charger, spent)
    _add_singles(ledger, run_ids, cells, charger, spent)
    _add_hardware(ledger, cells, charger, spent)
    for bill in unknown_bills(ledger, run_ids):
        cell = cells[bill.cell_id]
        cell.add(bill.purpose, _unknown_spend(bill, cell, charger.book))
    for cell_id, timing in timings(ledger, run_ids).items():
        cells[cell_id].timing = timing
    for run_id in run_ids:
        rows = run_rows(ledger, run_id)
        for found in () if rows is None else cell_samples(rows, spent.rates, spent.singles):
            cells[found.cell_id].take(found)
    if any(cell.solve.n_failed_attempts or cell.judge.n_failed_attempts for cell in cells.values()):
        for cause in failure_causes(ledger, run_ids):
            cells[cause.cell_id].causes.append(cause)
    return _pooled(list(cells.values()))


def _add_sum(cell: _Cell, named: NamedSum, charger: Charger, spent: _SampleSpend) -> None:
    sums = named.sums
    spend, cost = charger.charge_sum(sums, provider=named.provider, model=named.model)
    if sums.status == "reused":
        cell.add(sums.purpose, Spend(n_reused=sums.n_attempts, reused_list_usd=spend.cost.total))
        return
    cell.add(sums.purpose, spend)
    if sums.purpose != "solve":
        return
    rates = None if cost.status == "unpriced" else usd_per_token(cost, no_cache=charger.pricing.no_cache)
    if not named.samples:
        spent.add_rates(sums.cell_id, sums.group.usage_group_id, rates)
        return
    for planned_id, tokens in named.samples:
        if planned_id is not None:
            usd = None if rates is None else sum(map(mul, split_output(tokens), rate_vector(rates)))
            spent.add_single(sums.cell_id, planned_id, usd, tokens[4])


def _add_singles(
    ledger: Ledger, run_ids: Sequence[str], cells: Mapping[int, _Cell], charger: Charger, spent: _SampleSpend
) -> None:
    """Charge attempts one by one where sums cannot."""
    for row in attempt_rows(ledger, run_ids, only="one_by_one"):
        spend = charger.charge_row(row)
        if row.status == "reused":
            cells[row.cell_id].add(row.purpose, Spend(n_reused=1, reused_list_usd=spend.cost.total))
            continue
        cells[row.cell_id].add(row.purpose, spend)
        if row.purpose == "solve" and row.planned_id is not None:
            usd = None if spend.is_unpriced else float(spend.cost.total)
            spent.add_single(row.cell_id, row.planned_id, usd, spend.tokens.output_tokens)


def _add_hardware(ledger: Ledger, cells: Mapping[int, _Cell], charger: Charger, spent: _SampleSpend) -> None:
    """Add the hardware's cost to models priced by its hour, run by run: what ran at the same time shares it."""
    timed = {price.name: price for used in charger.used.values() if (price := used.price).usd_per_hour is not None}
    if not timed:
        return
    for run_id in dict.fromkeys(cell.run.run_id for cell in cells.values()):
        rows: dict[str, list[AttemptRow]] = {}
        for row in attempt_rows(ledger, [run_id]):
            at = charger.pricing.as_of or from_us(row.started_at_us)
            found = charger.book.match(row.provider_asked, row.model_requested, at)
            settled = row.finished_at_us is not None and row.status != "reused"
            if settled and found is not None and found.price.name in timed:
                rows.setdefault(found.price.name, []).append(row)
        for name, attempts in rows.items():
            stretches = [Busy(start_us=row.started_at_us, end_us=row.finished_at_us or 0) for row in attempts]
            usd_per_hour = timed[name].usd_per_hour or ZERO
            for row, usd in zip(attempts, busy_usd(stretches, usd_per_hour), strict=True):
                cells[row.cell_id].add(row.purpose, Spend(cost=CostSums(fees=usd, charged=usd)))
                if row.purpose == "solve" and row.planned_id is not None:
                    spent.add_single(row.cell_id, row.planned_id, float(usd), 0)


def _unknown_spend(bill: UnknownBill, cell: _Cell, book: PriceBook) -> Spend:
    """Open rows add attempts; settled ones without usage were counted with the sums already."""
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


def _pooled(cells: Sequence[_Cell]) -> list[CellFacts]:
    """Join the same suite on the same model setting over runs: repeats of a sample stay one sample."""
    digests: dict[tuple[str, str], set[str]] = {}
    for cell in cells:
        digests.setdefault((cell.record.suite, cell.record.suite_version), set()).add(cell.record.suite_sha256)
    pooled: dict[tuple[str | bool | None, ...], list[_Cell]] = {}
    for cell in cells:
        record = cell.record
        key = (record.suite, record.suite_version, record.suite_sha256, record.provider, record.model, record.setting,
               _mark(cell))  # fmt: skip
        pooled.setdefault(key, []).append(cell)
    facts = []
    for group in pooled.values():
        record = group[0].record
        ambiguous = len(digests[record.suite, record.suite_version]) > 1
        version = f"{record.suite_version}+{record.suite_sha256[:8]}" if ambiguous else record.suite_version
        facts.append(_facts(group, version, task_weights(group[0].run, record)))
    return facts


def _mark(cell: _Cell) -> str | None:
    if cell.run.config.get("reconstructed_from"):
        return "reconstructed"
    return "simulated" if cell.record.simulated else None


def _facts(group: Sequence[_Cell], version: str, weights: Mapping[str, float]) -> CellFacts:
    record = group[0].record
    solve, judge = NOTHING, NOTHING
    unscored: dict[str, int] = {}
    without_answer: dict[str, int] = {}
    for cell in group:
        solve, judge = solve.plus(cell.solve), judge.plus(cell.judge)
        for known, counts in ((unscored, cell.n_unscored), (without_answer, cell.n_without_answer)):
            for reason, count in counts.items():
                known[reason] = known.get(reason, 0) + count
    return CellFacts(
        suite=record.suite,
        suite_version=version,
        provider=record.provider,
        model=record.model,
        setting=record.setting,
        reasoning=record.reasoning,
        mark=_mark(group[0]),
        run_ids=tuple(dict.fromkeys(cell.run.run_id for cell in group)),
        solve=solve,
        judge=judge,
        n_unscored=unscored,
        n_without_answer=without_answer,
        tasks=_outcomes(_merged(group), weights),
        run_costs=[
            RunCost(run_id=cell.run.run_id, created_at=from_us(cell.run.created_at_us), usd=cell.solve.cost.total)
            for cell in group
            if not cell.solve.is_unpriced
        ],
        causes=over_cells(cause for cell in group for cause in cell.causes),
        timing=reduce(Timing.plus, (cell.timing for cell in group)),
    )


def _merged(group: Sequence[_Cell]) -> Samples:
    merged = group[0].samples
    for cell in group[1:]:
        merged.add(cell.samples)
    return merged


def _outcomes(samples: Samples, weights: Mapping[str, float]) -> list[TaskOutcomes]:
    places: dict[str, list[int]] = {}
    for place, (task, _) in enumerate(samples.keys):
        places.setdefault(task, []).append(place)
    weighted = bool(weights) and set(places) == set(weights)
    return [
        TaskOutcomes(
            task=task,
            weight=weights[task] if weighted else None,
            sample_ids=[samples.keys[place][1] for place in rows],
            score_sums=[samples.score_sums[place] for place in rows],
            score_counts=[samples.score_counts[place] for place in rows],
            n_solves=[samples.n_solves[place] for place in rows],
            inclusion_probabilities=[samples.probabilities[place] for place in rows],
            costs_usd=[samples.costs_usd[place] for place in rows],
            output_tokens=[samples.output_tokens[place] for place in rows],
        )
        for task, rows in places.items()
    ]


__all__ = ["spend_report"]
