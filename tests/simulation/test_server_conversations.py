"""Conversations over HTTP as any client sends them: OpenAI's form, its refusals, streamed calls, and the books."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from harness.messages import Message
from harness.pricing.price_files import load_price_book
from harness.simulation import MODELS
from harness.simulation.server import SimulationServer
from harness.simulation.simulated_conversations import conversation_of
from harness.simulation.simulated_users import stop_word
from harness.suites.sample import sample_mark
from tests.simulation.test_conversations import KEY, TALKS, TOOLS, Talk, over_http
from tests.simulation.test_simulate_server import Client, rows_of, serving

LOOK = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}}}
ASKED = {"role": "user", "content": TOOLS[4].input}


def called(*ids: str) -> dict[str, Any]:
    function = {"name": "look", "arguments": "{}"}
    calls = [{"id": one, "type": "function", "function": function} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def gave(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "nothing"}


async def asked(client: Client, messages: list[dict[str, Any]], **options: object) -> tuple[int, Any]:
    body = {"model": "sim-reasoner", "messages": messages, "tools": [LOOK], **options}
    status, answer, _ = await client.post(body)
    return status, answer


@pytest.mark.parametrize(
    ("messages", "options", "words"),
    [
        ([ASKED, called("a")], {}, "'a'"),
        ([ASKED, called("a", "b"), gave("a")], {}, "'b'"),
        ([ASKED, called("a", "b"), gave("a"), ASKED], {}, "'b'"),
        ([ASKED, called("a"), gave("a"), gave("c")], {}, "'c'"),
        ([ASKED, gave("a"), ASKED], {}, "'a'"),
        ([ASKED], {"tools": []}, "tools"),
        ([ASKED], {"tools": [{"type": "function"}]}, "tools"),
        ([ASKED], {"tools": [{"function": {"name": 7}}]}, "tools"),
        ([ASKED], {"tools": "look"}, "tools"),
        ([ASKED, {"role": "assistant", "tool_calls": [{"id": "a"}]}, gave("a")], {}, "tool_calls"),
    ],
)
async def test_conversations_that_do_not_fit_are_refused_and_say_where(
    messages: list[dict[str, Any]], options: dict[str, object], words: str
) -> None:
    async with serving(key=KEY) as client:
        status, answer = await asked(client, messages, **options)
    assert status == 400
    assert words in answer["error"]["message"]


async def test_tools_that_are_not_to_be_called_are_none() -> None:
    async with serving(key=KEY) as client:
        called_one = await asked(client, [ASKED])
        silent = await asked(client, [ASKED], tool_choice="none")
    assert called_one[1]["choices"][0]["finish_reason"] == "tool_calls"
    assert silent[0] == 200
    assert silent[1]["choices"][0]["finish_reason"] == "stop"


async def test_calls_come_whole_and_in_a_stream_with_id_and_name_first() -> None:
    async with serving(key=KEY) as client:
        whole = (await asked(client, [ASKED]))[1]["choices"][0]["message"]
        body = {"model": "sim-reasoner", "messages": [ASKED], "tools": [LOOK], "stream": True}
        async with client.session.post(f"{client.server.url}/chat/completions", json=body) as response:
            lines = [line[6:] for line in (await response.read()).split(b"\n\n") if line and b"[DONE]" not in line]
    choices = [orjson.loads(line)["choices"][0] for line in lines]
    pieces = [piece for choice in choices for piece in choice["delta"].get("tool_calls", ())]
    assert whole["content"] is None
    for place, call in enumerate(whole["tool_calls"]):
        mine = [piece for piece in pieces if piece["index"] == place]
        assert (mine[0]["id"], mine[0]["function"]["name"]) == (call["id"], call["function"]["name"])
        assert not any("id" in piece for piece in mine[1:])
        assert "".join(piece["function"]["arguments"] for piece in mine) == call["function"]["arguments"]
    assert choices[-1]["finish_reason"] == "tool_calls"


async def test_the_books_hold_every_turn_of_both_parties_with_the_tokens_that_they_were_told(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    async with over_http(log=log) as make:
        talk = await Talk(TALKS[5], make, "sim/reasoner@low").run()
    rows = rows_of(log)
    assert [row["request_id"] for row in rows] == [request.request_id for request in talk.asked]
    assert [row["usage"] for row in rows] == [answer.raw_usage for answer in talk.answers]
    assert [row["tool_calls"] for row in rows] == [len(answer.tool_calls) for answer in talk.answers]
    parties = ["user" if ".user." in request.request_id else "assistant" for request in talk.asked]
    assert [row["party"] for row in rows] == parties
    assert {row["sample_id"] for row in rows} == {TALKS[5].sample_id}
    assert {row["try_number"] for row in rows} == {1}
    ends = [row["right"] for row in rows if row["right"] is not None]
    assert ends == [talk.solved]


async def test_a_client_without_ids_of_ours_is_recognised_by_its_words_alone() -> None:
    async with over_http() as make:
        talk = await Talk(TALKS[7], make, "sim/reasoner@high", marked=False).run()
    assert talk.said() == (await Talk(TALKS[7], model="sim/reasoner@high", marked=False).run()).said()
    assert sample_mark("talk", TALKS[7].sample_id) in talk.turns[0].text


async def test_earlier_messages_of_single_requests_are_no_conversation() -> None:
    """Examples before a question are answered as they were before there were conversations: by the last message."""
    examples = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
    async with SimulationServer(KEY) as server, aiohttp.ClientSession() as session:
        client = Client(session, server)
        body = {"model": "sim-direct", "messages": [*examples, ASKED]}
        _, answer, _ = await client.post(body)
        _, alone, _ = await client.post({**body, "messages": [ASKED]})
    assert answer["choices"] == alone["choices"]


def test_every_simulated_model_has_a_price_under_each_of_its_names() -> None:
    book, when = load_price_book(), datetime(2026, 11, 29, tzinfo=UTC)
    for name in MODELS:
        for provider, model in (("sim", name), ("openai-compatible", f"sim-{name}"), ("openai", f"sim/{name}")):
            assert book.at(provider, model, when) is not None, f"{provider}/{model}"


def test_the_known_words_of_a_stop_are_those_the_user_was_told() -> None:
    def told(text: str) -> str:
        messages = (Message(role="system", content=text),)
        return stop_word(conversation_of(KEY, MODELS["user"], messages, (), ""))

    assert told("End with ###DONE###.") == "###DONE###"
    assert told("###TRANSFER### or ###STOP###") == "###STOP###"
    assert told("Just talk.") == "###STOP###"
