"""The life of a request, from top to bottom: reserved, in the ledger as `sent`, sent, settled, tried again or given up.

Data flows question -> `RequestSender.ask` -> answer. What a step needs to know stands apart: how an item is asked
(`item_questions`), what to reserve (`reservations`), who may send now (`limiter`, `gate`), what is stored of an end
(`settlement`), whether to try again (`policy`). The only place where an unexpected exception is caught: whatever
happens to a request, its row says so.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import NamedTuple

from harness.errors import BudgetReached, ErrorClass, HarnessError, ProviderError
from harness.ledger.records import AttemptStart, Transcript
from harness.messages import shows_video, with_frames
from harness.models import ModelSpec
from harness.providers.base import Prepared, Provider, Request, Response
from harness.runner.pricer import Pricer
from harness.runner.requests.attempt_ends import NO_TRIES, Answer, AttemptFailed, EarlierTries, Spent
from harness.runner.requests.item_questions import Question, calls_json, messages_json
from harness.runner.requests.policy import ACTIONS, Action, is_worth_retrying, retrying
from harness.runner.requests.reservations import Reservations
from harness.runner.requests.session_context import SessionContext
from harness.runner.requests.settlement import answered, failed, finish_time
from harness.runner.traffic.gate import NO_HEADERS
from harness.runner.traffic.limiter import SampleLeft, Waiter, WaitingLine

_OTHERS_S = 0.25
"""How often a worker without a request in flight looks whether others' have left room in a budget."""


class _Admitted(NamedTuple):
    """An attempt that is in the ledger and has its place."""

    start: AttemptStart
    attempt_id: int
    entered_s: float


class RequestSender:
    """Sends requests to one model, each from its reservation to its end."""

    def __init__(
        self,
        spec: ModelSpec,
        provider: Provider,
        *,
        pricer: Pricer,
        reservations: Reservations,
        line: WaitingLine,
        context: SessionContext,
    ) -> None:
        self.spec = spec
        self.provider = provider
        self._pricer = pricer
        self._reservations = reservations
        self._line = line
        self._context = context
        self._limiter = context.limiter
        self._writer = context.writer
        self._wall_us = context.clocks.wall_us
        self._one_by_one = False
        self._in_order = asyncio.Lock()

    # all of it

    async def ask(self, question: Question, earlier: EarlierTries = NO_TRIES) -> Answer:
        """Ask until it is answered: an attempt, and after a failure as many more as the policy allows.

        The first attempt runs outside the retry loop, because nearly all attempts succeed and the loop's bookkeeping
        would cost more than the request; its failure is what the loop judges first.

        Raises:
            AttemptFailed: the last attempt's failure; no further attempt can help or is allowed.
            SampleLeft: the run or this model is stopping.
            BudgetReached: there is no room for the worst case of one more attempt.
            UnpricedModelError: a budget is to hold it and it has no worst case; nothing was sent.
        """
        try:
            return await self._attempt(question, earlier.made + 1, retry_of=None)
        except AttemptFailed as error:
            if not is_worth_retrying(error):
                raise
            last = error
        counted = earlier.made - earlier.uncounted
        async for attempt in retrying(self._context.retries, counted_before=counted, sleep=self._pause):
            number = attempt.retry_state.attempt_number
            with attempt:
                if number == 1:
                    raise last
                try:
                    return await self._attempt(question, earlier.made + number, retry_of=last.attempt_id)
                except AttemptFailed as error:
                    last = error
                    raise
        raise AssertionError("the retry loop ends in an answer or an error")

    async def _attempt(self, question: Question, try_number: int, *, retry_of: int | None) -> Answer:
        """Make one attempt: reserve, write its row, wait for a place, send, settle."""
        try:
            prepared = await self._prepared(question, try_number)
        except Exception as error:
            raise await self.never_made(question, try_number, error) from error
        admitted = await self._admitted(question, prepared, try_number, retry_of)
        self.note_sent(question, admitted.start, admitted.attempt_id)
        try:
            return await self._answered(question, prepared, admitted)
        finally:
            self._no_longer_open()

    # 1. its content, before anything is promised

    async def _prepared(self, question: Question, try_number: int) -> Prepared:
        """Prepare a question; frames of videos are decoded in a thread, while other requests go on."""
        if not shows_video(question.messages):
            return self.prepare(question, try_number)
        messages = await asyncio.to_thread(with_frames, question.messages)
        return self.prepare(dataclasses.replace(question, messages=messages), try_number)

    def prepare(self, question: Question, try_number: int = 1) -> Prepared:
        """Map a question to what would be sent; raises InputError for settings that the provider cannot take."""
        return self.provider.prepare(
            Request(
                request_id=question.request_id(try_number),
                model=self.spec,
                messages=question.messages,
                temperature=question.temperature,
                max_output_tokens=question.max_output_tokens,
                service_tier=question.service_tier,
                tools=question.tools,
            )
        )

    async def never_made(self, question: Question, try_number: int, error: Exception) -> AttemptFailed:
        """Record a request that could not be made: it fails its sample alone, costs nothing, and no retry mends it."""
        why = error.message if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        failure = ProviderError(
            f"the request could not be made: {why}"[:300], error_class=ErrorClass.INTERNAL, billed="no"
        )
        attempt_id = await self._record(question, try_number, failure)
        return AttemptFailed(attempt_id, failure)

    async def not_sent(self, question: Question, try_number: int, why: str) -> int:
        """Record a request that its sample had no means for any more: nothing failed, and nothing was billed.

        Returns:
            the id of its attempt.
        """
        failure = ProviderError(f"not sent: {why}"[:300], error_class=ErrorClass.INTERNAL, billed="no")
        return await self._record(question, try_number, failure, was_cancelled=True)

    async def _record(
        self, question: Question, try_number: int, failure: ProviderError, *, was_cancelled: bool = False
    ) -> int:
        now_us = self._wall_us()
        start = AttemptStart(
            request_id=question.request_id(try_number),
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            provider=None if question.purpose == "solve" else self.spec.provider,
            model_requested=self.spec.model,
            started_at_us=now_us,
            purpose=question.purpose,
            try_number=try_number,
            mode=self._pricer.mode,
            turn=question.turn,
        )
        outcome, spent = failed(self._pricer, question, 0, failure, (now_us, None))
        if was_cancelled:
            outcome = dataclasses.replace(outcome, status="cancelled", error_class=None)
        attempt_id = await self._writer.reuse(start, outcome, None)
        if not was_cancelled:
            self._context.observer.attempt_settled(self.spec, spent=spent, error=failure)
        return attempt_id

    # 2. its row, with its worst case reserved, and its place

    def start(self, question: Question, prepared: Prepared, *, try_number: int, retry_of: int | None) -> AttemptStart:
        """The row of an attempt that is about to be reserved."""
        now_us = self._wall_us()
        reserved_pico, scopes = self._reservations.reserve(question, now_us)
        return AttemptStart(
            request_id=prepared.request.request_id,
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            provider=None if question.purpose == "solve" else self.spec.provider,
            model_requested=self.spec.model,
            started_at_us=now_us,
            purpose=question.purpose,
            try_number=try_number,
            retry_of=retry_of,
            parameters=prepared.parameters,
            service_tier=question.service_tier,
            mode=self._pricer.mode,
            reserved_pico_usd=reserved_pico,
            reserved_input_tokens=question.input_tokens_bound,
            reserved_output_tokens=question.max_output_tokens or 0,
            budget_scopes=scopes,
            turn=question.turn,
        )

    async def _admitted(
        self, question: Question, prepared: Prepared, try_number: int, retry_of: int | None
    ) -> _Admitted:
        """Have the attempt recorded and its worst case reserved when its turn to be sent is near; wait for its place.

        Once a budget had no room, this model's requests go one by one, in draw order, so that cheap ones do not
        overtake: each waits for room without a place, and is then the first in line.
        """
        tokens = question.input_tokens_bound + (question.max_output_tokens or 0)
        if not self._one_by_one:
            waiter = self._limiter.line_up(self._line, tokens)
            try:
                await waiter.near
                start = self.start(question, prepared, try_number=try_number, retry_of=retry_of)
                attempt_id = await self._writer.send(start)
            except BudgetReached as reached:
                self._limiter.give_up(self._line, waiter)
                if reached.scope is not None and reached.scope == question.sample_scope:
                    raise  # nobody but this sample gives anything back to it
                self._one_by_one = True
            except BaseException:
                self._limiter.give_up(self._line, waiter)
                raise
            else:
                return await self._placed(start, attempt_id, waiter)
        async with self._in_order:
            while not self._line.closed:
                try:
                    start = self.start(question, prepared, try_number=try_number, retry_of=retry_of)
                    attempt_id = await self._writer.send(start)
                except BudgetReached as reached:
                    own = reached.scope is not None and reached.scope == question.sample_scope
                    if own or not await self._room_may_come():
                        raise
                else:
                    waiter = self._limiter.line_up(self._line, tokens, first=True)
                    return await self._placed(start, attempt_id, waiter)
            raise SampleLeft

    async def _room_may_come(self) -> bool:
        """Wait for a request in flight, which may settle so far below its worst case that there is room; False = there
        is none, here or with other workers."""
        if self._limiter.unsettled:
            await self._limiter.change()
            return True
        others = self._context.others
        if others is None or not await others.in_flight():
            return False
        await self._pause(_OTHERS_S)
        return True

    async def _placed(self, start: AttemptStart, attempt_id: int, waiter: Waiter) -> _Admitted:
        """Wait for the place of a recorded attempt; one that cannot leave any more is withdrawn."""
        self._limiter.unsettled += 1
        try:
            entered_s = await waiter.place
            if not self._limiter.may_send:  # whoever counts as dead must not send: others ask this sample by now
                raise SampleLeft
            return _Admitted(start, attempt_id, entered_s)
        except BaseException:
            self._limiter.give_up(self._line, waiter)
            await asyncio.shield(self._withdraw(attempt_id, start))
            raise

    async def _withdraw(self, attempt_id: int, start: AttemptStart) -> None:
        try:
            await self._writer.withdraw(attempt_id, start)
        finally:
            self._no_longer_open()

    def note_sent(self, question: Question, start: AttemptStart, attempt_id: int) -> None:
        """Tell whoever watches that a reserved attempt is about to leave."""
        self._reservations.sent(question, start, attempt_id)
        self._context.observer.attempt_sent(self.spec)

    # 3. sent

    async def _answered(self, question: Question, prepared: Prepared, admitted: _Admitted) -> Answer:
        """Send, give the place back as soon as the end is known, settle."""
        attempt_id = admitted.attempt_id
        cancelled: asyncio.CancelledError | None = None
        outcome: Response | ProviderError
        try:
            outcome = await self.provider.send(prepared, timeout_s=self._context.options.timeout_s)
        except ProviderError as error:
            outcome = error
        except asyncio.CancelledError as error:
            cancelled = error
            outcome = ProviderError("stopped by the user", error_class=ErrorClass.CONNECTION, billed="unknown")
        except Exception as error:  # noqa: BLE001 - the attempt boundary: a row must say what happened
            outcome = ProviderError(f"{type(error).__name__}: {error}"[:300], error_class=ErrorClass.INTERNAL)
        if isinstance(outcome, Response):
            self._limiter.leave(self._line, admitted.entered_s, None, outcome.headers)
            spent = await self.settle_answer(question, attempt_id, outcome)
            return Answer(attempt_id=attempt_id, response=outcome, spent=spent)
        if ACTIONS[outcome.error_class] is Action.STOP_MODEL:
            self.close()  # before the place is given back, or the next in line would still be sent
        self._limiter.leave(self._line, admitted.entered_s, outcome, NO_HEADERS)
        await asyncio.shield(self.settle_failure(question, attempt_id, outcome, was_cancelled=cancelled is not None))
        if cancelled is not None:
            raise cancelled
        raise AttemptFailed(attempt_id, outcome) from outcome

    # 4. settled

    async def settle_answer(
        self, question: Question, attempt_id: int, response: Response, *, finished_at_us: int | None = None
    ) -> Spent:
        """Store an answer, its usage and its transcript; `finished_at_us` None = it arrived just now."""
        finish = finish_time(finished_at_us, self._wall_us())
        outcome, spent = answered(self._pricer, question, attempt_id, response, finish)
        if (unreserved_pico := self._reservations.unreserved_pico(attempt_id, spent)) != 0:
            outcome = dataclasses.replace(outcome, unreserved_pico_usd=unreserved_pico)
        transcript = None
        if self._context.options.keep_transcripts:
            messages = messages_json(question.messages)
            transcript = Transcript(
                messages=messages,
                answer=response.text,
                reasoning=response.reasoning_text,
                tool_calls=calls_json(response.tool_calls, response.signed),
            )
        await self._writer.settle(outcome, transcript=transcript)
        self._reservations.settled(question, attempt_id, spent)
        self._context.observer.attempt_settled(self.spec, spent=spent, error=None)
        return spent

    async def settle_failure(
        self,
        question: Question,
        attempt_id: int,
        error: ProviderError,
        *,
        was_cancelled: bool,
        finished_at_us: int | None = None,
    ) -> None:
        """Store how an attempt failed, or that it was given up; `finished_at_us` None = just now."""
        finish = finish_time(finished_at_us, self._wall_us())
        outcome, spent = failed(self._pricer, question, attempt_id, error, finish)
        outcome = dataclasses.replace(
            outcome,
            status="cancelled" if was_cancelled else outcome.status,
            unreserved_pico_usd=self._reservations.unreserved_pico(attempt_id, spent),
        )
        await self._writer.settle(outcome)
        self._reservations.settled(question, attempt_id, spent)
        self._context.observer.attempt_settled(self.spec, spent=spent, error=error)

    def _no_longer_open(self) -> None:
        self._limiter.unsettled -= 1
        self._limiter.wake()

    # 5. tried again, or given up

    async def _pause(self, seconds: float) -> None:
        """Wait before a retry; a stop of the run ends the wait."""
        try:
            await asyncio.wait_for(self._context.stopping.wait(), seconds)
        except TimeoutError:
            return
        raise SampleLeft

    def close(self) -> None:
        """Send nothing more; what is in flight is settled as ever."""
        self._limiter.close(self._line)
