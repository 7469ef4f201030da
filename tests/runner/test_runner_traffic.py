"""Who may send: places in order of arrival, lines in turn, a moment's notice, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from harness.runner.traffic.gate import Gate
from harness.runner.traffic.limiter import ConcurrencyLimiter, SampleLeft, Waiter, WaitingLine
from tests.runner.test_runner_pacing import Clock, rate_limited


def _line(clock: Clock | None = None, *, limit: int = 64) -> WaitingLine:
    return WaitingLine(Gate(limit, clock=clock or Clock()))


def _placed(waiters: list[Waiter]) -> list[bool]:
    return [waiter.place.done() for waiter in waiters]


async def test_a_pause_that_ends_while_we_look_does_not_wait_for_ever() -> None:
    class Jumping(Clock):
        """Moves on by half a second each time it is asked."""

        def __call__(self) -> float:
            self.now_s += 0.5
            return self.now_s

    line, limiter = _line(Jumping(), limit=5), ConcurrencyLimiter(5)
    line.gate.leave(line.gate.enter(1), rate_limited(1.1))
    await asyncio.wait_for(limiter.line_up(line, 1).place, 5)


async def test_the_limit_over_all_models_holds_and_is_reached() -> None:
    limiter = ConcurrencyLimiter(5)
    lines = [_line(limit=5) for _ in range(3)]
    done = 0

    async def work(line: WaitingLine) -> None:
        nonlocal done
        entered_s = await limiter.line_up(line, 1).place
        assert limiter.in_flight <= 5
        await asyncio.sleep(0)
        limiter.leave(line, entered_s)
        done += 1

    await asyncio.gather(*(work(lines[i % 3]) for i in range(200)))
    assert (done, limiter.in_flight, limiter.most_in_flight) == (200, 0, 5)


async def test_places_go_to_those_who_came_first() -> None:
    limiter, line = ConcurrencyLimiter(2), _line()
    waiters = [limiter.line_up(line, 1) for _ in range(5)]
    assert _placed(waiters) == [True, True, False, False, False]
    limiter.leave(line, waiters[0].place.result())
    assert _placed(waiters) == [True, True, True, False, False]
    recorded = limiter.line_up(line, 1, first=True)
    limiter.leave(line, waiters[1].place.result())
    assert (recorded.place.done(), _placed(waiters)) == (True, [True, True, True, False, False])


async def test_lanes_take_turns() -> None:
    limiter, one, other = ConcurrencyLimiter(1), _line(), _line()
    held = limiter.line_up(one, 1)
    of_one, of_other = [[limiter.line_up(line, 1) for _ in range(3)] for line in (one, other)]
    order = []
    line = one
    for _ in range(6):
        limiter.leave(line, held.place.result())
        (held,) = [waiter for waiter in (*of_one, *of_other) if waiter.place.done() and waiter not in order]
        order.append(held)
        line = one if held in of_one else other
    assert [waiter in of_one for waiter in order] == [True, False] * 3


async def test_a_lane_whose_gate_is_shut_does_not_hold_up_the_others() -> None:
    limiter, full, free = ConcurrencyLimiter(2), _line(limit=1), _line()
    first, waits = limiter.line_up(full, 1), limiter.line_up(full, 1)
    passes = limiter.line_up(free, 1)
    assert (first.place.done(), waits.place.done(), passes.place.done()) == (True, False, True)
    limiter.leave(full, first.place.result())
    assert waits.place.done()


async def test_who_gives_up_neither_keeps_a_place_nor_gets_one() -> None:
    limiter, line = ConcurrencyLimiter(1), _line()
    holder, quitter, last = [limiter.line_up(line, 1) for _ in range(3)]
    limiter.give_up(line, quitter)
    limiter.give_up(line, holder)
    assert last.place.done()
    assert limiter.in_flight == 1


async def test_whoever_stood_still_for_longer_than_its_lease_lets_nobody_go_before_it_is_heard_of() -> None:
    """Others ask its samples by then: what was recorded and waited here left once it woke."""
    clock = Clock()
    limiter, line = ConcurrencyLimiter(1, clock=clock), _line()
    limiter.sends_until_s = clock() + 30.0
    first = limiter.line_up(line, 1)
    recorded = limiter.line_up(line, 1, first=True)
    clock.now_s += 30.0
    limiter.leave(line, first.place.result())
    assert not limiter.may_send
    assert not recorded.place.done()
    limiter.sends_until_s = clock() + 30.0
    limiter.resize(1)
    assert recorded.place.done()


async def test_a_closed_lane_turns_everyone_away() -> None:
    limiter, line, other = ConcurrencyLimiter(1), _line(), _line()
    held, waiting = limiter.line_up(line, 1), limiter.line_up(line, 1)
    elsewhere = limiter.line_up(other, 1)
    limiter.close(line)
    for waiter in (waiting, limiter.line_up(line, 1)):
        with pytest.raises(SampleLeft):
            await waiter.near
        with pytest.raises(SampleLeft):
            await waiter.place
    limiter.leave(line, held.place.result())  # who is in flight stays until it is back
    assert elsewhere.place.done()


async def _spots_behind_answers(answers_per_s: int, *, n_waiting: int) -> list[Waiter]:
    """Spots of a line of which one place came free `answers_per_s` times a second for half a second."""
    clock, limiter = Clock(), ConcurrencyLimiter(1)
    line = _line(clock)
    held = limiter.line_up(line, 1)
    for _ in range(max(1, answers_per_s // 2)):
        clock.now_s += 1 / answers_per_s
        limiter.leave(line, held.place.result())
        held = limiter.line_up(line, 1)
    return [limiter.line_up(line, 1) for _ in range(n_waiting)]


async def test_a_request_is_told_a_moment_before_its_place_comes_free() -> None:
    """At 110 answers a second the next five places come free within 50 ms."""
    waiters = await _spots_behind_answers(110, n_waiting=8)
    assert [waiter.near.done() for waiter in waiters] == [True] * 5 + [False] * 3
    assert not any(_placed(waiters))


async def test_nobody_is_told_ahead_of_slow_answers() -> None:
    waiters = await _spots_behind_answers(10, n_waiting=8)
    assert not any(waiter.near.done() for waiter in waiters)
