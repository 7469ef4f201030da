"""Makes what asks one model: its adapter, its gate, its prices, its budgets. The only place that does.

Data flows session context + model -> `RequestSender`, closed with its connections when the session ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Literal

from harness.instants import from_us
from harness.models import ModelSpec
from harness.providers import make_provider
from harness.providers.base import Provider
from harness.providers.endpoints import SIMULATED
from harness.runner.attempts import RequestSender
from harness.runner.budgets import budget_scopes
from harness.runner.plan import ModelPlan, PlannedItem, PreparedRun, is_simulated
from harness.runner.pricer import Pricer
from harness.runner.requests.item_questions import output_cap
from harness.runner.requests.reservations import Reservations
from harness.runner.requests.session_context import SessionContext
from harness.runner.traffic.limiter import WaitingLine

if TYPE_CHECKING:
    from harness.simulation.simulated_models import AnswerKey

_LONG_OUTPUT_TOKENS = 16_384
"""Above this output cap a reasoning answer can take longer than proxies keep a silent connection open."""


@contextlib.asynccontextmanager
async def open_sender(
    context: SessionContext,
    spec: ModelSpec,
    provider: Provider,
    *,
    service_tier: str | None = None,
    mode: Literal["batch"] | None = None,
) -> AsyncIterator[RequestSender]:
    """Make what asks a model.

    Args:
        provider: its adapter; closed at the end.
        service_tier: what its requests ask for; None = the provider's default.
        mode: `batch` where requests leave together.
    """
    simulated = is_simulated(spec, context.book, from_us(context.clocks.wall_us()))
    gate = context.gate(spec)
    pricer = Pricer(context.book, spec, service_tier=service_tier, mode=mode)
    reservations = Reservations(
        pricer,
        scopes=lambda wall_us: budget_scopes(
            context.run_id, spec, wall_us, simulated=simulated, others=context.own_scopes
        ),
        capped=context.capped,
        expected=context.expected,
    )
    try:
        yield RequestSender(
            spec, provider, pricer=pricer, reservations=reservations, line=WaitingLine(gate), context=context
        )
    finally:
        await provider.aclose()


class OtherSenders:
    """What asks the models beside those of a run: judges, and who plays users. Each is made when it is first asked.

    Args:
        stack: closes them.
    """

    def __init__(
        self,
        make: Callable[[ModelSpec], contextlib.AbstractAsyncContextManager[RequestSender]],
        stack: contextlib.AsyncExitStack,
    ) -> None:
        self._make = make
        self._stack = stack
        self._made: dict[ModelSpec, RequestSender] = {}

    async def of(self, spec: ModelSpec) -> RequestSender:
        """Give what asks a model."""
        sender = self._made.get(spec)
        if sender is None:
            sender = self._made[spec] = await self._stack.enter_async_context(self._make(spec))
        return sender


def provider_of(prepared: PreparedRun, spec: ModelSpec, *, batch: bool = False, checking: bool = False) -> Provider:
    """Make the adapter of a model or judge of a run, as its options say.

    Args:
        batch: its requests leave together.
        checking: nothing is going to be sent.

    Raises:
        InputError: a model, provider or address that does not exist, or a key that is missing.
    """
    if batch:
        from harness.runner.batch.batch_only import BatchOnly, batch_provider

        return BatchOnly(batch_provider(prepared.spec, spec, prepared.endpoints.of(spec)))
    plan = next((model for model in prepared.models if model.spec == spec), None)
    return make_provider(
        spec,
        base_url=prepared.endpoints.of(spec),
        concurrency=1 if checking else prepared.spec.concurrency,
        answer_key=_answer_key(() if checking else prepared.items) if spec.provider == SIMULATED else None,
        stream=not checking and plan is not None and _streams(prepared, plan),
    )


def _streams(run: PreparedRun, model: ModelPlan) -> bool:
    """Whether answers of a model are streamed: a connection that stays silent for minutes may be cut on its way."""
    if run.spec.stream is not None:
        return run.spec.stream
    caps = (output_cap(item, model, run.spec.max_output_tokens) for item in run.items)
    return model.reasons is not False and any(cap is None or cap > _LONG_OUTPUT_TOKENS for cap in caps)


def _answer_key(items: Iterable[PlannedItem]) -> AnswerKey:
    from harness.simulation.simulated_models import AnswerKey

    return AnswerKey.from_samples((item.sample, item.task.scorer.name) for item in items if item.epoch == 0)
