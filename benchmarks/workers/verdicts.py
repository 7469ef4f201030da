"""What the books say of chaotic runs: the ledger's, the simulated server's, and PostgreSQL's own of who wrote.

Data flows `ChaoticRun` + attempts + the billing log -> `Verdict`, a list of what does not hold for each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.crashes import billed_pico, read_books
from benchmarks.workers.chaos_plans import ChaoticRun
from benchmarks.workers.witness import LostWrites
from harness.ledger import Ledger
from harness.ledger.leases.worker_rows import workers
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.money import from_pico, to_pico_ceiling
from harness.pricing.price_files import load_price_book
from harness.runner.failed_samples import given_up

MAX_ATTEMPTS = 6
"""What `benchtab run` takes when it is not told otherwise."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What the books say of one run.

    Attributes:
        resent: samples that were sent again although their answer was in the ledger.
        answered_twice: samples with two answers in the ledger.
        unlogged: requests that the server saw and the ledger does not know.
        differing: settled attempts whose bill differs from the server's.
        above_bound: possibly billed attempts that the server billed above their bound.
        unfinished: samples neither answered and scored nor given up, in a run that says that it is complete.
        miscounted: budgets whose sums are not those of the run's attempts.
        over_cap: picodollars above the cap, by the server's books.
        n_lost: workers that were given up.
        n_possibly_billed: attempts whose bill nobody knows; they count at their bound.
    """

    run: ChaoticRun
    n_requests: int = 0
    n_answered: int = 0
    n_lost: int = 0
    n_possibly_billed: int = 0
    server_pico: int = 0
    ledger_pico: int = 0
    settled_pico: int = 0
    settled_server_pico: int = 0
    over_cap: int = 0
    resent: list[str] = field(default_factory=list)
    answered_twice: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    above_bound: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether the driver ended as it should, and all workers with it."""
        return self.run.exit_code in (0, 3) and not self.run.left_over


def judged(runs: Sequence[ChaoticRun], ledger: Ledger, billing_log: Path) -> list[Verdict]:
    """Hold the ledger of some runs against the server's books, which must be closed."""
    billed: defaultdict[str, dict[str, int]] = defaultdict(dict)
    book = load_price_book()
    for request_id, row in read_books(billing_log).items():
        billed[request_id.split(".")[0]][request_id] = billed_pico(book, row)
    return [_verdict(run, ledger, billed[run.plan.run_id]) for run in runs]


def _verdict(run: ChaoticRun, ledger: Ledger, billed: Mapping[str, int]) -> Verdict:
    run_id = run.plan.run_id
    found = Verdict(run=run, n_requests=len(billed), server_pico=sum(billed.values()))
    rows = list(attempt_rows(ledger, [run_id]))
    found.n_lost = sum(worker.state == "lost" for worker in workers(ledger, run_id))
    found.unlogged = sorted(billed.keys() - {row.request_id for row in rows})
    tries = Counter[str]()
    for request_id in billed:
        stem, _, number = request_id.rpartition(".t")
        tries[stem] = max(tries[stem], int(number))
    answered = Counter[str]()
    for row in rows:
        stem = row.request_id.rpartition(".t")[0]
        _hold_bill(row, billed.get(row.request_id, 0), found)
        if row.status == "succeeded":
            answered[stem] += 1
            if tries[stem] > row.try_number:
                found.resent.append(row.request_id)
    found.n_answered = len(answered)
    found.answered_twice = [stem for stem, n in answered.items() if n > 1]
    if run.plan.cap_usd is not None:
        found.over_cap = max(0, found.server_pico - to_pico_ceiling(run.plan.cap_usd))
    if run.exit_code == 0:
        found.unfinished = _unfinished(run, ledger)
    _hold_budget(found, ledger)
    return found


def _hold_bill(row: AttemptRow, billed: int, found: Verdict) -> None:
    bound = row.reserved_pico_usd
    if row.status == "sent" or row.charged_pico_usd is None:
        found.n_possibly_billed += 1
        found.ledger_pico += bound
        if billed > bound:
            found.above_bound.append(row.request_id)
        return
    found.ledger_pico += row.charged_pico_usd
    found.settled_pico += row.charged_pico_usd
    found.settled_server_pico += billed
    if row.charged_pico_usd != billed:
        found.differing.append(f"{row.request_id}: ledger {row.charged_pico_usd}, server {billed}")


def _unfinished(run: ChaoticRun, ledger: Ledger) -> list[str]:
    """Name planned samples of a complete run that are neither answered and scored nor given up."""
    known = ledger.outcomes(run.plan.run_id)
    (cell,) = ledger.cells(run.plan.run_id)
    left = []
    for sample in ledger.planned(run.plan.run_id):
        assert sample.planned_id is not None
        outcome = known.get((cell.cell_id, sample.planned_id))
        is_scored = outcome is not None and outcome.attempt_id is not None and outcome.scored
        if not is_scored and not (outcome is not None and given_up(outcome, MAX_ATTEMPTS)):
            left.append(f"{run.plan.run_id} {sample.sample_id}: {outcome}")
    return left


def _hold_budget(found: Verdict, ledger: Ledger) -> None:
    """A budget counts what its attempts do, and never more than its cap."""
    budget = ledger.budget(f"run:{found.run.plan.run_id}")
    if budget is None:
        return
    counted = budget.spent_pico_usd + budget.reserved_pico_usd
    if counted != found.ledger_pico:
        found.miscounted.append(f"{budget.scope} counts {counted}, its attempts {found.ledger_pico}")
    if budget.cap_pico_usd is not None and counted > budget.cap_pico_usd:
        found.miscounted.append(f"{budget.scope} counts {counted} of {budget.cap_pico_usd}")


def report(verdicts: Sequence[Verdict], *, writes: Sequence[LostWrites]) -> bool:
    """Print what was done and found; says whether all of it holds."""
    happened = Counter(one.rstrip(" 0123456789") for verdict in verdicts for one in verdict.run.happened)
    done = {name: n for name, n in happened.items() if not name.startswith("stopped process")}
    n_late = sum(n for one in writes for _, _, n in one.late)
    print(
        f"{len(verdicts)} chaotic runs, {sum(one.n_requests for one in verdicts):,}"
        f" requests, {sum(one.run.n_starts for one in verdicts):,} processes,"
        f" {sum(one.n_lost for one in verdicts)} workers lost\n"
        f"what happened: {', '.join(f'{n} x {name}' for name, n in sorted(done.items()))}"
    )
    settled, server = sum(one.settled_pico for one in verdicts), sum(one.settled_server_pico for one in verdicts)
    holds = [
        _line("runs that did not end by themselves", [one.run.plan.run_id for one in verdicts if not one.ended]),
        _line("settled samples sent twice", [name for one in verdicts for name in one.resent]),
        _line("samples answered twice", [name for one in verdicts for name in one.answered_twice]),
        _line("samples not finished in complete runs", [name for one in verdicts for name in one.unfinished]),
        _line("requests unknown to the ledger", [name for one in verdicts for name in one.unlogged]),
        _line("settled bills that differ from the server's", [name for one in verdicts for name in one.differing]),
        _line("possibly billed above their bound", [name for one in verdicts for name in one.above_bound]),
        _line("budgets that count otherwise than their attempts", [x for one in verdicts for x in one.miscounted]),
        _line("writes of workers after their loss or end", [one for each in writes for one in each.late], n_late),
        _line("writes that name no worker", [one.n_nameless for one in writes if one.n_nameless]),
        _line("runs over their cap by the server's books", [one.run.plan.run_id for one in verdicts if one.over_cap]),
    ]
    print(
        f"settled: ledger ${from_pico(settled):.6f}, server ${from_pico(server):.6f} (difference {settled - server}"
        f" picodollars); {sum(one.n_possibly_billed for one in verdicts)} possibly billed, within their bounds;"
        f" lost workers wrote {sum(one.n_before for one in writes)} times before their loss"
    )
    _say_budgets(verdicts)
    return all(holds) and bool(verdicts) and sum(one.n_before for one in writes) > 0


def _line(what: str, wrong: Sequence[object], n: int | None = None) -> bool:
    print(f"{what:52s} {len(wrong) if n is None else n:6d}  {'MISSED' if wrong else 'held'}")
    for one in wrong[:5]:
        print(f"    {one}")
    return not wrong


def _say_budgets(verdicts: Sequence[Verdict]) -> None:
    capped = [one for one in verdicts if one.run.plan.cap_usd is not None]
    reached = [one for one in capped if one.run.exit_code == 3]
    used = sorted(one.server_pico / to_pico_ceiling(one.run.plan.cap_usd or 0) for one in reached)
    said = (
        f"; used of the cap by the server's books: median {used[len(used) // 2]:.1%}, most {used[-1]:.2%}"
        if used
        else ""
    )
    print(f"{len(capped)} runs with a strict budget, {len(reached)} ended at it{said}")
