"""Kept HTTP clients behind the harness's own door, to be measured beside the client that stands there.

Each sends one POST per call and gives an HttpAnswer or a NoAnswerError as `harness.providers.http.HttpClient` says; a
side whose package is not installed is left out. Data flows the name of a side -> a client.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable, Mapping
from datetime import timedelta
from time import perf_counter

from harness.providers.http import HttpAnswer, HttpClient, NoAnswerError
from harness.providers.http.client import DirectClient
from harness.providers.http.door import COMMON_HEADERS, REQUEST_ID
from harness.providers.http.network import CONNECT_TIMEOUT_S, KEEP_ALIVE_S
from harness.providers.http.proxied import ProxiedClient
from harness.providers.wire.answers import kept_headers

BODY_LIMIT_BYTES = 100_000
"""Far above the answers that are measured, so that hostile ones need not be large."""

OWN = "own"


def own(url: str, headers: Mapping[str, str], concurrency: int) -> HttpClient:
    """Open the harness's own client."""
    return DirectClient(url, headers, concurrency=concurrency, body_limit=BODY_LIMIT_BYTES)


def aiohttp(url: str, headers: Mapping[str, str], concurrency: int) -> HttpClient:
    """Open aiohttp as the harness tunes it behind proxies, without a proxy."""
    return ProxiedClient(url, headers, concurrency=concurrency, proxy=None, body_limit=BODY_LIMIT_BYTES)


class Pyreqwest:
    """reqwest (Rust) with everything off that the harness does not do; the answer is read as it comes.

    Its errors do not say whether a request left: a ConnectError and a ConnectTimeoutError are also what a request gets
    that the server has received. Only the text of a cause tells them apart, and for a timeout nothing does.
    """

    def __init__(self, url: str, headers: Mapping[str, str], concurrency: int) -> None:
        from pyreqwest.client import ClientBuilder

        self._url = url
        self._slots = asyncio.Semaphore(concurrency)
        builder = ClientBuilder().no_proxy().follow_redirects(False).referer(False).http1_only()
        builder = builder.gzip(True).deflate(True).brotli(False).zstd(False)
        builder = builder.pool_idle_timeout(timedelta(seconds=KEEP_ALIVE_S)).pool_max_idle_per_host(concurrency)
        builder = builder.connect_timeout(timedelta(seconds=CONNECT_TIMEOUT_S))
        self._client = builder.default_headers({**COMMON_HEADERS, **headers}).build()

    async def post(self, body: bytes, *, request_id: str, timeout_s: float) -> HttpAnswer:
        """Send one POST; see `HttpClient.post`."""
        from pyreqwest.exceptions import PyreqwestError

        started_s = perf_counter()
        part: HttpAnswer | None = None
        chunks: list[bytes] = []
        n_bytes = 0
        async with self._slots:
            asked = self._client.post(self._url).header(REQUEST_ID, request_id).body_bytes(body)
            asked = asked.timeout(timedelta(seconds=timeout_s)).streamed_read_buffer_limit(0)
            try:
                async with asked.build_streamed() as answer:
                    headers = kept_headers(dict(answer.headers.items()))
                    part = HttpAnswer(answer.status, headers, b"", perf_counter() - started_s)
                    while (chunk := await answer.body_reader.read_chunk()) is not None:
                        chunks.append(bytes(chunk))
                        n_bytes += len(chunk)
                        if n_bytes > BODY_LIMIT_BYTES:
                            raise NoAnswerError("the answer's body is too long", sent=True, part=part)
            except PyreqwestError as error:
                unsent = part is None and "client error (Connect)" in str(error)
                raise NoAnswerError(
                    str(error),
                    sent=not unsent,
                    timed_out=isinstance(error, TimeoutError),
                    part=None if part is None else part._replace(body=b"".join(chunks)),
                ) from error
        return part._replace(body=b"".join(chunks))

    async def aclose(self) -> None:
        """Close the pool."""
        await self._client.close()


Open = Callable[[str, Mapping[str, str], int], HttpClient]

SIDES: Mapping[str, Open] = {OWN: own, "aiohttp": aiohttp, "pyreqwest": Pyreqwest}
"""Our own first: the others are printed as ratios to it."""


def at_hand(side: str) -> bool:
    """Whether the package of a side is installed."""
    return side == OWN or importlib.util.find_spec(side) is not None
