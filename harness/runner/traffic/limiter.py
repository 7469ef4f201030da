"""Who may send now: one limit over all models of a run, one gate per model, first come first served.

Data flows: a worker lines up, is told when its turn is near (so that it can have its attempt recorded), gets a place,
sends, and calls `leave` as soon as the answer is there (before it is written or scored), so that the number in flight
equals the one asked. A place that is given back goes to the next in line at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

from harness.errors import ProviderError
from harness.runner.traffic.gate import NO_HEADERS, Gate

_AHEAD_S = 0.05
"""How long before its place comes free a request is told so: longer than a commit of the ledger takes."""
_COUNTED_S = 0.25


class SampleLeft(Exception):
    """Nothing more may be sent: this sample is left for a later session."""


class Spot:
    """One request's spot in a line.

    Attributes:
        tokens: of the request, at most.
        near: done when the place will come within a moment, or has come.
        place: the place, as what `Traffic.leave` wants back.

    Both end in `SampleLeft` when the lane is closed first.
    """

    __slots__ = ("near", "place", "tokens")

    def __init__(self, tokens: int) -> None:
        loop = asyncio.get_running_loop()
        self.tokens = tokens
        self.near: asyncio.Future[None] = loop.create_future()
        self.place: asyncio.Future[float] = loop.create_future()

    def give(self, entered_s: float) -> None:
        """Give the place."""
        self.place.set_result(entered_s)
        if not self.near.done():
            self.near.set_result(None)

    def refuse(self) -> None:
        """Turn the request away."""
        for one in (self.near, self.place):
            if not one.done():
                one.set_exception(SampleLeft())
                one.exception()  # whoever does not come back for it is no mistake


class Lane:
    """The way of one model: its gate, and who waits for a place, in draw order.

    Attributes:
        closed: nothing more may enter; whoever waits is turned away with `SampleLeft`.
        alarm: when the gate opens by itself, while someone waits for that.
    """

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.waiting: deque[Spot] = deque()
        self.closed = False
        self.alarm: asyncio.TimerHandle | None = None
        self._n_near = 0  # so many at the front of the line have been told
        self._n_answers = 0
        self._counted_from_s = gate.clock()
        self._answers_per_s = 0.0

    def join(self, spot: Spot, *, first: bool) -> None:
        """Take a spot into the line, at its end or, when its attempt is recorded already, at its front."""
        if first:
            self.waiting.appendleft(spot)
            self._tell(spot)
        else:
            self.waiting.append(spot)
            self.tell_next()

    def pop(self) -> None:
        """Drop the first of the line."""
        self.waiting.popleft()
        self._n_near = max(0, self._n_near - 1)

    def count_answer(self) -> None:
        """Learn how fast places come free."""
        self._n_answers += 1
        passed_s = (now_s := self.gate.clock()) - self._counted_from_s
        if passed_s >= _COUNTED_S:
            self._answers_per_s = self._n_answers / passed_s
            self._n_answers, self._counted_from_s = 0, now_s

    def tell_next(self) -> None:
        """Tell those whose turn comes in a moment; nobody where answers are slow or the gate is shut."""
        most = int(self._answers_per_s * _AHEAD_S)
        while self._n_near < most and self._n_near < len(self.waiting) and self.alarm is None:
            self._tell(self.waiting[self._n_near])

    def _tell(self, spot: Spot) -> None:
        self._n_near += 1
        if not spot.near.done():
            spot.near.set_result(None)

    def clear(self) -> None:
        """Turn everyone away."""
        for spot in self.waiting:
            spot.refuse()
        self.waiting.clear()
        self._n_near = 0


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

    def line_up(self, lane: Lane, tokens: int, *, first: bool = False) -> Spot:
        """Line up for a place; `first` = at the front, for a request whose attempt is recorded already."""
        spot = Spot(tokens)
        if lane.closed:
            spot.refuse()
            return spot
        if not lane.waiting and self.in_flight < self.concurrency and lane.gate.wait_s(tokens) == 0.0:
            spot.give(self._take(lane, tokens))
            return spot
        lane.join(spot, first=first)
        if lane not in self._lanes:
            self._lanes.append(lane)
            self._admit()
        return spot

    def give_up(self, lane: Lane, spot: Spot) -> None:
        """Leave the line, or give back a place that was not used."""
        if spot.place.done():
            if not spot.place.cancelled() and spot.place.exception() is None:
                self.leave(lane, spot.place.result())
        else:
            spot.place.cancel()

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
        if error is None:
            lane.count_answer()
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
        lane.clear()
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
            spot = lane.waiting[0]
            if spot.place.cancelled():
                lane.pop()
                continue
            wait_s = lane.gate.wait_s(spot.tokens)
            if wait_s != 0.0:
                if wait_s is not None:
                    lane.alarm = asyncio.get_running_loop().call_later(wait_s, self._admit)
                return False
            lane.pop()
            spot.give(self._take(lane, spot.tokens))
            lane.tell_next()
            break
        return True
