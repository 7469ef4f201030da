"""Replies with a mathematical answer, scored: what a text does not settle goes to worker processes, in one pool."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.sandbox.math_pool import MathWorkers
from harness.scorers import MathCheck, Outcome, Score, score
from harness.suites import Sample, ScorerRef

REF = ScorerRef(name="math")


def outcome(text: str, target: str) -> Score | MathCheck:
    """Score a whole reply as far as that needs no worker."""
    sample = Sample(task="t", sample_id="1", input="?", target=target)
    found = score(REF, text=text, sample=sample, finish_reason="stop")
    assert isinstance(found, Score | MathCheck)
    return found


def finished(found: Sequence[Outcome]) -> list[Score]:
    """Carry out what is left to the workers, outside an event loop and in order."""

    async def carried_out() -> list[Score]:
        async with MathWorkers() as workers:
            return await asyncio.gather(*(workers.check(one) for one in found if isinstance(one, MathCheck)))

    checked = iter(asyncio.run(carried_out()))
    return [one if isinstance(one, Score) else next(checked) for one in found]
