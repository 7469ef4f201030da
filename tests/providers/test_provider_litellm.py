"""The litellm path: one request per attempt, usage as the provider sent it, parameters that are really sent."""

from __future__ import annotations

import asyncio
import copy
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from harness.errors import ErrorClass, InputError, MissingKeyError, ProviderError
from harness.messages import Message
from harness.models import parse_model
from harness.providers import make_provider
from harness.providers.base import Provider, Request, Response
from harness.providers.catalogue import entry_of, provider_names
from harness.providers.endpoints import COMPATIBLE, SIMULATED
from harness.providers.litellm import HTTP_PATH_VARIABLE
from tests.support.loopback import ANTHROPIC_ANSWER, CHAT_ANSWER, GEMINI_ANSWER, Loopback, Reply, serve

KEYS = {
    "OPENAI_API_KEY": "sk-test-openai-0001",
    "ANTHROPIC_API_KEY": "sk-ant-test-000002",
    "GEMINI_API_KEY": "AIzaTestGemini0003",
    "DEEPSEEK_API_KEY": "sk-deepseek-00004",
    "XAI_API_KEY": "xai-test-00000005",
    "GROQ_API_KEY": "gsk_test0000000006",
    "MISTRAL_API_KEY": "mistral-key-000007",
    "AZURE_API_KEY": "azure-key-00000009",
    "OPENROUTER_API_KEY": "sk-or-test-000008",
}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with serve() as books:
        yield books


def provider_for(server: Loopback, name: str, *, stream: bool = False) -> Provider:
    openai_like = name.split("/")[0] in ("openai", "mistral")
    base_url = server.url + ("/v1" if openai_like else "")
    return make_provider(parse_model(name), base_url=base_url, concurrency=4, stream=stream)


def ask(name: str, **changes: Any) -> Request:
    values: dict[str, Any] = {"temperature": 0.5, "max_output_tokens": 4000, **changes}
    messages = (Message(role="system", content="Be brief."), Message(role="user", content="2+2?"))
    return Request(request_id="r.c.s.e1.t2", model=parse_model(name), messages=messages, **values)


async def answer(server: Loopback, name: str, *, stream: bool = False, **changes: Any) -> Response:
    provider = provider_for(server, name, stream=stream)
    try:
        return await provider.send(provider.prepare(ask(name, **changes)), timeout_s=20)
    finally:
        await provider.aclose()


async def failure(server: Loopback, name: str, timeout_s: float = 20) -> ProviderError:
    provider = provider_for(server, name)
    with pytest.raises(ProviderError) as caught:
        await provider.send(provider.prepare(ask(name)), timeout_s=timeout_s)
    await provider.aclose()
    return caught.value


DIALECTS = [
    "openai/gpt-4o",
    "anthropic/claude-3-7-sonnet-20250219@thinking=2000",
    "google/gemini-2.5-flash@thinking=1000",
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("name", "kind", "usage", "served", "tier"),
    [
        (DIALECTS[0], "openai.chat", CHAT_ANSWER["usage"], "served-model-1", "default"),
        (DIALECTS[1], "anthropic.messages", ANTHROPIC_ANSWER["usage"], "claude-3-7-sonnet-20250219", "standard"),
        (DIALECTS[2], "gemini.usageMetadata", GEMINI_ANSWER["usageMetadata"], "gemini-2.5-flash", None),
    ],
)
async def test_usage_is_kept_as_the_provider_sent_it(
    server: Loopback, stream: bool, name: str, kind: str, usage: dict[str, Any], served: str, tier: str | None
) -> None:
    response = await answer(server, name, stream=stream)
    assert response.raw_usage == usage
    assert (response.usage_kind, response.model_served, response.service_tier) == (kind, served, tier)
    assert (response.text, response.reasoning_text) == ("The answer is 4.", "2 and 2")
    assert response.finish_reason == "stop"
    assert not response.refused
    assert response.provider_request_id in ("chatcmpl-1", "msg_01", "resp-g-1")


@pytest.mark.parametrize("name", DIALECTS)
async def test_litellm_does_not_retry_on_a_500(server: Loopback, name: str) -> None:
    server.always = Reply(status=500, body={"error": {"message": "boom", "type": "server_error"}})
    error = await failure(server, name)
    assert len(server.seen) == 1
    assert (error.error_class, error.http_status) == (ErrorClass.SERVER_ERROR, 500)


@pytest.mark.parametrize(
    "name",
    [
        *DIALECTS,
        "openai/o1@high",
        "openai/my-own-model@low",
        "anthropic/claude-opus-4-6@high",
        "google/gemini-3-flash-preview@low",
        "google/gemini-2.5-flash@none",
        "deepseek/deepseek-chat@none",
        "xai/grok-3-mini@low",
        "groq/openai/gpt-oss-120b@medium",
        "mistral/magistral-medium-latest",
        "openrouter/openai/o1@high",
        "azure/gpt-4o",
    ],
)
async def test_every_prepared_parameter_is_on_the_wire_and_nothing_else(server: Loopback, name: str) -> None:
    provider = provider_for(server, name)
    prepared = provider.prepare(ask(name, seed=11))
    await provider.send(prepared, timeout_s=20)
    await provider.aclose()
    (seen,) = server.seen
    not_parameters = {"model", "messages", "contents", "system", "system_instruction", "stream"}
    assert {key: value for key, value in seen.body.items() if key not in not_parameters} == prepared.parameters
    assert seen.headers["x-client-request-id"] == "r.c.s.e1.t2"


async def test_a_fraction_in_usage_stays_exact(server: Loopback) -> None:
    usage = b'{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"cost":0.1000000000000000055511151231257827}'
    message = b'{"message":{"role":"assistant","content":"4"},"finish_reason":"stop","index":0}'
    body = (
        b'{"id":"x","object":"chat.completion","created":1,"model":"m","choices":['
        + message
        + b'],"usage":'
        + usage
        + b"}"
    )
    server.answer_with(Reply(body=body, headers={"Content-Type": "application/json"}))
    response = await answer(server, "openrouter/openai/o1")
    assert response.usage_kind == "openrouter.chat"
    assert response.raw_usage is not None
    assert response.raw_usage["cost"] == Decimal("0.1000000000000000055511151231257827")


async def test_missing_usage_is_none_and_not_litellms_own_count(server: Loopback) -> None:
    body = {name: value for name, value in CHAT_ANSWER.items() if name != "usage"}
    server.answer_with(Reply(body=body))
    assert (await answer(server, "openai/gpt-4o")).raw_usage is None


async def test_a_model_that_spends_its_budget_thinking_is_cut_not_failed(server: Loopback) -> None:
    body = copy.deepcopy(GEMINI_ANSWER)
    body["candidates"] = [{"index": 0, "finishReason": "MAX_TOKENS", "content": {"role": "model"}}]
    server.answer_with(Reply(body=body))
    response = await answer(server, "google/gemini-2.5-flash")
    assert (response.text, response.finish_reason) == ("", "length")
    assert response.raw_usage == GEMINI_ANSWER["usageMetadata"]


async def test_a_refusal_is_marked(server: Loopback) -> None:
    body = copy.deepcopy(ANTHROPIC_ANSWER) | {"stop_reason": "refusal", "content": [{"type": "text", "text": "No."}]}
    server.answer_with(Reply(body=body))
    response = await answer(server, "anthropic/claude-3-7-sonnet-20250219")
    assert response.refused
    assert response.finish_reason == "content_filter"


async def test_a_rate_limit_says_how_long(server: Loopback) -> None:
    server.answer_with(Reply(status=429, body={"error": {"message": "slow"}}, headers={"Retry-After": "7"}))
    error = await failure(server, "openai/gpt-4o")
    assert (error.error_class, error.retry_after_s, error.billed) == (ErrorClass.RATE_LIMIT, 7.0, "no")


async def test_a_timeout_counts_from_the_send_and_its_bill_is_unknown(server: Loopback) -> None:
    await answer(server, "openai/gpt-4o")
    never = asyncio.Event()
    server.answer_with(Reply(until=never))
    error = await failure(server, "openai/gpt-4o", timeout_s=0.5)
    never.set()
    assert (error.error_class, error.billed) == (ErrorClass.TIMEOUT, "unknown")
    assert len(server.seen) == 2


async def test_a_dropped_connection_is_one_attempt(server: Loopback) -> None:
    server.answer_with(Reply(drop=True))
    error = await failure(server, "openai/gpt-4o")
    assert (error.error_class, error.billed) == (ErrorClass.CONNECTION, "unknown")
    assert len(server.seen) == 1


@pytest.mark.parametrize("name", DIALECTS)
async def test_a_key_never_reaches_parameters_or_errors(server: Loopback, name: str) -> None:
    leak = " ".join(KEYS.values())
    server.answer_with(Reply(status=401, body={"error": {"message": f"bad key {leak}"}}))
    error = await failure(server, name)
    assert error.error_class is ErrorClass.AUTHENTICATION
    for secret in KEYS.values():
        assert secret not in str(error)
        assert secret not in repr(provider_for(server, name).prepare(ask(name)))


def test_a_missing_key_is_named_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    name = "anthropic/claude-3-7-sonnet-20250219"
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY"):
        make_provider(parse_model(name), base_url=None, concurrency=1)


def test_a_missing_key_is_told_before_litellm_is_loaded() -> None:
    """It took 5 to 11 seconds to hear that a variable was not set."""
    code = (
        "import sys\nfrom harness.providers import make_provider\nfrom harness.models import parse_model\n"
        "try: make_provider(parse_model('openai/gpt-4o'), base_url=None, concurrency=1)\n"
        "except Exception as error: print(type(error).__name__, 'litellm' in sys.modules)"
    )
    kept = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=kept)
    assert done.stdout.split() == ["MissingKeyError", "False"]


def test_a_misspelt_provider_is_told_with_the_names_like_it() -> None:
    with pytest.raises(InputError, match="'openia'; similar: openai"):
        make_provider(parse_model("openia/gpt-4o"), base_url=None, concurrency=1)


async def test_an_endpoint_of_ones_own_needs_no_key(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert (await answer(server, "openai/sim-reasoner")).text == "The answer is 4."


@pytest.mark.parametrize("value", [None, "False"])
async def test_an_environment_that_is_put_back_does_not_change_how_openai_is_asked(
    server: Loopback, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    """litellm took the client handed to it for the OpenAI SDK's own, and nothing was sent."""
    assert (await answer(server, "openai/gpt-4o")).text == "The answer is 4."
    monkeypatch.delenv(HTTP_PATH_VARIABLE)
    if value is not None:
        monkeypatch.setenv(HTTP_PATH_VARIABLE, value)
    assert (await answer(server, "openai/gpt-4o")).text == "The answer is 4."


def test_an_unknown_provider_is_refused() -> None:
    with pytest.raises(InputError, match="no-such-provider"):
        make_provider(parse_model("no-such-provider/model"), base_url=None, concurrency=1)


async def test_a_parameter_that_litellm_would_lose_stops_the_request(server: Loopback) -> None:
    provider = provider_for(server, "openai/gpt-4o")
    prepared = provider.prepare(ask("openai/gpt-4o"))
    lost = type(prepared)(
        request=prepared.request, parameters={**prepared.parameters, "top_k": 5}, payload=prepared.payload
    )
    with pytest.raises(ProviderError, match="top_k") as caught:
        await provider.send(lost, timeout_s=20)
    await provider.aclose()
    assert caught.value.billed == "no"
    assert server.seen == []


async def test_other_names_for_the_same_values_are_accepted_and_usage_is_theirs(server: Loopback) -> None:
    body = {"model": "llama3", "response": "The answer is 4.", "done": True, "prompt_eval_count": 26, "eval_count": 9}
    server.answer_with(Reply(body=body))
    response = await answer(server, "ollama/llama3")
    assert server.seen[-1].body["options"] == {"temperature": 0.5, "num_predict": 4000}
    assert (response.usage_kind, response.raw_usage) == ("ollama.native", {"prompt_eval_count": 26, "eval_count": 9})
    assert response.text == "The answer is 4."


async def test_the_number_in_flight_equals_the_one_asked(server: Loopback) -> None:
    provider = make_provider(parse_model("openai/gpt-4o"), base_url=server.url + "/v1", concurrency=120)
    server.gate_at(120)
    prepared = provider.prepare(ask("openai/gpt-4o"))
    await asyncio.gather(*(provider.send(prepared, timeout_s=30) for _ in range(120)))
    await provider.aclose()
    assert server.most_in_flight == 120


def test_the_registry_does_not_import_litellm() -> None:
    code = "import sys, harness.providers, harness.providers.settings; assert 'litellm' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


OTHERS = (COMPATIBLE, SIMULATED, "azure")  # not litellm's, or by another client


@pytest.mark.parametrize("name", [name for name in provider_names() if entry_of(name).recorded and name not in OTHERS])
async def test_what_a_provider_of_the_list_sends_is_recorded(
    server: Loopback, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(entry_of(name).keys[0], "any-key-0000000001")
    model = {"anthropic": "claude-3-7-sonnet-20250219"}.get(name, "some-model")
    server.always = Reply(status=500, body={"error": {"message": "recorded"}})
    error = await failure(server, f"{name}/{model}")
    assert (error.http_status, len(server.seen)) == (500, 1)
