"""No key leaves through a terminal, a log, a traceback, a ledger or a page; the ways are tried one by one."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.connections import database_url, shown
from harness.ledger.records import RunRecord
from harness.messages import Message
from harness.models import parse_model
from harness.providers import make_provider
from harness.providers.base import Request
from harness.reports.ledgers import run_detail
from tests.support.command_lines import said_in_one_process
from tests.support.loopback import CHAT_ANSWER, Loopback, Reply, serve
from tests.support.runs import number_suite

KEY = "Zq7-leaves-nowhere-012345"


def environment(**named: str) -> dict[str, str]:
    return {**{name: value for name, value in os.environ.items() if not name.endswith("_KEY")}, **named}


async def benchtab(*lines: Sequence[object], **named: str) -> str:
    """Run command lines in one process and give back all that it printed."""
    words = [[str(word) for word in line] for line in lines]
    done = await asyncio.to_thread(said_in_one_process, words, only=environment(**named))
    return "".join(one.stdout + one.stderr for one in done)


REPLIES = {
    "error": Reply(
        status=400, body={"error": {"message": f"bad key {KEY}", "code": KEY}}, headers={"x-request-id": KEY}
    ),
    "garbage": Reply(body=f"not json, your key is {KEY}".encode(), headers={"x-request-id": KEY}),
    "redirect": Reply(status=302, body={}, headers={"Location": f"/{KEY}?k={KEY}"}),
}


MODELS = ("openai-compatible/m", "gemini/gemini-2.5-pro")


async def test_a_key_that_a_server_echoes_is_neither_printed_nor_stored(tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 1)
    runs = [(model, reply, f"{model.partition('/')[0]}-{reply}") for model in MODELS for reply in REPLIES]
    async with serve() as server:
        server.answer_with(*(REPLIES[reply] for _, reply, _ in runs))
        said = await benchtab(
            *(
                ("run", suite, "-m", model, "--base-url", f"{model.partition('/')[0]}={server.url}",
                 "--db", tmp_path / f"{name}.db", "--run-id", name, "--max-attempts", 1, "-vv")
                for model, _, name in runs
            ),
            GEMINI_API_KEY=KEY, OPENAI_COMPATIBLE_API_KEY=KEY,
        )  # fmt: skip
        assert [any(KEY in value for value in seen.headers.values()) for seen in server.seen] == [True] * len(runs)
    assert [name for _, _, name in runs if f"run {name}" not in said] == []
    assert KEY not in said
    # a process that was given no key has none to look for
    files = {name: tmp_path / f"{name}.csv" for _, _, name in runs}
    await benchtab(
        *(("export", "attempts", "-o", file, "--db", tmp_path / f"{name}.db") for name, file in files.items())
    )
    for name, file in files.items():
        exported = file.read_text(encoding="utf-8")
        assert KEY not in exported, name
        assert "[redacted]" in exported, name


async def test_a_key_that_an_answer_holds_is_masked_before_it_is_scored_and_stays_so(tmp_path: Path) -> None:
    db = tmp_path / "ledger.db"
    message = {"role": "assistant", "content": f"{KEY}\nAnswer: 3", "reasoning_content": f"think {KEY}"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    async with serve() as server:
        server.always = Reply(body={**CHAT_ANSWER, "choices": [choice], "model": KEY, "service_tier": KEY, "id": KEY})
        said = await benchtab(
            ("run", number_suite(tmp_path, 1), "-m", "openai-compatible/m", "--base-url", server.url, "--db", db,
             "--run-id", "r", "--json"),
            OPENAI_COMPATIBLE_API_KEY=KEY,
        )  # fmt: skip
    said += await benchtab(("report", "r", "--db", db, "--format", "html"), ("score", "r", "--db", db, "--json"))
    assert KEY not in said
    with Ledger.open(str(db)) as ledger, ledger.reading() as connection:
        rows = connection.exec_driver_sql("SELECT model_served, service_tier, provider_request_id FROM attempts").all()
    assert rows == [("[redacted]",) * 3]


def test_logs_of_any_library_and_tracebacks_hold_no_key() -> None:
    code = f"""
import logging, sys
from harness.cli.terminal.output import mask_logs_and_tracebacks
from harness.secrets import learn
learn({KEY!r})
mask_logs_and_tracebacks()
their = logging.getLogger("their"); their.propagate = False; their.addHandler(logging.StreamHandler())
their.error("sent %s with %s", {{"Authorization": "Bearer abcdefgh12345"}}, {KEY!r})
their.error("these do not fit: %d", "x")
try:
    raise KeyError({KEY!r})
except KeyError:
    their.exception("caught")
raise ValueError("postgresql://me:hunter22@host is down, {KEY}")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    for leaked in (KEY, "abcdefgh12345", "hunter22@"):
        assert leaked not in done.stdout + done.stderr.replace(f"learn('{KEY}')", "")
    assert "KeyError: '[redacted]'" in done.stderr
    assert "ValueError: postgresql://me:[redacted]@host is down, [redacted]" in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hunter22@h:port/x",
        "postgresql://u:hunter22@[::1/x",
        "postgresql://u:pa@hunter22@h/x",
        "postgresql://u@h/x?user=b#hunter22",
        "postgresql:///x?host=h&password=hunter22&port=abc",
        "mysql://u:hunter22@h/x?token=hunter22",
    ],
)
def test_a_database_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InputError) as caught:
        database_url(url)
    assert "hunter22" not in str(caught.value)
    assert caught.value.where == "--db"


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://u:hunter22@h:5/x", "postgresql+psycopg://u:[redacted]@h:5/x"),
        (
            "postgresql://u@h/x?password=hunter22&sslmode=require",
            "postgresql+psycopg://u@h/x?password=[redacted]&sslmode=require",
        ),
        ("postgresql://h/x?sslpassword=hunter22", "postgresql+psycopg://h/x?sslpassword=[redacted]"),
        ("postgresql://somebody@h/x", "postgresql+psycopg://somebody@h/x"),
    ],
)
def test_a_database_is_named_without_its_password(url: str, seen: str) -> None:
    assert shown(database_url(url)) == seen


def test_an_address_with_a_key_that_an_older_version_stored_is_shown_without_it(tmp_path: Path) -> None:
    config = {"base_url": "http://127.0.0.1:9/v1?api_key=hunter22", "suites": ["s"], "limit": 3}
    with Ledger.open(str(tmp_path / "ledger.db"), create=True) as ledger:
        ledger.create_run(
            RunRecord(
                run_id="r", created_at_us=1, plan_sha256="0" * 64, harness_version="0.1.0", price_book_sha256="0" * 64,
                config=config,
            )
        )  # fmt: skip
        detail = run_detail(ledger, "r")
    assert detail["config"] == {**config, "base_url": "http://127.0.0.1:9/v1?api_key=[redacted]"}
    assert "hunter22" not in json.dumps(detail, default=str)


@pytest.mark.parametrize(
    "name", ["openai-compatible/m", "openai/gpt-4o", "anthropic/claude-3-7-sonnet-20250219", "cohere/command-r"]
)
async def test_passwords_of_netrc_are_never_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    (tmp_path / ".netrc").write_text("default login somebody password netrc-password\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for variable in ("OPENAI", "ANTHROPIC", "COHERE"):
        monkeypatch.delenv(f"{variable}_API_KEY", raising=False)
    spec = parse_model(name)
    server: Loopback
    async with serve() as server:
        server.always = Reply(status=400, body={})
        provider = make_provider(spec, base_url=f"{server.url}/v1", concurrency=1)
        request = Request(
            request_id="r", model=spec, messages=(Message(role="user", content="2+2?"),), max_output_tokens=9
        )
        with pytest.raises(Exception, match="HTTP 400"):
            await provider.send(provider.prepare(request), timeout_s=20)
        await provider.aclose()
    assert not any("basic" in value.lower() for value in server.seen[0].headers.values())
