"""What all requests of one session share, whichever model they go to: ledger, limits, clocks, prices, budgets.

Values and the few methods that a request needs of the ledger's writer and of whoever watches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from harness.errors import ProviderError
from harness.ledger.records import AttemptOutcome, AttemptStart, Transcript
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.runner.requests.attempt_ends import Spent
from harness.runner.requests.expected_costs import ExpectedCosts
from harness.runner.requests.policy import RetryPolicy
from harness.runner.spec import RunSpec
from harness.runner.traffic.gate import Gate
from harness.runner.traffic.limiter import ConcurrencyLimiter, PacedGate


class LedgerWriter(Protocol):
    """What an attempt needs of the ledger: each call returns once its row is durable."""

    async def send(self, start: AttemptStart) -> int: ...

    async def settle(self, outcome: AttemptOutcome, *, transcript: Transcript | None = None) -> None: ...

    async def withdraw(self, attempt_id: int, start: AttemptStart) -> None: ...

    async def reuse(self, start: AttemptStart, outcome: AttemptOutcome, transcript: Transcript | None) -> int: ...


class AttemptObserver(Protocol):
    """Who wants to see attempts come and go (progress, tests)."""

    def attempt_sent(self, model: ModelSpec) -> None: ...

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Where time comes from: wall time in microseconds UTC for facts, monotonic seconds for waiting."""

    wall_us: Callable[[], int]
    monotonic_s: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherWorkers:
    """What a session has to do with the other workers of its run.

    Attributes:
        in_flight: whether they have requests in flight, which may give room back to a budget.
        gate: makes the gate of a model whose limits hold for all of them together.
    """

    in_flight: Callable[[], Awaitable[bool]]
    gate: Callable[[ModelSpec], PacedGate]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What all requests of one session share.

    Attributes:
        capped: budgets with a cap.
        own_scopes: budgets of this session alone, beside those of its run, models, days and months.
        expected: what answers usually cost; None = each worst case is reserved.
        stopping: set when nothing more is to be sent.
        others: None = this process alone asks.
    """

    run_id: str
    options: RunSpec
    book: PriceBook
    writer: LedgerWriter
    limiter: ConcurrencyLimiter
    observer: AttemptObserver
    clocks: Clocks
    retries: RetryPolicy
    stopping: asyncio.Event
    capped: frozenset[str]
    own_scopes: tuple[str, ...] = ()
    expected: ExpectedCosts | None = None
    others: OtherWorkers | None = None

    def gate(self, spec: ModelSpec) -> PacedGate:
        """Make the gate of a model."""
        if self.others is not None:
            return self.others.gate(spec)
        return Gate(
            self.options.concurrency,
            clock=self.clocks.monotonic_s,
            requests_per_minute=self.options.requests_per_minute,
            tokens_per_minute=self.options.tokens_per_minute,
        )
