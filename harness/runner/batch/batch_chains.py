"""The chains of one model in batch mode: which item of each is asked next, and what is finished without a request.

Data flows planned chains + what the ledger holds -> `OpenChain`s, each with the line that waits or is at the provider.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.ledger.records import OpenLine
from harness.runner.batch.batch_lines import AT_ONCE, Line, OpenChain, Ready, all_of
from harness.runner.model_queues import ModelQueue
from harness.runner.sample_work import Finished, SampleWork


class BatchChains:
    """Goes along the chains of a model's queue."""

    def __init__(self, queue: ModelQueue, samples: SampleWork) -> None:
        self.open: list[OpenChain] = []
        self._queue = queue
        self._samples = samples
        self._known_lines: dict[tuple[int, int], OpenLine] = {}

    async def take(self, open_lines: Sequence[OpenLine] = ()) -> None:
        """Take what the queue holds and go to the first open item of each chain.

        Args:
            open_lines: lines that an earlier process left.
        """
        self._known_lines |= {(line.cell_id, line.planned_id): line for line in open_lines}
        taken: list[OpenChain] = []
        while (items := self._queue.take()) is not None:
            taken.append(OpenChain(items=items))
        self.open += taken
        for first in range(0, len(taken), AT_ONCE):
            await all_of([self._advance(chain) for chain in taken[first : first + AT_ONCE]])

    async def ready(self) -> list[Ready]:
        """The lines that wait to be handed over, with what will be sent for each."""
        found: list[Ready] = []
        for chain in self.open:
            while (line := chain.line) is not None and line.attempt_id is None:
                try:
                    prepared = self._queue.sender.prepare(line.question, line.tries + 1)
                except Exception as error:  # noqa: BLE001 - the boundary of one line: its neighbours can be asked
                    finished = await self._samples.cannot_ask(self._queue, line.item, error, tries=line.tries)
                    await self.finish_item(chain, finished.text)
                else:
                    found.append((chain, line, prepared))
                    break
        return found

    async def _advance(self, chain: OpenChain) -> None:
        """Go to the next item of a chain that needs a request, finishing those that need none."""
        while chain.position < len(chain.items):
            finished = await self._samples.put(self._queue, chain.items[chain.position], chain.answers)
            if not isinstance(finished, Finished):
                item, question = finished
                known = self._queue.known(item)
                chain.line = Line(item=item, question=question)
                if known is not None:
                    chain.line.tries, chain.line.uncounted = known.last_try_number, known.n_cancelled
                if (open_line := self._known_lines.pop((question.cell_id, question.planned_id), None)) is not None:
                    chain.line.tries = open_line.try_number - 1
                    chain.line.attempt_id, chain.line.batch_id = open_line.attempt_id, open_line.batch_id
                    return
                without = await self._samples.without_asking(self._queue, item, question)
                if without is None:
                    return
                finished = without
            chain.step(finished.text)

    async def finish_item(self, chain: OpenChain, text: str | None) -> None:
        """Go on after an item that was answered (`text`) or given up (None)."""
        chain.step(text)
        await self._advance(chain)
