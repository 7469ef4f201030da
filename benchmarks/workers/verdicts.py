"""What the books say of chaotic runs: the ledger's, the simulated server's, and PostgreSQL's own of who wrote.

Data flows `ChaoticRun` + attempts + the billing log -> `Verdict`, a list of what does not hold for each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from benchmarks.crashes import billed_pico, read_books
from benchmarks.held_bills import HeldBills, held
from benchmarks.workers.chaos_plans import ChaoticRun
from benchmarks.workers.witness import LostWrites
from harness.ledger import Ledger
from harness.ledger.leases.worker_rows import workers
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.records import Budget
from harness.money import from_pico, to_pico_ceiling
from harness.pricing.price_files import load_price_book
from harness.runner.failed_samples import given_up

MAX_ATTEMPTS = 6
"""What `benchtab run` takes when it is not told otherwise."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What the books say of one run.

    Attributes:
        bills: attempt by attempt.
        unfinished: samples neither answered and scored nor given up, in a run that says that it is complete.
        miscounted: budgets whose sums are not those of the run's attempts.
        over_cap: picodollars above the cap, by the server's books.
        n_lost: workers that were given up.
    """

    run: ChaoticRun
    bills: HeldBills
    n_lost: int = 0
    over_cap: int = 0
    unfinished: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether the driver ended as it should, and all workers with it."""
        return self.run.exit_code in (0, 3) and not self.run.left_over


def judged(runs: Sequence[ChaoticRun], ledger: Ledger, billing_log: Path) -> list[Verdict]:
    """Hold the ledger of some runs against the server's books, which must be closed."""
    billed = billed_by_run(billing_log)
    return [_verdict(run, ledger, billed.get(run.plan.run_id, {})) for run in runs]


def billed_by_run(billing_log: Path) -> Mapping[str, Mapping[str, int]]:
    """What the server billed in picodollars, by run and request id."""
    billed: defaultdict[str, dict[str, int]] = defaultdict(dict)
    book = load_price_book()
    for request_id, row in read_books(billing_log).items():
        billed[request_id.split(".")[0]][request_id] = billed_pico(book, row)
    return billed


def _verdict(run: ChaoticRun, ledger: Ledger, billed: Mapping[str, int]) -> Verdict:
    run_id = run.plan.run_id
    found = Verdict(run=run, bills=held(attempt_rows(ledger, [run_id]), billed))
    found.n_lost = sum(worker.state == "lost" for worker in workers(ledger, run_id))
    if run.plan.cap_usd is not None:
        found.over_cap = max(0, found.bills.server_pico - to_pico_ceiling(run.plan.cap_usd))
    if run.exit_code == 0:
        found.unfinished = unfinished(ledger, run_id, MAX_ATTEMPTS)
    found.miscounted = miscounted(ledger.budget(f"run:{run_id}"), found.bills.ledger_pico)
    return found


def unfinished(ledger: Ledger, run_id: str, max_attempts: int) -> list[str]:
    """Name planned samples of a run that are neither answered and scored nor given up."""
    known = ledger.outcomes(run_id)
    left = []
    for cell, sample in product(ledger.cells(run_id), ledger.planned(run_id)):
        if sample.suite != cell.suite:
            continue
        assert sample.planned_id is not None
        outcome = known.get((cell.cell_id, sample.planned_id))
        is_scored = outcome is not None and outcome.attempt_id is not None and outcome.scored
        if not is_scored and not (outcome is not None and given_up(outcome, max_attempts)):
            left.append(f"{run_id} {cell.model} {sample.sample_id}: {outcome}")
    return left


def miscounted(budget: Budget | None, ledger_pico: int) -> list[str]:
    """Say where a budget counts otherwise than its attempts do, or more than its cap."""
    if budget is None:
        return []
    counted = budget.spent_pico_usd + budget.reserved_pico_usd
    wrong = [f"{budget.scope} counts {counted}, its attempts {ledger_pico}"] if counted != ledger_pico else []
    if budget.cap_pico_usd is not None and counted > budget.cap_pico_usd:
        wrong.append(f"{budget.scope} counts {counted} of {budget.cap_pico_usd}")
    return wrong


def report(verdicts: Sequence[Verdict], *, writes: Sequence[LostWrites]) -> bool:
    """Print what was done and found; says whether all of it holds."""
    happened = Counter(one.rstrip(" 0123456789") for verdict in verdicts for one in verdict.run.happened)
    done = {name: n for name, n in happened.items() if not name.startswith("stopped process")}
    n_late = sum(n for one in writes for _, _, n in one.late)
    print(
        f"{len(verdicts)} chaotic runs, {sum(one.bills.n_requests for one in verdicts):,}"
        f" requests, {sum(one.run.n_starts for one in verdicts):,} processes,"
        f" {sum(one.n_lost for one in verdicts)} workers lost\n"
        f"what happened: {', '.join(f'{n} x {name}' for name, n in sorted(done.items()))}"
    )
    settled, server = (
        sum(one.bills.settled_pico for one in verdicts),
        sum(one.bills.settled_server_pico for one in verdicts),
    )
    holds = [
        held_line("runs that did not end by themselves", [one.run.plan.run_id for one in verdicts if not one.ended]),
        held_line("settled samples sent twice", [name for one in verdicts for name in one.bills.resent]),
        held_line("samples answered twice", [name for one in verdicts for name in one.bills.answered_twice]),
        held_line("samples not finished in complete runs", [name for one in verdicts for name in one.unfinished]),
        held_line("requests unknown to the ledger", [name for one in verdicts for name in one.bills.unlogged]),
        held_line(
            "settled bills that differ from the server's", [name for one in verdicts for name in one.bills.differing]
        ),
        held_line("possibly billed above their bound", [name for one in verdicts for name in one.bills.above_bound]),
        held_line("budgets that count otherwise than their attempts", [x for one in verdicts for x in one.miscounted]),
        held_line("writes of workers after their loss or end", [one for each in writes for one in each.late], n_late),
        held_line("writes that name no worker", [one.n_nameless for one in writes if one.n_nameless]),
        held_line(
            "runs over their cap by the server's books", [one.run.plan.run_id for one in verdicts if one.over_cap]
        ),
    ]
    print(
        f"settled: ledger ${from_pico(settled):.6f}, server ${from_pico(server):.6f} (difference {settled - server}"
        f" picodollars); {sum(one.bills.n_possibly_billed for one in verdicts)} possibly billed, within their bounds;"
        f" lost workers wrote {sum(one.n_before for one in writes)} times before their loss"
    )
    _say_budgets(verdicts)
    return all(holds) and bool(verdicts) and sum(one.n_before for one in writes) > 0


def held_line(what: str, wrong: Sequence[object], n: int | None = None) -> bool:
    print(f"{what:52s} {len(wrong) if n is None else n:6d}  {'MISSED' if wrong else 'held'}")
    for one in wrong[:5]:
        print(f"    {one}")
    return not wrong


def _say_budgets(verdicts: Sequence[Verdict]) -> None:
    capped = [one for one in verdicts if one.run.plan.cap_usd is not None]
    reached = [one for one in capped if one.run.exit_code == 3]
    used = sorted(one.bills.server_pico / to_pico_ceiling(one.run.plan.cap_usd or 0) for one in reached)
    said = (
        f"; used of the cap by the server's books: median {used[len(used) // 2]:.1%}, most {used[-1]:.2%}"
        if used
        else ""
    )
    print(f"{len(capped)} runs with a strict budget, {len(reached)} ended at it{said}")
