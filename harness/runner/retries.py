"""The one retry loop of the program: an attempt, and after a failure as many more as the policy allows.

Data flows question -> `Asker.ask` (once or more) -> answer. The first attempt runs outside tenacity, because nearly all
attempts succeed and its bookkeeping would cost more than the request; its failure then is what the loop judges first.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from harness.runner.attempts import Answer, Asker, AttemptFailed, Question
from harness.runner.policy import RetryLimits, is_worth_retrying, retrying
from harness.runner.traffic.limiter import SampleLeft


class Retries:
    """Asks with retries until an answer, a final error, a limit, or a stop of the run."""

    def __init__(
        self, limits: RetryLimits, *, jitter_seed: int, monotonic_s: Callable[[], float], stopping: asyncio.Event
    ) -> None:
        self.limits = limits
        self._jitter = random.Random(jitter_seed)
        self._monotonic_s = monotonic_s
        self._stopping = stopping

    async def ask(self, asker: Asker, question: Question, *, tries_before: int, uncounted: int = 0) -> Answer:
        """Ask until it is answered.

        Args:
            tries_before: attempts of earlier sessions; they count against the limit.
            uncounted: those of them that do not, because this program ended before they did.

        Raises:
            AttemptFailed: the last attempt's failure; no further attempt can help or is allowed.
            SampleLeft: the run or this model is stopping.
            BudgetReached: there is no room for the worst case of one more attempt.
        """
        try:
            return await asker.ask(question, try_number=tries_before + 1, retry_of=None)
        except AttemptFailed as failed:
            if not is_worth_retrying(failed):
                raise
            last = failed
        attempts_left = self.limits.max_attempts - tries_before + uncounted
        loop = retrying(
            self.limits,
            attempts_left=attempts_left,
            jitter=self._jitter,
            clock=self._monotonic_s,
            sleep=self._pause,
        )
        async for attempt in loop:
            number = attempt.retry_state.attempt_number
            with attempt:
                if number == 1:
                    raise last
                try:
                    return await asker.ask(question, try_number=tries_before + number, retry_of=last.attempt_id)
                except AttemptFailed as failed:
                    last = failed
                    raise
        raise AssertionError("the retry loop ends in an answer or an error")

    async def _pause(self, seconds: float) -> None:
        """Wait before a retry; a stop of the run ends the wait."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return
        raise SampleLeft
