"""Proxies: only when asked for, their passwords masked, and the client that speaks to them keeps the same limits."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket

import pytest

from harness.errors import InputError
from harness.providers.http import NoAnswerError, idle_proxy_variables, open_client, proxy_for
from harness.providers.http.proxied import ProxiedClient
from harness.secrets import redact
from tests.support.loopback_raw import ANSWER, BODY, RawServer, always, serve_raw


async def silent(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read requests and never answer."""
    while True:
        await server.read_request(reader)


async def test_a_proxy_of_the_environment_is_used_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve_raw(always(ANSWER)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("BENCHTAB_PROXY", "env")
        client = open_client("http://model.invalid/v1", {"Accept": "application/json"}, concurrency=1)
        found = await client.post(b"{}", request_id="an-id", timeout_s=20)
        await client.aclose()
    assert found[:3] == (200, {}, BODY)
    (request,) = proxy.requests
    assert request.startswith(b"POST http://model.invalid/v1 HTTP/1.1\r\n")
    assert b"\r\nX-Client-Request-Id: an-id\r\n" in request


@pytest.mark.parametrize("variable", ["http_proxy", "ALL_PROXY", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_used_unasked(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    async with serve_raw(always(ANSWER)) as proxy, serve_raw(always(ANSWER)) as server:
        monkeypatch.setenv(variable, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        client = open_client(server.url, {}, concurrency=1)
        await client.post(b"{}", request_id="an-id", timeout_s=20)
        await client.aclose()
    assert (len(server.requests), len(proxy.requests)) == (1, 0)
    assert idle_proxy_variables(os.environ) == [variable]


@pytest.mark.parametrize("asked", ["env", "named"])
def test_a_proxy_without_a_scheme_is_completed_and_its_password_masked(
    monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    address = "me:hunter-of-proxies@proxy.invalid:3128"
    monkeypatch.setenv("all_proxy", address)
    monkeypatch.setenv("no_proxy", "direct.invalid")
    monkeypatch.setenv("BENCHTAB_PROXY", "env" if asked == "env" else address)
    assert proxy_for("https://model.invalid/v1") == f"http://{address}"
    assert proxy_for("https://direct.invalid/v1") is None
    assert redact("cannot reach hunter-of-proxies") == "cannot reach [redacted]"


@pytest.mark.parametrize("address", ["socks5://h:1", "http://me:hunter2@h:port", "http://", "http://[::1"])
def test_a_proxy_that_is_none_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("BENCHTAB_PROXY", address)
    with pytest.raises(InputError, match="not an address of an http proxy") as caught:
        proxy_for("http://model.invalid/v1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("answers", [True, False])
async def test_a_proxied_request_fails_with_what_is_known_about_it(
    monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    async with serve_raw(silent) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url if answers else "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("BENCHTAB_PROXY", "env")
        client = open_client("http://model.invalid/v1", {}, concurrency=1)
        with pytest.raises(NoAnswerError) as caught:
            await client.post(b"{}", request_id="an-id", timeout_s=0.2)
        await client.aclose()
    assert (caught.value.sent, caught.value.timed_out) == (answers, answers)


async def test_a_proxy_that_does_not_accept_is_a_timeout_before_sending() -> None:
    with socket.socket() as full, socket.socket() as accepted_by_the_system:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        accepted_by_the_system.connect(full.getsockname())
        proxy = f"http://127.0.0.1:{full.getsockname()[1]}"
        client = ProxiedClient("http://model.invalid/v1", {}, concurrency=1, proxy=proxy)
        with pytest.raises(NoAnswerError) as caught:
            await client.post(b"{}", request_id="an-id", timeout_s=0.3)
        await client.aclose()
    assert (caught.value.sent, caught.value.timed_out) == (False, True)


async def test_a_proxy_that_refuses_the_way_lets_nothing_be_sent() -> None:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")

    async with serve_raw(talk) as proxy:
        client = ProxiedClient("https://model.invalid/v1", {}, concurrency=1, proxy=proxy.url)
        with pytest.raises(NoAnswerError, match="407") as caught:
            await client.post(b"{}", request_id="an-id", timeout_s=20)
        await client.aclose()
    assert (caught.value.sent, caught.value.timed_out) == (False, False)


async def test_a_proxied_request_whose_turn_never_came_was_not_sent() -> None:
    async with serve_raw(silent) as proxy:
        client = ProxiedClient("http://model.invalid/v1", {}, concurrency=1, proxy=proxy.url)
        first = asyncio.ensure_future(client.post(b"{}", request_id="first", timeout_s=20))
        await proxy.arrived.wait()
        with pytest.raises(NoAnswerError) as caught:
            await client.post(b"{}", request_id="second", timeout_s=0.3)
        first.cancel()
        await client.aclose()
    assert (caught.value.sent, caught.value.timed_out) == (False, True)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_proxied_answer_without_an_end_is_cut_off(coding: str) -> None:
    body = bytes(200_000) if coding == "identity" else gzip.compress(bytes(200_000))
    sent = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n\r\n%s" % (coding.encode(), body)
    async with serve_raw(always(sent)) as proxy:
        client = ProxiedClient("http://model.invalid/v1", {}, concurrency=1, proxy=proxy.url, body_limit=100_000)
        with pytest.raises(NoAnswerError, match="body is too long") as caught:
            await client.post(b"{}", request_id="an-id", timeout_s=20)
        await proxy.hung_up.wait()
        await client.aclose()
    assert (caught.value.sent, caught.value.timed_out) == (True, False)
