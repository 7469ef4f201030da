"""Who may send: places in order of arrival, lanes in turn, a moment's notice, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from harness.runner.traffic.gate import Gate
from harness.runner.traffic.limiter import Lane, SampleLeft, Spot, Traffic
from tests.runner.test_runner_pacing import Clock, rate_limited


def _lane(clock: Clock | None = None, *, limit: int = 64) -> Lane:
    return Lane(Gate(limit, clock=clock or Clock()))


def _placed(spots: list[Spot]) -> list[bool]:
    return [spot.place.done() for spot in spots]


async def test_a_pause_that_ends_while_we_look_does_not_wait_for_ever() -> None:
    class Jumping(Clock):
        """Moves on by half a second each time it is asked."""

        def __call__(self) -> float:
            self.now_s += 0.5
            return self.now_s

    lane, traffic = _lane(Jumping(), limit=5), Traffic(5)
    lane.gate.leave(lane.gate.enter(1), rate_limited(1.1))
    await asyncio.wait_for(traffic.line_up(lane, 1).place, 5)


async def test_the_limit_over_all_models_holds_and_is_reached() -> None:
    traffic = Traffic(5)
    lanes = [_lane(limit=5) for _ in range(3)]
    done = 0

    async def work(lane: Lane) -> None:
        nonlocal done
        entered_s = await traffic.line_up(lane, 1).place
        assert traffic.in_flight <= 5
        await asyncio.sleep(0)
        traffic.leave(lane, entered_s)
        done += 1

    await asyncio.gather(*(work(lanes[i % 3]) for i in range(200)))
    assert (done, traffic.in_flight, traffic.most_in_flight) == (200, 0, 5)


async def test_places_go_to_those_who_came_first() -> None:
    traffic, lane = Traffic(2), _lane()
    spots = [traffic.line_up(lane, 1) for _ in range(5)]
    assert _placed(spots) == [True, True, False, False, False]
    traffic.leave(lane, spots[0].place.result())
    assert _placed(spots) == [True, True, True, False, False]
    recorded = traffic.line_up(lane, 1, first=True)
    traffic.leave(lane, spots[1].place.result())
    assert (recorded.place.done(), _placed(spots)) == (True, [True, True, True, False, False])


async def test_lanes_take_turns() -> None:
    traffic, one, other = Traffic(1), _lane(), _lane()
    held = traffic.line_up(one, 1)
    of_one, of_other = [[traffic.line_up(lane, 1) for _ in range(3)] for lane in (one, other)]
    order = []
    lane = one
    for _ in range(6):
        traffic.leave(lane, held.place.result())
        (held,) = [spot for spot in (*of_one, *of_other) if spot.place.done() and spot not in order]
        order.append(held)
        lane = one if held in of_one else other
    assert [spot in of_one for spot in order] == [True, False] * 3


async def test_a_lane_whose_gate_is_shut_does_not_hold_up_the_others() -> None:
    traffic, full, free = Traffic(2), _lane(limit=1), _lane()
    first, waits = traffic.line_up(full, 1), traffic.line_up(full, 1)
    passes = traffic.line_up(free, 1)
    assert (first.place.done(), waits.place.done(), passes.place.done()) == (True, False, True)
    traffic.leave(full, first.place.result())
    assert waits.place.done()


async def test_who_gives_up_neither_keeps_a_place_nor_gets_one() -> None:
    traffic, lane = Traffic(1), _lane()
    holder, quitter, last = [traffic.line_up(lane, 1) for _ in range(3)]
    traffic.give_up(lane, quitter)
    traffic.give_up(lane, holder)
    assert last.place.done()
    assert traffic.in_flight == 1


async def test_a_closed_lane_turns_everyone_away() -> None:
    traffic, lane, other = Traffic(1), _lane(), _lane()
    held, waiting = traffic.line_up(lane, 1), traffic.line_up(lane, 1)
    elsewhere = traffic.line_up(other, 1)
    traffic.close(lane)
    for spot in (waiting, traffic.line_up(lane, 1)):
        with pytest.raises(SampleLeft):
            await spot.near
        with pytest.raises(SampleLeft):
            await spot.place
    traffic.leave(lane, held.place.result())  # who is in flight stays until it is back
    assert elsewhere.place.done()


async def _spots_behind_answers(answers_per_s: int, *, n_waiting: int) -> list[Spot]:
    """Spots of a line of which one place came free `answers_per_s` times a second for half a second."""
    clock, traffic = Clock(), Traffic(1)
    lane = _lane(clock)
    held = traffic.line_up(lane, 1)
    for _ in range(max(1, answers_per_s // 2)):
        clock.now_s += 1 / answers_per_s
        traffic.leave(lane, held.place.result())
        held = traffic.line_up(lane, 1)
    return [traffic.line_up(lane, 1) for _ in range(n_waiting)]


async def test_a_request_is_told_a_moment_before_its_place_comes_free() -> None:
    """At 110 answers a second the next five places come free within 50 ms."""
    spots = await _spots_behind_answers(110, n_waiting=8)
    assert [spot.near.done() for spot in spots] == [True] * 5 + [False] * 3
    assert not any(_placed(spots))


async def test_nobody_is_told_ahead_of_slow_answers() -> None:
    spots = await _spots_behind_answers(10, n_waiting=8)
    assert not any(spot.near.done() for spot in spots)
