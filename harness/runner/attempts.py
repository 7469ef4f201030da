"""One attempt: reserved and in the ledger before it leaves, settled before its answer is read.

Data flows question -> provider -> ledger -> answer. The only place where an unexpected exception is caught: whatever
happens to a request, its row says so.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from harness.declared import request_value
from harness.errors import Billed, BudgetReached, ErrorClass, ProviderError
from harness.ledger.records import (
    NO_USAGE,
    AttemptOutcome,
    AttemptStart,
    Purpose,
    SettledStatus,
    Transcript,
    UsageFacts,
)
from harness.messages import ImagePart, Message
from harness.models import ModelSpec
from harness.providers.base import Prepared, Provider, Request, Response
from harness.runner.expected import ExpectedCosts
from harness.runner.plan import image_sha256
from harness.runner.policy import ACTIONS, Action
from harness.runner.pricer import NOTHING, UNKNOWN, Pricer, Spent
from harness.runner.traffic.gate import NO_HEADERS
from harness.runner.traffic.limiter import Lane, SampleLeft, Spot, Traffic
from harness.usage import NORMALISER_VERSION
from harness.usage.bounds import BEYOND_SENSE, COST_IN_DOUBT

_EARLIEST_US = 1_420_070_400_000_000
"""2015: no model that is asked here was served before."""
_CLOCKS_DIFFER_US = 86_400_000_000
_BILL_IN_DOUBT = COST_IN_DOUBT | {BEYOND_SENSE, "charge_beyond_sense", "unreadable_usage"}
_NOTHING_STATED = frozenset({"missing", "zero_usage"})
"""Flags of a usage object that states no tokens at all."""


class LedgerWriter(Protocol):
    """What an attempt needs of the ledger: each call returns once its row is durable."""

    async def send(self, start: AttemptStart) -> int: ...

    async def settle(self, outcome: AttemptOutcome, *, transcript: Transcript | None = None) -> None: ...

    async def withdraw(self, attempt_id: int, start: AttemptStart) -> None: ...


class AttemptObserver(Protocol):
    """Who wants to see attempts come and go (progress, tests)."""

    def attempt_sent(self, model: ModelSpec) -> None: ...

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None: ...


@request_value
class Question:
    """What is asked, for whom, and with which limits.

    Attributes:
        request_stem: request id without its try suffix.
        input_tokens_bound: no tokenizer makes more input tokens of the messages than this.
        max_output_tokens: cap that is sent; None = not sent.
    """

    request_stem: str
    cell_id: int
    planned_id: int
    messages: tuple[Message, ...]
    input_tokens_bound: int
    max_output_tokens: int | None
    temperature: float | None = None
    seed: int | None = None
    service_tier: str | None = None
    purpose: Purpose = "solve"


@request_value
class Answer:
    """An answer that is already in the ledger."""

    attempt_id: int
    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Where time comes from: wall time in microseconds UTC for facts, monotonic seconds for waiting."""

    wall_us: Callable[[], int]
    monotonic_s: Callable[[], float]


class _Admitted(NamedTuple):
    """An attempt that is in the ledger and has its place."""

    start: AttemptStart
    attempt_id: int
    entered_s: float


class Asker:
    """Asks one model, one attempt at a time; knows its prices, its budget scopes and its lane."""

    def __init__(
        self,
        *,
        spec: ModelSpec,
        provider: Provider,
        writer: LedgerWriter,
        traffic: Traffic,
        lane: Lane,
        pricer: Pricer,
        observer: AttemptObserver,
        clocks: Clocks,
        timeout_s: float,
        keep_transcripts: bool,
        budget_scopes: Callable[[int], tuple[str, ...]],
        capped: frozenset[str] = frozenset(),
        expected: ExpectedCosts | None = None,
    ) -> None:
        self.spec = spec
        self._provider = provider
        self._writer = writer
        self._traffic = traffic
        self._lane = lane
        self._pricer = pricer
        self._observer = observer
        self._clocks = clocks
        self._timeout_s = timeout_s
        self._keep_transcripts = keep_transcripts
        self._budget_scopes = budget_scopes
        self._capped = capped
        self._expected = expected
        self._tight = False
        self._queue = asyncio.Lock()

    def close(self) -> None:
        """Send nothing more; what is in flight is settled as ever."""
        self._traffic.close(self._lane)

    def prepare(self, question: Question, try_number: int = 1) -> Prepared:
        """Map a question to what would be sent; raises InputError for settings that the provider cannot take."""
        return self._provider.prepare(
            Request(
                request_id=f"{question.request_stem}.t{try_number}",
                model=self.spec,
                messages=question.messages,
                temperature=question.temperature,
                max_output_tokens=question.max_output_tokens,
                seed=question.seed,
                service_tier=question.service_tier,
            )
        )

    async def ask(self, question: Question, *, try_number: int, retry_of: int | None) -> Answer:
        """Make one attempt.

        Raises:
            AttemptFailed: it failed; its row says how.
            SampleLeft: the asker was closed; nothing was sent.
            BudgetReached: the worst case does not fit, although nothing is in flight any more.
            UnpricedModelError: a budget is to hold it and it has no worst case; nothing was sent.
        """
        prepared = self.prepare(question, try_number)

        def start() -> AttemptStart:
            return self.start(question, prepared, try_number=try_number, retry_of=retry_of)

        tokens = question.input_tokens_bound + (question.max_output_tokens or 0)
        sent = await self._admitted(start, tokens)
        self.note_sent(question, sent.start, sent.attempt_id)
        try:
            return await self._answered(question, prepared, sent.attempt_id, sent.entered_s)
        finally:
            self._settled()

    async def _admitted(self, start: Callable[[], AttemptStart], tokens: int) -> _Admitted:
        """Have the attempt recorded and its worst case reserved when its turn to be sent is near; wait for its place.

        Once a budget had no room, this model's requests go one by one, in draw order, so that cheap ones do not
        overtake: each waits for room without a place, and is then the first in line.
        """
        if not self._tight:
            spot = self._traffic.line_up(self._lane, tokens)
            try:
                await spot.near
                made = start()
                attempt_id = await self._writer.send(made)
            except BudgetReached:
                self._traffic.give_up(self._lane, spot)
                self._tight = True
            except BaseException:
                self._traffic.give_up(self._lane, spot)
                raise
            else:
                return await self._placed(made, attempt_id, spot)
        async with self._queue:
            made, attempt_id = await self._room(start)
            return await self._placed(made, attempt_id, self._traffic.line_up(self._lane, tokens, first=True))

    async def _room(self, start: Callable[[], AttemptStart]) -> tuple[AttemptStart, int]:
        """Record an attempt once requests in flight have settled so far below their worst case that there is room."""
        while not self._lane.closed:
            try:
                made = start()
                return made, await self._writer.send(made)
            except BudgetReached:
                if self._traffic.unsettled == 0:
                    raise
            await self._traffic.change()
        raise SampleLeft

    async def _placed(self, start: AttemptStart, attempt_id: int, spot: Spot) -> _Admitted:
        """Wait for the place of a recorded attempt; one that cannot leave any more is withdrawn."""
        self._traffic.unsettled += 1
        try:
            return _Admitted(start, attempt_id, await spot.place)
        except BaseException:
            self._traffic.give_up(self._lane, spot)
            await asyncio.shield(self._withdraw(attempt_id, start))
            raise

    async def _withdraw(self, attempt_id: int, start: AttemptStart) -> None:
        try:
            await self._writer.withdraw(attempt_id, start)
        finally:
            self._settled()

    def _settled(self) -> None:
        self._traffic.unsettled -= 1
        self._traffic.wake()

    def note_sent(self, question: Question, start: AttemptStart, attempt_id: int) -> None:
        """Tell whoever watches that a reserved attempt is about to leave."""
        if self._expected is not None:
            worst_pico = self._worst_pico(question, start.started_at_us, start.budget_scopes)
            self._expected.sent(attempt_id, worst_pico=worst_pico, reserved_pico=start.reserved_pico_usd)
        self._observer.attempt_sent(self.spec)

    def start(self, question: Question, prepared: Prepared, *, try_number: int, retry_of: int | None) -> AttemptStart:
        """The row of an attempt that is about to be reserved."""
        now_us = self._clocks.wall_us()
        scopes = self._budget_scopes(now_us)
        reserved_pico = self._worst_pico(question, now_us, scopes)
        if self._expected is not None:
            reserved_pico = self._expected.reservation_pico(question.cell_id, question.purpose, reserved_pico)
        return AttemptStart(
            request_id=prepared.request.request_id,
            cell_id=question.cell_id,
            planned_id=question.planned_id,
            provider=self.spec.provider if question.purpose == "judge" else None,
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
        )

    def _worst_pico(self, question: Question, now_us: int, scopes: tuple[str, ...]) -> int:
        """The most that a request can cost; 0 where that is not known and no budget asks."""
        worst = self._pricer.reservation_pico(question.input_tokens_bound, question.max_output_tokens, now_us)
        if worst is None and not self._capped.isdisjoint(scopes):
            where = next(scope for scope in scopes if scope in self._capped)
            raise self._pricer.cannot_hold(now_us, of=f"{question.purpose} requests", where=where)
        return worst or 0

    async def _answered(self, question: Question, prepared: Prepared, attempt_id: int, entered_s: float) -> Answer:
        failure: ProviderError | None = None
        response: Response | None = None
        cancelled: asyncio.CancelledError | None = None
        try:
            response = await self._provider.send(prepared, timeout_s=self._timeout_s)
        except ProviderError as error:
            failure = error
        except asyncio.CancelledError as error:
            cancelled = error
            failure = ProviderError("stopped by the user", error_class=ErrorClass.CONNECTION, billed="unknown")
        except Exception as error:  # noqa: BLE001 - the attempt boundary: a row must say what happened
            failure = ProviderError(f"{type(error).__name__}: {error}"[:300], error_class=ErrorClass.INTERNAL)
        if failure is not None and ACTIONS[failure.error_class] is Action.STOP_MODEL:
            self.close()  # before the place is given back, or the next in line would still be sent
        self._traffic.leave(self._lane, entered_s, failure, NO_HEADERS if response is None else response.headers)
        if response is not None:
            await self.settle_answer(question, attempt_id, response)
            return Answer(attempt_id=attempt_id, response=response)
        assert failure is not None
        await asyncio.shield(self.settle_failure(question, attempt_id, failure, was_cancelled=cancelled is not None))
        if cancelled is not None:
            raise cancelled
        raise AttemptFailed(attempt_id, failure) from failure

    async def settle_answer(
        self, question: Question, attempt_id: int, response: Response, *, finished_at_us: int | None = None
    ) -> None:
        """Store an answer, its usage and its transcript; `finished_at_us` None = it arrived just now."""
        now_us, odd = self._finished(finished_at_us)
        facts, spent = self._pricer.settle(
            response.usage_kind,
            response.raw_usage,
            finished_at_us=now_us,
            service_tier=response.service_tier or question.service_tier,
            model_served=response.model_served,
        )
        in_doubt = spent.charged_pico is None and any(name in _BILL_IN_DOUBT for name, _ in facts.flags)
        first_byte_s = response.time_to_first_byte_s
        outcome = AttemptOutcome(
            attempt_id=attempt_id,
            status="succeeded",
            finished_at_us=now_us,
            usage=_flagged(facts, odd),
            charged_pico_usd=spent.charged_pico,
            unreserved_pico_usd=self._unreserved_pico(attempt_id, spent),
            billed="unknown" if in_doubt else "yes",
            model_served=response.model_served,
            service_tier=response.service_tier,
            provider_request_id=response.provider_request_id,
            first_byte_us=None if first_byte_s is None else int(first_byte_s * 1e6),
            finish_reason=response.finish_reason,
            refused=response.refused,
            normaliser_version=NORMALISER_VERSION,
        )
        transcript = _transcript(question.messages, response) if self._keep_transcripts else None
        await self._writer.settle(outcome, transcript=transcript)
        self._count(question, attempt_id, spent, error=None)

    async def settle_failure(
        self,
        question: Question,
        attempt_id: int,
        error: ProviderError,
        *,
        was_cancelled: bool,
        finished_at_us: int | None = None,
    ) -> None:
        """Store how an attempt failed, or that it was given up; `finished_at_us` None = just now.

        Usage that a failed answer states was used, whatever the provider's rule says of such answers: it is priced,
        stored and counted against the caps like that of a good answer.
        """
        now_us, odd = self._finished(finished_at_us)
        facts, spent, billed = NO_USAGE, UNKNOWN, error.billed
        if error.raw_usage is not None:
            facts, spent = self._pricer.settle(
                error.usage_kind,
                error.raw_usage,
                finished_at_us=now_us,
                service_tier=error.service_tier or question.service_tier,
                model_served=error.model_served,
            )
            billed = _billed(facts, spent, billed)
        if billed == "no":
            spent = NOTHING
        status: SettledStatus = "failed"
        if was_cancelled:
            status = "cancelled"
        elif error.error_class is ErrorClass.TIMEOUT:
            status = "timed_out"
        await self._writer.settle(
            AttemptOutcome(
                attempt_id=attempt_id,
                status=status,
                finished_at_us=now_us,
                usage=_flagged(facts, odd),
                charged_pico_usd=spent.charged_pico,
                unreserved_pico_usd=self._unreserved_pico(attempt_id, spent),
                billed=billed,
                error_class=error.error_class,
                error_message=error.message,
                http_status=error.http_status,
                model_served=error.model_served,
                service_tier=error.service_tier,
                provider_request_id=error.provider_request_id,
                normaliser_version=NORMALISER_VERSION,
            )
        )
        self._count(question, attempt_id, spent, error=error)

    def _finished(self, stated_us: int | None) -> tuple[int, tuple[str, str] | None]:
        """Say when an attempt ended: as stated where that can be true, else now, with a flag."""
        now_us = self._clocks.wall_us()
        if stated_us is None:
            return now_us, None
        if _EARLIEST_US <= stated_us <= now_us + _CLOCKS_DIFFER_US:
            return stated_us, None
        return now_us, ("odd_finish_time", f"it is said to have ended {stated_us / 1e6:.6g} s after 1970")

    def _unreserved_pico(self, attempt_id: int, spent: Spent) -> int:
        """What a cap has to count of an unknown bill beyond its reservation, where that was not the worst case."""
        return (
            0 if self._expected is None or spent.charged_pico is not None else self._expected.exposed_pico(attempt_id)
        )

    def _count(self, question: Question, attempt_id: int, spent: Spent, *, error: ProviderError | None) -> None:
        if self._expected is not None:
            self._expected.settled(attempt_id, question.cell_id, question.purpose, spent.charged_pico)
        self._observer.attempt_settled(self.spec, spent=spent, error=error)


def _transcript(messages: tuple[Message, ...], response: Response) -> Transcript:
    return Transcript(messages=messages_json(messages), answer=response.text, reasoning=response.reasoning_text)


def _flagged(facts: UsageFacts, flag: tuple[str, str] | None) -> UsageFacts:
    return facts if flag is None else dataclasses.replace(facts, flags=(*facts.flags, flag))


def _billed(facts: UsageFacts, spent: Spent, by_rule: Billed) -> Billed:
    """Say whether a failed answer that states its usage is billed; what it states is stronger than a general rule."""
    if spent.charged_pico is not None or facts.output_tokens is not None:
        return "yes" if spent.charged_pico or facts.input_tokens or facts.output_tokens else by_rule
    states_nothing = facts.stated_cost_usd is None and all(name in _NOTHING_STATED for name, _ in facts.flags)
    return by_rule if states_nothing else "unknown"


class AttemptFailed(ProviderError):
    """A failed attempt that is already in the ledger as row `attempt_id`."""

    def __init__(self, attempt_id: int, error: ProviderError) -> None:
        super().__init__(
            error.message,
            error_class=error.error_class,
            http_status=error.http_status,
            retry_after_s=error.retry_after_s,
            billed=error.billed,
        )
        self.attempt_id = attempt_id


def messages_json(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Write a conversation as the ledger keeps it: images by digest."""
    return [{"role": message.role, "content": _content_json(message)} for message in messages]


def _content_json(message: Message) -> Any:
    if isinstance(message.content, str):
        return message.content
    return [{"image": image_sha256(part)} if isinstance(part, ImagePart) else part for part in message.content]
