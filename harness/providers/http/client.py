"""Posts bodies to one address over kept connections, at most as many at once as asked; one request per call, no retry.

Data flows body and request id -> an idle or new HttpConnection -> HttpAnswer or NoAnswerError.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from math import inf
from time import perf_counter
from urllib.parse import quote, urlsplit

from harness.errors import InputError
from harness.providers.http.connection import HttpConnection
from harness.providers.http.door import (
    BODY_LIMIT_BYTES,
    COMMON_HEADERS,
    REQUEST_ID,
    HttpAnswer,
    HttpClient,
    NoAnswerError,
)
from harness.providers.http.network import CONNECT_TIMEOUT_S, KEEP_ALIVE_S, Addresses, proxy_for, tls_context

TICK_S = 0.001
"""Shortest wait of a timer: uvloop counts in milliseconds and may ring a little early."""

_WRITTEN_AS_IS = "/%:@!$&'()*+,;=~?"


def open_client(url: str, headers: Mapping[str, str], *, concurrency: int) -> HttpClient:
    """Make the client for an address: the direct one, or aiohttp's where the environment names a proxy.

    Raises:
        InputError: a header cannot be sent or the host is none.
    """
    for name, value in headers.items():
        _refuse_line_breaks(name, value)
    proxy = proxy_for(url)
    if proxy is None:
        return DirectClient(url, headers, concurrency=concurrency)
    from harness.providers.http.proxied import ProxiedClient

    return ProxiedClient(url, headers, concurrency=concurrency, proxy=proxy)


class DirectClient:
    """An HTTP/1.1 client for one address.

    Args:
        url: http or https; its path and query are sent as they are written.
        headers: sent with every request.
        concurrency: connections that may be open at once; further callers wait in turn.
        keep_alive_s: how long a connection may be idle before it is closed.
        body_limit: most bytes of an answer, as sent and decompressed.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        concurrency: int,
        keep_alive_s: float = KEEP_ALIVE_S,
        body_limit: int = BODY_LIMIT_BYTES,
    ) -> None:
        parts = urlsplit(url)
        self._host = _ascii_host(parts.hostname or "")
        self._tls = parts.scheme == "https"
        self._place = _authority(url)
        self._addresses = Addresses(self._host, parts.port or (443 if self._tls else 80))
        self._head = request_head(url, headers)
        self._slots = asyncio.Semaphore(concurrency)
        self._keep_alive_s = keep_alive_s
        self._body_limit = body_limit
        self._open: set[HttpConnection] = set()
        self._none_open = asyncio.Event()
        self._idle: deque[HttpConnection] = deque()  # the longest idle first
        self._sweep: asyncio.TimerHandle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at_s = inf
        self._closed = False

    async def post(self, body: bytes, *, request_id: str, timeout_s: float) -> HttpAnswer:
        """Send one POST; see `HttpClient.post`."""
        started_s = perf_counter()
        if not request_id.isprintable():
            _refuse_line_breaks(REQUEST_ID, request_id)
        request = b"%s%s\r\nContent-Length: %d\r\n\r\n%s" % (self._head, request_id.encode(), len(body), body)
        if self._slots.locked():
            await self._wait_for_slot(timeout_s)
        else:
            await self._slots.acquire()
        try:
            connection = self._kept() or await self._connect(timeout_s - (perf_counter() - started_s))
            answered = connection.ask(request, started_s=started_s, timeout_s=timeout_s)
            if connection.deadline_s < self._alarm_at_s:
                self._set_alarm(connection.deadline_s)
            try:
                return await answered
            finally:
                self._put_by(connection)
        finally:
            self._slots.release()

    async def _wait_for_slot(self, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise NoAnswerError(
                f"no connection to {self._place} was free within {timeout_s:g} s", sent=False, timed_out=True
            ) from error

    def _kept(self) -> HttpConnection | None:
        """Take the connection that was used last: it has the best chance to live."""
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and not self._is_stale(connection):
                return connection
            connection.close()
        return None

    def _is_stale(self, connection: HttpConnection) -> bool:
        return perf_counter() - connection.idle_since_s >= self._keep_alive_s

    async def _connect(self, timeout_s: float) -> HttpConnection:
        limit_s = min(timeout_s, CONNECT_TIMEOUT_S)
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                connection = await self._open_connection()
        except (OSError, RuntimeError) as error:  # uvloop's for a socket number that it has not yet let go
            timed_out = limit.expired()
            why = f" within {limit_s:.3g} s" if timed_out else f" ({type(error).__name__}: {error})"
            if isinstance(error, ConnectionRefusedError):
                why = ": refused"
            raise NoAnswerError(f"no connection to {self._place}{why}", sent=False, timed_out=timed_out) from error
        if self._closed:
            connection.close()
            raise NoAnswerError("the client is closed", sent=False)
        return connection

    async def _open_connection(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        socket = await self._addresses.connect()
        try:
            _, connection = await loop.create_connection(
                lambda: HttpConnection(loop, on_closed=self._forget, body_limit=self._body_limit),
                sock=socket,
                ssl=tls_context() if self._tls else None,
                server_hostname=self._host if self._tls else None,
            )
        except BaseException:
            socket.close()
            raise
        self._open.add(connection)
        self._none_open.clear()
        return connection

    def _forget(self, connection: HttpConnection) -> None:
        self._open.discard(connection)
        if not self._open:
            self._none_open.set()

    def _put_by(self, connection: HttpConnection) -> None:
        """Keep a connection whose answer came whole; close every other, whose answer may still come."""
        if not connection.reusable:
            connection.close()
            return
        connection.idle_since_s = perf_counter()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self._keep_alive_s, self._close_stale)

    def _close_stale(self) -> None:
        self._sweep = None
        while self._idle and (self._is_stale(self._idle[0]) or not self._idle[0].reusable):
            self._idle.popleft().close()
        if self._idle:
            wait_s = self._idle[0].idle_since_s + self._keep_alive_s - perf_counter()
            self._sweep = asyncio.get_running_loop().call_later(max(wait_s, TICK_S), self._close_stale)

    def _set_alarm(self, deadline_s: float) -> None:
        """Look at all requests when the earliest limit is over: a timer of its own for each would cost 5 us."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at_s = deadline_s
        wait_s = deadline_s - perf_counter()
        self._alarm = asyncio.get_running_loop().call_later(max(wait_s, TICK_S), self._expire_late)

    def _expire_late(self) -> None:
        self._alarm, self._alarm_at_s = None, inf
        now_s = perf_counter()
        for connection in tuple(self._open):
            if connection.deadline_s <= now_s:
                connection.expire()
        earliest_s = min((connection.deadline_s for connection in self._open), default=inf)
        if earliest_s < inf:
            self._set_alarm(earliest_s)

    async def aclose(self) -> None:
        """Close every connection; requests under way fail."""
        self._closed = True
        for timer in (self._sweep, self._alarm):
            if timer is not None:
                timer.cancel()
        self._idle.clear()
        for connection in tuple(self._open):
            connection.close()
        if self._open:
            await self._none_open.wait()


def request_head(url: str, headers: Mapping[str, str]) -> bytes:
    """Write everything of a request up to the value of its X-Client-Request-Id.

    Raises:
        InputError: a header holds a line break or another control character.
    """
    parts = urlsplit(url)
    target = quote(parts.path or "/", safe=_WRITTEN_AS_IS) + ("?" if parts.query else "")
    target += quote(parts.query, safe=_WRITTEN_AS_IS)
    common = {
        "Host": _authority(url),
        **COMMON_HEADERS,
        **headers,
    }
    for name, value in common.items():
        _refuse_line_breaks(name, value)
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in common.items()), f"{REQUEST_ID}: "]
    return "\r\n".join(lines).encode()


def _authority(url: str) -> str:
    """Host and port as the Host header has them: an IPv6 address in brackets, without its zone."""
    parts = urlsplit(url)
    host = _ascii_host(parts.hostname or "")
    host = f"[{host.partition('%')[0]}]" if ":" in host else host
    return host if parts.port is None else f"{host}:{parts.port}"


def _ascii_host(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise InputError(
            f"not a host name: {host!r}", where="--base-url", fix="write for example http://127.0.0.1:8000/v1"
        ) from error


def _refuse_line_breaks(name: str, value: str) -> None:
    if not value.isprintable():
        raise InputError(
            f"the value of the header {name} holds a line break or another control character",
            where=f"header {name}",
            fix="remove it where the value comes from: an option, or an environment variable (often a key's line end)",
        )
