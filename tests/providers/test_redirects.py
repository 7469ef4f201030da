"""No key follows a redirect, and one attempt is one request, whichever library sends it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from harness.errors import ErrorClass, InputError, ProviderError
from harness.messages import Message
from harness.models import parse_model
from harness.providers import make_provider
from harness.providers.base import Request
from harness.providers.failures import failure_from_http
from harness.providers.http.recording import CURRENT, Exchange, RecordingTransport, SecondRequestError
from harness.providers.wire.raw_answers import Received
from tests.providers.test_provider_failures import NOW
from tests.support.loopback import Loopback, Reply, serve

KEY = "Zq7-follows-no-redirect-0001"
VARIABLES = ("OPENAI", "ANTHROPIC", "GEMINI", "COHERE", "CO", "AZURE", "MISTRAL", "NLP_CLOUD", "OPENAI_COMPATIBLE")


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(f"{name}_API_KEY", KEY)
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
async def first() -> AsyncIterator[Loopback]:
    async with serve() as books:
        yield books


@pytest.fixture
async def other() -> AsyncIterator[Loopback]:
    async with serve() as books:
        yield books


async def failure(name: str, url: str, *, stream: bool = False) -> ProviderError:
    spec = parse_model(name)
    provider = make_provider(spec, base_url=url, concurrency=1, stream=stream)
    messages = (Message(role="user", content="2+2?"),)
    request = Request(request_id="r.1", model=spec, messages=messages, max_output_tokens=100)
    try:
        with pytest.raises(ProviderError) as caught:
            await provider.send(provider.prepare(request), timeout_s=20)
    finally:
        await provider.aclose()
    return caught.value


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("openai-compatible/m", 308),
        ("openai/gpt-4o", 307),
        ("openai/o1-pro", 302),
        ("anthropic/claude-3-7-sonnet-20250219", 307),
        ("gemini/gemini-2.5-pro", 302),
        ("cohere/command-r", 307),
        ("nlp_cloud/m", 307),
        ("mistral/m", 303),
        ("azure/m", 301),
        ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", 308),
    ],
)
async def test_no_key_follows_a_redirect(
    first: Loopback, other: Loopback, name: str, status: int, stream: bool
) -> None:
    location = other.url.replace("127.0.0.1", "localhost") + "/v1/elsewhere?key=told-by-the-server"
    first.always = Reply(status=status, body={}, headers={"Location": location})
    error = await failure(name, f"{first.url}/v1", stream=stream)
    assert other.seen == []
    assert len(first.seen) == 1
    assert (error.error_class, error.http_status, error.billed) == (ErrorClass.NOT_FOUND, status, "no")
    assert "redirects to http://localhost:" in error.message
    assert "--base-url " in error.message
    assert "told-by-the-server" not in error.message


@pytest.mark.parametrize("name", ["openai-compatible/m", "anthropic/claude-3-7-sonnet-20250219", "cohere/command-r"])
async def test_a_redirect_on_the_same_host_is_not_followed_either(first: Loopback, name: str) -> None:
    first.always = Reply(status=307, headers={"Location": "/v2/chat"})
    error = await failure(name, f"{first.url}/v1")
    assert len(first.seen) == 1
    assert f"redirects to {first.url}/v2/chat" in error.message


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("", "names no other one"),
        ("http://[::1", "redirects to http://[::1"),
        ("//host/x#Zq7KeyInTheFragment0", "redirects to https://host/x#[redacted]"),
        ("https://me:pass-in-location@host/", "redirects to https://me:[redacted]@host/"),
    ],
)
def test_a_redirect_names_where_it_points_without_keys(location: str, said: str) -> None:
    received = Received(provider="openai", status=302, headers={"location": location}, url="https://a/v1?key=abcdef")
    error = failure_from_http(b"", received, now=NOW)
    assert said in error.message
    assert error.message.startswith("HTTP 302: https://a/v1?key=[redacted] ")


def test_a_client_that_would_follow_redirects_is_refused() -> None:
    with pytest.raises(InputError, match="follows redirects"):
        make_provider(parse_model("aiohttp_openai/m"), base_url=None, concurrency=1)


async def test_a_second_request_inside_one_attempt_does_not_leave(first: Loopback) -> None:
    transport = RecordingTransport(concurrency=1)
    exchange = Exchange(transport=transport)
    token = CURRENT.set(exchange)
    async with httpx.AsyncClient(transport=transport) as client:
        await client.post(f"{first.url}/v1/chat/completions", json={"model": "m"})
        for method, path in (("POST", "/v1/chat/completions"), ("POST", "/v1/other"), ("GET", "/v1/chat/completions")):
            with pytest.raises(SecondRequestError):
                await client.request(method, first.url + path, json={"model": "m"})
    CURRENT.reset(token)
    assert len(first.seen) == exchange.n_requests == 1


async def test_a_provider_that_is_polled_is_asked_again_at_its_own_host_only(first: Loopback, other: Loopback) -> None:
    transport = RecordingTransport(concurrency=1)
    token = CURRENT.set(Exchange(transport=transport, polls=True))
    async with httpx.AsyncClient(transport=transport) as client:
        await client.post(f"{first.url}/v1/chat/completions", json={"model": "m"})
        await client.get(f"{first.url}/v1/chat/completions")
        with pytest.raises(SecondRequestError):
            await client.get(f"{other.url}/v1/chat/completions")
    CURRENT.reset(token)
    assert other.seen == []
