"""The simulated models inside this process: no network, no waiting, the same answers as `benchtab simulate` gives.

Data flows Request -> `prepare` -> Prepared -> `send` -> Response or ProviderError; `harness.simulation` draws.
"""

from __future__ import annotations

import asyncio
from typing import cast

from harness.errors import Billed, ErrorClass, InputError, ProviderError
from harness.messages import Message, sent_parts
from harness.models import ModelSpec
from harness.providers.base import Prepared, Request, Response
from harness.providers.wire.called_tools import calls_in_message, chat_calls, chat_tools
from harness.simulation.simulated_conversations import Conversation, conversation_of, is_turn
from harness.simulation.simulated_models import (
    EFFORTS,
    FAULT_STATUS,
    FINGERPRINT,
    MODELS,
    AnswerKey,
    Draw,
    Effort,
    Fault,
    Prompt,
    SimulatedModel,
    answer,
    epoch_and_try,
    fault_of,
    find_model,
    prompt_of,
    retry_after_s,
)
from harness.simulation.simulated_turns import take_turn
from harness.usage.kinds import CHAT

_ERRORS: dict[Fault, tuple[ErrorClass, Billed, str]] = {
    "rate_limit": (ErrorClass.RATE_LIMIT, "no", "simulated: too many requests"),
    "server_error": (ErrorClass.SERVER_ERROR, "no", "simulated: internal error"),
    "overloaded": (ErrorClass.OVERLOADED, "no", "simulated: overloaded"),
    "timeout": (ErrorClass.TIMEOUT, "unknown", "simulated: no answer in time"),
    "connection": (ErrorClass.CONNECTION, "unknown", "simulated: the connection was dropped"),
}


class SimulatedProvider:
    """Answers like a provider would, without one."""

    name = "sim"

    def __init__(self, model: ModelSpec, *, key: AnswerKey, seed: int = 0) -> None:
        self._model = _known(model)
        self._key = key
        self._seed = seed

    def prepare(self, request: Request) -> Prepared:
        """Map a request to what will be drawn.

        Raises:
            InputError: there is no such simulated model, or it does not take the setting.
        """
        model = _known(request.model)
        effort = _effort(model, request.model)
        parameters: dict[str, object] = {"model": model.name}
        if model.reasons and request.model.setting is not None:
            parameters["reasoning_effort"] = effort
        asked = {
            "temperature": request.temperature,
            "max_completion_tokens": request.max_output_tokens,
            "seed": request.seed,
            "service_tier": request.service_tier,
        }
        parameters |= {name: value for name, value in asked.items() if value is not None}
        epoch, try_number = epoch_and_try(request.request_id)
        draw = Draw(seed=self._seed, model=model, effort=effort, epoch=epoch, try_number=try_number)
        if is_turn(model, request.messages, request.tools, request.request_id):
            if request.tools:
                parameters["tools"] = chat_tools(request.tools)
            turn = conversation_of(self._key, model, request.messages, request.tools, request.request_id)
            return Prepared(request=request, parameters=parameters, payload=(draw, turn))
        return Prepared(request=request, parameters=parameters, payload=(draw, _prompt(request.messages)))

    async def send(self, prepared: Prepared, *, timeout_s: float) -> Response:
        """Answer at once; a simulated timeout raises at once, too.

        Raises:
            ProviderError: the draw says that this try fails.
        """
        del timeout_s  # nothing here takes time
        await asyncio.sleep(0)  # a real provider yields to the event loop
        draw, asked = cast(tuple[Draw, Prompt | Conversation], prepared.payload)
        prompt = asked if isinstance(asked, Prompt) else asked.prompt
        request_id = prepared.request.request_id
        fault = fault_of(draw, prompt)
        if fault in _ERRORS:
            raise _error(fault, draw, prompt, request_id)
        cap = prepared.request.max_output_tokens
        if isinstance(asked, Prompt):
            given = answer(self._key, draw, asked, max_output_tokens=cap, fault=fault)
        else:
            given = take_turn(self._key, draw, asked, max_output_tokens=cap, fault=fault)
        return Response(
            text=given.text,
            finish_reason=given.finish_reason,
            usage_kind=CHAT,
            raw_usage=None if fault == "missing_usage" else given.usage(),
            model_served=draw.model.name,
            provider_request_id=f"sim-{request_id}",
            headers={"x-system-fingerprint": FINGERPRINT},
            # read as from the wire: calls without an id get one
            tool_calls=given.tool_calls and calls_in_message({"tool_calls": chat_calls(given.tool_calls)}),
        )

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""


def _known(model: ModelSpec) -> SimulatedModel:
    found = find_model(model.model)
    if found is None:
        raise InputError(
            f"no simulated model {model.name!r}",
            where="--model",
            fix=f"use one of {', '.join(f'sim/{name}' for name in MODELS)}",
        )
    return found


def _effort(model: SimulatedModel, asked: ModelSpec) -> Effort:
    if asked.setting is None:
        return "medium"
    if not model.reasons:
        raise InputError(
            f"sim/{model.name} does not reason and takes no setting, not {asked.setting!r}",
            where="--model",
            fix=f"write sim/{model.name}",
        )
    for effort in EFFORTS:
        if asked.setting in (effort, f"effort={effort}", f"reasoning_effort={effort}"):
            return effort
    raise InputError(
        f"sim/{model.name} has no setting {asked.setting!r}",
        where="--model",
        fix=f"use one of {', '.join(f'sim/{model.name}@{effort}' for effort in EFFORTS)}",
    )


def _prompt(messages: tuple[Message, ...]) -> Prompt:
    return prompt_of(
        (
            message.role,
            message.content
            if isinstance(message.content, str)
            else [part if isinstance(part, str) else part.data for part in sent_parts(message.content)],
        )
        for message in messages
    )


def _error(fault: Fault, draw: Draw, prompt: Prompt, request_id: str) -> ProviderError:
    error_class, billed, message = _ERRORS[fault]
    return ProviderError(
        message,
        error_class=error_class,
        http_status=FAULT_STATUS.get(fault),
        retry_after_s=retry_after_s(draw, prompt) if fault == "rate_limit" else None,
        billed=billed,
        provider_request_id=f"sim-{request_id}" if fault in FAULT_STATUS else None,
    )
