"""Direct HTTP client for endpoints that speak OpenAI chat completions (vLLM, SGLang, Ollama, llama.cpp, gateways).

Data flows Request -> body bytes -> one POST over a kept connection -> answer bytes -> Response, without litellm.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from harness.errors import ErrorClass, InputError, ProviderError
from harness.messages import ToolSpec
from harness.models import ModelSpec
from harness.providers.base import Prepared, Request, Response
from harness.providers.catalogue import entry_of, usage_kind_at
from harness.providers.endpoints import COMPATIBLE, Endpoint, check_base_url
from harness.providers.failures import failure_from_http, failure_without_answer
from harness.providers.http import HttpAnswer, NoAnswerError, open_client
from harness.providers.keys import key_for
from harness.providers.parameters import Mapped
from harness.providers.settings import map_parameters
from harness.providers.wire.answers import answer_in, responses_response
from harness.providers.wire.called_tools import chat_tools, responses_tools
from harness.providers.wire.event_streams import stream_response
from harness.providers.wire.raw_answers import Received, read_raw_answer
from harness.providers.wire.requests import chat_message, dump_body, parse_answer, responses_items
from harness.secrets import learn
from harness.usage.kinds import RESPONSES

Interface = Literal["chat", "responses"]
PATHS: Mapping[Interface, str] = {"chat": "/chat/completions", "responses": "/responses"}


def endpoint_url(base_url: str, interface: Interface = "chat") -> str:
    """Complete a base URL to an interface's address; a bare host gets `/v1`.

    Raises:
        InputError: it is not an http(s) address, or a name and password are written in it.
    """
    parts = check_base_url(base_url)
    path = parts.path.rstrip("/")
    if not path.endswith(PATHS[interface]):
        path = (path or "/v1") + PATHS[interface]
    return parts._replace(path=path, fragment="").geturl()


@dataclass(frozen=True, slots=True)
class _Body:
    data: bytes
    stream: bool


class OpenAICompatibleProvider:
    """One endpoint, up to `concurrency` requests in flight on kept connections.

    Args:
        spec: the model; `spec.model` is sent as the model's name.
        base_url: the endpoint, for example `http://127.0.0.1:8000/v1`.
        concurrency: connections that may be open at once.
        api_key: sent as a bearer token; None = no key is sent.
        stream: ask for a stream (with usage), so that idle-connection limits do not cut long reasoning; chat only.
        interface: which of OpenAI's two interfaces the endpoint speaks.
    """

    name = "openai-compatible"

    def __init__(
        self,
        spec: ModelSpec,
        *,
        base_url: str,
        concurrency: int,
        api_key: str | None = None,
        stream: bool = False,
        interface: Interface = "chat",
    ) -> None:
        self._provider = spec.provider
        self._interface = interface
        self._address = address = endpoint_url(base_url, interface)
        self._stream = stream and interface == "chat"
        learn(api_key)
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if stream else "application/json",
            **({"Authorization": f"Bearer {api_key}"} if api_key else {}),
        }
        self._client = open_client(address, headers, concurrency=concurrency)
        self._usage_kind = RESPONSES if interface == "responses" else usage_kind_at(urlsplit(address).hostname or "")
        self._mapped: dict[tuple[Any, ...], Mapped] = {}
        self._tooled: dict[tuple[int, int], tuple[Mapped, tuple[ToolSpec, ...]]] = {}

    def prepare(self, request: Request) -> Prepared:
        """Map the request and write its body; parameters are shared between requests that agree on them."""
        mapped = self._parameters(request)
        if self._interface == "chat":
            conversation = {"messages": [chat_message(message) for message in request.messages]}
        else:
            conversation = {"input": [item for message in request.messages for item in responses_items(message)]}
        body = dump_body({"model": request.model.model, **conversation, **mapped.parameters})
        return Prepared(
            request=request,
            parameters=mapped.parameters,
            notes=mapped.notes,
            payload=_Body(body, self._stream),
        )

    def _parameters(self, request: Request) -> Mapped:
        key = (request.model, request.temperature, request.max_output_tokens, request.seed, request.service_tier)
        mapped = self._mapped.get(key)
        if mapped is None:
            mapped = map_parameters(request)
            if self._stream:
                streamed = {"stream": True, "stream_options": {"include_usage": True}}
                mapped = Mapped(parameters={**mapped.parameters, **streamed}, notes=mapped.notes)
            self._mapped[key] = mapped
        return self._with_tools(mapped, request.tools) if request.tools else mapped

    def _with_tools(self, mapped: Mapped, tools: tuple[ToolSpec, ...]) -> Mapped:
        """Add tools; requests that share both share the result."""
        key = id(mapped), id(tools)
        known = self._tooled.get(key)
        if known is None:
            written = (chat_tools if self._interface == "chat" else responses_tools)(tools)
            made = Mapped(parameters={**mapped.parameters, "tools": written}, notes=mapped.notes)
            known = self._tooled[key] = (made, tools)  # kept, so that no other tools get their identity
        return known[0]

    async def send(self, prepared: Prepared, *, timeout_s: float) -> Response:
        """Send one POST and read its answer; see `Provider.send`."""
        try:
            answer = await self._client.post(
                prepared.payload.data, request_id=prepared.request.request_id, timeout_s=timeout_s
            )
        except NoAnswerError as error:
            raise self._unanswered(error) from error
        received = self._received(answer)
        if not 200 <= answer.status < 300:
            raise failure_from_http(answer.body, received, now=datetime.now(UTC))
        if prepared.payload.stream:
            return stream_response(answer.body, received)
        try:
            document = parse_answer(answer.body)
        except ValueError:  # perhaps a stream that nobody asked for; if not, it is said what it is
            return stream_response(answer.body, received)
        return (answer_in if self._interface == "chat" else responses_response)(document, received)

    def _received(self, answer: HttpAnswer) -> Received:
        return Received(
            provider=self._provider,
            usage_kind=self._usage_kind,
            headers=answer.headers,
            status=answer.status,
            url=self._address,
            time_to_first_byte_s=answer.first_byte_s,
        )

    def _unanswered(self, error: NoAnswerError) -> ProviderError:
        return failure_without_answer(
            str(error),
            provider=self._provider,
            error_class=ErrorClass.TIMEOUT if error.timed_out else ErrorClass.CONNECTION,
            sent=error.sent,
            part=None if error.part is None else read_raw_answer(error.part.body, self._received(error.part)),
        )

    async def aclose(self) -> None:
        """Close the connections; safe to call twice."""
        await self._client.aclose()


def key_variable(spec: ModelSpec) -> str:
    """Name the environment variable of one model's key: for runs that ask models at several hosts."""
    return f"{entry_of(COMPATIBLE).keys[0]}_{re.sub('[^A-Z0-9]+', '_', spec.model.upper()).strip('_')}"


def from_environment(
    spec: ModelSpec, *, endpoint: Endpoint, concurrency: int, stream: bool = False
) -> OpenAICompatibleProvider:
    """Make the provider for `--base-url`; the optional key comes from the environment.

    OPENAI_COMPATIBLE_API_KEY is for the one host of a run; a model's own variable (see `key_variable`) wins over it.

    Raises:
        InputError: no base URL was given.
    """
    if not endpoint.url:
        raise InputError(
            f"{spec} needs the address of its endpoint",
            where="--base-url",
            fix="add --base-url http://HOST:PORT/v1 (the key, if one is needed, goes in OPENAI_COMPATIBLE_API_KEY)",
        )
    key = os.environ.get(key_variable(spec)) or key_for(spec, endpoint)
    return OpenAICompatibleProvider(spec, base_url=endpoint.url, concurrency=concurrency, api_key=key, stream=stream)


def openai_responses(spec: ModelSpec, *, endpoint: Endpoint, concurrency: int) -> OpenAICompatibleProvider:
    """Make the provider for OpenAI models that only the responses interface serves.

    litellm's own bridge to it imports its MCP gateway on every call, which needs a package that litellm does
    not require (1.106, 2026-11); the interface itself is one POST.

    Raises:
        InputError: no key is in the environment.
    """
    key = key_for(spec, endpoint)
    address = endpoint.url or os.environ.get("OPENAI_BASE_URL") or str(entry_of(spec.provider).base_url)
    return OpenAICompatibleProvider(spec, base_url=address, concurrency=concurrency, api_key=key, interface="responses")
