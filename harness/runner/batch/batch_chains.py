"""The chains of one model in batch mode: which item of each is asked next, and what is finished without a request.

Data flows planned chains + what the ledger holds -> `Walk`s, each with the line that waits or is at the provider.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from harness.ledger.records import OpenLine
from harness.runner.batch.batch_lines import Line, Ready, Walk
from harness.runner.batch.batch_work import AT_ONCE, all_of
from harness.runner.model_queues import Marking, ModelQueue
from harness.suites.prompts import with_earlier_answers


class Chains:
    """Walks along the chains of a model's queue."""

    def __init__(self, queue: ModelQueue, marking: Marking) -> None:
        self.walks = [Walk(chain=chain) for chain in queue.pending]
        self._queue = queue
        self._marking = marking
        self._known_lines: dict[tuple[int, int], OpenLine] = {}

    @property
    def n_left(self) -> int:
        """Items without an answer so far."""
        return sum(walk.n_left for walk in self.walks)

    async def begin(self, open_lines: Sequence[OpenLine]) -> None:
        """Go to the first item of each chain that is open, taking up the lines that an earlier process left."""
        self._known_lines = {(line.cell_id, line.planned_id): line for line in open_lines}
        for first in range(0, len(self.walks), AT_ONCE):
            await all_of([self.advance(walk) for walk in self.walks[first : first + AT_ONCE]])

    def ready(self) -> list[Ready]:
        """The lines that wait to be handed over, with what will be sent for each."""
        return [
            (walk, walk.line, self._queue.asker.prepare(walk.line.question, walk.line.tries + 1))
            for walk in self.walks
            if walk.line is not None and walk.line.attempt_id is None
        ]

    async def advance(self, walk: Walk) -> None:
        """Go to the next item of a chain that needs a request, finishing those that need none."""
        while walk.position < len(walk.chain):
            planned = walk.chain[walk.position]
            sample = with_earlier_answers(planned.sample, walk.answers)
            item = planned if sample is planned.sample else dataclasses.replace(planned, sample=sample)
            question = self._queue.question(item)
            key = (question.cell_id, question.planned_id)
            known = self._queue.outcomes.get(key)
            walk.line = Line(item=item, question=question)
            if known is not None:
                walk.line.tries, walk.line.uncounted = known.last_try_number, known.n_cancelled
            if (line := self._known_lines.pop(key, None)) is not None:
                walk.line.tries = line.try_number - 1
                walk.line.attempt_id, walk.line.batch_id = line.attempt_id, line.batch_id
                return
            finished = await self._marking.without_asking(self._queue, item, question, known)
            if finished is None:
                return
            walk.step(finished.text)

    async def finish_item(self, walk: Walk, text: str | None) -> None:
        """Go on after an item that was answered (`text`) or given up (None)."""
        walk.step(text)
        await self.advance(walk)
