"""Drives the conversation of one sample: its parties are asked in turn, their calls made, until it is over.

Data flows question -> what the ledger has of it, played again -> turn by turn requests of each party, every one an
attempt of the sample -> the answer that its score hangs on. A party is asked as any model is: reserved, sent, settled.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from harness.environments.environment import Caller
from harness.environments.hosting import EnvironmentHost, OpenEnvironment
from harness.errors import BudgetReached
from harness.ledger import Ledger
from harness.models import ModelSpec
from harness.providers.image_counts import image_count
from harness.runner.attempts import RequestSender
from harness.runner.model_queues import ModelQueue
from harness.runner.plan import BY_END_STATE, PlannedItem
from harness.runner.requests.attempt_ends import Answer, AttemptFailed, Limit, PaidAnswer
from harness.runner.requests.item_questions import Question
from harness.runner.requests.session_context import SessionContext
from harness.runner.senders import OtherSenders
from harness.runner.traffic.limiter import SampleLeft
from harness.runner.trajectories.limits import Used, reached, tokens_left
from harness.runner.trajectories.parties import Conversation, Said
from harness.runner.trajectories.sample_caps import is_own, left_unsent, tries_made
from harness.runner.trajectories.stored_turns import PURPOSES, StoredConversation, played_again, stored_conversation
from harness.runner.trajectories.user_models import USER_OUTPUT_TOKENS
from harness.runner.trajectories.worlds import take_turn
from harness.suites.suite import SolverRef
from harness.suites.tokens import estimate, upper_bound_messages


class Standing(NamedTuple):
    """The newest answer of the model under test, on which the sample's score hangs."""

    attempt_id: int
    text: str
    finish_reason: str | None
    refused: bool


class TrajectoryWork:
    """Drives the conversations of a run's samples.

    Args:
        worlds: opens their environments.
        others: what asks those who play users.
        user_of: who plays the user of a task; None = nobody is named.
    """

    def __init__(
        self,
        ledger: Ledger,
        context: SessionContext,
        *,
        worlds: EnvironmentHost,
        others: OtherSenders,
        user_of: Callable[[SolverRef], ModelSpec | None],
    ) -> None:
        self.ledger = ledger
        self.context = context
        self.worlds = worlds
        self.others = others
        self.user_of = user_of

    async def converse(self, queue: ModelQueue, item: PlannedItem, question: Question) -> PaidAnswer:
        """Drive a sample's conversation to its end, from where the ledger has it.

        Args:
            question: the sample's, with the budget that holds it alone; its messages are made turn by turn.

        Raises:
            AttemptFailed: a turn failed for good, or the environment did.
            BudgetReached: a budget other than the sample's own has no room.
            SampleLeft: the run or the model is stopping; a later session goes on.
        """
        stored = await asyncio.to_thread(stored_conversation, self.ledger, question.cell_id, question.planned_id)
        trajectory = _Trajectory(self, queue, item, question, stored)
        try:
            return await trajectory.run()
        finally:
            await trajectory.close()

    async def at_its_cap(self, sender: RequestSender, question: Question) -> PaidAnswer:
        """End a sample of a single request that its own budget cannot hold (any more)."""
        return PaidAnswer(
            attempt_id=await left_unsent(self.ledger, sender, question, "usd"),
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            text="",
            finish_reason=None,
            refused=False,
            sample_scope=question.sample_scope,
            limit="usd",
        )


class _Trajectory:
    """One sample's conversation in this session."""

    def __init__(
        self, work: TrajectoryWork, queue: ModelQueue, item: PlannedItem, question: Question, stored: StoredConversation
    ) -> None:
        self._work = work
        self._queue = queue
        self._item = item
        self._question = question
        self._solver = item.task.solver
        self._stored = stored
        self._clock = work.context.clocks.monotonic_s
        self._began_s = self._clock()
        self._world: OpenEnvironment | None = None
        self._used = Used()
        self._standing: Standing | None = None
        self._goes_on = False

    async def close(self) -> None:
        """Give the world back."""
        world, self._world = self._world, None
        if world is not None:
            await world.close()

    async def run(self) -> PaidAnswer:
        """Drive it to its end (see `TrajectoryWork.converse`)."""
        try:
            conversation, world = await self._begun()
        except Exception as error:
            raise await self._broken(len(self._stored.turns), error) from error
        while (speaker := conversation.speaker) is not None:
            limit = reached(self._solver, conversation, self._used, seconds_now=self._clock() - self._began_s)
            if limit is not None:
                return await self._at_limit(conversation, limit)
            try:
                answer = await self._asked(conversation, speaker)
            except BudgetReached as full:
                if not is_own(full, self._question):
                    raise
                return await self._at_limit(conversation, "usd")
            self._count(speaker, answer)
            said = Said(text=answer.response.text, calls=answer.response.tool_calls, signed=answer.response.signed)
            following = len(conversation.turns) + 1
            try:
                await take_turn(conversation, world, speaker, said)
            except Exception as error:
                raise await self._broken(following, error) from error
        return await self._ended(conversation, world)

    async def _broken(self, turn: int, error: Exception) -> AttemptFailed:
        """Fail a sample whose environment failed: the request that would have come next cannot be made."""
        lost = Question(
            request_stem=f"{self._question.request_stem}.n{turn}",
            cell_id=self._question.cell_id,
            planned_id=self._question.planned_id,
            messages=(),
            input_tokens_bound=0,
            max_output_tokens=None,
            turn=turn,
        )
        made = await asyncio.to_thread(tries_made, self._work.ledger, lost)
        return await self._queue.sender.never_made(lost, made + 1, error)

    # where it begins

    async def _begun(self) -> tuple[Conversation, OpenEnvironment]:
        """Open the world and play what is stored; where that does not come out as it did, begin anew."""
        turns = self._stored.turns
        conversation, world = await self._opened()
        self._goes_on = bool(self._stored.newest)
        if turns:
            if world.is_replayable and await played_again(turns, conversation, world):
                self._used = self._stored.used(len(turns))
                self._remember()
                return conversation, world
            self._goes_on = False
            await self.close()
            conversation, world = await self._opened()
        return conversation, world

    async def _opened(self) -> tuple[Conversation, OpenEnvironment]:
        self._world = world = await self._work.worlds.open(self._solver, self._item.sample)
        return Conversation(self._solver, self._item.sample, world.scene), world

    def _remember(self) -> None:
        spoken = [turn for turn in self._stored.turns if turn.by == "assistant"]
        if spoken and (said := spoken[-1].said) is not None:
            self._standing = Standing(said.attempt_id, said.answer, said.finish_reason, said.refused)

    # one turn

    async def _asked(self, conversation: Conversation, speaker: Caller) -> Answer:
        if self._work.context.stopping.is_set() or self._queue.stopped_by is not None:
            raise SampleLeft
        sender = await self._sender(speaker)
        question = self._turn(conversation, speaker, sender)
        known = self._queue.known(self._item)
        new_tries = known is not None and known.n_cancelled == known.last_try_number
        turn = len(conversation.turns)
        goes_on = self._goes_on and turn == len(self._stored.turns)
        tries = self._stored.tries(speaker, turn, goes_on=goes_on, new_tries=new_tries)
        return await sender.ask(question, tries)

    async def _sender(self, speaker: Caller) -> RequestSender:
        if speaker == "assistant":
            return self._queue.sender
        spec = self._work.user_of(self._solver)
        assert spec is not None  # such a run is refused before it begins
        return await self._work.others.of(spec)

    def _turn(self, conversation: Conversation, speaker: Caller, sender: RequestSender) -> Question:
        """What a party is asked in its turn."""
        turn, own = len(conversation.turns), self._question
        messages, tools = conversation.messages(speaker), conversation.tools(speaker)
        asked = dataclasses.replace(
            own,
            request_stem=f"{own.request_stem}.n{turn}",
            messages=messages,
            tools=tools,
            input_tokens_bound=upper_bound_messages(messages, tools, count_image=image_count(sender.spec)),
            turn=turn,
        )
        if speaker == "assistant":
            return dataclasses.replace(
                asked, max_output_tokens=tokens_left(self._solver, self._used, own.max_output_tokens)
            )  # fmt: skip
        return dataclasses.replace(
            asked,
            request_stem=f"{asked.request_stem}.user",
            max_output_tokens=USER_OUTPUT_TOKENS,
            temperature=None,
            service_tier=None,
            purpose=PURPOSES[speaker],
        )

    def _count(self, speaker: Caller, answer: Answer) -> None:
        if speaker != "assistant":
            return
        response, counted = answer.response, answer.spent.output_tokens
        said = (response.text, *(call.name + call.arguments for call in response.tool_calls))
        self._used.output_tokens += estimate(said).total if counted is None else counted
        self._standing = Standing(answer.attempt_id, response.text, response.finish_reason, response.refused)
        self._queue.has_answered = True

    # how it ends

    async def _at_limit(self, conversation: Conversation, limit: Limit) -> PaidAnswer:
        if self._standing is None:
            self._standing = await self._nothing_said(conversation, limit)
        return dataclasses.replace(self._paid(self._standing), limit=limit)

    async def _nothing_said(self, conversation: Conversation, why: str) -> Standing:
        """Have a row on which the score of a sample hangs whose model never answered."""
        question = self._turn(conversation, "assistant", self._queue.sender)
        attempt_id = await left_unsent(self._work.ledger, self._queue.sender, question, why)
        return Standing(attempt_id, "", None, refused=False)

    async def _ended(self, conversation: Conversation, world: OpenEnvironment) -> PaidAnswer:
        assert conversation.ended is not None
        if self._standing is None:  # the user ended it before the model was asked
            self._standing = await self._nothing_said(conversation, conversation.ended)
        paid = dataclasses.replace(self._paid(self._standing), ended=conversation.ended)
        if self._item.task.scorer.name != BY_END_STATE:
            return paid
        try:
            verdict = await world.verdict(conversation.turns, ended=conversation.ended)
        except Exception as error:  # noqa: BLE001 - the answer is paid, and can be judged another time
            return dataclasses.replace(paid, problem=f"{type(error).__name__}: {error}"[:300])
        return dataclasses.replace(paid, verdict=verdict)

    def _paid(self, standing: Standing) -> PaidAnswer:
        return PaidAnswer(
            attempt_id=standing.attempt_id,
            cell_id=self._question.cell_id,
            planned_id=self._question.planned_id,
            text=standing.text,
            finish_reason=standing.finish_reason,
            refused=standing.refused,
            sample_scope=self._question.sample_scope,
        )
