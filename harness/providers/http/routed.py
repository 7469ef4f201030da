"""Leads every HTTP client that litellm makes through the transport of the attempt it works for.

For some providers (Cohere, NLP Cloud, ...) litellm ignores the client that is handed over and makes one that follows
redirects and is seen by nobody. Data flows litellm's request -> the running task's Exchange -> its transport.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from harness.providers.http.recording import CURRENT, Exchange


class OutsideAttemptError(Exception):
    """litellm wants to send something that belongs to no attempt; it is not sent."""


class RoutedTransport(httpx.AsyncBaseTransport):
    """Hands a request to the transport of the attempt that the running task makes."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request for the current attempt."""
        return await _exchange().transport.handle_async_request(request)


class RoutedSyncTransport(httpx.BaseTransport):
    """The same for litellm's blocking clients, which it runs in threads of their own."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request for the current attempt and wait for its whole answer."""
        exchange = _exchange()
        if _running_loop() is exchange.loop:
            raise OutsideAttemptError("litellm would hold up all requests to wait for one of its own")
        return asyncio.run_coroutine_threadsafe(_whole(exchange, request), exchange.loop).result()


async def _whole(exchange: Exchange, request: httpx.Request) -> httpx.Response:
    sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
    answer = await exchange.transport.handle_async_request(sent)
    content = await answer.aread()
    return httpx.Response(answer.status_code, headers=answer.headers, content=content, request=request)


def _exchange() -> Exchange:
    exchange = CURRENT.get(None)
    if exchange is None:
        raise OutsideAttemptError("litellm wants to send a request outside of any attempt")
    return exchange


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def route_clients(litellm: Any, handler: Any) -> None:
    """Set litellm up so that each client of its own, and of the OpenAI SDK under it, sends through the attempt.

    Args:
        litellm: the imported module.
        handler: its class AsyncHTTPHandler, which has no setting for the transport of the clients it makes itself.
    """

    def transport(**_: Any) -> RoutedTransport:
        return RoutedTransport()

    handler.create_async_transport = handler._create_async_transport = staticmethod(transport)
    litellm.sync_transport = RoutedSyncTransport()
    litellm.aclient_session = httpx.AsyncClient(transport=RoutedTransport(), follow_redirects=False, trust_env=False)
    litellm.client_session = httpx.Client(transport=RoutedSyncTransport(), follow_redirects=False, trust_env=False)
