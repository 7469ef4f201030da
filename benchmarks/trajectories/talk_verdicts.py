"""What the books say of chaotic runs of conversations: the ledger's and the simulated server's.

Data flows `TormentedRun` + attempts and scores + the billing log -> `Verdict`, a list of what does not hold for each.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.held_bills import HeldBills, counted_pico, held
from benchmarks.workers.verdicts import billed_by_run, held_line, miscounted, unfinished
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows, score_rows, transcript_rows
from harness.ledger.scopes import sample_scope
from harness.money import from_pico, to_pico_ceiling
from harness.runner.trajectories.limits import is_at_limit

if TYPE_CHECKING:
    from benchmarks.trajectories.tormented_runs import TormentedRun

Key = tuple[int, int]
"""Cell and planned sample."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What the books say of one run.

    Attributes:
        bills: attempt by attempt.
        over_run, over_sample: caps that the server's books exceed, with both amounts.
        shares: what each capped sample cost of its cap, by the server's books.
        asked_after: requests of parties that were sent although their sample was over and scored.
        scored_twice: samples with more than one score.
        unfinished: samples neither scored nor given up, in a run that says that it is complete.
        miscounted: budgets whose sums are not those of their attempts.
        ends: samples by how they ended, a limit's name or `scored`.
        largest_fan_out: calls in one message.
    """

    run: TormentedRun
    bills: HeldBills
    over_run: list[str] = field(default_factory=list)
    over_sample: list[str] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    asked_after: list[str] = field(default_factory=list)
    scored_twice: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    miscounted: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    purposes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    most_turns: int = 0
    largest_fan_out: int = 0


def judged(runs: Sequence[TormentedRun], ledger: Ledger, billing_log: Path) -> list[Verdict]:
    """Hold the ledger of some runs against the server's books, which must be closed."""
    billed = billed_by_run(billing_log)
    return [verdict_of(run, ledger, billed.get(run.plan.run_id, {})) for run in runs]


def verdict_of(run: TormentedRun, ledger: Ledger, billed: Mapping[str, int]) -> Verdict:
    """Hold the ledger of one run against what the server billed for it in picodollars, by request id."""
    plan = run.plan
    rows = list(attempt_rows(ledger, [plan.run_id]))
    found = Verdict(run=run, bills=held(rows, billed))
    cap = plan.raised_usd if run.is_raised else plan.cap_usd
    found.over_run = _over(plan.run_id, found.bills.server_pico, cap)
    found.miscounted = miscounted(ledger.budget(f"run:{plan.run_id}"), found.bills.ledger_pico)
    _hold_samples(found, ledger, rows, billed)
    _hold_scores(found, ledger, rows)
    if run.exit_code == 0:
        found.unfinished = unfinished(ledger, plan.run_id, plan.max_attempts)
    found.purposes = Counter(row.purpose for row in rows)
    found.faults = Counter(row.error_class for row in rows if row.error_class is not None)
    found.most_turns = max((row.turn + 1 for row in rows if row.turn is not None), default=0)
    calls = (len(kept.tool_calls) for kept in transcript_rows(ledger, plan.run_id) if kept.tool_calls)
    found.largest_fan_out = max(calls, default=0)
    return found


def _over(what: str, server_pico: int, cap: Decimal | None) -> list[str]:
    if cap is None or server_pico <= to_pico_ceiling(cap):
        return []
    return [f"{what}: server billed ${from_pico(server_pico)} of ${cap}"]


def _hold_samples(found: Verdict, ledger: Ledger, rows: Iterable[AttemptRow], billed: Mapping[str, int]) -> None:
    """Each sample's cap over all its roles, by the server's books; its budget counts what its attempts do."""
    cap, run_id = found.run.plan.sample_cap_usd, found.run.plan.run_id
    if cap is None:
        return
    server: defaultdict[Key, int] = defaultdict(int)
    counted: defaultdict[Key, int] = defaultdict(int)
    for row in rows:
        assert row.planned_id is not None
        server[row.cell_id, row.planned_id] += billed.get(row.request_id, 0)
        counted[row.cell_id, row.planned_id] += counted_pico(row)
    for (cell_id, planned_id), pico in server.items():
        scope = sample_scope(run_id, cell_id, planned_id)
        found.over_sample += _over(scope, pico, cap)
        found.shares.append(pico / to_pico_ceiling(cap))
        found.miscounted += miscounted(ledger.budget(scope), counted[cell_id, planned_id])


def _hold_scores(found: Verdict, ledger: Ledger, rows: Iterable[AttemptRow]) -> None:
    """A sample has one score, and none of its parties is asked once it has it."""
    scores: defaultdict[Key, list[int]] = defaultdict(list)
    for score in score_rows(ledger, [found.run.plan.run_id], newest=False):
        scores[score.cell_id, score.planned_id].append(score.scored_at_us)
        rule = score.rule or ""
        found.ends[rule if is_at_limit(rule) else "unscored" if score.value_millionths is None else "scored"] += 1
    found.scored_twice = [f"{found.run.plan.run_id} {key}" for key, times in scores.items() if len(times) > 1]
    for row in rows:
        times = scores.get((row.cell_id, row.planned_id or 0))
        if times and row.started_at_us > min(times):
            found.asked_after.append(row.request_id)


def report(verdicts: Sequence[Verdict]) -> bool:
    """Print what was done and found; says whether all of it holds."""
    _say_what_happened(verdicts)
    holds = [
        held_line("runs that did not end by themselves", [x for one in verdicts for x in _odd(one)]),
        held_line("runs over their cap by the server's books", [x for one in verdicts for x in one.over_run]),
        held_line("samples over their cap by the server's books", [x for one in verdicts for x in one.over_sample]),
        held_line("settled turns sent twice", [x for one in verdicts for x in one.bills.resent]),
        held_line("turns answered twice", [x for one in verdicts for x in one.bills.answered_twice]),
        held_line("requests for samples that had their score", [x for one in verdicts for x in one.asked_after]),
        held_line("samples with more than one score", [x for one in verdicts for x in one.scored_twice]),
        held_line("samples not finished in complete runs", [x for one in verdicts for x in one.unfinished]),
        held_line("requests unknown to the ledger", [x for one in verdicts for x in one.bills.unlogged]),
        held_line("settled bills that differ from the server's", [x for one in verdicts for x in one.bills.differing]),
        held_line("unknown bills above their reservation", [x for one in verdicts for x in one.bills.above_bound]),
        held_line("budgets that count otherwise than their attempts", [x for one in verdicts for x in one.miscounted]),
    ]
    settled = sum(one.bills.settled_pico for one in verdicts)
    server = sum(one.bills.settled_server_pico for one in verdicts)
    print(
        f"settled: ledger ${from_pico(settled):.6f}, server ${from_pico(server):.6f} (difference {settled - server}"
        f" picodollars); {sum(one.bills.n_possibly_billed for one in verdicts):,} attempts possibly billed"
    )
    _say_caps(verdicts)
    return all(holds) and bool(verdicts)


def _odd(verdict: Verdict) -> list[str]:
    ends, is_refused = list(verdict.run.odd_ends), verdict.run.exit_code == 2 and not verdict.bills.n_requests
    return ends if is_refused or verdict.run.exit_code in (0, 3) else [*ends, f"{verdict.run.plan.run_id} did not end"]


def _say_what_happened(verdicts: Sequence[Verdict]) -> None:
    runs = [one.run for one in verdicts]
    shared = sum(bool(one.plan.n_workers) for one in runs)
    print(
        f"{len(runs)} chaotic runs ({shared} of them by several workers in PostgreSQL,"
        f" {sum(one.plan.judge is not None for one in runs)} with a judge,"
        f" {sum(one.plan.is_expected for one in runs)} in budget mode expected),"
        f" {sum(one.bills.n_requests for one in verdicts):,} requests, up to {max(one.most_turns for one in verdicts)}"
        f" turns and {max(one.largest_fan_out for one in verdicts)} calls in one message\n"
        f"{sum(one.n_starts for one in runs)} processes, {sum(one.n_kills for one in runs)} kills by SIGKILL"
        f" ({sum(one.kills_in_flight for one in runs)} with requests in flight),"
        f" {sum(one.n_stops for one in runs)} ends by SIGTERM,"
        f" {sum(one.n_resumes for one in runs)} resumes of complete runs,"
        f" {sum(one.is_raised for one in runs)} caps raised, {sum(one.exit_code == 2 for one in runs)} runs refused"
        f" whose caps can never hold a first request,"
        f" {sum(one.n_partial for one in runs)} drivers that left work of their workers to the next session"
    )
    for what, counts in (
        ("requests by role", _summed(one.purposes for one in verdicts)),
        ("faults met", _summed(one.faults for one in verdicts)),
        ("samples by their end", _summed(one.ends for one in verdicts)),
    ):
        print(f"{what}: {', '.join(f'{n:,} {name}' for name, n in counts.most_common())}")


def _summed(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter[str]())


def _say_caps(verdicts: Sequence[Verdict]) -> None:
    capped = [one for one in verdicts if one.run.plan.cap_usd is not None]
    reached = sum(one.run.exit_code == 3 for one in capped)
    print(f"{len(capped)} runs with a cap, {reached} ended at it{_used([_share(one) for one in capped])}")
    shares = [share for one in verdicts for share in one.shares]
    at_it = sum(one.ends["limit:usd"] for one in verdicts)
    print(f"{len(shares)} samples with a cap, {at_it} ended at it{_used(shares)}")


def _share(verdict: Verdict) -> float:
    plan = verdict.run.plan
    cap = plan.raised_usd if verdict.run.is_raised else plan.cap_usd
    assert cap is not None
    return verdict.bills.server_pico / to_pico_ceiling(cap)


def _used(shares: Sequence[float]) -> str:
    if not shares:
        return ""
    return f"; used by the server's books: median {statistics.median(shares):.1%}, most {max(shares):.2%}"
