"""The direct client: one POST per request, exact usage, every failure classified, as many in flight as asked."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from harness.errors import ErrorClass, InputError, ProviderError
from harness.messages import ImagePart, Message
from harness.models import ModelSpec
from harness.providers import make_provider
from harness.providers.base import Request
from harness.providers.openai_compatible import OpenAICompatibleProvider, endpoint_url
from tests.support.loopback import CHAT_ANSWER, RESPONSES_ANSWER, Loopback, Reply, serve

SPEC = ModelSpec(provider="openai-compatible", model="my-model")


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with serve() as books:
        yield books


@pytest.fixture
async def client(server: Loopback) -> AsyncIterator[OpenAICompatibleProvider]:
    provider = OpenAICompatibleProvider(SPEC, base_url=server.url, concurrency=4, api_key="sk-very-secret-key")
    yield provider
    await provider.aclose()


def ask(
    text: str = "2+2?", *, spec: ModelSpec = SPEC, request_id: str = "r.c.s.e0.t0", cap: int | None = 100
) -> Request:
    return Request(
        request_id=request_id,
        model=spec,
        messages=(Message(role="user", content=text),),
        temperature=0.0,
        max_output_tokens=cap,
        seed=7,
    )


async def failure(client: OpenAICompatibleProvider, timeout_s: float = 5.0) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await client.send(client.prepare(ask()), timeout_s=timeout_s)
    return caught.value


async def test_an_answer_is_read_with_its_usage_untouched(server: Loopback, client: OpenAICompatibleProvider) -> None:
    response = await client.send(client.prepare(ask()), timeout_s=5)
    assert response.text == "The answer is 4."
    assert response.reasoning_text == "2 and 2"
    assert response.raw_usage == CHAT_ANSWER["usage"]
    assert (response.usage_kind, response.model_served, response.service_tier) == (
        "openai.chat",
        "served-model-1",
        "default",
    )
    assert response.provider_request_id == "chatcmpl-1"
    assert response.time_to_first_byte_s is not None
    assert response.time_to_first_byte_s > 0


async def test_the_body_is_what_was_prepared_and_the_id_goes_along(
    server: Loopback, client: OpenAICompatibleProvider
) -> None:
    prepared = client.prepare(ask(request_id="run.1.2.e3.t4"))
    await client.send(prepared, timeout_s=5)
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["x-client-request-id"] == "run.1.2.e3.t4"
    assert seen.body == {
        "model": "my-model",
        "messages": [{"role": "user", "content": "2+2?"}],
        **prepared.parameters,
    }
    assert prepared.parameters == {"temperature": 0.0, "seed": 7, "max_tokens": 100}


async def test_parameters_hold_no_key(server: Loopback, client: OpenAICompatibleProvider) -> None:
    prepared = client.prepare(ask())
    await client.send(prepared, timeout_s=5)
    assert server.seen[0].headers["authorization"] == "Bearer sk-very-secret-key"
    assert "secret" not in repr(prepared)


async def test_a_key_never_reaches_an_error_text(server: Loopback, client: OpenAICompatibleProvider) -> None:
    echo = {
        "error": {"message": "Incorrect API key provided: sk-very-secret-key. Also Bearer abcdef123456.", "code": "x"}
    }
    server.answer_with(Reply(status=401, body=echo))
    error = await failure(client)
    assert error.error_class is ErrorClass.AUTHENTICATION
    assert "very-secret" not in str(error)
    assert "abcdef123456" not in str(error)


async def test_a_cost_with_a_fraction_stays_exact(server: Loopback, client: OpenAICompatibleProvider) -> None:
    usage = b'{"prompt_tokens":1,"cost":0.1000000000000000055511151231257827}'
    body = b'{"choices":[{"message":{"content":"4"},"finish_reason":"stop"}],"usage":' + usage + b"}"
    server.answer_with(Reply(body=body))
    response = await client.send(client.prepare(ask()), timeout_s=5)
    assert response.raw_usage == {"prompt_tokens": 1, "cost": Decimal("0.1000000000000000055511151231257827")}


async def test_missing_usage_is_none_and_not_zero(server: Loopback, client: OpenAICompatibleProvider) -> None:
    server.answer_with(Reply(body={"choices": [{"message": {"content": "4"}, "finish_reason": "stop"}]}))
    assert (await client.send(client.prepare(ask()), timeout_s=5)).raw_usage is None


async def test_a_model_that_spends_its_budget_thinking_is_cut_not_failed(
    server: Loopback, client: OpenAICompatibleProvider
) -> None:
    cut = {"choices": [{"message": {"content": None}, "finish_reason": "length"}], "usage": {"completion_tokens": 100}}
    server.answer_with(Reply(body=cut))
    response = await client.send(client.prepare(ask()), timeout_s=5)
    assert (response.text, response.finish_reason) == ("", "length")


async def test_a_refusal_is_marked(server: Loopback, client: OpenAICompatibleProvider) -> None:
    refusal = {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}
    server.answer_with(Reply(body=refusal))
    response = await client.send(client.prepare(ask()), timeout_s=5)
    assert response.refused
    assert response.text == "I cannot."


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_retries_are_not_hidden_in_the_client(
    server: Loopback, client: OpenAICompatibleProvider, status: int
) -> None:
    server.answer_with(Reply(status=status, body={"error": {"message": "no"}}))
    assert (await failure(client)).http_status == status
    assert len(server.seen) == 1


async def test_a_dropped_connection_is_one_attempt_whose_bill_is_unknown(
    server: Loopback, client: OpenAICompatibleProvider
) -> None:
    server.answer_with(Reply(drop=True))
    error = await failure(client)
    assert (error.error_class, error.billed, error.http_status) == (ErrorClass.CONNECTION, "unknown", None)
    assert len(server.seen) == 1


async def test_a_timeout_is_an_attempt_whose_bill_is_unknown(
    server: Loopback, client: OpenAICompatibleProvider
) -> None:
    never = asyncio.Event()
    server.answer_with(Reply(until=never))
    error = await failure(client, timeout_s=0.05)
    assert (error.error_class, error.billed) == (ErrorClass.TIMEOUT, "unknown")
    never.set()


async def test_nothing_listens_and_nothing_is_billed() -> None:
    async with serve() as books:
        url = books.url
    provider = OpenAICompatibleProvider(SPEC, base_url=url, concurrency=1)
    error = await failure(provider)
    await provider.aclose()
    assert (error.error_class, error.billed) == (ErrorClass.CONNECTION, "no")


async def test_an_answer_that_is_not_json_is_malformed(server: Loopback, client: OpenAICompatibleProvider) -> None:
    server.answer_with(Reply(body=b"<html>busy</html>"))
    assert (await failure(client)).error_class is ErrorClass.MALFORMED_RESPONSE


async def test_an_error_inside_a_200_is_an_error(server: Loopback, client: OpenAICompatibleProvider) -> None:
    server.answer_with(Reply(body={"error": {"code": 429, "message": "slow"}}))
    error = await failure(client)
    assert (error.error_class, error.http_status) == (ErrorClass.RATE_LIMIT, 429)


async def test_usage_of_a_broken_answer_is_kept(server: Loopback, client: OpenAICompatibleProvider) -> None:
    server.answer_with(Reply(body={"choices": [], "usage": {"prompt_tokens": 5}}))
    assert (await failure(client)).raw_usage == {"prompt_tokens": 5}


@pytest.mark.parametrize("concurrency", [3, 150])
async def test_the_number_in_flight_equals_the_one_asked(server: Loopback, concurrency: int) -> None:
    provider = OpenAICompatibleProvider(SPEC, base_url=server.url, concurrency=concurrency)
    server.gate_at(concurrency)
    prepared = provider.prepare(ask())
    await asyncio.gather(*(provider.send(prepared, timeout_s=20) for _ in range(concurrency)))
    await provider.aclose()
    assert server.most_in_flight == concurrency


async def test_never_more_in_flight_than_asked(server: Loopback) -> None:
    provider = OpenAICompatibleProvider(SPEC, base_url=server.url, concurrency=5)
    prepared = provider.prepare(ask())
    await asyncio.gather(*(provider.send(prepared, timeout_s=20) for _ in range(40)))
    await provider.aclose()
    assert server.most_in_flight <= 5


async def test_a_stream_is_folded_with_its_usage(server: Loopback) -> None:
    provider = OpenAICompatibleProvider(SPEC, base_url=server.url, concurrency=1, stream=True)
    prepared = provider.prepare(ask())
    response = await provider.send(prepared, timeout_s=5)
    await provider.aclose()
    assert prepared.parameters["stream_options"] == {"include_usage": True}
    assert (response.text, response.reasoning_text) == ("The answer is 4.", "2 and 2")
    assert response.raw_usage == CHAT_ANSWER["usage"]


async def test_a_stream_that_ends_early_is_not_an_answer(server: Loopback) -> None:
    provider = OpenAICompatibleProvider(SPEC, base_url=server.url, concurrency=1, stream=True)
    server.answer_with(Reply(body=b'data: {"choices":[{"delta":{"content":"The"}}]}\n\n'))
    error = await failure(provider)
    await provider.aclose()
    assert error.error_class is ErrorClass.MALFORMED_RESPONSE


async def test_an_image_travels_as_a_data_url(server: Loopback, client: OpenAICompatibleProvider) -> None:
    content = ("what is this?", ImagePart(media_type="image/png", data=b"\x89PNG"))
    request = Request(request_id="a", model=SPEC, messages=(Message(role="user", content=content),))
    await client.send(client.prepare(request), timeout_s=5)
    assert server.seen[0].body["messages"][0]["content"] == [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
    ]


async def test_a_lone_surrogate_in_a_question_is_sent_escaped(
    server: Loopback, client: OpenAICompatibleProvider
) -> None:
    await client.send(client.prepare(ask("bad \ud800 text")), timeout_s=5)
    assert server.seen[0].body["messages"][0]["content"] == "bad \ud800 text"


async def test_the_key_comes_from_the_environment(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "from-the-environment")
    provider = make_provider(SPEC, base_url=server.url, concurrency=1)
    await provider.send(provider.prepare(ask()), timeout_s=5)
    await provider.aclose()
    assert server.seen[0].headers["authorization"] == "Bearer from-the-environment"


async def test_responses_usage_is_kept_as_sent(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-openai-0001")
    spec = ModelSpec(provider="openai", model="o1-pro", setting="high")
    provider = make_provider(spec, base_url=server.url, concurrency=1)
    prepared = provider.prepare(ask(spec=spec))
    response = await provider.send(prepared, timeout_s=5)
    await provider.aclose()
    (seen,) = server.seen
    assert seen.path == "/v1/responses"
    assert prepared.parameters == {"max_output_tokens": 100, "reasoning": {"effort": "high"}}
    assert seen.body == {"model": "o1-pro", "input": [{"role": "user", "content": "2+2?"}], **prepared.parameters}
    assert any("temperature=0.0 left out" in note for note in prepared.notes)
    assert any("seed=7 left out" in note for note in prepared.notes)
    assert (response.usage_kind, response.raw_usage) == ("openai.responses", RESPONSES_ANSWER["usage"])
    assert (response.text, response.reasoning_text) == ("The answer is 4.", "2 and 2")
    assert (response.model_served, response.finish_reason) == ("o1-pro-2025-03-19", "stop")


async def test_a_response_cut_at_the_cap_is_cut_not_failed(server: Loopback) -> None:
    spec = ModelSpec(provider="openai", model="o1-pro")
    provider = make_provider(spec, base_url=server.url, concurrency=1)
    cut = {
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": RESPONSES_ANSWER["output"][:1],
    }
    server.answer_with(Reply(body={**RESPONSES_ANSWER, **cut}))
    response = await provider.send(provider.prepare(ask(spec=spec)), timeout_s=5)
    await provider.aclose()
    assert (response.text, response.finish_reason) == ("", "length")
    assert response.raw_usage == RESPONSES_ANSWER["usage"]


def test_no_base_url_is_an_input_error() -> None:
    with pytest.raises(InputError, match="--base-url"):
        make_provider(SPEC, base_url=None, concurrency=1)


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/chat/completions"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/chat/completions"),
        ("https://host/api/v1/chat/completions", "https://host/api/v1/chat/completions"),
    ],
)
def test_a_base_url_is_completed(base_url: str, address: str) -> None:
    assert endpoint_url(base_url) == address


@pytest.mark.parametrize(
    "base_url", ["localhost:8000", "ftp://host", "", "http://host:99999", "http://host:x", "http://host:0"]
)
def test_a_base_url_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(InputError, match="not a base URL"):
        endpoint_url(base_url)


def test_a_base_url_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="password") as caught:
        endpoint_url("http://me:hunter2@host/v1")
    assert "hunter2" not in str(caught.value)


def test_a_key_with_a_line_break_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "sk-very-secret-key\r\nX-Injected: 1")
    with pytest.raises(InputError, match="line break") as caught:
        make_provider(SPEC, base_url="http://127.0.0.1:1", concurrency=1)
    assert "secret" not in str(caught.value)
    assert caught.value.where == "header Authorization"
    assert "environment variable" in (caught.value.fix or "")


async def test_the_query_of_a_base_url_is_sent_along(server: Loopback) -> None:
    url = f"{server.url}/openai/v1?api-version=2024-10-21"
    provider = OpenAICompatibleProvider(SPEC, base_url=url, concurrency=1)
    await provider.send(provider.prepare(ask()), timeout_s=5)
    await provider.aclose()
    assert server.seen[0].path == "/openai/v1/chat/completions"
    assert server.seen[0].query == "api-version=2024-10-21"


async def test_a_direct_request_imports_neither_litellm_nor_aiohttp(server: Loopback) -> None:
    code = f"""
import asyncio, sys
from harness.models import ModelSpec
from harness.providers import make_provider
from harness.providers.base import Message, Request

async def main():
    spec = ModelSpec(provider="openai-compatible", model="m")
    provider = make_provider(spec, base_url="{server.url}", concurrency=1)
    request = Request(request_id="a", model=spec, messages=(Message(role="user", content="2+2?"),))
    print((await provider.send(provider.prepare(request), timeout_s=20)).text)
    await provider.aclose()

asyncio.run(main())
print([name for name in ("litellm", "openai", "aiohttp", "yarl", "httpx") if name in sys.modules])
"""
    started = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    printed, _ = await started.communicate()
    assert printed.decode().splitlines() == ["The answer is 4.", "[]"]
