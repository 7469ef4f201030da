"""The one interface that every provider adapter has: prepare a request, send it once, close.

An adapter never retries, never prices and never writes to the ledger; the runner does. Data flows
Request -> `prepare` -> Prepared (what will be sent, recorded first) -> `send` -> Response or ProviderError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, Protocol

from harness.declared import request_value
from harness.messages import Message, ToolCall, ToolSpec
from harness.models import ModelSpec
from harness.replies.thinking import separate
from harness.secrets import holds_known, redact_known, redact_values

FinishReason = Literal["stop", "length", "content_filter", "tool_calls", "other"]


@request_value
class Request:
    """One request to a model, before provider-specific mapping.

    Attributes:
        request_id: our own id, unique per attempt, of the form `<run>.<cell>.<sample>.e<epoch>.t<try>`;
            sent as `X-Client-Request-Id` where the protocol takes headers, so that both sides' books can be joined.
        model: what was asked for; its `setting` is mapped by `prepare`.
        messages: the conversation.
        temperature: None = not sent.
        max_output_tokens: cap on output including reasoning; None = not sent.
        seed: None = not sent.
        service_tier: requested tier; None = not sent.
        tools: what the model may call; empty = nothing is sent of tools.
    """

    request_id: str
    model: ModelSpec
    messages: tuple[Message, ...]
    temperature: float | None = None
    max_output_tokens: int | None = None
    seed: int | None = None
    service_tier: str | None = None
    tools: tuple[ToolSpec, ...] = ()


@request_value
class Prepared:
    """A request as it will be sent.

    Attributes:
        request: the request it came from.
        parameters: every parameter as it will be sent, messages, headers and secrets excluded.
        notes: what was renamed or left out knowingly, one sentence each.
        payload: the adapter's own form of the body; opaque to the runner.
    """

    request: Request
    parameters: Mapping[str, object]
    notes: tuple[str, ...] = ()
    payload: Any = None


@request_value
class Response:
    """An answer as the provider gave it.

    Attributes:
        text: the visible answer; empty when there was none.
        reasoning_text: the reasoning where the provider shows it, apart or inside the text, else None.
        finish_reason: normalised; `length` means cut at the cap.
        model_served: the model that the response names, None when it names none.
        raw_usage: the usage object exactly as received (numbers with a fraction as Decimal), None when missing.
        usage_kind: which reader understands it (see `harness.usage.READERS`).
        service_tier: tier served as the response states it, None when it does not.
        provider_request_id: the provider's id, None when it gave none.
        time_to_first_byte_s: seconds to the first byte of the answer, None when not known.
        refused: the response says that the model refused.
        headers: rate-limit and request-id headers, lower-cased names; others are dropped.
        tool_calls: what the model wants called, in its order.
        signed: parts that the provider wants back with the next request of the conversation (see `Message.signed`).
    """

    text: str
    finish_reason: FinishReason
    usage_kind: str
    raw_usage: Mapping[str, object] | None
    reasoning_text: str | None = None
    model_served: str | None = None
    service_tier: str | None = None
    provider_request_id: str | None = None
    time_to_first_byte_s: float | None = None
    refused: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    tool_calls: tuple[ToolCall, ...] = ()
    signed: tuple[Mapping[str, object], ...] = ()

    def __post_init__(self) -> None:
        """Part thinking from the answer, mask this process's own keys: before anything is stored, scored or shown."""
        parts = separate(self.text, cut=self.finish_reason == "length")
        if parts.answer != self.text:
            self.text = parts.answer  # type: ignore[misc]  # frozen for the type checker only
            thoughts = "\n\n".join(filter(None, (self.reasoning_text, parts.reasoning)))
            self.reasoning_text = thoughts or None  # type: ignore[misc]
        said = (self.text, self.reasoning_text, self.model_served, self.service_tier, self.provider_request_id)
        if holds_known(filter(None, said)):
            for name in ("text", "reasoning_text", "model_served", "service_tier", "provider_request_id"):
                part = getattr(self, name)
                setattr(self, name, part and redact_known(part))
        if self.tool_calls or self.signed:
            self._mask_calls()
        self.raw_usage = redact_values(self.raw_usage)  # type: ignore[misc]  # frozen for the type checker only

    def _mask_calls(self) -> None:
        """Mask keys in calls; signed parts that hold one are dropped, as they could not be changed."""
        if holds_known(text for call in self.tool_calls for text in (call.call_id, call.name, call.arguments)):
            masked = (
                ToolCall(
                    call_id=redact_known(call.call_id),
                    name=redact_known(call.name),
                    arguments=redact_known(call.arguments),
                )
                for call in self.tool_calls
            )
            self.tool_calls = tuple(masked)  # type: ignore[misc]  # as above
        if self.signed and holds_known([json.dumps(list(map(dict, self.signed)), default=str)]):
            self.signed = ()  # type: ignore[misc]


class Provider(Protocol):
    """A way to reach models. Instances are made once per run and model, inside the event loop that uses them."""

    name: str

    def prepare(self, request: Request) -> Prepared:
        """Map a request to what will be sent; pure and quick.

        Raises:
            InputError: the provider or model cannot take the setting that was asked for.
        """
        ...

    async def send(self, prepared: Prepared, *, timeout_s: float) -> Response:
        """Send exactly one request and return its answer.

        Raises:
            ProviderError: the attempt failed; its `error_class` and `billed` say how.
        """
        ...

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        ...
