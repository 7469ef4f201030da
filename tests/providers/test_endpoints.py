"""Whose address `--base-url` is, which key may go there, and what of it is stored."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from harness.errors import InputError, ProviderError
from harness.messages import Message
from harness.models import ModelSpec, parse_model
from harness.providers import make_provider
from harness.providers.base import Request
from harness.providers.catalogue import entry_of
from harness.providers.endpoints import Endpoint, endpoints, shown
from harness.providers.openai_compatible import key_variable
from harness.runner import RunSpec
from harness.runner.options.addresses import address_notices
from tests.support.loopback import serve

URL, OTHER = "http://127.0.0.1:8000/v1", "http://127.0.0.1:9000/v1"
LOCAL, CLAUDE, GPT = map(parse_model, ("openai-compatible/m", "anthropic/claude-3-7-sonnet-20250219", "openai/gpt-4o"))
OWN = Endpoint()


def test_a_url_alone_is_for_openai_compatible_models_and_judges_only() -> None:
    found = endpoints(URL, [LOCAL, CLAUDE, GPT], [parse_model("openai-compatible/judge")])
    assert found.of(LOCAL) == found.of(parse_model("openai-compatible/judge")) == Endpoint(url=URL)
    assert found.of(CLAUDE) == found.of(GPT) == OWN


@pytest.mark.parametrize(
    ("given", "spec", "url"),
    [
        (f"openai={URL}", "openai/gpt-4o", URL),
        (f"openai={URL}", "anthropic/claude-3-7-sonnet-20250219", None),
        (f"openai/gpt-4o={URL}", "openai/gpt-4o@high", URL),
        (f"openai/o3@high={URL}", "openai/o3@high", URL),
        (f"openai/o3@high={URL}", "openai/o3@low", None),
        (f"anthropic/c@thinking=2000={URL}", "anthropic/c@thinking=2000", URL),
        (f"ollama/llama3:8b={URL}", "ollama/llama3:8b", URL),
        (f"openai={URL}?next=http://x", "openai/o1", f"{URL}?next=http://x"),
    ],
)
def test_a_named_address_is_for_what_it_names(given: str, spec: str, url: str | None) -> None:
    models = [parse_model(spec), GPT, CLAUDE, parse_model("openai/o3@high")]
    assert endpoints(given, models, check_names=False).of(parse_model(spec)) == Endpoint(url=url)


def test_the_nearest_name_wins_and_a_url_alone_comes_last() -> None:
    given = (URL, f"openai-compatible/m={OTHER}", f"openai={OTHER}/openai")
    found = endpoints(given, [LOCAL, GPT, parse_model("openai-compatible/n")])
    urls = [found.of(spec).url for spec in (LOCAL, GPT, parse_model("openai-compatible/n"))]
    assert urls == [OTHER, f"{OTHER}/openai", URL]


def test_one_key_for_two_hosts_goes_to_neither() -> None:
    given = (URL, f"openai-compatible/n={OTHER}")
    found = endpoints(given, [LOCAL, parse_model("openai-compatible/n")])
    assert not found.of(LOCAL).with_key
    assert not found.of(parse_model("openai-compatible/n")).with_key
    same_host = endpoints((URL, f"openai-compatible/n={URL}/n"), [LOCAL, parse_model("openai-compatible/n")])
    assert same_host.of(LOCAL).with_key
    assert key_variable(parse_model("openai-compatible/qwen/Qwen3-8B")) == "OPENAI_COMPATIBLE_API_KEY_QWEN_QWEN3_8B"


def test_a_url_alone_for_the_only_provider_gets_no_key_and_no_judge() -> None:
    found = endpoints(URL, [GPT], [parse_model("openai/o3"), CLAUDE])
    assert found.of(GPT) == Endpoint(url=URL, with_key=False)
    assert found.of(parse_model("openai/o3")) == found.of(CLAUDE) == OWN


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (URL, "names none of anthropic, openai"),
        ((URL, OTHER), "two addresses"),
        ((f"openai={URL}", f"openai={OTHER}"), "two addresses for openai"),
        (f"gemini={URL}", "'gemini' names no model of this run"),
        ("openai=127.0.0.1:8000", "not a base URL"),
        ("openai=", "not a base URL"),
        ("http://h:port/v1", "not a base URL"),
        ("http://[::1/v1", "not a base URL"),
        ("openai=http://me:hunter2@h/v1", "holds a user name or password"),
        ("openai=http://h/v1?key=[redacted]", "was not stored with the run"),
    ],
)
def test_an_address_that_is_not_clear_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        endpoints(given, [GPT, CLAUDE])
    assert said in str(caught.value)
    assert caught.value.where == "--base-url"
    assert "hunter2" not in str(caught.value)


def test_an_address_is_stored_without_its_keys_and_read_back() -> None:
    def config(*given: str) -> Any:
        return RunSpec(suites=("s",), models=(LOCAL,), base_url=given or None).to_json()["base_url"]

    assert config() is None
    assert config(URL) == URL
    assert config(f"{URL}?api_key=Zq7#x", f"openai={OTHER}?code=abc") == [
        f"{URL}?api_key=[redacted]#[redacted]",
        f"openai={OTHER}?code=[redacted]",
    ]
    for stored in (None, URL, [URL, f"openai={OTHER}"]):
        spec = RunSpec.from_json({"suites": ["s"], "models": ["openai-compatible/m"], "base_url": stored})
        assert shown(spec.base_url) == spec.to_json()["base_url"] == stored


def request(spec: ModelSpec) -> Request:
    return Request(request_id="r", model=spec, messages=(Message(role="user", content="2+2?"),), max_output_tokens=100)


@pytest.mark.parametrize(
    "name",
    [
        "openai/gpt-4o",
        "openai/o1-pro",
        "anthropic/claude-3-7-sonnet-20250219",
        "gemini/gemini-2.5-pro",
        "mistral/m",
        "cohere/command-r",
        "azure/m",
        "deepseek/d",
        "together/t",
        "openai-compatible/m",
    ],
)
@pytest.mark.parametrize("named", [True, False])
async def test_a_key_goes_only_to_the_address_that_is_named_for_it(
    monkeypatch: pytest.MonkeyPatch, name: str, named: bool
) -> None:
    spec, key = parse_model(name), "Zq7-only-to-its-own-host-01"
    for variable in (*entry_of(spec.provider).keys, "ANTHROPIC_AUTH_TOKEN", "GOOGLE_API_KEY"):
        monkeypatch.setenv(variable, key)
    async with serve() as server:
        provider = make_provider(spec, base_url=Endpoint(url=f"{server.url}/v1", with_key=named), concurrency=1)
        with contextlib.suppress(ProviderError):  # the loopback server does not speak every dialect
            await provider.send(provider.prepare(request(spec)), timeout_s=20)
        await provider.aclose()
    (seen,) = server.seen
    assert any(key in value for value in seen.headers.values()) is named
    assert key not in seen.query


def test_a_provider_whose_key_cannot_be_held_back_needs_the_name() -> None:
    with pytest.raises(InputError, match="a URL alone is for openai-compatible models"):
        make_provider(parse_model("bedrock/m"), base_url=Endpoint(url=URL, with_key=False), concurrency=1)


def test_a_key_that_is_held_back_and_a_proxy_that_is_not_used_are_said() -> None:
    environment = {"OPENAI_API_KEY": "x", "https_proxy": "http://p:1", "HTTP_PROXY": "http://p:1", "no_proxy": "*"}
    assert address_notices([GPT], endpoints(URL, [GPT]), environment) == [
        "OPENAI_API_KEY is not sent to 127.0.0.1:8000, which is not named for it: --base-url openai=URL names it",
        "HTTP_PROXY, https_proxy: not used for requests to models; BENCHTAB_PROXY=env says that it is",
    ]
    assert address_notices([GPT], endpoints(f"openai={URL}", [GPT]), {"OPENAI_API_KEY": "x"}) == []
    assert address_notices([parse_model("sim/direct")], endpoints(None, []), environment) == []
    assert address_notices([GPT], endpoints(None, [GPT]), {**environment, "BENCHTAB_PROXY": "env"}) == []
