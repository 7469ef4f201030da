"""Pacing and retry policy: limits adapt, waits are honoured, nothing waits for ever. The clock is ours: no sleeping."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest

from harness.errors import ErrorClass, ProviderError
from harness.runner.pacing import Gate
from harness.runner.policy import ACTIONS, Action, RetryLimits, is_worth_retrying, retrying, wait_s
from harness.runner.traffic import Lane, Traffic


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def _rate_limited(retry_after_s: float | None = None) -> ProviderError:
    return ProviderError("slow down", error_class=ErrorClass.RATE_LIMIT, retry_after_s=retry_after_s, billed="no")


def test_every_error_class_has_an_action() -> None:
    assert set(ACTIONS) == set(ErrorClass)


def test_quota_exhausted_is_not_a_rate_limit() -> None:
    assert ACTIONS[ErrorClass.QUOTA_EXHAUSTED] is Action.STOP_MODEL
    assert not is_worth_retrying(ProviderError("no credit", error_class=ErrorClass.QUOTA_EXHAUSTED))
    assert is_worth_retrying(_rate_limited())


def test_the_wait_that_a_provider_asks_for_is_kept_and_never_shortened() -> None:
    jitter = random.Random(0)
    for _ in range(200):
        assert 7.0 <= wait_s(_rate_limited(7.0), failures=1, limits=RetryLimits(), jitter=jitter) <= 7.7


def test_waits_double_up_to_the_longest_one() -> None:
    limits = RetryLimits(first_wait_s=1.0, longest_wait_s=8.0)
    error = ProviderError("broken", error_class=ErrorClass.SERVER_ERROR)
    longest = [max(wait_s(error, failures=n, limits=limits, jitter=random.Random(i)) for i in range(200)) for n in
               range(1, 7)]  # fmt: skip
    for got, ceiling in zip(longest, (1.0, 2.0, 4.0, 8.0, 8.0, 8.0), strict=True):
        assert 0.9 * ceiling < got <= ceiling


@pytest.mark.parametrize(("attempts_left", "requests"), [(1, 1), (4, 4)])
async def test_a_permanent_error_is_tried_as_often_as_allowed_and_not_once_more(
    attempts_left: int, requests: int
) -> None:
    calls, waits, clock = 0, [], Clock()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now_s += seconds

    loop = retrying(RetryLimits(), attempts_left=attempts_left, jitter=random.Random(0), clock=clock, sleep=sleep)
    with pytest.raises(ProviderError):
        async for attempt in loop:
            with attempt:
                calls += 1
                raise ProviderError("broken", error_class=ErrorClass.SERVER_ERROR)
    assert calls == requests
    assert len(waits) == requests - 1


async def test_seconds_are_capped_as_well_as_attempts() -> None:
    clock, calls = Clock(), 0

    async def sleep(seconds: float) -> None:
        clock.now_s += seconds

    limits = RetryLimits(max_attempts=1000, max_total_s=100.0)
    with pytest.raises(ProviderError):
        async for attempt in retrying(limits, attempts_left=1000, jitter=random.Random(0), clock=clock, sleep=sleep):
            with attempt:
                calls += 1
                raise _rate_limited(30.0)
    assert calls == 4
    assert clock.now_s - 100.0 <= 100.0


async def test_a_wait_of_hours_ends_the_sample_at_once() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with pytest.raises(ProviderError):
        async for attempt in retrying(
            RetryLimits(max_total_s=1e9), attempts_left=5, jitter=random.Random(0), clock=Clock(), sleep=sleep
        ):
            with attempt:
                raise _rate_limited(7200.0)
    assert slept == []


def test_a_rate_limit_cuts_the_places_once_per_round_trip_and_answers_give_them_back() -> None:
    clock = Clock()
    gate = Gate(100, clock=clock)
    entered = [gate.enter(1) for _ in range(100)]
    assert gate.wait_s(1) is None
    clock.now_s += 1.0
    for instant in entered[:30]:
        gate.leave(instant, _rate_limited())
    assert gate.limit == 70, "thirty refusals of one burst are one signal"
    for instant in entered[30:]:
        gate.leave(instant)
    after_answers = gate.limit
    assert 70 <= after_answers <= 71
    for _ in range(4000):
        gate.leave(gate.enter(1))
    assert gate.limit == 100


def test_retry_after_pauses_the_model_until_then() -> None:
    clock = Clock()
    gate = Gate(10, clock=clock)
    gate.leave(gate.enter(1), _rate_limited(3.0))
    assert gate.wait_s(1) == pytest.approx(3.0)
    clock.now_s += 3.0
    assert gate.wait_s(1) == 0.0


def test_requests_per_minute_are_spread_and_not_sent_in_one_burst() -> None:
    clock = Clock()
    gate = Gate(1000, clock=clock, requests_per_minute=600)
    sent = 0
    for _ in range(60_000):
        while gate.wait_s(1) == 0.0:
            gate.enter(1)
            sent += 1
        clock.now_s += 0.001
    assert 590 <= sent <= 611
    assert gate.most_in_flight == sent


def test_a_request_larger_than_a_second_of_tokens_waits_but_is_not_stuck() -> None:
    clock = Clock()
    gate = Gate(10, clock=clock, tokens_per_minute=6000)
    gate.enter(5000)
    waited = gate.wait_s(5000)
    assert waited is not None
    assert 45 < waited < 55
    clock.now_s += waited
    assert gate.wait_s(5000) == pytest.approx(0.0, abs=1e-6)


async def test_the_limit_over_all_models_holds_and_is_reached() -> None:
    traffic = Traffic(5)
    lanes = [Lane(Gate(5, clock=Clock())) for _ in range(3)]
    done = 0

    async def work(lane: Lane) -> None:
        nonlocal done
        entered_s = await traffic.enter(lane, 1)
        assert traffic.in_flight <= 5
        await asyncio.sleep(0)
        traffic.leave(lane, entered_s)
        done += 1

    await asyncio.gather(*(work(lanes[i % 3]) for i in range(200)))
    assert (done, traffic.in_flight, traffic.most_in_flight) == (200, 0, 5)
