"""Who may send now: one limit over all models of a run, one gate per model, first come first served.

Data flows: a worker lines up, is told when its turn is near (so that it can have its attempt recorded), gets a place,
sends, and calls `leave` as soon as the answer is there (before it is written or scored), so that the number in flight
equals the one asked. A place that is given back goes to the next in line at once.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from harness.errors import ProviderError
from harness.runner.traffic.gate import NO_HEADERS

_AHEAD_S = 0.05
"""How long before its place comes free a request is told so: longer than a commit of the ledger takes."""
_COUNTED_S = 0.25


def _running_s() -> float:
    """Seconds by a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class PacedGate(Protocol):
    """Says when the next request to one model may leave; `Gate` where one process asks, `SharedGate` among workers."""

    clock: Callable[[], float]

    def wait_s(self, tokens: int) -> float | None: ...

    def enter(self, tokens: int) -> float: ...

    def leave(
        self, entered_s: float, error: ProviderError | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> None: ...


class SampleLeft(Exception):
    """Nothing more may be sent: this sample is left for a later session."""


class Waiter:
    """One request that waits for a place in a line.

    Attributes:
        tokens: of the request, at most.
        near: done when the place will come within a moment, or has come.
        place: the place, as what `ConcurrencyLimiter.leave` wants back.

    Both end in `SampleLeft` when the line is closed first.
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


class WaitingLine:
    """The line of one model: its gate, and who waits for a place, in draw order.

    Attributes:
        closed: nothing more may enter; whoever waits is turned away with `SampleLeft`.
        alarm: when the gate opens by itself, while someone waits for that.
    """

    def __init__(self, gate: PacedGate) -> None:
        self.gate = gate
        self.waiting: deque[Waiter] = deque()
        self.closed = False
        self.alarm: asyncio.TimerHandle | None = None
        self._n_near = 0  # so many at the front of the line have been told
        self._n_answers = 0
        self._counted_from_s = gate.clock()
        self._answers_per_s = 0.0

    def join(self, waiter: Waiter, *, first: bool) -> None:
        """Take a request into the line, at its end or, when its attempt is recorded already, at its front."""
        if first:
            self.waiting.appendleft(waiter)
            self._tell(waiter)
        else:
            self.waiting.append(waiter)
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

    def _tell(self, waiter: Waiter) -> None:
        self._n_near += 1
        if not waiter.near.done():
            waiter.near.set_result(None)

    def clear(self) -> None:
        """Turn everyone away."""
        for waiter in self.waiting:
            waiter.refuse()
        self.waiting.clear()
        self._n_near = 0


class ConcurrencyLimiter:
    """Places in flight over all lines of a run.

    Attributes:
        in_flight, most_in_flight: requests under way now, and at most so far.
        unsettled: attempts in the ledger that are not settled yet; each still holds its reservation.
        sends_until_s: by `clock`, when the right to send ends unless it is renewed: a worker that stood still for
            longer than its lease counts as dead, and another one may have asked since what it has waiting here.
    """

    def __init__(self, concurrency: int, *, clock: Callable[[], float] = _running_s) -> None:
        self.concurrency = concurrency
        self.clock = clock
        self.sends_until_s = math.inf
        self.in_flight = 0
        self.most_in_flight = 0
        self.unsettled = 0
        self._lines: deque[WaitingLine] = deque()  # those with someone waiting, the one served longest ago first
        self._watching: list[asyncio.Future[None]] = []

    @property
    def may_send(self) -> bool:
        """Whether the right to send lasts."""
        return self.sends_until_s == math.inf or self.clock() < self.sends_until_s

    @property
    def _has_place(self) -> bool:
        return self.in_flight < self.concurrency and self.may_send

    def line_up(self, line: WaitingLine, tokens: int, *, first: bool = False) -> Waiter:
        """Line up for a place; `first` = at the front, for a request whose attempt is recorded already."""
        waiter = Waiter(tokens)
        if line.closed:
            waiter.refuse()
            return waiter
        if not line.waiting and self._has_place and line.gate.wait_s(tokens) == 0.0:
            waiter.give(self._take(line, tokens))
            return waiter
        line.join(waiter, first=first)
        if line not in self._lines:
            self._lines.append(line)
            self._admit()
        return waiter

    def give_up(self, line: WaitingLine, waiter: Waiter) -> None:
        """Leave the line, or give back a place that was not used."""
        if waiter.place.done():
            if not waiter.place.cancelled() and waiter.place.exception() is None:
                self.leave(line, waiter.place.result())
        else:
            waiter.place.cancel()

    def leave(
        self,
        line: WaitingLine,
        entered_s: float,
        error: ProviderError | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        """Give a place back; `error` is what the request ended in, None for an answer with these headers."""
        self.in_flight -= 1
        line.gate.leave(entered_s, error, headers)
        if error is None:
            line.count_answer()
        self._admit()
        self.wake()

    def resize(self, concurrency: int) -> None:
        """Allow more or fewer requests in flight; those that are under way stay."""
        self.concurrency = concurrency
        self.look_again()

    def look_again(self) -> None:
        """Let in who may enter now: places or gates have changed by themselves."""
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

    def close(self, line: WaitingLine) -> None:
        """Let nobody enter a line any more; who is in flight stays."""
        line.closed = True
        line.clear()
        self._admit()  # which forgets the line
        self.wake()

    def _take(self, line: WaitingLine, tokens: int) -> float:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return line.gate.enter(tokens)

    def _admit(self) -> None:
        """Give free places away, line by line in turn, in each line first come first served."""
        n_shut = 0
        while n_shut < len(self._lines) and self._has_place:
            line = self._lines.popleft()
            n_shut = 0 if self._admit_first(line) else n_shut + 1
            if line.waiting:
                self._lines.append(line)

    def _admit_first(self, line: WaitingLine) -> bool:
        """Give a place to the first in a line; says whether its gate let anybody through."""
        if line.alarm is not None:
            line.alarm.cancel()
            line.alarm = None
        while line.waiting:
            waiter = line.waiting[0]
            if waiter.place.cancelled():
                line.pop()
                continue
            wait_s = line.gate.wait_s(waiter.tokens)
            if wait_s != 0.0:
                if wait_s is not None:
                    line.alarm = asyncio.get_running_loop().call_later(wait_s, self._admit)
                return False
            line.pop()
            waiter.give(self._take(line, waiter.tokens))
            line.tell_next()
            break
        return True
