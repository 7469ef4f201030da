"""What a chaotic run asks, what will happen to it, and what happened.

Pure: data flows number and seed -> `Plan`; `chaos.py` carries it out and fills a `ChaoticRun`.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from benchmarks.budgets import USUAL_USD

Event = Literal["kill a worker", "kill the driver", "restart PostgreSQL", "crash PostgreSQL", "stop a worker"]
EVENTS: tuple[Event, ...] = (
    "kill a worker",
    "kill a worker",
    "kill the driver",
    "restart PostgreSQL",
    "crash PostgreSQL",
    "stop a worker",
    "stop a worker",
)
LARGEST_RUN = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a chaotic run asks and what will happen to it.

    Attributes:
        events: instants after the first request, in seconds, and what happens then.
        is_early: after the first worker's start instead: processes are met while they begin.
        cap_usd: of a strict budget; None = no budget.
    """

    run_id: str
    model: str
    n_samples: int
    n_workers: int
    concurrency: int
    lease_s: float
    cap_usd: Decimal | None
    events: tuple[tuple[float, Event], ...]
    is_early: bool

    @classmethod
    def drawn(cls, number: int, seed: int) -> Plan:
        """Draw the plan of a run; the same number and seed give the same one."""
        draw = random.Random(f"{seed} {number}")
        model = draw.choices(("sim-reasoner", "sim-flaky"), (3, 1))[0]
        n_samples = draw.randint(120, LARGEST_RUN)
        cap = None
        if draw.random() < 0.4:
            cap = Decimal(f"{n_samples * USUAL_USD[model] * math.exp(draw.uniform(math.log(0.3), 0.3)):.9f}")
        n_events = draw.randint(1, 4)
        # each kind comes first in its turn, so that a few runs show them all
        kinds = [EVENTS[number % len(EVENTS)], *(draw.choice(EVENTS) for _ in range(n_events - 1))]
        return cls(
            run_id=f"chaos-{number}",
            model=model,
            n_samples=n_samples,
            n_workers=draw.randint(2, 4),
            concurrency=draw.choice((4, 8, 16, 32)),
            lease_s=draw.choice((1.5, 2.5, 4.0)),
            cap_usd=cap,
            events=tuple(sorted((draw.uniform(0.0, 2.0), kind) for kind in kinds)),
            is_early=draw.random() < 0.15,
        )


@dataclass(slots=True, kw_only=True)
class ChaoticRun:
    """What happened to a run.

    Attributes:
        happened: what was done to it.
        odd_ends: ends of processes that nobody killed and that say neither success nor a reached budget.
        exit_code: of the driver that ended by itself; None = none did in time.
        left_over: workers that did not end by themselves.
    """

    plan: Plan
    happened: list[str] = field(default_factory=list)
    odd_ends: list[str] = field(default_factory=list)
    exit_code: int | None = None
    wall_s: float = 0.0
    n_starts: int = 0
    left_over: int = 0
