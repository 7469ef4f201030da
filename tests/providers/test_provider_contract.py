"""What every provider of the catalogue keeps, whatever it speaks: over litellm, the direct client and sim."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from harness.errors import ErrorClass, InputError, ProviderError
from harness.messages import Message, ToolCall, ToolSpec
from harness.models import ModelSpec, parse_model
from harness.providers import make_provider
from harness.providers.base import Provider, Request
from harness.providers.catalogue import PROVIDERS, entry_of
from harness.providers.endpoints import SIMULATED
from harness.providers.http.recording import missing_tools
from harness.providers.parameters import map_openrouter
from harness.simulation import AnswerKey
from harness.suites import Sample
from harness.usage import read_usage
from tests.support.loopback import Loopback, Reply, serve

QUESTION = "What is 2+2?\n\nA) 3\nB) 4"
SAMPLE = Sample(task="t", sample_id="s", input=QUESTION, target="B", choices=("3", "4"), difficulty=0.0)
KEY = AnswerKey.from_samples([(SAMPLE, "choice")])


@dataclass(frozen=True, slots=True)
class Case:
    """One adapter under test and the server that it talks to (the simulated models talk to none)."""

    provider: Provider
    spec: ModelSpec
    server: Loopback


MODELS = {
    "openai": "gpt-4o",
    "anthropic": "claude-3-7-sonnet-20250219",
    "google": "gemini-2.5-pro",
    SIMULATED: "direct",
}
"""Models that are known not to take `@thinking=7`; of the other providers one that nobody knows."""
NAMES = [f"{name}/{MODELS.get(name, 'some-model')}" for name, entry in PROVIDERS.items() if entry.recorded]
NAMES += ["openai/o1-pro"]  # the responses interface


def key_in(monkeypatch: pytest.MonkeyPatch, spec: ModelSpec) -> None:
    """Set the key of a model's provider."""
    for variable in entry_of(spec.provider).keys[:1]:
        monkeypatch.setenv(variable, "sk-contract-0000001")


@pytest.fixture(params=NAMES)
async def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Case]:
    spec = parse_model(request.param)
    key_in(monkeypatch, spec)
    async with serve() as server:
        base_url = None if spec.provider == SIMULATED else server.url
        provider = make_provider(spec, base_url=base_url, concurrency=3, answer_key=KEY)
        yield Case(provider=provider, spec=spec, server=server)
        await provider.aclose()


def ask(spec: ModelSpec, number: int = 0, **values: Any) -> Request:
    values = {"max_output_tokens": 5000, **values}
    return Request(
        request_id=f"run.cell.s{number}.e0.t0", model=spec, messages=(Message(role="user", content=QUESTION),), **values
    )


def test_preparing_twice_gives_the_same(case: Case) -> None:
    first, second = (case.provider.prepare(ask(case.spec)) for _ in range(2))
    assert first.parameters == second.parameters
    assert first.notes == second.notes
    assert case.server.seen == []


def test_parameters_are_plain_json_without_messages_or_keys(case: Case) -> None:
    prepared = case.provider.prepare(ask(case.spec, temperature=1.0))
    text = json.dumps(dict(prepared.parameters))
    assert QUESTION not in text
    assert "2+2" not in text
    assert "sk-contract" not in text + repr(prepared.notes)
    assert "5000" in text


def test_a_setting_that_cannot_be_taken_is_refused_before_sending(case: Case) -> None:
    takes_every_number = entry_of(case.spec.provider).settings is map_openrouter
    setting = "thinking=few" if takes_every_number else "thinking=7"
    refused = ModelSpec(provider=case.spec.provider, model=case.spec.model, setting=setting)
    with pytest.raises(InputError) as caught:
        case.provider.prepare(ask(refused))
    assert caught.value.fix
    assert case.server.seen == []


async def test_an_answer_has_text_usage_and_an_id(case: Case) -> None:
    response = await case.provider.send(case.provider.prepare(ask(case.spec)), timeout_s=20)
    assert response.text
    assert response.finish_reason == "stop"
    assert response.provider_request_id
    assert response.model_served
    usage = read_usage(response.usage_kind, response.raw_usage)
    assert usage.input_tokens is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens is not None
    assert usage.output_tokens > 0
    assert len(case.server.seen) == (0 if case.spec.provider == SIMULATED else 1)


async def test_tools_calls_and_their_results_reach_the_model_as_they_are(case: Case) -> None:
    """A client library may want parts of its own for requests with tools, or send its own parameters along."""
    call = ToolCall(call_id="call_77", name="look_into", arguments='{"box": 4711}')
    talk = (
        Message(role="user", content=QUESTION),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="a red cube", tool_call_id="call_77"),
    )
    look = ToolSpec(name="look_into", description="List what is in a box.", parameters={"type": "object"})
    asked = dataclasses.replace(ask(case.spec), messages=talk, tools=(look,))
    response = await case.provider.send(case.provider.prepare(asked), timeout_s=20)
    assert response.text
    if case.spec.provider == SIMULATED:
        return
    [seen] = case.server.seen
    written = json.dumps(seen.body)
    for part in ("look_into", "List what is in a box.", "4711", "a red cube"):
        assert part in written
    assert "mcp" not in written


def test_a_tool_that_got_lost_on_its_way_is_missed_though_earlier_calls_name_it() -> None:
    tools = [
        {"type": "function", "function": {"name": name, "description": f"To {name}."}} for name in ("look", "move")
    ]
    called = {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "move"}}]}]}
    assert missing_tools(tools, {"tools": [{"name": "look", "description": "To look."}], **called}) == ["tool 'move'"]
    declared = [{"name": name, "description": f"To {name}."} for name in ("move", "look")]
    assert missing_tools(tools, {"tools": [{"function_declarations": declared}], "contents": []}) == []
    assert missing_tools(tools, called) == ["tool 'look'", "tool 'move'"]


async def test_many_at_once_are_all_answered_and_never_more_than_asked(case: Case) -> None:
    prepared = [case.provider.prepare(ask(case.spec, number)) for number in range(12)]
    responses = await asyncio.gather(*(case.provider.send(each, timeout_s=20) for each in prepared))
    assert len(responses) == 12
    assert case.server.most_in_flight <= 3


@pytest.mark.parametrize(
    ("reply", "error_class"),
    [
        (Reply(status=429, body={"error": {"message": "slow"}}, headers={"Retry-After": "3"}), ErrorClass.RATE_LIMIT),
        (Reply(status=429, body={"error": {"code": "insufficient_quota", "message": "x"}}), ErrorClass.QUOTA_EXHAUSTED),
        (Reply(status=500, body={"error": {"message": "x"}}), ErrorClass.SERVER_ERROR),
        (Reply(status=503, body={"error": {"message": "x"}}), ErrorClass.OVERLOADED),
        (Reply(status=401, body={"error": {"message": "x"}}), ErrorClass.AUTHENTICATION),
        (Reply(status=404, body={"error": {"message": "x"}}), ErrorClass.NOT_FOUND),
        (Reply(status=400, body={"error": {"code": "context_length_exceeded"}}), ErrorClass.CONTEXT_TOO_LONG),
        (Reply(drop=True), ErrorClass.CONNECTION),
        (Reply(body=b"<html>"), ErrorClass.MALFORMED_RESPONSE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_each_failure_is_one_request_and_has_its_class(case: Case, reply: Reply, error_class: ErrorClass) -> None:
    if case.spec.provider == SIMULATED:
        pytest.skip("the simulated models draw their own faults; tests/simulation/test_simulation.py counts them")
    case.server.answer_with(reply)
    with pytest.raises(ProviderError) as caught:
        await case.provider.send(case.provider.prepare(ask(case.spec)), timeout_s=20)
    assert caught.value.error_class is error_class
    assert caught.value.retry_after_s == (3.0 if reply.headers else None)
    assert len(case.server.seen) == 1


async def test_a_timeout_is_raised_and_leaves_the_connection_usable(case: Case) -> None:
    if case.spec.provider == SIMULATED:
        pytest.skip("the simulated models never wait")
    await case.provider.send(case.provider.prepare(ask(case.spec)), timeout_s=20)
    never = asyncio.Event()
    case.server.answer_with(Reply(until=never))
    with pytest.raises(ProviderError) as caught:
        await case.provider.send(case.provider.prepare(ask(case.spec)), timeout_s=0.3)
    never.set()
    assert caught.value.error_class is ErrorClass.TIMEOUT
    assert (await case.provider.send(case.provider.prepare(ask(case.spec)), timeout_s=20)).text


async def test_cancelling_an_attempt_is_not_turned_into_a_failure(case: Case) -> None:
    if case.spec.provider == SIMULATED:
        pytest.skip("the simulated models never wait")
    never = asyncio.Event()
    case.server.answer_with(Reply(until=never))
    task = asyncio.ensure_future(case.provider.send(case.provider.prepare(ask(case.spec)), timeout_s=20))
    arrived = asyncio.ensure_future(case.server.arrived.wait())
    await asyncio.wait((task, arrived), return_when=asyncio.FIRST_COMPLETED)
    assert arrived.done(), task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    never.set()


async def test_closing_twice_is_safe(case: Case) -> None:
    await case.provider.send(case.provider.prepare(ask(case.spec)), timeout_s=20)
    await case.provider.aclose()
    await case.provider.aclose()
