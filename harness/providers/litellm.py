"""Every provider that litellm knows, one HTTP request per attempt, with the usage exactly as it was sent.

Data flows Request -> litellm's arguments -> litellm builds the body -> our transport sends and records it -> text from
litellm, usage and served facts from the recorded bytes -> Response. Only this file imports litellm, when first used.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from harness.errors import ErrorClass, InputError, ProviderError, did_you_mean
from harness.messages import ToolCall, ToolSpec
from harness.models import ModelSpec
from harness.providers.base import Prepared, Request, Response
from harness.providers.catalogue import entry_of, provider_names
from harness.providers.endpoints import Endpoint, check_base_url
from harness.providers.failures import failure_from_http, failure_without_answer
from harness.providers.keys import refuse_missing_key
from harness.providers.parameters import Mapped
from harness.providers.settings import map_parameters
from harness.providers.wire.answers import Said, response_of, text_of
from harness.providers.wire.called_tools import StreamedCalls, calls_in_message, chat_tools
from harness.providers.wire.event_streams import stream_response
from harness.providers.wire.headers import kept_headers
from harness.providers.wire.raw_answers import RawAnswer, Received, read_raw_answer
from harness.providers.wire.requests import chat_message
from harness.secrets import redact_url
from harness.usage.kinds import LITELLM

if TYPE_CHECKING:
    from harness.providers.http.recording import Exchange

HTTP_PATH_VARIABLE = "EXPERIMENTAL_OPENAI_BASE_LLM_HTTP_HANDLER"
"""litellm reads it at every call; only with it does it send OpenAI's requests by the client that it is handed."""

NO_KEY = "not-needed"
"""Sent in the place of a key."""


@cache
def load_litellm() -> Any:
    """Import litellm once: offline price map, no telemetry, no callbacks, its cheaper HTTP path.

    The collector is off during the import and its survivors are frozen: this halves the time (3.2 to 1.6 s).
    """
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it downloads its price map and retries for seconds
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        import litellm
    finally:
        if was_enabled:
            gc.enable()
    gc.freeze()
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.drop_params = False
    litellm.num_retries = 0
    litellm.callbacks = []
    litellm.success_callback = []
    litellm.failure_callback = []
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    from harness.providers.http.routed import route_clients

    route_clients(litellm, AsyncHTTPHandler)
    return litellm


@dataclass(frozen=True, slots=True)
class _Call:
    arguments: Mapping[str, Any]
    messages: list[dict[str, Any]]


class LiteLLMProvider:
    """One model through litellm's `acompletion`, without its retries, prices and logs.

    Args:
        spec: the model.
        endpoint: its address is passed as `api_base`.
        concurrency: connections that may be open at once.
        stream: ask for a stream, so that idle-connection limits do not cut long reasoning.
    """

    name = "litellm"

    def __init__(self, spec: ModelSpec, *, endpoint: Endpoint, concurrency: int, stream: bool = False) -> None:
        if endpoint.url:
            check_base_url(endpoint.url)
        refuse_missing_key(spec, endpoint)  # before litellm is loaded, which takes seconds
        self._litellm = load_litellm()
        from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

        from harness.providers.http.recording import RecordingTransport

        self._entry = entry_of(spec.provider)
        self._provider = self._entry.litellm or spec.provider
        self._model = f"{self._provider}/{spec.model}"
        self._stream = stream
        self._transport = RecordingTransport(concurrency=concurrency)
        handler = AsyncHTTPHandler(transport=self._transport, follow_redirects=False)
        self._spec = spec
        self._endpoint = endpoint
        self._fixed: dict[str, Any] = {
            "model": self._model,
            "client": self._azure_client() if self._provider == "azure" else handler,
            "max_retries": 0,
            "num_retries": 0,
            **({"api_base": endpoint.url} if endpoint.url else {}),
        }
        self._mapped: dict[tuple[Any, ...], tuple[Mapped, dict[str, Any]]] = {}
        self._tooled: dict[tuple[tuple[Any, ...], int], tuple[Mapped, dict[str, Any], tuple[ToolSpec, ...]]] = {}
        self._checked: set[int] = set()
        self._is_recorded = self._entry.recorded
        self._check_provider()

    def _azure_client(self) -> Any:
        """litellm reaches Azure through OpenAI's own client only, which takes our transport as well."""
        import httpx
        import openai

        address = self._endpoint.url or os.environ.get("AZURE_API_BASE")
        if not address:
            raise InputError(
                "no address for azure: the environment variable AZURE_API_BASE is not set",
                where=f"--model {self._spec}",
                fix="export AZURE_API_BASE=https://NAME.openai.azure.com (and AZURE_API_VERSION), or pass --base-url",
            )
        return openai.AsyncAzureOpenAI(
            api_key=os.environ.get("AZURE_API_KEY", "") if self._endpoint.with_key else NO_KEY,
            azure_endpoint=address,
            api_version=os.environ.get("AZURE_API_VERSION") or "2024-10-21",
            http_client=httpx.AsyncClient(transport=self._transport, follow_redirects=False, trust_env=False),
            max_retries=0,
        )

    def _check_provider(self) -> None:
        if not self._endpoint.with_key and not self._entry.keys:
            raise InputError(
                f"a URL alone is for openai-compatible models; {self._spec.provider}'s key must not go there unasked",
                where="--base-url",
                fix=f"write --base-url {self._spec.provider}={redact_url(self._endpoint.url or '')}",
            )
        if self._entry.own_client:
            raise InputError(
                f"{self._spec.provider} is reached by a client that follows redirects with the key",
                where=f"--model {self._spec}",
                fix="use openai/NAME or openai-compatible/NAME with --base-url",
            )
        try:
            self._litellm.get_llm_provider(self._model)
        except self._litellm.exceptions.BadRequestError as error:
            meant = did_you_mean(self._spec.provider, provider_names())
            raise InputError(
                f"litellm knows no provider {self._spec.provider!r}{meant}",
                where=f"--model {self._spec}",
                fix="check the spelling, or use openai-compatible/NAME with --base-url for an endpoint of your own",
            ) from error

    def prepare(self, request: Request) -> Prepared:
        """Map the request; parameters are shared between requests that agree on them.

        Raises:
            InputError: the model cannot take the setting, or no key is in the environment.
        """
        refuse_missing_key(self._spec, self._endpoint)
        mapped, arguments = self._parameters(request)
        messages = [chat_message(message) for message in request.messages]
        return Prepared(
            request=request, parameters=mapped.parameters, notes=mapped.notes, payload=_Call(arguments, messages)
        )

    def _parameters(self, request: Request) -> tuple[Mapped, dict[str, Any]]:
        key = (request.model, request.temperature, request.max_output_tokens, request.seed, request.service_tier)
        if key not in self._mapped:
            mapped = self._without_unsupported(map_parameters(request))
            arguments = _arguments(mapped.parameters)
            if self._stream:
                arguments |= {"stream": True, "stream_options": {"include_usage": True}}
            if "reasoning_effort" in arguments:
                # Our table and the provider decide what takes an effort; litellm refuses models that it does not list
                arguments["allowed_openai_params"] = ["reasoning_effort"]
            self._mapped[key] = (mapped, {**self._fixed, **arguments, **self._placeholder_key()})
        return self._with_tools(key, request.tools) if request.tools else self._mapped[key]

    def _with_tools(self, key: tuple[Any, ...], tools: tuple[ToolSpec, ...]) -> tuple[Mapped, dict[str, Any]]:
        """Add tools; requests that share both share the result."""
        known = self._tooled.get((key, id(tools)))
        if known is None:
            mapped, arguments = self._mapped[key]
            written = chat_tools(tools)
            made = Mapped(parameters={**mapped.parameters, "tools": written}, notes=mapped.notes)
            known = self._tooled[key, id(tools)] = (made, self._tool_arguments(arguments, written), tools)
        return known[0], known[1]

    def _tool_arguments(self, arguments: Mapping[str, Any], written: list[dict[str, object]]) -> dict[str, Any]:
        """Add what litellm is told of tools; it would refuse them for models that its table lists without."""
        added = {**arguments, "tools": written, **_no_gateway()}
        if "tools" in (self._litellm.get_supported_openai_params(self._spec.model, self._provider) or ()):
            return added
        return {**added, "allowed_openai_params": [*arguments.get("allowed_openai_params", ()), "tools"]}

    def _without_unsupported(self, mapped: Mapped) -> Mapped:
        """Leave out a seed or tier that the provider has no parameter for, with a note; litellm would refuse it."""
        supported = self._litellm.get_supported_openai_params(self._spec.model, self._provider) or ()
        absent = [name for name in ("seed", "service_tier") if name in mapped.parameters and name not in supported]
        if not absent:
            return mapped
        kept = {name: value for name, value in mapped.parameters.items() if name not in absent}
        notes = [f"{name}={mapped.parameters[name]} left out: {self._spec.provider} has none" for name in absent]
        return Mapped(parameters=kept, notes=(*mapped.notes, *notes))

    def _placeholder_key(self) -> dict[str, str]:
        """litellm refuses to start without a key, and takes the environment's where it is handed none."""
        names = self._entry.keys
        missing = self._endpoint.url and names and not any(os.environ.get(name) for name in names)
        return {"api_key": NO_KEY} if missing or not self._endpoint.with_key else {}

    async def send(self, prepared: Prepared, *, timeout_s: float) -> Response:
        """Send exactly one request through litellm; see `Provider.send`."""
        from harness.providers.http.recording import CURRENT, Exchange

        checked = id(prepared.parameters) in self._checked
        exchange = Exchange(
            transport=self._transport,
            expected=None if checked else prepared.parameters,
            same_names=not self._entry.renames,
            polls=self._entry.polled,
        )
        token = CURRENT.set(exchange)
        try:
            async with asyncio.timeout(timeout_s):
                message = await self._asked(prepared, exchange, timeout_s)
        except Exception as error:  # noqa: BLE001 - litellm raises whatever its parts raise; all becomes a ProviderError
            return self._without_litellm(error, exchange)
        finally:
            CURRENT.reset(token)
            exchange.close()
        self._checked.add(id(prepared.parameters))
        return self._response(message, exchange)

    async def _asked(self, prepared: Prepared, exchange: Exchange, timeout_s: float) -> _Message:
        """Have litellm ask and read; whatever it makes of the answer, its bytes are read to their end."""
        call: _Call = prepared.payload
        os.environ[HTTP_PATH_VARIABLE] = "True"  # each time: a notebook or a test may have put its environment back
        try:
            answer = await self._litellm.acompletion(
                messages=call.messages,
                timeout=timeout_s,
                extra_headers={"X-Client-Request-Id": prepared.request.request_id},
                **call.arguments,
            )
            message = await _joined(answer) if self._stream else _message_of(answer)
        except Exception:
            await exchange.read_rest()
            raise
        await exchange.read_rest()
        return message

    def _response(self, message: _Message, exchange: Exchange) -> Response:
        if exchange.n_requests:
            self._is_recorded = True
            raw = read_raw_answer(exchange.body, self._received(exchange))
            if raw.error is not None or (raw.fault is not None and (self._stream or raw.is_broken_off)):
                return self._own_reading(exchange)
            if not message.text and not message.calls and (own := self._own_text(exchange)) is not None:
                return own
        else:  # a provider that litellm reaches by a way of its own: only its copy is left
            raw = RawAnswer(usage_kind=LITELLM, usage=message.usage, model=message.model)
        stated = replace(raw, finish_reason=raw.finish_reason or message.finish_reason)
        return response_of(
            stated,
            Said(message.text, message.reasoning_text, "", message.calls, message.signed),
            self._received(exchange),
        )

    def _own_reading(self, exchange: Exchange) -> Response:
        """Read the recorded bytes ourselves: litellm refused them, or took what is no whole answer."""
        return stream_response(exchange.body, self._received(exchange))

    def _received(self, exchange: Exchange) -> Received:
        return Received(
            provider=self._spec.provider,
            headers=kept_headers(exchange.headers),
            status=exchange.status or 200,
            url=exchange.url,
            time_to_first_byte_s=exchange.first_byte_s,
        )

    def _own_text(self, exchange: Exchange) -> Response | None:
        """Look for a text where litellm found none: it is paid, and an empty answer is scored as wrong."""
        try:
            own = self._own_reading(exchange)
        except ProviderError:
            return None
        return own if own.text else None

    def _without_litellm(self, error: Exception, exchange: Exchange) -> Response:
        """Judge by what was recorded on the wire; litellm's own exception only tells what never got there.

        Raises:
            ProviderError: always but where a whole answer came that litellm could not read and we can.
        """
        self._is_recorded = self._is_recorded or exchange.n_requests > 0
        if exchange.missing:
            lost = "; ".join(exchange.missing)
            raise ProviderError(
                f"litellm would have sent other parameters than prepared, nothing was sent: {lost}",
                error_class=ErrorClass.BAD_REQUEST,
                billed="no",
            ) from error
        if exchange.status is not None and exchange.status >= 300:
            raise failure_from_http(exchange.body, self._received(exchange), now=datetime.now(UTC)) from error
        cause = exchange.error or error
        if isinstance(cause, TimeoutError):
            sent = exchange.n_requests > 0 or not self._is_recorded
            raise self._unanswered(cause, exchange, ErrorClass.TIMEOUT, sent=sent) from error
        if exchange.error is not None:
            refused = type(exchange.error).__name__.startswith("ClientConnector")
            raise self._unanswered(cause, exchange, ErrorClass.CONNECTION, sent=not refused) from error
        if exchange.status is None:
            raise self._unrecorded(error) from error
        return self._own_reading(exchange)

    def _unanswered(
        self, error: BaseException, exchange: Exchange, error_class: ErrorClass, *, sent: bool
    ) -> ProviderError:
        provider, part = self._spec.provider, None
        if exchange.chunks:
            part = read_raw_answer(exchange.body, self._received(exchange))
        return failure_without_answer(error, provider=provider, error_class=error_class, sent=sent, part=part)

    def _unrecorded(self, error: Exception) -> ProviderError:
        """A failure that our transport saw nothing of: litellm refused to send, or it sent by a way of its own.

        A provider that is not known to be recorded may have been reached by a client of litellm's own: the request
        counts as sent, and as possibly billed, unless litellm's word for it proves the contrary.
        """
        exceptions = self._litellm.exceptions
        status = getattr(error, "status_code", None)
        status = status if isinstance(status, int) and 400 <= status < 600 else 500
        if isinstance(error, exceptions.APIConnectionError):
            status = 500
        received = Received(provider=self._spec.provider, status=status)
        failure = failure_from_http(str(error).encode("utf-8", "replace"), received, now=datetime.now(UTC))
        if self._is_recorded or isinstance(error, exceptions.UnsupportedParamsError):
            retried = failure.error_class if status < 500 else ErrorClass.BAD_REQUEST
            return ProviderError(failure.message, error_class=retried, billed="no")
        if isinstance(error, exceptions.Timeout):
            return failure_without_answer(
                error, provider=self._spec.provider, error_class=ErrorClass.TIMEOUT, sent=True
            )
        if failure.error_class in (ErrorClass.BAD_REQUEST, ErrorClass.CONTEXT_TOO_LONG) and failure.billed == "no":
            failure.billed = "unknown"  # litellm also says "bad request" of answers that it could not read
        failure.http_status = None
        return failure

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        await self._transport.aclose()


@dataclass(frozen=True, slots=True)
class _Message:
    text: str
    reasoning_text: str
    finish_reason: str | None
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    calls: tuple[ToolCall, ...] = ()
    signed: tuple[Mapping[str, Any], ...] = ()


def _message_of(answer: Any) -> _Message:
    choice = answer.choices[0]
    reasoning = getattr(choice.message, "reasoning_content", None) or ""
    usage = getattr(answer, "usage", None)
    return _Message(
        text_of(choice.message.content),
        reasoning,
        choice.finish_reason,
        usage=usage.model_dump(exclude_none=True) if usage is not None else None,
        model=answer.model,
        calls=calls_in_message({"tool_calls": _dumped(choice.message.tool_calls)}),
        signed=tuple(getattr(choice.message, "thinking_blocks", None) or ()),
    )


def _dumped(parts: Any) -> list[dict[str, Any]]:
    return [part if isinstance(part, dict) else part.model_dump() for part in parts or ()]


async def _joined(chunks: Any) -> _Message:
    """Join litellm's stream chunks; the usage is read from the recorded bytes instead."""
    text: list[str] = []
    reasoning: list[str] = []
    calls = StreamedCalls()
    ended: str | None = None
    async for chunk in chunks:
        for choice in chunk.choices[:1]:
            calls.add_delta({"tool_calls": _dumped(getattr(choice.delta, "tool_calls", None))})
            text.append(text_of(choice.delta.content))
            reasoning.append(getattr(choice.delta, "reasoning_content", None) or "")
            ended = choice.finish_reason or ended
    return _Message("".join(text), "".join(reasoning), ended, calls=calls.calls())


@cache
def _no_gateway() -> Mapping[str, bool]:
    """Keep litellm from looking for tools of its proxy among ours: it would need a package that may be absent."""
    has_one = find_spec("litellm.responses.mcp.chat_completions_handler") is not None
    return {"_skip_mcp_handler": True} if has_one else {}


def _arguments(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Turn wire parameters into litellm's arguments, which follow OpenAI's and Anthropic's names."""
    arguments = {name: value for name, value in parameters.items() if name not in ("generationConfig", "usage")}
    generation = dict(parameters.get("generationConfig", {}))
    thinking = generation.pop("thinkingConfig", None)
    for wire, ours in (("max_output_tokens", "max_tokens"), ("serviceTier", "service_tier"), ("random_seed", "seed")):
        for source in (generation, arguments):
            if wire in source:
                arguments[ours] = source.pop(wire)
    arguments |= generation
    if thinking is not None and "thinkingBudget" in thinking:
        arguments["thinking"] = {"type": "enabled", "budget_tokens": thinking["thinkingBudget"]}
    elif thinking is not None:
        arguments["reasoning_effort"] = thinking["thinkingLevel"]
    return arguments
