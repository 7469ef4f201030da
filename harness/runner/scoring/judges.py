"""Judges are models like any other: their attempts take the same path into the ledger, with purpose `judge`.

Data flows `JudgeCall` -> question -> `Asker` (reserved, sent, settled) -> reply text.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from harness.ledger.records import SampleOutcome
from harness.models import ModelSpec, parse_model
from harness.runner.attempts import Asker, Question
from harness.runner.plan import PlannedItem
from harness.runner.retries import Retries
from harness.scorers import JudgeCall
from harness.suites.tokens import upper_bound_messages

MakeAsker = Callable[[ModelSpec], contextlib.AbstractAsyncContextManager[Asker]]


class Judge:
    """Asks judge models; makes the asker of each on first use.

    Args:
        named: the judge that the user named; wins over the suite's.
        tries_of: attempts of earlier sessions, by (cell id, planned id), so that request ids stay unique.
    """

    def __init__(
        self,
        *,
        named: ModelSpec | None,
        make_asker: MakeAsker,
        stack: contextlib.AsyncExitStack,
        run_id: str,
        retries: Retries,
        tries_of: Mapping[tuple[int, int], SampleOutcome],
    ) -> None:
        self._named = named
        self._make_asker = make_asker
        self._stack = stack
        self._run_id = run_id
        self._retries = retries
        self._tries_of = tries_of
        self._askers: dict[ModelSpec, Asker] = {}

    def model(self, call: JudgeCall) -> ModelSpec | None:
        """The model that judges; None when neither the user nor the suite names one."""
        if self._named is not None:
            return self._named
        return None if call.model is None else parse_model(call.model)

    async def ask(self, call: JudgeCall, item: PlannedItem, cell_id: int, planned_id: int) -> str | None:
        """Ask for a verdict.

        Returns:
            the judge's reply, None when there is no judge.

        Raises:
            AttemptFailed: the judge failed for good.
            BudgetReached: there is no room for its worst case.
            SampleLeft: the run is stopping.
        """
        spec = self.model(call)
        if spec is None:
            return None
        asker = self._askers.get(spec)
        if asker is None:
            asker = self._askers[spec] = await self._stack.enter_async_context(self._make_asker(spec))
        question = Question(
            request_stem=f"{self._run_id}.c{cell_id}.p{planned_id}.judge.e{item.epoch}",
            cell_id=cell_id,
            planned_id=planned_id,
            messages=call.messages,
            input_tokens_bound=upper_bound_messages(call.messages),
            max_output_tokens=call.max_output_tokens,
            purpose="judge",
        )
        earlier = self._tries_of.get((cell_id, planned_id))
        tries_before = 0 if earlier is None else earlier.last_try_number
        uncounted = 0 if earlier is None else earlier.n_open + earlier.n_cancelled
        answer = await self._retries.ask(asker, question, tries_before=tries_before, uncounted=uncounted)
        return answer.response.text
