"""The HTTP transport handed to litellm: it sends one request over aiohttp and keeps what went out and what came back.

Data flows litellm's httpx request -> one aiohttp request -> raw bytes into the calling task's `Exchange` -> litellm.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import aiohttp
import httpx
import orjson
from yarl import URL

from harness.providers.http.network import proxy_for
from harness.providers.http.proxied import connector

_HOP_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "set-cookie"})
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=30.0)  # the attempt's own limit stands around the whole call


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What one attempt put on the wire and got back.

    Attributes:
        transport: sends the attempt's requests.
        loop: where it sends them.
        expected: parameters that the body must hold, None when this set was checked before.
        same_names: whether the provider's body uses the names of `expected`; else only the values are looked for.
        polls: whether the provider answers by being asked again (GET) at the question's own host.
        n_requests: HTTP requests sent for this attempt, of which one at most is the question.
        url: where the question went; empty before it left.
    """

    transport: httpx.AsyncBaseTransport
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    expected: Mapping[str, Any] | None = None
    same_names: bool = True
    polls: bool = False
    n_requests: int = 0
    started_s: float = field(default_factory=perf_counter)
    first_byte_s: float | None = None
    url: str = ""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    error: Exception | None = None
    missing: tuple[str, ...] = ()
    answer: aiohttp.ClientResponse | None = None

    async def read_rest(self) -> None:
        """Read what litellm left of a streamed answer; a cut is noted as the exchange's error."""
        if self.answer is None or self.error is not None:
            return
        try:
            async for chunk in self.answer.content.iter_any():
                self.chunks.append(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self.error = error

    def close(self) -> None:
        """Let go of the answer; one that was not read to its end loses its connection."""
        if self.answer is not None:
            self.answer.close()

    @property
    def body(self) -> bytes:
        """The answer's bytes so far, decompressed."""
        return b"".join(self.chunks)


CURRENT: ContextVar[Exchange] = ContextVar("benchtab_exchange")
"""The exchange of the attempt that the running task makes."""


class ParametersLostError(Exception):
    """The body that is about to be sent lacks parameters that were prepared; nothing was sent."""


class SecondRequestError(Exception):
    """The question has left already; a retry or a follow-up of the library's own is not sent."""


class RedirectRefusedError(Exception):
    """The answer points to another address; it is not followed."""


def missing_parameters(expected: Mapping[str, Any], body: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List parameters (dotted paths) that a body does not hold with the expected value."""
    missing: list[str] = []
    for name, value in expected.items():
        found = body.get(name)
        if isinstance(value, Mapping) and isinstance(found, Mapping):
            missing += missing_parameters(value, found, f"{prefix}{name}.")
        elif found != value:
            missing.append(f"{prefix}{name}={value!r} (the body has {found!r})")
    return missing


def missing_values(expected: Mapping[str, Any], body: Any) -> list[str]:
    """List parameters whose value occurs nowhere in a body that uses other names (Bedrock, Ollama)."""
    found = list(_leaves(body))
    return [
        f"{name}={value!r}" for name, value in expected.items() if not all(leaf in found for leaf in _leaves(value))
    ]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _leaves(part)
    else:
        yield value


def missing_tools(tools: Iterable[Mapping[str, Any]], body: Mapping[str, Any]) -> list[str]:
    """List tools, as OpenAI writes them, whose name or description a body does not hold beside its messages.

    Every provider has a form of its own for tools, and some complete their schemas.
    """
    found = set(_texts({name: value for name, value in body.items() if name not in _CONVERSATIONS}))
    functions = [tool.get("function", tool) for tool in tools]
    return [
        f"tool {function['name']!r}"
        for function in functions
        if not {function["name"], function.get("description") or function["name"]} <= found
    ]


_CONVERSATIONS = frozenset({"messages", "contents", "input"})


def _texts(value: Any) -> Iterator[str]:
    return (leaf for leaf in _leaves(value) if isinstance(leaf, str))


def _missing(expected: Mapping[str, Any], body: bytes, *, same_names: bool) -> tuple[str, ...]:
    document = orjson.loads(body)
    tools = expected.get("tools")
    if tools is None:
        return tuple((missing_parameters if same_names else missing_values)(expected, document))
    others = {name: value for name, value in expected.items() if name != "tools"}
    return (*_missing(others, body, same_names=same_names), *missing_tools(tools, document))


def _is_question(request: httpx.Request, body: bytes) -> bool:
    """Whether a request asks the model, and is no token request or poll."""
    return request.method == "POST" and body.lstrip().startswith(b"{")


def _refuse_second(exchange: Exchange, request: httpx.Request) -> None:
    """One attempt is one question: what follows it is refused, but for the polls of a provider that answers by them."""
    if not exchange.url:
        return
    asked = httpx.URL(exchange.url)
    same_host = (request.url.scheme, request.url.netloc) == (asked.scheme, asked.netloc)
    if exchange.polls and request.method == "GET" and same_host:
        return
    raise SecondRequestError(f"a second request for one attempt was not sent: {request.method} {request.url.host}")


class _RecordedStream(httpx.AsyncByteStream):
    """Passes an answer's bytes on while keeping a copy.

    litellm may leave it early, at the text's end or at a chunk that it cannot read; the rest, which may state the
    usage, is read by `Exchange.read_rest`.
    """

    def __init__(self, answer: aiohttp.ClientResponse, exchange: Exchange) -> None:
        self._answer = answer
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                self._exchange.chunks.append(chunk)
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._exchange.error = error
            raise httpx.ReadError(str(error)) from error


class RecordingTransport(httpx.AsyncBaseTransport):
    """One session of kept connections, at most `concurrency` at once."""

    def __init__(self, *, concurrency: int) -> None:
        self._concurrency = concurrency
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, record the exchange and answer litellm."""
        exchange = CURRENT.get()
        _refuse_second(exchange, request)
        body = await request.aread()
        if _is_question(request, body):
            if exchange.expected is not None:
                exchange.missing = _missing(exchange.expected, body, same_names=exchange.same_names)
                if exchange.missing:
                    raise ParametersLostError("; ".join(exchange.missing))
            exchange.url = str(request.url)
        return await self._sent(request, body, exchange)

    async def _sent(self, request: httpx.Request, body: bytes, exchange: Exchange) -> httpx.Response:
        session = self._session or self._open()
        url = str(request.url)
        exchange.n_requests += 1
        exchange.chunks.clear()
        headers = dict(request.headers)
        headers["accept-encoding"] = "gzip, deflate"
        try:
            answer = await session.request(
                request.method,
                URL(url, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
                proxy=proxy_for(url),
            )
            exchange.first_byte_s = perf_counter() - exchange.started_s
            exchange.status = answer.status
            exchange.headers = {name.lower(): value for name, value in answer.headers.items()}
            passed_on = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS]
            exchange.answer = answer
            if answer.headers.get("Content-Type", "").startswith("text/event-stream") and answer.status == 200:
                return httpx.Response(200, headers=passed_on, stream=_RecordedStream(answer, exchange), request=request)
            async for chunk in answer.content.iter_any():  # piece by piece: a cut answer may have stated its usage
                exchange.chunks.append(chunk)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            exchange.error = error
            # Not a ConnectError: litellm answers that with a second request of its own
            raise httpx.ReadError(str(error)) from error
        if 300 <= answer.status < 400:
            raise RedirectRefusedError(f"HTTP {answer.status}")
        return httpx.Response(answer.status, headers=passed_on, content=exchange.body, request=request)

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=connector(self._concurrency),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TIMEOUT,
            read_bufsize=2**18,
        )
        return self._session

    async def aclose(self) -> None:
        """Close the session; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
