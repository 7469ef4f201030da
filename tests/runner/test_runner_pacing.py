"""Pacing and retry policy: limits adapt, waits are honoured, nothing waits for ever. The clock is ours: no sleeping."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.errors import ErrorClass, ProviderError
from harness.runner.requests.policy import (
    ACTIONS,
    Action,
    RetryLimits,
    RetryPolicy,
    is_worth_retrying,
    retrying,
    wait_s,
)
from harness.runner.traffic.gate import Gate
from harness.runner.traffic.pace import refill_when_short


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


def rate_limited(retry_after_s: float | None = None) -> ProviderError:
    return ProviderError("slow down", error_class=ErrorClass.RATE_LIMIT, retry_after_s=retry_after_s, billed="no")


def test_every_error_class_has_an_action() -> None:
    assert set(ACTIONS) == set(ErrorClass)


def test_quota_exhausted_is_not_a_rate_limit() -> None:
    assert ACTIONS[ErrorClass.QUOTA_EXHAUSTED] is Action.STOP_MODEL
    assert not is_worth_retrying(ProviderError("no credit", error_class=ErrorClass.QUOTA_EXHAUSTED))
    assert is_worth_retrying(rate_limited())


def test_the_wait_that_a_provider_asks_for_is_kept_and_never_shortened() -> None:
    jitter = random.Random(0)
    for _ in range(200):
        assert 7.0 <= wait_s(rate_limited(7.0), failures=1, limits=RetryLimits(), jitter=jitter) <= 7.7


def test_waits_double_up_to_the_longest_one() -> None:
    limits = RetryLimits(first_wait_s=1.0, longest_wait_s=8.0)
    error = ProviderError("broken", error_class=ErrorClass.SERVER_ERROR)
    longest = [max(wait_s(error, failures=n, limits=limits, jitter=random.Random(i)) for i in range(200)) for n in
               range(1, 7)]  # fmt: skip
    for got, ceiling in zip(longest, (1.0, 2.0, 4.0, 8.0, 8.0, 8.0), strict=True):
        assert 0.9 * ceiling < got <= ceiling


def _policy(clock: Clock, **limits: Any) -> RetryPolicy:
    return RetryPolicy(limits=RetryLimits(**limits), jitter=random.Random(0), clock=clock)


@pytest.mark.parametrize(("attempts_left", "requests"), [(1, 1), (4, 4)])
async def test_a_permanent_error_is_tried_as_often_as_allowed_and_not_once_more(
    attempts_left: int, requests: int
) -> None:
    calls, waits, clock = 0, [], Clock()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now_s += seconds

    loop = retrying(_policy(clock, max_attempts=6), counted_before=6 - attempts_left, sleep=sleep)
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

    policy = _policy(clock, max_attempts=1000, max_total_s=100.0)
    with pytest.raises(ProviderError):
        async for attempt in retrying(policy, counted_before=0, sleep=sleep):
            with attempt:
                calls += 1
                raise rate_limited(30.0)
    assert calls == 4
    assert clock.now_s - 100.0 <= 100.0


async def test_a_wait_of_hours_ends_the_sample_at_once() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    with pytest.raises(ProviderError):
        async for attempt in retrying(_policy(Clock(), max_total_s=1e9), counted_before=1, sleep=sleep):
            with attempt:
                raise rate_limited(7200.0)
    assert slept == []


def test_a_rate_limit_cuts_the_places_once_per_round_trip_and_answers_give_them_back() -> None:
    clock = Clock()
    gate = Gate(100, clock=clock)
    entered = [gate.enter(1) for _ in range(100)]
    assert gate.wait_s(1) is None
    clock.now_s += 1.0
    for instant in entered[:60]:
        gate.leave(instant, rate_limited())
    assert gate.limit == 70, "sixty refusals of one burst are one signal"
    for instant in entered[60:]:
        gate.leave(instant)
    after_answers = gate.limit
    assert 70 <= after_answers <= 71
    for _ in range(4000):
        gate.leave(gate.enter(1))
    assert gate.limit == 100


@dataclass
class LimitedServer:
    """Accepts `per_s` requests a second, a second's worth at once; refuses with the wait until the next one."""

    per_s: float
    clock: Clock
    level: float = 0.0
    seen_s: float = 0.0
    n_refused: int = 0

    def __post_init__(self) -> None:
        self.level, self.seen_s = max(1.0, self.per_s), self.clock()

    def take(self) -> ProviderError | None:
        now_s = self.clock()
        self.level = min(max(1.0, self.per_s), self.level + (now_s - self.seen_s) * self.per_s)
        self.seen_s = now_s
        if self.level >= 1.0:
            self.level -= 1.0
            return None
        self.n_refused += 1
        return rate_limited((1.0 - self.level) / self.per_s)


def _finish(gate: Gate, server: LimitedServer, *, requests: int, latency_s: float) -> float:
    """Ask until so many requests are answered; gives the seconds it took."""
    clock, began_s = server.clock, server.clock()
    flying: list[tuple[float, float, ProviderError | None]] = []
    answered = 0
    while answered < requests:
        while answered + len(flying) < requests and gate.wait_s(1) == 0.0:
            error = server.take()
            entered_s = gate.enter(1)
            flying.append((clock() + (0.01 if error else latency_s), entered_s, error))
        clock.now_s += 0.005
        for landing in [one for one in flying if one[0] <= clock()]:
            flying.remove(landing)
            gate.leave(landing[1], landing[2])
            answered += landing[2] is None
    return clock() - began_s


@pytest.mark.parametrize("per_s", [3.0, 20.0, 150.0])
@pytest.mark.parametrize("latency_s", [0.0, 3.0])
@pytest.mark.parametrize("places", [16, 512])
def test_a_rate_limit_is_found_and_nearly_reached_with_few_refusals(
    per_s: float, latency_s: float, places: int
) -> None:
    clock = Clock()
    server = LimitedServer(per_s, clock)
    requests = int(30 * per_s)
    took_s = _finish(Gate(places, clock=clock), server, requests=requests, latency_s=latency_s)
    ideal_s = max((requests - per_s) / per_s + latency_s, requests * latency_s / places)
    assert took_s <= 1.3 * ideal_s, (took_s, ideal_s)
    assert server.n_refused <= places + 0.2 * requests + 30, server.n_refused


def test_refusals_by_chance_do_not_slow_a_model_down() -> None:
    clock, draw = Clock(), random.Random(5)
    gate = Gate(64, clock=clock)
    for _ in range(20_000):
        clock.now_s += 0.002
        gate.leave(gate.enter(1), rate_limited(0.05) if draw.random() < 0.15 else None)
    assert gate.pace.per_s is None
    assert gate.limit == 64


def test_a_limit_that_is_nearly_used_up_slows_the_model_before_it_is_refused() -> None:
    clock = Clock()
    gate = Gate(64, clock=clock)
    left = {"x-ratelimit-limit-requests": "600", "x-ratelimit-reset-requests": "60s"}
    gate.leave(gate.enter(1), headers={**left, "x-ratelimit-remaining-requests": "300"})
    assert gate.pace.per_s is None
    gate.leave(gate.enter(1), headers={**left, "x-ratelimit-remaining-requests": "0"})
    assert gate.pace.per_s == pytest.approx(10.0)
    anthropic = {"anthropic-ratelimit-tokens-limit": "60000", "anthropic-ratelimit-tokens-remaining": "600",
                 "anthropic-ratelimit-tokens-reset": "2026-11-22T00:01:00Z"}  # fmt: skip
    gate = Gate(64, clock=clock, now=lambda: datetime(2026, 11, 22, tzinfo=UTC))
    gate.leave(gate.enter(1), headers=anthropic)
    gate.enter(2000)
    assert gate.wait_s(2000) == pytest.approx(2.0, abs=0.1)
    gate.leave(gate.enter(1), headers={"x-ratelimit-remaining-requests": "soon", "x-ratelimit-remaining-tokens": ""})


def test_retry_after_pauses_the_model_until_then() -> None:
    clock = Clock()
    gate = Gate(10, clock=clock)
    gate.leave(gate.enter(1), rate_limited(3.0))
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


def test_a_reset_without_a_time_zone_is_utc_and_ends_no_run() -> None:
    headers = {f"anthropic-ratelimit-requests-{what}": stated for what, stated in (
        ("remaining", "1"), ("limit", "61"), ("reset", "2026-11-22T12:01:00"))}  # fmt: skip
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert refill_when_short(headers, "requests", lambda: noon) == 1.0  # sixty requests in a minute
