"""Conversations for tests: a suite of workbenches, and a chat server on loopback whose parties follow a script."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.ledger import Ledger
from harness.runner import RunResult
from tests.support.answering import Asked, answering, priced
from tests.support.runs import Watcher, run

MODEL, USER = "openai-compatible/m", "openai-compatible/u"
STOP = "###STOP###"
Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Says:
    """What a party says: a text, calls as (name, arguments) or whole as on the wire, or an error's status."""

    text: str = ""
    calls: Sequence[tuple[str, object]] = ()
    raw_calls: Sequence[Body] | None = None
    status: int = 200
    finish: str | None = None
    usage: tuple[int, int] = (20, 10)
    refusal: str | None = None

    def body(self, number: int) -> bytes:
        """Write it as a chat completion."""
        if self.status != 200:
            return json.dumps({"error": {"message": "scripted", "type": "scripted"}}).encode()
        calls = self.raw_calls
        if calls is None:
            calls = [_call(f"c{number}_{place}", name, given) for place, (name, given) in enumerate(self.calls)]
        message: Body = {"role": "assistant", "content": self.text or None}
        if calls:
            message["tool_calls"] = list(calls)
        if self.refusal is not None:
            message["refusal"] = self.refusal
        finish = self.finish or ("tool_calls" if calls else "stop")
        read, written = self.usage
        usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
        choices = [{"index": 0, "message": message, "finish_reason": finish}]
        return json.dumps({"id": f"r{number}", "model": "m", "choices": choices, "usage": usage}).encode()


def _call(call_id: str, name: str, given: object) -> Body:
    arguments = given if isinstance(given, str) else json.dumps(given)
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


Script = Callable[[Body], Says]


@contextmanager
def parties(script: Script) -> Iterator[Asked]:
    """Serve parties whose words depend on what they are shown."""

    def answer(number: int) -> tuple[int, bytes]:
        says = script(asked.bodies[number])
        return says.status, says.body(number)

    with answering(answer) as asked:
        yield asked


def in_order(*lines: Says) -> Script:
    """A script that goes by how much has been said by the party itself."""

    def says(body: Body) -> Says:
        spoken: int = sum(message["role"] == "assistant" for message in body["messages"])
        return lines[min(spoken, len(lines) - 1)]

    return says


def bench_suite(
    folder: Path, count: int = 1, *, solver: str = "", kind: str = "tools", scorer: str = "environment", cap: int = 200
) -> str:
    """Write a suite of `count` workbenches on which a cup is to go into box 2; gives its path.

    Args:
        solver: more keys of the solver's table (`max_turns = 3`).
    """
    rows = [_row(number, with_user=kind == "user_simulation") for number in range(count)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "bench.toml"
    more = f", {solver}" if solver else ""
    path.write_text(
        f"""
name = "bench"
version = "1"
title = "Bench"

[[tasks]]
name = "boxes"
prompt = "{{question}}"
system = "Be a clerk."
scorer = {{ name = "{scorer}" }}
solver = {{ name = "{kind}", environment = "workbench"{more} }}
max_output_tokens = {cap}
max_output_tokens_reasoning = {cap}

[tasks.dataset]
source = "files"
path = "bench"
revision = "1"
local = "rows.jsonl"
fields = {{ id = "id", question = "question", target = "goal", start = "start", scenario = "scenario?" }}
""",
        encoding="utf-8",
    )
    return str(path)


def _row(number: int, *, with_user: bool) -> Body:
    cup = f"cup {number}"
    goal = {"goal": {"boxes": {"1": [], "2": [cup]}}, "says": []}
    row: Body = {
        "id": f"bench-{number}",
        "question": f"Put {cup} into box 2.",
        "start": {"boxes": {"1": [cup], "2": []}},
        "goal": json.dumps(goal),
    }
    return row | ({"scenario": f"You want {cup} put into box 2."} if with_user else {})


def cup_of(body: Body) -> str:
    """The cup that a conversation is about."""
    said = json.dumps(body["messages"])
    return "cup " + said.split("cup ", 1)[1].split(" ", 1)[0].rstrip('".,')


def mover(body: Body) -> Says:
    """A model that moves its cup and says so, and a user who asks for that and thanks."""
    own = [message for message in body["messages"] if message["role"] == "assistant"]
    if body["model"] == "u":
        return Says(text=STOP if own else f"Please put {cup_of(body)} into box 2.")
    if not any(message.get("tool_calls") for message in own):
        return Says(text="I do that.", calls=[("move", {"item": cup_of(body), "to": 2})])
    return Says(text="It is done.")


def converse(
    suite: str, asked: Asked, ledger: Ledger, folder: Path, *, watcher: Watcher | None = None, **options: Any
) -> RunResult:
    """Run a suite on the served model, at a dollar a million tokens in and two out."""
    book = priced(folder)
    return run(suite, [MODEL], ledger, book=book, watcher=watcher, base_url=(asked.url,), **options)
