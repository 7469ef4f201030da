"""The HTTP client for addresses behind a proxy: aiohttp, which speaks to proxies, with the limits of the direct one.

Data flows body and request id -> one POST through the proxy -> HttpAnswer or NoAnswerError.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import aiohttp
from yarl import URL

from harness.providers.http.door import BODY_LIMIT_BYTES, COMMON_HEADERS, REQUEST_ID, HttpAnswer, NoAnswerError
from harness.providers.http.network import ADDRESSES_KEPT_S, CONNECT_TIMEOUT_S, KEEP_ALIVE_S, keep_alive_socket
from harness.providers.wire.headers import kept_headers


def connector(concurrency: int) -> aiohttp.TCPConnector:
    """Make a pool of at most `concurrency` connections; must be called inside the event loop."""
    return aiohttp.TCPConnector(
        limit=concurrency,
        limit_per_host=0,
        keepalive_timeout=KEEP_ALIVE_S,
        ttl_dns_cache=int(ADDRESSES_KEPT_S),
        socket_factory=keep_alive_socket,
    )


_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.ConnectionTimeoutError)


def _limits(timeout_s: float) -> aiohttp.ClientTimeout:
    """Let the wait for a connection end before the whole limit: then it is known that nothing was sent."""
    return aiohttp.ClientTimeout(
        total=timeout_s, connect=timeout_s * 0.9, sock_connect=min(timeout_s * 0.9, CONNECT_TIMEOUT_S)
    )


class ProxiedClient:
    """One aiohttp session for one address and one proxy; see `HttpClient`.

    Args:
        url: http or https; its path and query are sent as they are written.
        headers: sent with every request.
        concurrency: connections that may be open at once; further callers wait in turn.
        proxy: its address.
        body_limit: most bytes of an answer, decompressed.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        concurrency: int,
        proxy: str,
        body_limit: int = BODY_LIMIT_BYTES,
    ) -> None:
        self._url = URL(url, encoded=True)
        self._headers = {**COMMON_HEADERS, **headers}
        self._body_limit = body_limit
        self._concurrency = concurrency
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    async def post(self, body: bytes, *, request_id: str, timeout_s: float) -> HttpAnswer:
        """Send one POST; see `HttpClient.post`."""
        session = self._session or self._open()
        started_s = perf_counter()
        part: HttpAnswer | None = None
        chunks: list[bytes] = []
        n_bytes = 0
        try:
            async with session.post(
                self._url,
                data=body,
                headers={REQUEST_ID: request_id},
                timeout=_limits(timeout_s),
                proxy=self._proxy,
                allow_redirects=False,
            ) as answer:
                part = HttpAnswer(answer.status, kept_headers(answer.headers), b"", perf_counter() - started_s)
                async for chunk in answer.content.iter_any():
                    chunks.append(chunk)
                    n_bytes += len(chunk)
                    if n_bytes > self._body_limit:
                        answer.close()  # or leaving would read the rest
                        message = f"the answer's body is too long: {n_bytes} bytes so far"
                        raise NoAnswerError(message, sent=True, part=part._replace(body=b"".join(chunks)))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            unsent = isinstance(error, _NEVER_SENT) and part is None
            raise NoAnswerError(
                f"{type(error).__name__}: {error}",
                sent=not unsent,
                timed_out=isinstance(error, TimeoutError),
                part=None if part is None else part._replace(body=b"".join(chunks)),
            ) from error
        return part._replace(body=b"".join(chunks))

    def _open(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=connector(self._concurrency),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=2**18,
            trust_env=False,
        )
        return self._session

    async def aclose(self) -> None:
        """Close the session; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
