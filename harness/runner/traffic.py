"""Who may send now: one limit over all models of a run, one gate per model, first come first served.

Data flows: a worker awaits `enter`, sends, and calls `leave` as soon as the answer is there (before it is written or
scored), so that the number in flight equals the one asked. A place that is given back goes to the next in line at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from harness.errors import ProviderError
from harness.runner.pacing import NO_HEADERS, Gate


class SampleLeft(Exception):
    """Nothing more may be sent: this sample is left for a later session."""


class Lane:
    """The way of one model: its gate, and who waits for a place, in draw order.

    Attributes:
        waiting: (the place to come, tokens of the request).
        closed: nothing more may enter; whoever waits is turned away with `SampleLeft`.
        alarm: when the gate opens by itself, while someone waits for that.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.waiting: deque[tuple[asyncio.Future[float], int]] = deque()
        self.closed = False
        self.alarm: asyncio.TimerHandle | None = None


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
        self._lanes: deque[Lane] = deque()  # those with someone waiting, the one served longest ago first
        self._watching: list[asyncio.Future[None]] = []

    async def enter(self, lane: Lane, tokens: int) -> float:
        """Wait for a place and take it; returns what `leave` wants back.

        Raises:
            SampleLeft: the lane was closed, before or while waiting.
        """
        if lane.closed:
            raise SampleLeft
        if not lane.waiting and self.in_flight < self.concurrency and lane.gate.wait_s(tokens) == 0.0:
            return self._take(lane, tokens)
        place: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        lane.waiting.append((place, tokens))
        if len(lane.waiting) == 1:
            self._lanes.append(lane)
            self._admit()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave(lane, place.result())  # it was given the place and never used it
            raise

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
        self._admit()
        self.wake()

    def wake(self) -> None:
        """Let everyone who waits for a change look again."""
        if self._watching:
            watching, self._watching = self._watching, []
            for watcher in watching:
                if not watcher.done():
                    watcher.set_result(None)

    async def change(self) -> None:
        """Wait until a place was given back or an attempt was settled somewhere."""
        watcher = asyncio.get_running_loop().create_future()
        self._watching.append(watcher)
        await watcher

    def close(self, lane: Lane) -> None:
        """Let nobody enter a lane any more; who is in flight stays."""
        lane.closed = True
        for place, _ in lane.waiting:
            if not place.done():
                place.set_exception(SampleLeft())
        lane.waiting.clear()
        self._admit()  # which forgets the lane
        self.wake()

    def _take(self, lane: Lane, tokens: int) -> float:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return lane.gate.enter(tokens)

    def _admit(self) -> None:
        """Give free places away, lane by lane in turn, in each lane first come first served."""
        n_shut = 0
        while n_shut < len(self._lanes) and self.in_flight < self.concurrency:
            lane = self._lanes.popleft()
            n_shut = 0 if self._admit_first(lane) else n_shut + 1
            if lane.waiting:
                self._lanes.append(lane)

    def _admit_first(self, lane: Lane) -> bool:
        """Give a place to the first in a lane; says whether its gate let anybody through."""
        if lane.alarm is not None:
            lane.alarm.cancel()
            lane.alarm = None
        while lane.waiting:
            place, tokens = lane.waiting[0]
            if not place.done():
                wait_s = lane.gate.wait_s(tokens)
                if wait_s != 0.0:
                    if wait_s is not None:
                        lane.alarm = asyncio.get_running_loop().call_later(wait_s, self._admit)
                    return False
                place.set_result(self._take(lane, tokens))
                lane.waiting.popleft()
                return True
            lane.waiting.popleft()
        return True
