"""What no HTTP client here does or ever grows to do: follow, remember, repeat, upgrade, take a way nobody named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from harness.providers.http import HttpClient, NoAnswerError, open_client
from harness.providers.http.client import DirectClient
from harness.providers.http.proxied import ProxiedClient
from tests.support.loopback_raw import ANSWER, BODY, RawServer, always, serve_raw

Open = Callable[[str], HttpClient]


@pytest.fixture(params=["direct", "proxied"])
async def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Opens a client for a server: one that goes to it, or one for which that server is the proxy."""
    clients: list[HttpClient] = []

    def make(url: str) -> HttpClient:
        if request.param == "proxied":
            monkeypatch.setenv("BENCHTAB_PROXY", url)
            monkeypatch.setenv("no_proxy", "")
            url = "http://model.invalid/v1"
        clients.append(open_client(url, {"Accept": "application/json"}, concurrency=1))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


@pytest.mark.parametrize("kind", [HttpClient, DirectClient, ProxiedClient])
def test_a_client_posts_and_closes_and_does_nothing_else(kind: type) -> None:
    assert {name for name in vars(kind) if not name.startswith("_")} == {"post", "aclose"}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(start: Open, status: int) -> None:
    sent = b"HTTP/1.1 %d Elsewhere\r\nLocation: /other\r\nContent-Length: 8\r\n\r\n%s" % (status, BODY)
    async with serve_raw(always(sent)) as server:
        found = await start(server.url).post(b"{}", request_id="an-id", timeout_s=20)
    assert (found.status, found.body) == (status, BODY)
    assert len(server.requests) == 1


async def test_a_cookie_is_not_sent_back(start: Open) -> None:
    sent = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 8\r\n\r\n" + BODY
    async with serve_raw(always(sent)) as server:
        client = start(server.url)
        for _ in range(2):
            await client.post(b"{}", request_id="an-id", timeout_s=20)
    assert len(server.requests) == 2
    assert b"cookie" not in server.requests[1].lower()


async def test_a_refused_request_is_not_repeated(start: Open) -> None:
    async with serve_raw(always(b"HTTP/1.1 503 Later\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n")) as server:
        assert (await start(server.url).post(b"{}", request_id="an-id", timeout_s=20)).status == 503
    assert len(server.requests) == 1


async def test_no_other_protocol_and_no_compression_is_asked_for(start: Open) -> None:
    async with serve_raw(always(ANSWER)) as server:
        await start(server.url).post(b"{}", request_id="an-id", timeout_s=20)
    (request,) = server.requests
    head = request.partition(b"\r\n\r\n")[0].lower()
    assert b" http/1.1\r\n" in head
    assert b"\r\naccept-encoding: identity\r\n" in head
    assert not [name for name in (b"\r\nupgrade:", b"\r\nhttp2-settings:", b"\r\nexpect:") if name in head]


async def test_the_direct_client_takes_no_way_that_an_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve_raw(always(ANSWER)) as proxy, serve_raw(always(ANSWER)) as server:
        for name in ("BENCHTAB_PROXY", "http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        client = DirectClient(server.url, {}, concurrency=1)
        await client.post(b"{}", request_id="an-id", timeout_s=20)
        await client.aclose()
    assert (len(server.requests), len(proxy.requests)) == (1, 0)


async def test_a_connection_that_is_lost_before_the_answer_is_not_replaced(start: Open) -> None:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)

    async with serve_raw(talk) as server:
        with pytest.raises(NoAnswerError) as caught:
            await start(server.url).post(b"{}", request_id="an-id", timeout_s=20)
    assert (caught.value.sent, caught.value.part) == (True, None)
    assert (len(server.requests), server.n_connections) == (1, 1)
