"""Limits hold over all workers of a run: blocks of shared buckets, one pause, one learned rate.

No sleeping: the clock of workers, buckets and provider is ours; the buckets are PostgreSQL's.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.ledger.leases.pace_records import Learned, PaceAsk, SharedPace, Wanted
from harness.ledger.leases.pace_rows import AHEAD_S, PaceRows
from harness.models import parse_model
from harness.runner import RunSpec
from harness.runner.traffic.allowance import Allowance, Block
from harness.runner.traffic.shared_gate import BURST_S, SharedGate
from harness.runner.traffic.shared_learning import Seen, learned_anew, learned_per_s
from harness.runner.workers.shared_paces import SharedPaces
from tests.runner.test_runner_pacing import Clock, LimitedServer, rate_limited
from tests.support.ledger_rows import fill

pytestmark = pytest.mark.postgres
MODEL = parse_model("openai/gpt-4o")
STEP_S = 0.005


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Ledger]:
    with Ledger.open(postgres_url) as ledger:
        fill(ledger)
        yield ledger


@dataclass
class Worker:
    """A worker as far as limits go.

    Attributes:
        places: requests that it may have in flight.
    """

    rows: PaceRows
    paces: SharedPaces
    gate: SharedGate
    places: int
    in_flight: int = 0
    n_sent: int = 0
    carries_at_s: float = 0.0


@dataclass
class Team:
    """Workers that ask one provider, in one virtual time."""

    ledger: Ledger
    options: RunSpec
    clock: Clock = field(default_factory=Clock)
    workers: list[Worker] = field(default_factory=list)
    draw: random.Random = field(default_factory=lambda: random.Random(1))

    def join(self, places: int = 8) -> Worker:
        rows = PaceRows(self.ledger, "run-1", lambda: round(self.clock() * 1e6))
        paces = SharedPaces(rows, self.options, clock=self.clock)
        self.workers.append(Worker(rows, paces, paces.gate(MODEL), places))
        return self.workers[-1]

    async def carry_due(self) -> None:
        for worker in self.workers:
            if worker.paces.woken.is_set() or self.clock() >= worker.carries_at_s:
                worker.paces.woken.clear()
                await worker.paces.carry()
                worker.carries_at_s = self.clock() + max(0.02, worker.paces.next_carry_s())

    async def pass_s(self, seconds: float) -> None:
        """Let time pass without anybody asking anything."""
        for _ in range(round(seconds / 0.05)):
            self.clock.now_s += 0.05
            await self.carry_due()

    async def finish(self, server: LimitedServer, *, requests: int, latency_s: float = 0.2) -> tuple[float, int]:
        """Ask until so many are answered; gives the seconds it took and how many were sent."""
        began_s, waiting, answered, n_sent, numbers = self.clock(), requests, 0, 0, count()
        events: list[tuple[float, int, Any]] = []
        while answered < requests:
            await self.carry_due()
            for worker in self.draw.sample(self.workers, len(self.workers)):
                while waiting and worker.in_flight < worker.places and worker.gate.wait_s(1000) == 0.0:
                    waiting, n_sent = waiting - 1, n_sent + 1
                    worker.in_flight, worker.n_sent = worker.in_flight + 1, worker.n_sent + 1
                    sent = (worker, worker.gate.enter(1000))
                    heapq.heappush(events, (self.clock() + self.draw.uniform(0.0, 0.01), next(numbers), sent))
            self.clock.now_s += STEP_S
            while events and events[0][0] <= self.clock():
                match heapq.heappop(events)[2]:
                    case (Worker() as worker, float(entered_s)):
                        error = server.take()
                        lands_s = self.clock() + (0.01 if error else latency_s)
                        heapq.heappush(events, (lands_s, next(numbers), (worker, entered_s, error)))
                    case (Worker() as worker, float(entered_s), error):
                        worker.in_flight -= 1
                        worker.gate.leave(entered_s, error)
                        answered += error is None
                        if error is not None:
                            again_s = self.clock() + (error.retry_after_s or 0.0) * 1.05
                            heapq.heappush(events, (again_s, next(numbers), None))
                    case _:
                        waiting += 1
        return self.clock() - began_s, n_sent

    def close(self) -> None:
        for worker in self.workers:
            worker.rows.close()


@pytest.fixture
def team(shared: Ledger) -> Iterator[Team]:
    made = Team(shared, RunSpec(suites=("starter",), models=(MODEL,)))
    yield made
    made.close()


# what four workers do with one limit


async def test_four_workers_keep_one_limit_between_them_and_use_all_of_it(team: Team) -> None:
    team.options = replace(team.options, requests_per_minute=600)
    for _ in range(4):
        team.join()
    server = LimitedServer(10.0, team.clock)
    took_s, n_sent = await team.finish(server, requests=200)
    assert server.n_refused <= 0.01 * n_sent
    assert took_s <= 1.1 * 19.0
    assert min(worker.n_sent for worker in team.workers) >= 30, "nobody starves"


async def test_a_limit_that_nobody_named_is_learned_by_all_from_what_all_were_refused(team: Team) -> None:
    for _ in range(4):
        team.join()
    server = LimitedServer(10.0, team.clock)
    took_s, n_sent = await team.finish(server, requests=300)
    learned_in = server.n_refused
    assert took_s <= 1.1 * 29.0
    assert n_sent - 300 == learned_in <= 32 + 0.1 * 300, "who was in flight, and a few"
    await team.finish(server, requests=200)
    assert server.n_refused - learned_in <= 0.05 * 200


async def test_a_request_does_not_cost_a_round_trip(team: Team) -> None:
    team.options = replace(team.options, requests_per_minute=12_000)
    for _ in range(4):
        team.join(places=64)
    _, n_sent = await team.finish(LimitedServer(200.0, team.clock), requests=2000)
    assert sum(worker.paces.n_round_trips for worker in team.workers) <= 0.2 * n_sent


async def test_tokens_a_minute_hold_over_all_workers(team: Team) -> None:
    team.options = replace(team.options, tokens_per_minute=600_000)  # ten requests of a thousand tokens a second
    for _ in range(4):
        team.join()
    took_s, n_sent = await team.finish(LimitedServer(1000.0, team.clock), requests=100)
    assert n_sent == 100
    assert 9.0 <= took_s <= 10.6


async def test_a_solver_and_a_judge_of_one_model_share_its_limit(team: Team) -> None:
    team.options = replace(team.options, requests_per_minute=600)
    worker = team.join()
    as_judge = Worker(worker.rows, worker.paces, worker.paces.gate(MODEL), 8)
    team.workers.append(as_judge)
    server = LimitedServer(10.0, team.clock)
    took_s, _ = await team.finish(server, requests=100)
    assert server.n_refused == 0
    assert 9.0 <= took_s <= 10.6


async def test_a_worker_that_dies_with_a_block_costs_the_others_no_more_than_that(team: Team) -> None:
    team.options = replace(team.options, requests_per_minute=600)
    for _ in range(4):
        team.join()
    server = LimitedServer(10.0, team.clock)
    await team.finish(server, requests=40)
    dead = team.workers.pop()
    took_s, _ = await team.finish(server, requests=100)
    dead.rows.close()
    assert took_s <= 10.0 + AHEAD_S


async def test_what_one_worker_took_and_does_not_use_another_one_gets(team: Team) -> None:
    team.options = replace(team.options, requests_per_minute=60)
    idle, busy = team.join(), team.join()
    await team.carry_due()
    idle.gate.wait_s(1)
    await team.carry_due()
    idle.gate.wait_s(1)
    idle.gate.enter(1)  # and takes the next one ahead
    await team.pass_s(2.0)
    idle_before = idle.n_sent
    took_s, _ = await team.finish(LimitedServer(2.0, team.clock), requests=10)
    assert (idle_before, idle.n_sent + busy.n_sent) == (0, 10)
    assert took_s <= 11.0


# what one worker learns, all follow


async def _ready(team: Team) -> tuple[Worker, Worker]:
    one, other = team.join(), team.join()
    for worker in (one, other):
        worker.gate.wait_s(1)
    await team.carry_due()
    assert [worker.gate.wait_s(1) for worker in (one, other)] == [0.0, 0.0]
    return one, other


async def test_a_pause_that_one_worker_is_told_to_make_all_make_within_a_second(team: Team) -> None:
    one, other = await _ready(team)
    one.gate.leave(one.gate.enter(1), rate_limited(7.0))
    began_s = team.clock()
    await team.pass_s(1.0)
    assert other.gate.wait_s(1) == pytest.approx(began_s + 7.0 - team.clock(), abs=0.06)
    late = team.join()
    late.gate.wait_s(1)
    await team.carry_due()
    assert late.gate.wait_s(1) == pytest.approx(began_s + 7.0 - team.clock(), abs=0.06)
    await team.pass_s(6.1)
    other.gate.wait_s(1)  # it slept, and looks first
    await team.carry_due()
    assert other.gate.wait_s(1) == 0.0


async def test_a_short_wait_for_one_refusal_stops_nobody_else(team: Team) -> None:
    one, other = await _ready(team)
    one.gate.leave(one.gate.enter(1), rate_limited(0.5))
    await team.pass_s(0.3)
    assert other.gate.wait_s(1) == 0.0


async def test_a_limit_that_headers_state_to_one_worker_holds_for_all_together(team: Team) -> None:
    one, other = await _ready(team)
    left = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "60s", "x-ratelimit-limit-tokens": "60000",
            "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "60s"}  # fmt: skip
    one.gate.leave(one.gate.enter(1), headers=left)
    await team.carry_due()
    assert other.gate.wait_s(1) == 0.0, "nothing was heard of it yet"
    await team.pass_s(1.0)
    pace = other.rows.read()[str(MODEL)]
    assert pace.learned.tokens_per_minute == pytest.approx(60_000)
    assert learned_per_s(pace.learned, pace.learned.since_us) == pytest.approx(10.0)
    took_s, n_sent = await team.finish(LimitedServer(1000.0, team.clock), requests=10)
    assert n_sent == 10
    assert took_s >= 8.0, "a thousand tokens a second between them"


# the bucket itself


def _asked(n_changes: int = 0, **wanted: float) -> PaceAsk:
    per_s = 10.0
    return PaceAsk(n_changes=n_changes, requests=Wanted(per_s=per_s, most=per_s * BURST_S, **wanted))


def test_no_more_is_given_than_flows_in_and_may_be_taken_ahead(shared: Ledger) -> None:
    draw, now_us, given = random.Random(3), 1_000_000, 0.0
    with PaceRows(shared, "run-1", lambda: now_us) as rows:
        rows.open("m", requests_per_minute=600, tokens_per_minute=None)
        for _ in range(200):
            now_us += draw.randrange(200_000)
            answer = rows.exchange("m", _asked(amount=float(draw.randint(0, 9))))
            assert answer is not None
            given += answer.requests.amount
            assert given <= 1 + 10.0 * ((now_us - 1_000_000) / 1e6 + AHEAD_S)
        assert given >= 0.9 * 10.0 * (now_us - 1_000_000) / 1e6


def test_what_gathers_while_nobody_sends_is_half_a_second_of_it(shared: Ledger) -> None:
    now_us = 1_000_000
    with PaceRows(shared, "run-1", lambda: now_us) as rows:
        rows.open("m", requests_per_minute=600, tokens_per_minute=None)
        now_us += 3_600_000_000
        answer = rows.exchange("m", _asked(amount=3.0, back=50.0))
        assert answer is not None
        assert (answer.requests.amount, answer.requests.level) == (3.0, 10.0 * BURST_S)


def test_a_change_is_made_once_whoever_saw_the_same_signal(shared: Ledger) -> None:
    with PaceRows(shared, "run-1", lambda: 5_000_000) as one, PaceRows(shared, "run-1", lambda: 5_000_000) as two:
        one.open("m", requests_per_minute=None, tokens_per_minute=None)
        cut = PaceAsk(n_changes=0, change=Learned(ceiling_per_s=8.0))
        first = one.exchange("m", cut)
        assert first is not None
        assert first.pace.n_changes == 1
        assert first.pace.learned.since_us == 5_000_000
        assert two.exchange("m", cut) is None
        assert two.read()["m"].n_changes == 1


def test_a_run_that_goes_on_with_other_limits_has_them_at_once(shared: Ledger) -> None:
    with PaceRows(shared, "run-1", lambda: 1) as rows:
        rows.open("m", requests_per_minute=600, tokens_per_minute=None)
        rows.open("m", requests_per_minute=600, tokens_per_minute=None)
        assert rows.read()["m"].n_changes == 0
        rows.open("m", requests_per_minute=60, tokens_per_minute=1000)
        pace = rows.read()["m"]
        assert (pace.requests_per_minute, pace.tokens_per_minute, pace.n_changes) == (60, 1000, 1)


def test_sums_of_all_workers_stand_in_the_row(shared: Ledger) -> None:
    with PaceRows(shared, "run-1", lambda: 9_000_000) as rows:
        rows.open("m", requests_per_minute=None, tokens_per_minute=None)
        rows.exchange("m", PaceAsk(n_changes=0, n_sent=5, n_refused=1, first_sent_us=700, last_sent_us=800))
        rows.exchange("m", PaceAsk(n_changes=0, n_sent=7, first_sent_us=600, last_sent_us=750))
        learned = rows.read()["m"].learned
    assert (learned.n_sent, learned.n_refused, learned.first_sent_us, learned.last_sent_us) == (12, 1, 600, 800)


def test_a_way_to_the_ledger_that_broke_is_made_anew(shared: Ledger) -> None:
    with PaceRows(shared, "run-1", lambda: 1) as rows:
        rows.open("m", requests_per_minute=600, tokens_per_minute=None)
        with shared.changing() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND query LIKE '%%INSERT INTO paces%%'"
            )
        with pytest.raises(LedgerError):
            rows.read()
        assert rows.read()["m"].requests_per_minute == 600


# rules without a database


def test_a_block_that_was_taken_ahead_comes_free_as_it_flows_in() -> None:
    held = Allowance()
    held.add(Block(amount=3.0, level=-2.0, per_s=10.0, from_s=100.0))
    assert held.there_at_s(1.0) == pytest.approx(100.3)
    held.take(1.0)
    assert held.there_at_s(2.0) == pytest.approx(100.5)
    assert held.there_at_s(3.0) is None
    assert held.give_back() == pytest.approx(2.0)
    assert held.there_at_s(0.5) is None


def test_a_learned_rate_rests_near_what_was_accepted_and_then_rises_ever_faster() -> None:
    learned = Learned(ceiling_per_s=100.0, rise_s=10.0, since_us=0)
    rates = [learned_per_s(learned, at_s * 1e6) for at_s in (0, 10, 20, 30, 40)]
    assert rates == pytest.approx([95.0, 100.0, 105.0, 140.0, 235.0])


def test_refusals_that_come_whatever_the_rate_do_not_slow_a_model_down_for_good() -> None:
    now_us, learned = 10_000_000, Learned(ceiling_per_s=100.0, rise_s=10.0, since_us=10_000_000)
    for _ in range(50):
        now_us += 1_000_000
        per_s = learned_per_s(learned, now_us)
        assert per_s is not None
        seen = Seen(n_sent=round(per_s), n_refused=round(0.06 * per_s), over_s=1.0)
        if (change := learned_anew(learned, seen, now_us)) is not None:
            learned = replace(change, since_us=now_us)
    assert learned_per_s(learned, now_us) > 100.0  # type: ignore[operator]
    assert learned.usual_share == pytest.approx(0.06, abs=0.01)


def test_a_few_refusals_in_the_first_instant_of_a_rate_decide_nothing() -> None:
    learned = Learned(ceiling_per_s=10.0, rise_s=10.0, since_us=0)
    assert learned_anew(learned, Seen(n_sent=4, n_refused=4, over_s=0.2), 200_000) is None
    cut = learned_anew(learned, Seen(n_sent=16, n_refused=12, over_s=1.6), 1_600_000)
    assert cut is not None
    assert cut.ceiling_per_s == pytest.approx(0.5 * (10.0 * (1 - 0.05 * 0.84**3)))


def test_a_gate_that_has_not_heard_of_the_others_for_a_second_asks_before_it_sends() -> None:
    clock, woken = Clock(), asyncio.Event()
    gate = SharedGate(clock=clock, wake=woken.set)
    pace = SharedPace(requests_per_minute=None, tokens_per_minute=None, paused_until_us=0, learned=Learned(),
                      n_changes=0, now_us=5)  # fmt: skip
    assert gate.wait_s(1) > 0.0
    gate.see(pace)
    assert gate.wait_s(1) == 0.0
    woken.clear()
    clock.now_s += 1.5
    assert gate.wait_s(1) > 0.0
    assert woken.is_set()
    gate.see(replace(pace, now_us=1_500_005))
    assert gate.wait_s(1) == 0.0
