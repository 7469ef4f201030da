"""The edge of the spend report: reads the ledger's sums and results, charges them, and hands facts to the pure part.

Data flows ledger + price book -> CellFacts -> `spend.make_report`. Sums are exact; per-sample costs are floats and
serve intervals only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter

from harness.costs import worst_case_usd
from harness.errors import InputError
from harness.ledger import CellRecord, Ledger, RunRecord
from harness.ledger.instants import from_us
from harness.ledger.read import (
    UnknownBill,
    UsageSum,
    unknown_bills,
    usage_sums,
)
from harness.ledger.stream import attempt_rows
from harness.money import add, from_pico
from harness.pricing import PriceBook
from harness.reports.charging import UNANSWERED, Charger, parse_pricing, usd_per_token
from harness.reports.facts import COUNTED_WRONG, NOTHING, CellFacts, Spend, TaskOutcomes
from harness.reports.sample_rows import SampleScore, SampleTokens, sample_scores, sample_tokens
from harness.reports.spend import RunFacts, SpendReport, make_report
from harness.usage.values import Meter

Weights = Callable[[CellRecord], Mapping[str, float]]
Rates = Mapping[Meter, float]


def no_weights(_: CellRecord) -> Mapping[str, float]:
    """Know no task weights: every suite's score is the mean over its samples."""
    return {}


def suite_weights(cell: CellRecord) -> Mapping[str, float]:
    """Look up a suite's task weights where the suite of that digest is still at hand."""
    from harness.loaders import load_suite

    try:
        suite = load_suite(cell.suite)
    except InputError:
        return {}
    if suite.sha256 != cell.suite_sha256 or any(task.weight is None for task in suite.tasks):
        return {}
    return {task.name: task.weight for task in suite.tasks if task.weight is not None}


def spend_report(
    ledger: Ledger,
    book: PriceBook,
    run_ids: Sequence[str] | None = None,
    *,
    as_of: datetime | None = None,
    what_if: str | None = None,
    weights: Weights = suite_weights,
) -> SpendReport:
    """Make the spend report over stored runs.

    Args:
        run_ids: None = every complete run.
        as_of: charge everything at the prices of this instant; None = when each request completed.
        what_if: `batch`, `no-cache`, `model=provider/name`, or several with commas.
        weights: task weights of a suite; tests pass their own.

    Raises:
        InputError: no such run, or no complete run.
    """
    runs = _runs(ledger, run_ids)
    charger = Charger(book=book, pricing=parse_pricing(as_of, what_if))
    cells = _cells(ledger, runs, charger, weights)
    changed = sorted(run.run_id for run in runs if run.price_book_sha256 != book.sha256)
    warnings = [f"{text} ({count:,} attempts)" if count > 1 else text for text, count in charger.warnings.items()]
    if changed:
        listed = ", ".join(changed[:3]) + (" and others" if len(changed) > 3 else "")
        warnings.append(f"the price book has changed since {listed} ran; amounts are from the present book")
    warnings += [f"run {run.run_id} is {run.status}: not everything planned is in it" for run in runs
                 if run.status != "complete"]  # fmt: skip
    return make_report(
        cells,
        price_book_sha256=book.sha256,
        runs=[_run_facts(run) for run in runs],
        as_of=charger.pricing.as_of,
        what_if=what_if,
        prices=charger.prices_used(),
        warnings=warnings,
    )


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
        settings=(("seed", str(run.sample_seed)), *((name, str(value)) for name, value in sorted(run.config.items())
                  if name not in ("suites", "models", "sample_seed") and isinstance(value, str | int | float)
                  and not isinstance(value, bool))),
        warnings=run.warnings,
    )  # fmt: skip


@dataclass(slots=True)
class _Cell:
    """A cell of one run while it is read."""

    record: CellRecord
    run: RunRecord
    solve: Spend = NOTHING
    judge: Spend = NOTHING
    rates: dict[int, Rates | None] = field(default_factory=dict)
    columns: dict[tuple[str, str], _Sample] = field(default_factory=dict)
    n_unscored: dict[str, int] = field(default_factory=dict)
    n_without_answer: dict[str, int] = field(default_factory=dict)

    def add(self, purpose: str, spend: Spend) -> None:
        if purpose == "judge":
            self.judge = self.judge.plus(spend)
        else:
            self.solve = self.solve.plus(spend)


@dataclass(slots=True)
class _Sample:
    """One benchmark item on a cell: its repeats added up."""

    probability: float
    score_sum: float = 0.0
    score_count: int = 0
    n_solves: int = 0
    cost_usd: float | None = 0.0
    output_tokens: int | None = 0


def _cells(ledger: Ledger, runs: Sequence[RunRecord], charger: Charger, weights: Weights) -> list[CellFacts]:
    run_ids = [run.run_id for run in runs]
    cells = {
        record.cell_id: _Cell(record=record, run=run)
        for run in runs
        for record in ledger.cells(run.run_id)
        if record.cell_id is not None
    }
    for sums in usage_sums(ledger, run_ids):
        _add_sum(cells[sums.cell_id], sums, charger)
    singles = _add_singles(ledger, run_ids, cells, charger)
    for bill in unknown_bills(ledger, run_ids):
        cell = cells[bill.cell_id]
        cell.add(bill.purpose, _unknown_spend(bill, cell, charger.book))
    for run_id in run_ids:
        _add_results(ledger, run_id, cells, singles)
    return _pooled(list(cells.values()), weights)


def _add_sum(cell: _Cell, sums: UsageSum, charger: Charger) -> None:
    if sums.status == "reused":
        cell.add(sums.purpose, Spend(n_reused=sums.n_attempts))
        return
    spend, cost = charger.charge_sum(sums, provider=cell.record.provider, model=cell.record.model)
    cell.add(sums.purpose, spend)
    if sums.purpose == "solve":
        priced = cost.status != "unpriced"
        rates = usd_per_token(cost) if priced else None
        known = cell.rates.get(sums.group.usage_group_id)
        cell.rates[sums.group.usage_group_id] = rates if not known or rates is None else {**known, **rates}


def _add_singles(
    ledger: Ledger, run_ids: Sequence[str], cells: Mapping[int, _Cell], charger: Charger
) -> dict[tuple[int, int], tuple[float, int]]:
    """Charge attempts one by one where sums cannot; returns cost and output per sample."""
    found: dict[tuple[int, int], tuple[float, int]] = {}
    for row in attempt_rows(ledger, run_ids, only="one_by_one"):
        if row.status == "reused":
            cells[row.cell_id].add(row.purpose, Spend(n_reused=1))
            continue
        spend = charger.charge_row(row)
        cells[row.cell_id].add(row.purpose, spend)
        if row.purpose == "solve" and row.planned_id is not None:
            usd, tokens = found.get((row.cell_id, row.planned_id), (0.0, 0))
            found[row.cell_id, row.planned_id] = (
                usd + float(spend.cost.total),
                tokens + spend.tokens.output_tokens,
            )
    return found


def _unknown_spend(bill: UnknownBill, cell: _Cell, book: PriceBook) -> Spend:
    """Open rows add attempts; settled ones without usage were counted with the sums already."""
    bound: Decimal | None = from_pico(bill.reserved_pico_usd)
    if bill.n_unbounded:
        worst = None
        if bill.reserved_input_tokens or bill.reserved_output_tokens:
            worst = worst_case_usd(
                book,
                provider=cell.record.provider,
                model=cell.record.model,
                input_tokens=bill.reserved_input_tokens,
                max_output_tokens=bill.reserved_output_tokens,
                at=from_us(cell.run.created_at_us),
            )
        bound = None if worst is None else max(worst, from_pico(bill.reserved_pico_usd))
    return Spend(
        n_attempts=bill.n_sent,
        n_open_attempts=bill.n_sent,
        n_unknown_usage=bill.n_attempts,
        possibly_billed_usd=bound,
    )


def _add_results(
    ledger: Ledger, run_id: str, cells: Mapping[int, _Cell], singles: Mapping[tuple[int, int], tuple[float, int]]
) -> None:
    """Walk the results and the per-sample sums of a run side by side; both come ordered by cell."""
    sums_by_cell = _by_cell(sample_tokens(ledger, run_id))
    for cell_id, results in groupby(sample_scores(ledger, run_id), key=itemgetter(0)):
        cell = cells[cell_id]
        spent: dict[int, tuple[float | None, int]] = {}
        for sums in sums_by_cell(cell_id):
            _add_sample_sum(cell, sums, spent)
        for result in results:
            _add_result(cell, result, spent.get(result.planned_id), singles.get((cell_id, result.planned_id)))


def _by_cell(sums: Iterator[SampleTokens]) -> Callable[[int], Iterator[SampleTokens]]:
    """Make a function that yields the sums of one cell; cells must be asked for in rising order."""
    ahead: list[SampleTokens] = []

    def take(cell_id: int) -> Iterator[SampleTokens]:
        while True:
            found = ahead.pop() if ahead else next(sums, None)
            if found is None:
                return
            if found.cell_id > cell_id:
                ahead.append(found)
                return
            if found.cell_id == cell_id:
                yield found

    return take


def _add_sample_sum(cell: _Cell, sums: SampleTokens, spent: dict[int, tuple[float | None, int]]) -> None:
    rates = cell.rates.get(sums.usage_group_id)
    usd = None if rates is None else _usd(sums, rates)
    before_usd, before_tokens = spent.get(sums.planned_id, (0.0, 0))
    total = None if usd is None or before_usd is None else before_usd + usd
    spent[sums.planned_id] = (total, before_tokens + sums.output_tokens)
    if usd and sums.status not in UNANSWERED and sums.n_truncated == sums.n_attempts:
        wasted = Decimal(repr(usd)).quantize(Decimal("1e-12"))
        cell.solve = replace(cell.solve, wasted_usd=add((cell.solve.wasted_usd, wasted)))


def _usd(sums: SampleTokens, rates: Rates) -> float:
    get = rates.get
    output = get(Meter.OUTPUT, get(Meter.REASONING, 0.0))
    return (
        sums.input_tokens * get(Meter.INPUT, 0.0)
        + sums.cache_read_tokens * get(Meter.CACHE_READ, 0.0)
        + sums.cache_write_5m_tokens * get(Meter.CACHE_WRITE_5M, 0.0)
        + sums.cache_write_1h_tokens * get(Meter.CACHE_WRITE_1H, 0.0)
        + (sums.output_tokens - sums.reasoning_tokens) * output
        + sums.reasoning_tokens * get(Meter.REASONING, output)
    )


def _add_result(
    cell: _Cell, result: SampleScore, spent: tuple[float | None, int] | None, single: tuple[float, int] | None
) -> None:
    key = (result.task, result.sample_id)
    sample = cell.columns.get(key)
    if sample is None:
        sample = cell.columns[key] = _Sample(probability=result.inclusion_probability)
    sample.n_solves += 1
    usd, tokens = spent or (0.0, 0)
    if single is not None:
        usd, tokens = None if usd is None else usd + single[0], tokens + single[1]
    sample.cost_usd = None if usd is None or sample.cost_usd is None else sample.cost_usd + usd
    sample.output_tokens = (sample.output_tokens or 0) + tokens
    if result.n_attempts > 1:
        cell.solve = replace(cell.solve, n_retries=cell.solve.n_retries + result.n_attempts - 1)
    if result.value_millionths is not None:
        sample.score_sum += result.value_millionths / 1_000_000
        sample.score_count += 1
        return
    reason = result.reason or ("failed" if result.status in UNANSWERED else "pending")
    if reason in COUNTED_WRONG:
        sample.score_count += 1
    counts = cell.n_without_answer if reason in COUNTED_WRONG else cell.n_unscored
    counts[reason] = counts.get(reason, 0) + 1


def _pooled(cells: Sequence[_Cell], weights: Weights) -> list[CellFacts]:
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
        facts.append(_facts(group, version, weights(record)))
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
    )


def _merged(group: Sequence[_Cell]) -> dict[tuple[str, str], _Sample]:
    merged = group[0].columns
    for cell in group[1:]:
        for key, sample in cell.columns.items():
            known = merged.get(key)
            merged[key] = sample if known is None else _plus(known, sample)
    return merged


def _plus(left: _Sample, right: _Sample) -> _Sample:
    return _Sample(
        probability=max(left.probability, right.probability),
        score_sum=left.score_sum + right.score_sum,
        score_count=left.score_count + right.score_count,
        n_solves=left.n_solves + right.n_solves,
        cost_usd=None if left.cost_usd is None or right.cost_usd is None else left.cost_usd + right.cost_usd,
        output_tokens=(left.output_tokens or 0) + (right.output_tokens or 0),
    )


def _outcomes(samples: Mapping[tuple[str, str], _Sample], weights: Mapping[str, float]) -> list[TaskOutcomes]:
    tasks: dict[str, list[tuple[str, _Sample]]] = {}
    for (task, sample_id), sample in samples.items():
        tasks.setdefault(task, []).append((sample_id, sample))
    weighted = bool(weights) and set(tasks) == set(weights)
    return [
        TaskOutcomes(
            task=task,
            weight=weights[task] if weighted else None,
            sample_ids=[sample_id for sample_id, _ in rows],
            score_sums=[sample.score_sum for _, sample in rows],
            score_counts=[sample.score_count for _, sample in rows],
            n_solves=[sample.n_solves for _, sample in rows],
            inclusion_probabilities=[sample.probability for _, sample in rows],
            costs_usd=[sample.cost_usd for _, sample in rows],
            output_tokens=[sample.output_tokens for _, sample in rows],
        )
        for task, rows in tasks.items()
    ]


__all__ = ["no_weights", "spend_report", "suite_weights"]
