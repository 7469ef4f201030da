"""One kept HTTP/1.1 connection: a request at a time, its answer read whole by httptools' parser.

Data flows request bytes -> the socket -> parser callbacks -> HttpAnswer, or NoAnswerError which says how far it came.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from functools import lru_cache
from math import inf
from time import perf_counter
from typing import cast

import httptools

from harness.providers.http.door import HttpAnswer, NoAnswerError
from harness.providers.wire.headers import kept_name

HEAD_LIMIT_BYTES = 2**16
"""Looked at after each read without the end of the head: one read (256 KiB at most) may bring more."""

_FRAMING = ("content-length", "transfer-encoding", "content-encoding")
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class HttpConnection(asyncio.Protocol):
    """A connection that its client asks, keeps for a while, and closes.

    Attributes:
        reusable: the last answer came whole, and the server has sent nothing since and keeps the connection.
        deadline_s: `perf_counter` at which the request under way has waited long enough; infinite when there is none.
        idle_since_s: `perf_counter` when the client put it by.
    """

    __slots__ = (
        "_body_limit",
        "_chunks",
        "_complete",
        "_first_byte_s",
        "_headed",
        "_headers",
        "_keep",
        "_loop",
        "_on_closed",
        "_parser",
        "_received",
        "_started_s",
        "_transport",
        "_waiting",
        "deadline_s",
        "idle_since_s",
        "reusable",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, on_closed: Callable[[HttpConnection], None], body_limit: int
    ) -> None:
        self._loop = loop
        self._on_closed = on_closed
        self._body_limit = body_limit
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[HttpAnswer] | None = None
        self._chunks: list[bytes] = []
        self._headers: dict[str, str] = {}
        self.deadline_s = inf
        self.idle_since_s = 0.0
        self.reusable = False

    def ask(self, request: bytes, *, started_s: float, timeout_s: float) -> asyncio.Future[HttpAnswer]:
        """Write a request; the future ends with its answer or NoAnswerError.

        Args:
            request: head and body.
            started_s: `perf_counter` when the request was handed in.
            timeout_s: counted from then; the client calls `expire` when it is over.
        """
        self.reusable = self._complete = self._headed = self._keep = False
        self._received = 0
        self._started_s = started_s
        self.deadline_s = started_s + timeout_s
        self._waiting = waiting = self._loop.create_future()
        self._transport.write(request)
        return waiting

    def expire(self) -> None:
        """Give up on the request under way; its answer may still come, so the connection is closed."""
        self._fail(f"no whole answer within {self.deadline_s - self._started_s:.3g} s", timed_out=True)

    def close(self) -> None:
        """Close at once: a TLS farewell would wait for the server's."""
        self.reusable = False
        self.deadline_s = inf
        self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came; hand the answer over when it is whole."""
        if self._waiting is None or self._parser is None:
            self.close()  # nobody asked: a 408 before the server closes, or the rest of a broken answer
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep = False
            if not self._complete:
                self._fail(f"the server does not answer in HTTP: {error}")
                return
        if self._complete:
            self._deliver()
            return
        self._received += len(data)
        if self._received > (self._body_limit if self._headed else HEAD_LIMIT_BYTES):
            self._fail(f"the answer's {'body' if self._headed else 'head'} is too long: {self._received} bytes so far")

    def eof_received(self) -> bool:
        """End an answer that ends with its connection; whatever else was under way is lost."""
        self.reusable = False
        if self._waiting is not None and self._headed and not self._has_length():
            self._deliver()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """Fail the request that was under way."""
        when = "in the middle of its answer" if self._waiting is not None and self._received else "before it answered"
        self._fail(f"the connection was closed {when}" + (f": {error}" if error else ""))
        self._parser = None  # it holds our methods: a cycle for the collector otherwise
        self._on_closed(self)

    # the parser's side

    def on_message_begin(self) -> None:
        """Begin an answer, or begin again after an interim one (1xx)."""
        if self._complete:
            raise ValueError("more than one answer")  # ends the parsing; the first answer stands
        self._first_byte_s = perf_counter() - self._started_s
        self._headed = False
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the few headers that are read later; trailers are dropped."""
        wanted = _wanted(name)
        if wanted is not None and not self._headed:
            self._headers[wanted] = value.decode("utf-8", "replace")

    def on_headers_complete(self) -> None:
        """Note that the head of the answer itself is read."""
        assert self._parser is not None
        self._headed = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        """Collect a part of the body."""
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        """Note that the answer is whole."""
        if self._headed:
            assert self._parser is not None
            self._complete = True
            self._keep = self._parser.should_keep_alive()

    def _has_length(self) -> bool:
        coding = self._headers.get("transfer-encoding", "")
        return "content-length" in self._headers or coding.lower().rstrip().endswith("chunked")

    def _deliver(self) -> None:
        assert self._parser is not None
        waiting, self._waiting = self._waiting, None
        body = b"".join(self._chunks)
        self._chunks.clear()
        self.deadline_s = inf
        headers = self._headers
        coding = headers.get("content-encoding")
        for name in _FRAMING:
            headers.pop(name, None)
        if waiting is None or waiting.done():
            return
        if coding is not None:
            try:
                body = decoded(body, coding, limit=self._body_limit)
            except ValueError as error:
                waiting.set_exception(NoAnswerError(str(error), sent=True))
                return
        self.reusable = self._keep
        waiting.set_result(HttpAnswer(self._parser.get_status_code(), headers, body, self._first_byte_s))

    def _part(self) -> HttpAnswer | None:
        if self._parser is None or not self._headed:
            return None
        headers = {name: value for name, value in self._headers.items() if name not in _FRAMING}
        return HttpAnswer(self._parser.get_status_code(), headers, b"".join(self._chunks), self._first_byte_s)

    def _fail(self, message: str, *, timed_out: bool = False) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(NoAnswerError(message, sent=True, timed_out=timed_out, part=self._part()))
        self._chunks.clear()
        self.close()


@lru_cache(maxsize=1_000)
def _wanted(name: bytes) -> str | None:
    """The name under which a header is read later; None = it is dropped."""
    lowered = name.decode("latin-1").lower()
    return lowered if lowered in _FRAMING else kept_name(lowered)


def decoded(body: bytes, coding: str, *, limit: int) -> bytes:
    """Undo a content coding that the server applied although none was asked for.

    Raises:
        ValueError: the coding is unknown, the bytes are broken, or more than `limit` bytes come out.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _WINDOW_BITS:
        raise ValueError(f"the answer is compressed with {name[:40]!r}, which was not asked for")
    window_bits = _WINDOW_BITS[name]
    if name == "deflate" and body[:1] and body[0] & 0x0F != zlib.DEFLATED:
        window_bits = -window_bits  # some servers send the bare stream without zlib's two bytes (RFC 9110, 8.4.1.2)
    stream = zlib.decompressobj(window_bits)
    try:
        plain = stream.decompress(body, limit)
    except zlib.error as error:
        raise ValueError(f"the answer's {name} does not decompress: {error}") from error
    if not stream.eof:
        too_long = bool(stream.unconsumed_tail)
        raise ValueError(f"the answer's {name} " + (f"holds more than {limit} bytes" if too_long else "is cut off"))
    return plain
