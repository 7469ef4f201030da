"""What to do after a failed attempt: try again, give this sample up, or stop this model.

Pure decisions over `ErrorClass`; tenacity runs the one retry loop of the program with them. SDK retries are off.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from harness.errors import ErrorClass, ProviderError

if TYPE_CHECKING:
    import tenacity


class Action(Enum):
    """What follows an attempt that failed."""

    RETRY = "try again after a wait"
    GIVE_UP = "this sample fails; the model goes on"
    STOP_MODEL = "nothing more is sent to this model"


ACTIONS: dict[ErrorClass, Action] = {
    ErrorClass.RATE_LIMIT: Action.RETRY,
    ErrorClass.OVERLOADED: Action.RETRY,
    ErrorClass.SERVER_ERROR: Action.RETRY,
    ErrorClass.TIMEOUT: Action.RETRY,
    ErrorClass.CONNECTION: Action.RETRY,
    ErrorClass.MALFORMED_RESPONSE: Action.RETRY,
    ErrorClass.BAD_REQUEST: Action.GIVE_UP,
    ErrorClass.CONTEXT_TOO_LONG: Action.GIVE_UP,
    ErrorClass.CONTENT_FILTER: Action.GIVE_UP,
    ErrorClass.INTERNAL: Action.GIVE_UP,
    ErrorClass.QUOTA_EXHAUSTED: Action.STOP_MODEL,
    ErrorClass.AUTHENTICATION: Action.STOP_MODEL,
    ErrorClass.NOT_FOUND: Action.STOP_MODEL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """How long one sample is tried: whichever limit comes first.

    Attributes:
        max_attempts: requests per sample, over all sessions of a run.
        max_total_s: seconds from the first attempt of a session to the last start of another.
        first_wait_s, longest_wait_s: bounds of the exponential wait where the provider names none.
        longest_retry_after_s: a provider that asks for a longer wait is taken as exhausted for this sample.
    """

    max_attempts: int = 6
    max_total_s: float = 1800.0
    first_wait_s: float = 0.5
    longest_wait_s: float = 60.0
    longest_retry_after_s: float = 600.0


USUAL_LIMITS = RetryLimits()


def is_worth_retrying(error: BaseException) -> bool:
    """Whether another attempt can help."""
    return isinstance(error, ProviderError) and ACTIONS[error.error_class] is Action.RETRY


def wait_s(error: ProviderError, *, failures: int, limits: RetryLimits, jitter: random.Random) -> float:
    """Seconds to wait before the next attempt.

    The provider's Retry-After is honoured, with up to 10 % added so that waiting workers do not return all at once;
    repeated refusals wait longer, as what was asked did not help. Else the wait doubles from `first_wait_s`, with full
    jitter over its upper half.
    """
    if error.retry_after_s is not None:
        asked_s = error.retry_after_s * (1.0 + 0.1 * jitter.random())
        if failures == 1:
            return asked_s
        own_s = min(limits.longest_wait_s, limits.first_wait_s * 2.0 ** (failures - 4))
        return max(asked_s, own_s * (0.5 + 0.5 * jitter.random()))
    ceiling = min(limits.longest_wait_s, limits.first_wait_s * 2.0 ** (failures - 1))
    return ceiling * (0.5 + 0.5 * jitter.random())


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How the samples of a session are tried; `jitter` and the clock (monotonic seconds) are shared by all of them."""

    limits: RetryLimits
    jitter: random.Random
    clock: Callable[[], float]


def retrying(
    policy: RetryPolicy, *, counted_before: int, sleep: Callable[[float], Awaitable[None]]
) -> tenacity.AsyncRetrying:
    """Build the retry loop for one sample, which makes its first attempt, too.

    Args:
        counted_before: attempts of earlier sessions that count against the limit.
    """
    import tenacity

    limits, clock = policy.limits, policy.clock
    started_s = clock()

    def stop(state: tenacity.RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome is not None else None
        asked = error.retry_after_s if isinstance(error, ProviderError) else None
        waits_too_long = asked is not None and asked > limits.longest_retry_after_s
        return (
            waits_too_long
            or state.attempt_number >= limits.max_attempts - counted_before
            or clock() - started_s + state.upcoming_sleep > limits.max_total_s
        )

    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        assert isinstance(error, ProviderError)
        return wait_s(error, failures=state.attempt_number, limits=limits, jitter=policy.jitter)

    return tenacity.AsyncRetrying(
        sleep=sleep, stop=stop, wait=wait, retry=tenacity.retry_if_exception(is_worth_retrying), reraise=True
    )
