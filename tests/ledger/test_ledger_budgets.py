"""Budgets in the ledger: reserved before sending, settled after, held by several processes and across crashes."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.errors import BudgetReached, InputError, RunLockedError
from harness.ledger import Ledger, UsageFacts
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.ledger.reading.sums import unknown_bills
from tests.support.ledger_rows import Filled, fill, outcome, start

SCOPES = ("run:run-1", "day:2026-11-22", "model:sim/reasoner")


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture
def filled(ledger: Ledger) -> Filled:
    return fill(ledger)


def standing(ledger: Ledger, scope: str) -> tuple[int | None, int, int]:
    budget = ledger.budget(scope)
    assert budget is not None
    return budget.cap_pico_usd, budget.spent_pico_usd, budget.reserved_pico_usd


async def test_caps_do_not_leak_under_concurrency(ledger: Ledger, filled: Filled) -> None:
    """A $1 limit with 8 concurrent $2 calls spent $16 elsewhere: reserve before sending, settle after."""
    ledger.set_budget(SCOPES[0], 10_000)
    generator = random.Random(3)
    charged = 0
    refused = 0

    async with ledger.writer() as writer:

        async def work(worker: int) -> None:
            nonlocal charged, refused
            for number in range(40):
                worst = generator.randrange(1, 700)
                try:
                    attempt_id = await writer.send(
                        start(
                            filled,
                            number,
                            request_id=f"{worker}.{number}",
                            reserved_pico_usd=worst,
                            budget_scopes=SCOPES,
                        )
                    )
                except BudgetReached:
                    refused += 1
                    continue
                cost = generator.randrange(worst + 1)
                await writer.settle(outcome(attempt_id, charged_pico_usd=cost))
                charged += cost

        await asyncio.gather(*(work(worker) for worker in range(16)))
    assert refused
    assert charged <= 10_000
    assert standing(ledger, SCOPES[0]) == (10_000, charged, 0)
    assert standing(ledger, SCOPES[1]) == (None, charged, 0)


async def test_the_last_picodollar_can_be_reserved_and_no_more(ledger: Ledger, filled: Filled) -> None:
    ledger.set_budget("run:run-1", 100)
    async with ledger.writer() as writer:
        await writer.send(start(filled, 0, reserved_pico_usd=60, budget_scopes=("run:run-1",)))
        await writer.send(start(filled, 1, reserved_pico_usd=40, budget_scopes=("run:run-1",)))
        with pytest.raises(BudgetReached, match=r"run:run-1 is used up: .* \$0.000000000001, \$0 of \$0.0000000001"):
            await writer.send(start(filled, 2, reserved_pico_usd=1, budget_scopes=("run:run-1",)))
    assert [row.reserved_pico_usd for row in attempt_rows(ledger)] == [60, 40]


async def test_a_full_scope_reserves_nothing_in_the_others(ledger: Ledger, filled: Filled) -> None:
    ledger.set_budget(SCOPES[2], 10)
    async with ledger.writer() as writer:
        with pytest.raises(BudgetReached, match="model:sim/reasoner"):
            await writer.send(start(filled, 0, reserved_pico_usd=11, budget_scopes=SCOPES))
        assert [standing(ledger, scope)[1:] for scope in SCOPES] == [(0, 0)] * 3
        await writer.send(start(filled, 0, reserved_pico_usd=10, budget_scopes=SCOPES))
    assert [standing(ledger, scope)[1:] for scope in SCOPES] == [(0, 10)] * 3


async def test_a_cap_set_later_knows_what_was_spent_before(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled, 0, reserved_pico_usd=50, budget_scopes=SCOPES))
        await writer.settle(outcome(attempt_id, charged_pico_usd=30))
    budget = ledger.set_budget(SCOPES[1], 35)
    assert (budget.spent_pico_usd, budget.left_pico_usd) == (30, 5)
    async with ledger.writer() as writer:
        with pytest.raises(BudgetReached):
            await writer.send(start(filled, 1, reserved_pico_usd=6, budget_scopes=SCOPES))
    with pytest.raises(InputError):
        ledger.set_budget(SCOPES[1], -1)


async def test_an_unknown_bill_counts_in_full(ledger: Ledger, filled: Filled) -> None:
    """A timed-out request may be billed: its whole reservation stays spent, as an upper bound."""
    ledger.set_budget("run:run-1", 100)
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled, 0, reserved_pico_usd=70, budget_scopes=("run:run-1",)))
        await writer.settle(outcome(attempt_id, status="timed_out", usage=UsageFacts(), charged_pico_usd=None,
                                    billed="unknown", finish_reason=None))  # fmt: skip
    assert standing(ledger, "run:run-1") == (100, 70, 0)
    [bill] = unknown_bills(ledger)
    assert (bill.n_attempts, bill.n_sent, bill.reserved_pico_usd) == (1, 0, 70)


async def test_sent_rows_of_a_dead_process_are_listed_and_keep_counting(
    ledger: Ledger, filled: Filled, ledger_url: str
) -> None:
    ledger.set_budget("run:run-1", 100)
    script = _SENDER.format(url=ledger_url, cell=filled.cells[0], planned=filled.planned[0])
    attempt_id = _send_and_die(script)
    [bill] = unknown_bills(ledger, ["run-1"])
    assert (bill.n_sent, bill.reserved_pico_usd, bill.reserved_output_tokens) == (1, 80, 500)
    [row] = attempt_rows(ledger, only="bill_unknown")
    assert (row.attempt_id, row.status) == (attempt_id, "sent")
    async with ledger.writer() as writer:
        with pytest.raises(BudgetReached):
            await writer.send(start(filled, 1, reserved_pico_usd=21, budget_scopes=("run:run-1",)))
        # its answer turns up after all (a batch that was collected later): another process can settle it
        await writer.settle(outcome(attempt_id, charged_pico_usd=3))
    assert standing(ledger, "run:run-1") == (100, 3, 0)
    assert unknown_bills(ledger) == []


def _send_and_die(script: str) -> int:
    sender = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert sender.returncode == -9, sender.stderr
    return int(sender.stdout)


_SENDER = """
import asyncio, os, signal
from harness.ledger import AttemptStart, Ledger

async def main():
    async with Ledger.open({url!r}).writer() as writer:
        sent = await writer.send(AttemptStart(
            request_id="doomed", cell_id={cell}, planned_id={planned}, model_requested="reasoner", started_at_us=1,
            reserved_pico_usd=80, reserved_output_tokens=500, budget_scopes=("run:run-1",)))
        print(sent, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_several_processes_hold_one_budget(ledger: Ledger, filled: Filled, ledger_url: str) -> None:
    for scope in SCOPES:
        ledger.set_budget(scope, 30_000)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _SPENDER, ledger_url, str(seed), str(filled.cells[0]), str(filled.planned[0])],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(3)
    ]
    books = []
    for process in processes:
        printed, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        books.append(json.loads(printed))
    charged = sum(book["charged"] for book in books)
    assert 25_000 < charged <= 30_000
    assert all(book["refused"] for book in books)
    assert [standing(ledger, scope) for scope in SCOPES] == [(30_000, charged, 0)] * 3
    rows = list(attempt_rows(ledger))
    assert sum(row.charged_pico_usd or 0 for row in rows) == charged
    assert len(rows) == sum(book["sent"] for book in books)


_SPENDER = """
import asyncio, json, random, sys
from harness.errors import BudgetReached
from harness.ledger import AttemptOutcome, AttemptStart, Ledger

url, seed, cell_id, planned_id = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
scopes = ["run:run-1", "day:2026-11-22", "model:sim/reasoner"]
book = {"charged": 0, "sent": 0, "refused": 0}
generator = random.Random(seed)

async def work(writer, worker):
    for number in range(60):
        worst = generator.randrange(100, 400)
        generator.shuffle(scopes)  # the order of the scopes must not matter (locks are taken in one order)
        try:
            attempt_id = await writer.send(AttemptStart(
                request_id=f"{seed}.{worker}.{number}", cell_id=cell_id, planned_id=planned_id,
                model_requested="reasoner", started_at_us=1, reserved_pico_usd=worst, budget_scopes=tuple(scopes)))
        except BudgetReached:
            book["refused"] += 1
            continue
        book["sent"] += 1
        cost = generator.randrange(worst + 1)
        await writer.settle(AttemptOutcome(attempt_id=attempt_id, status="succeeded", finished_at_us=2,
                                           charged_pico_usd=cost, billed="yes"))
        book["charged"] += cost

async def main():
    with Ledger.open(url) as ledger:
        async with ledger.writer() as writer:
            await asyncio.gather(*(work(writer, worker) for worker in range(8)))

asyncio.run(main())
print(json.dumps(book))
"""


def test_two_processes_cannot_work_on_one_run(ledger: Ledger, ledger_url: str) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, ledger_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunLockedError, match=f"process {holder.pid} on"), ledger.run_lock("run-1"):
            pass
        with ledger.run_lock("run-2"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with ledger.run_lock("run-1"), pytest.raises(RunLockedError), Ledger.open(ledger_url).run_lock("run-1"):
        pass
    with ledger.run_lock("run-1"):
        pass


_HOLDER = """
import sys
from harness.ledger import Ledger
with Ledger.open(sys.argv[1]).run_lock("run-1"):
    print("held", flush=True)
    sys.stdin.read()
"""
