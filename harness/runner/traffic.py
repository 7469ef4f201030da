"""Who may send now: one limit over all models of a run, one gate per model, first come first served.

Data flows: a worker awaits `enter`, sends, and calls `leave` as soon as the answer is there (before it is written or
scored), so that the number in flight equals the one asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from harness.errors import ProviderError
from harness.runner.pacing import NO_HEADERS, Gate


class SampleLeft(Exception):
    """Nothing more may be sent: this sample is left for a later session."""


class Lane:
    """The way of one model: its gate and the turnstile that keeps its requests in draw order.

    Attributes:
        closed: nothing more may enter; whoever waits is turned away with `SampleLeft`.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.turnstile = asyncio.Lock()
        self.closed = False


class Traffic:
    """Places in flight over all lanes of a run.

    Attributes:
        in_flight, most_in_flight: requests under way now, and at most so far.
        unsettled: attempts in the ledger that are not settled yet; each still holds its reservation.
    """

    def __init__(self, concurrency: int) -> None:
        self.concurrency = concurrency
        self.in_flight = 0
        self.most_in_flight = 0
        self.unsettled = 0
        self._waiting: set[asyncio.Future[None]] = set()

    async def enter(self, lane: Lane, tokens: int) -> float:
        """Wait for a place and take it; returns what `leave` wants back.

        Raises:
            SampleLeft: the lane was closed, before or while waiting.
        """
        if not lane.turnstile.locked():
            entered_s = self._try(lane, tokens)
            if entered_s is not None:
                return entered_s
        async with lane.turnstile:
            while (entered_s := self._try(lane, tokens)) is None:
                is_full = self.in_flight >= self.concurrency
                await self._change(None if is_full else lane.gate.wait_s(tokens))
            return entered_s

    def leave(
        self,
        lane: Lane,
        entered_s: float,
        error: ProviderError | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Give a place back; `error` is what the request ended in, None for an answer with these headers."""
        self.in_flight -= 1
        lane.gate.leave(entered_s, error, headers)
        self.wake()

    def wake(self) -> None:
        """Let everyone who waits for a place look again."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def change(self) -> None:
        """Wait until a place was given back somewhere."""
        await self._change(None)

    def close(self, lane: Lane) -> None:
        """Let nobody enter a lane any more; who is in flight stays."""
        lane.closed = True
        self.wake()

    def _try(self, lane: Lane, tokens: int) -> float | None:
        if lane.closed:
            raise SampleLeft
        if self.in_flight >= self.concurrency or lane.gate.wait_s(tokens) != 0.0:
            return None
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return lane.gate.enter(tokens)

    async def _change(self, longest_s: float | None) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await asyncio.wait_for(waiter, longest_s)
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(waiter)
