"""Whether room in a budget may still come from other workers, at the edge where nothing of this one is in flight.

What others have in flight is known as they said it last: that nothing is counts once it has been said for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from harness.runner.workers.worker_session import LONGEST_BEAT_S

QUIET_S = 1.25 * LONGEST_BEAT_S
"""After so long everyone has been heard of since."""


class OthersInFlight:
    """Watches what other workers have in flight.

    Args:
        count: of requests; None = nobody else asks.
        clock: in seconds.
    """

    def __init__(self, count: Callable[[], int | None], clock: Callable[[], float]) -> None:
        self._count = count
        self._clock = clock
        self._quiet_since_s: float | None = None
        self._asked_at_s = 0.0

    async def __call__(self) -> bool:
        """Say whether it is worth waiting for others."""
        n_in_flight = await asyncio.to_thread(self._count)
        now_s = self._clock()
        if n_in_flight is None:
            return False
        if n_in_flight or self._quiet_since_s is None or now_s - self._asked_at_s > QUIET_S:
            self._quiet_since_s = None if n_in_flight else now_s
        self._asked_at_s = now_s
        return self._quiet_since_s is None or now_s - self._quiet_since_s < QUIET_S
