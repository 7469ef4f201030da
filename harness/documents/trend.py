"""Trends as values: the nights of a job, and per row what an answer cost, scored and used each night.

Pure. Data flows `harness.nightly.history` -> these -> `harness.rendering.html.html_history`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """One run of a job: `good`, what its gate said (`regression`, `inconclusive`), or why it is not complete."""

    run_id: str
    started_at: datetime
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrendPoint:
    """One row of one night.

    Attributes:
        night: index into the nights.
        is_lower_bound: the bill of that night is incomplete.
        score, score_low, score_high: shares with their 95 % interval; None = not scored.
    """

    night: int
    usd_per_answer: float | None
    is_lower_bound: bool
    score: float | None
    score_low: float | None
    score_high: float | None
    output_tokens_per_answer: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One suite on one model setting over the nights that have it."""

    suite: str
    model: str
    points: tuple[TrendPoint, ...]
