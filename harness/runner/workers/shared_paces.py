"""Carries what the gates of one worker tell and ask to the ledger, and brings back what others have learned.

Data flows `SharedGate.ask` -> the ledger -> `SharedGate.heard`, a few times a second however many requests leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TypeVar

from harness.errors import LedgerError
from harness.ledger.leases.pace_rows import PaceRows
from harness.models import ModelSpec
from harness.runner.spec import RunSpec
from harness.runner.traffic.limiter import ConcurrencyLimiter
from harness.runner.traffic.shared_gate import LOOK_S, SharedGate

T = TypeVar("T")
_BETWEEN_S = 0.02
"""Questions that come closer are asked together."""


class SharedPaces:
    """The gates of one worker, one for each sender, and their way to the ledger.

    Attributes:
        n_round_trips: questions to the ledger so far.
        woken: set when a gate has something to say that should not wait.
    """

    def __init__(
        self,
        rows: PaceRows,
        options: RunSpec,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = rows
        self.n_round_trips = 0
        self._options = options
        self._clock = clock
        self._gates: list[tuple[str, SharedGate]] = []
        self._opened: set[str] = set()
        self._is_over = False
        self.woken = asyncio.Event()

    def gate(self, spec: ModelSpec) -> SharedGate:
        """Make the gate of a model."""
        made = SharedGate(clock=self._clock, wake=self.woken.set)
        self._gates.append((str(spec), made))
        return made

    @contextlib.asynccontextmanager
    async def carried(self, limiter: ConcurrencyLimiter) -> AsyncIterator[None]:
        """Carry as long as the context lasts; at its end what was not used is given back."""
        task = asyncio.create_task(self._carry_on(limiter))
        try:
            yield
        finally:
            self._is_over = True
            self.woken.set()
            await task
            for _, gate in self._gates:
                gate.give_up()
            await asyncio.to_thread(self._end)

    async def _carry_on(self, limiter: ConcurrencyLimiter) -> None:
        while not self._is_over:
            self.woken.clear()
            with contextlib.suppress(LedgerError):  # what was taken holds; whether the ledger is gone, the writer says
                await self.carry()
            limiter.look_again()
            await asyncio.sleep(_BETWEEN_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.woken.wait(), self.next_carry_s())

    def next_carry_s(self) -> float:
        """Seconds until a gate has something to ask or to look at."""
        return min((gate.next_look_s() for _, gate in self._gates), default=LOOK_S)

    async def carry(self) -> None:
        """Tell and ask for every gate that has something to say; look how things stand when that was long ago.

        Raises:
            LedgerError: the ledger cannot be reached.
        """
        await self._open_new()
        for model, gate in self._gates:
            asked = gate.ask()
            if asked is None:
                continue
            answer = await self._of_ledger(partial(self._rows.exchange, model, asked))
            if answer is None:  # somebody changed it: see how, and ask again
                await self._look()
                self.woken.set()
            else:
                gate.heard(asked, answer)
        if any(gate.is_stale for _, gate in self._gates):
            await self._look()

    async def _open_new(self) -> None:
        for model in {model for model, _ in self._gates} - self._opened:
            await self._of_ledger(partial(self._open, model))
            self._opened.add(model)

    def _open(self, model: str) -> None:
        spec = self._options
        self._rows.open(model, requests_per_minute=spec.requests_per_minute, tokens_per_minute=spec.tokens_per_minute)

    async def _look(self) -> None:
        paces = await self._of_ledger(self._rows.read)
        for model, gate in self._gates:
            if model in paces:
                gate.see(paces[model])

    async def _of_ledger(self, question: Callable[[], T]) -> T:
        self.n_round_trips += 1
        return await asyncio.to_thread(question)

    def _end(self) -> None:
        with contextlib.suppress(LedgerError):  # what is not given back flows in again by itself
            for model, gate in self._gates:
                if (asked := gate.ask()) is not None:
                    self._rows.exchange(model, asked)
        self._rows.close()
