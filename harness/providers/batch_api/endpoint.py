"""The HTTP side of a batch interface: one request a call, whatever comes back is an object or a `ProviderError`.

Data flows method and path -> one request, whose redirects are not followed -> parsed object, or lines of a file.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

import aiohttp

from harness.errors import ErrorClass, ProviderError
from harness.providers.batch_api.fields import id_in
from harness.providers.batch_api.result_lines import LineCutter, RawLine
from harness.providers.failures import failure_from_http, failure_without_answer
from harness.providers.http import CONNECT_TIMEOUT_S, proxy_for
from harness.providers.wire.raw_answers import Document, Received
from harness.providers.wire.requests import dump_body, parse_answer
from harness.usage.payload import shown

_ANSWER_LIMIT_BYTES = 2**24
_LONGEST_LOOK_S = 600.0
_LONGEST_SILENCE_S = 300.0

_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


class BatchEndpoint:
    """A base address with its headers: one HTTP request per call, failures as ProviderError.

    Passwords of `~/.netrc` and cookies are never sent; a proxy is used when the user asked for one.
    """

    def __init__(self, provider: str, base_url: str, headers: Mapping[str, str]) -> None:
        self.provider = provider
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._proxy = proxy_for(self._base_url)
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self, method: str, path: str, *, data: aiohttp.FormData | None = None, body: Document | None = None
    ) -> Document:
        """Send one request and parse its JSON object.

        Raises:
            ProviderError: no answer, a status that is no success, a redirect, or an answer that is no object.
        """
        headers = {"Content-Type": "application/json"} if body is not None else {}
        payload = dump_body(body) if body is not None else data
        limit_s = _LONGEST_LOOK_S if payload is None else None
        try:
            async with self._request(method, path, payload, headers, limit_s) as answer:
                content = await _content(answer)
        except Exception as error:  # whatever an answer does to the HTTP library, it is one failed request
            raise self._unanswered(error) from error
        self._check(answer, content)
        return _object_in(answer.status, content)

    async def listed(self, path: str, *, cursor: str) -> AsyncIterator[Mapping[str, Any]]:
        """Give the batches of an account, newest first, page by page.

        Args:
            cursor: the parameter that asks for what comes after a batch.

        Raises:
            ProviderError: a page cannot be had, or is no list of batches.
        """
        page, seen = f"{path}?limit=100", set[str]()
        while True:
            answer = await self.call("GET", page)
            batches = answer.get("data")
            if not isinstance(batches, list) or not all(isinstance(batch, dict) for batch in batches):
                raise _unlisted("its list of batches is none")
            for batch in batches:
                yield batch
            if not batches or answer.get("has_more") is not True:
                return
            last = id_in(batches[-1], "last batch of a page")
            if last in seen:
                raise _unlisted("its list of batches goes round in a circle")
            seen.add(last)
            page = f"{path}?limit=100&{cursor}={last}"

    async def lines(self, path: str) -> AsyncIterator[RawLine]:
        """Stream the lines of a file, each as it comes; what came before a failure has been given.

        Raises:
            ProviderError: no answer, a status that is no success, a redirect, or a file that breaks off.
        """
        cutter = LineCutter()
        try:
            async with self._request("GET", path, None, {}, None) as answer:
                if not 200 <= answer.status < 300:
                    self._check(answer, await _content(answer))
                async for chunk in answer.content.iter_any():
                    for line in cutter.cut(chunk):
                        yield line
        except ProviderError:
            raise
        except Exception as error:
            raise self._unanswered(error) from error
        if (last := cutter.rest()) is not None:
            yield last

    def _request(self, method: str, path: str, payload: Any, headers: Mapping[str, str], limit_s: float | None) -> Any:
        timeout = aiohttp.ClientTimeout(total=limit_s, sock_connect=CONNECT_TIMEOUT_S, sock_read=_LONGEST_SILENCE_S)
        return self._open().request(
            method,
            self._base_url + path,
            data=payload,
            headers=headers,
            timeout=timeout,
            proxy=self._proxy,
            allow_redirects=False,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session

    def _check(self, answer: aiohttp.ClientResponse, content: bytes) -> None:
        """Refuse every answer that is no success."""
        if 200 <= answer.status < 300:
            return
        headers = {name.lower(): value for name, value in answer.headers.items()}
        received = Received(provider=self.provider, headers=headers, status=answer.status, url=str(answer.url))
        raise self.failure(content, received)

    def _unanswered(self, error: Exception) -> ProviderError:
        error_class = ErrorClass.TIMEOUT if isinstance(error, TimeoutError) else ErrorClass.CONNECTION
        sent = not isinstance(error, _NEVER_SENT)
        return failure_without_answer(error, provider=self.provider, error_class=error_class, sent=sent)

    def failure(self, content: bytes, received: Received) -> ProviderError:
        """Classify an error answer, of this endpoint or of one line."""
        try:
            return failure_from_http(content, received, now=datetime.now(UTC))
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            return ProviderError(
                f"HTTP {received.status}, with a body that cannot be read ({type(error).__name__})",
                error_class=ErrorClass.SERVER_ERROR if received.status >= 500 else ErrorClass.BAD_REQUEST,
                http_status=received.status,
            )

    async def aclose(self) -> None:
        """Close connections; safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    """Read a body whole, up to a limit that no honest answer reaches."""
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > _ANSWER_LIMIT_BYTES:
            raise ValueError(f"the answer is longer than {_ANSWER_LIMIT_BYTES:,} bytes")
    return bytes(content)


def _object_in(status: int, content: bytes) -> Document:
    try:
        document = parse_answer(content)
    except (ValueError, RecursionError):
        document = content.decode("utf-8", "replace").strip() or "empty"
    if isinstance(document, dict):
        return document
    raise ProviderError(
        f"HTTP {status}, and not the JSON object that was expected: {shown(document)}",
        error_class=ErrorClass.MALFORMED_RESPONSE,
        http_status=status,
    )


def _unlisted(why: str) -> ProviderError:
    return ProviderError(
        f"whether the batch arrived cannot be found out: {why}", error_class=ErrorClass.MALFORMED_RESPONSE
    )
