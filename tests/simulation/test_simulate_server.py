"""The simulated models over HTTP: the same answers as in-process, faults on the wire, and books of their own."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from harness.errors import InputError, ProviderError
from harness.messages import Message
from harness.models import parse_model
from harness.providers.base import Request, Response
from harness.providers.simulated import SimulatedProvider
from harness.simulation import FINGERPRINT, AnswerKey
from harness.simulation.server import Pace, SimulationServer
from tests.simulation.test_simulation import CHOICES, KEY


class Client:
    """Asks a simulation server, once per call."""

    def __init__(self, session: aiohttp.ClientSession, server: SimulationServer) -> None:
        self.session = session
        self.server = server

    def body(self, number: int, model: str, **options: object) -> dict[str, Any]:
        return {"model": model, "messages": [{"role": "user", "content": CHOICES[number].input}], **options}

    async def post(
        self, body: object, request_id: str | None = None, timeout_s: float = 10
    ) -> tuple[int, Any, dict[str, str]]:
        headers = {"X-Client-Request-Id": request_id} if request_id else {}
        async with self.session.post(
            f"{self.server.url}/chat/completions",
            data=orjson.dumps(body),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        ) as response:
            return response.status, orjson.loads(await response.read()), dict(response.headers)

    async def get(self, path: str) -> Any:
        async with self.session.get(f"{self.server.url.removesuffix('/v1')}{path}") as response:
            return await response.json()


@asynccontextmanager
async def serving(
    *, log: Path | None = None, pace: Pace | None = None, key: AnswerKey = KEY, seed: int = 0
) -> AsyncIterator[Client]:
    async with (
        SimulationServer(key, seed=seed, billing_log=log, pace=pace) as server,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, server)


def rows_of(log: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in log.read_bytes().splitlines()]


async def in_process(number: int, model: str, request_id: str) -> Response | ProviderError:
    provider = SimulatedProvider(parse_model(model), key=KEY)
    request = Request(
        request_id=request_id,
        model=parse_model(model),
        messages=(Message(role="user", content=CHOICES[number].input),),
        max_output_tokens=3_000,
    )
    try:
        return await provider.send(provider.prepare(request), timeout_s=1)
    except ProviderError as error:
        return error


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("sim/reasoner@high", {"reasoning_effort": "high"}),
        ("sim/reasoner", {}),
        ("sim/direct", {}),
        ("sim/flaky@low", {"reasoning_effort": "low"}),
    ],
)
async def test_the_same_answer_and_usage_in_this_process_and_over_http(model: str, options: dict[str, Any]) -> None:
    name = model.partition("@")[0].replace("/", "-")
    lost: list[int] = []
    async with serving() as client:
        for number in range(60):
            request_id = f"r.1.{number}.e{number % 3}.t0"
            here = await in_process(number, model, request_id)
            if isinstance(here, ProviderError) and here.http_status is None:
                lost.append(number)  # nothing comes back over HTTP either: shown by the tests of lost answers
                continue
            body = client.body(number, name, max_completion_tokens=3_000, **options)
            status, there, headers = await client.post(body, request_id)
            if isinstance(here, ProviderError):
                assert status == here.http_status
                assert here.retry_after_s is None or float(headers["Retry-After"]) == here.retry_after_s
                continue
            choice = there["choices"][0]
            assert (choice["message"]["content"], choice["finish_reason"]) == (here.text, here.finish_reason)
            assert there.get("usage") == here.raw_usage
            assert (there["system_fingerprint"], there["model"]) == (FINGERPRINT, name)
    assert bool(lost) == model.startswith("sim/flaky")


async def test_the_books_hold_every_request_and_add_up_to_what_clients_were_told(tmp_path: Path) -> None:
    log, told = tmp_path / "billing.jsonl", {"prompt_tokens": 0, "completion_tokens": 0}
    async with serving(log=log) as client:
        for number in range(250):
            _, body, _ = await client.post(client.body(number, "sim-reasoner"), f"r.1.{number}.e0.t0")
            for name in told:
                told[name] += body["usage"][name]
        stats = await client.get("/stats")
    rows = rows_of(log)
    assert len(rows) == stats["requests"] == stats["billed_requests"] == 250
    assert {name: stats[name] for name in told} == told
    assert {name: sum(row["usage"][name] for row in rows) for name in told} == told
    assert stats["right_answers"] == sum(row["right"] for row in rows)
    assert stats["input_tokens"] + stats["cache_read_tokens"] == told["prompt_tokens"]
    assert stats["output_tokens"] + stats["reasoning_tokens"] == told["completion_tokens"]
    assert stats["by_model"]["sim-reasoner@medium"]["requests"] == 250
    assert rows[7]["sample_id"] == "c7"
    assert rows[7]["request_id"] == "r.1.7.e0.t0"


async def flaky_number(fault: str) -> int:
    """Find a question whose first try meets this fault."""
    from harness.simulation import MODELS, Draw, fault_of, prompt_of

    draw = Draw(seed=0, model=MODELS["flaky"])
    prompts = (prompt_of([("user", str(sample.input))]) for sample in CHOICES)
    return next(number for number, prompt in enumerate(prompts) if fault_of(draw, prompt) == fault)


async def test_a_request_that_times_out_at_the_client_is_billed_in_the_books(tmp_path: Path) -> None:
    log, number = tmp_path / "billing.jsonl", await flaky_number("timeout")
    async with serving(log=log) as client:
        with pytest.raises(TimeoutError):
            await client.post(client.body(number, "sim-flaky"), f"r.1.{number}.e0.t0", timeout_s=0.05)
        stats = await client.get("/stats")
    [row] = rows_of(log)
    assert (row["status"], row["fault"], row["billed"], row["usage_sent"]) == (None, "timeout", True, False)
    assert stats["unseen_completion_tokens"] == row["usage"]["completion_tokens"] > 0
    assert stats["by_status"] == {"none": 1}


async def test_a_dropped_connection_is_billed_in_the_books(tmp_path: Path) -> None:
    log, number = tmp_path / "billing.jsonl", await flaky_number("connection")
    async with serving(log=log) as client:
        with pytest.raises(aiohttp.ClientError):
            await client.post(client.body(number, "sim-flaky"), f"r.1.{number}.e0.t0")
    [row] = rows_of(log)
    assert (row["status"], row["fault"], row["billed"]) == (None, "connection", True)


async def test_an_answer_without_usage_is_billed_in_the_books(tmp_path: Path) -> None:
    log, number = tmp_path / "billing.jsonl", await flaky_number("missing_usage")
    async with serving(log=log) as client:
        status, body, _ = await client.post(client.body(number, "sim-flaky"), f"r.1.{number}.e0.t0")
    [row] = rows_of(log)
    assert status == 200
    assert "usage" not in body
    assert row["billed"]
    assert not row["usage_sent"]


async def test_refused_requests_are_not_billed_and_say_when_to_come_back(tmp_path: Path) -> None:
    log, number = tmp_path / "billing.jsonl", await flaky_number("rate_limit")
    async with serving(log=log) as client:
        status, body, headers = await client.post(client.body(number, "sim-flaky"), f"r.1.{number}.e0.t0")
    [row] = rows_of(log)
    assert status == 429
    assert body["error"]["code"] == "rate_limit"
    assert 0 <= float(headers["Retry-After"]) < 0.1
    assert (row["billed"], row["usage"], row["right"]) == (False, None, None)


async def test_a_client_that_gives_up_during_the_delay_is_still_in_the_books(tmp_path: Path) -> None:
    log = tmp_path / "billing.jsonl"
    async with serving(log=log, pace=Pace(delay_ms=60_000)) as client:
        with pytest.raises(TimeoutError):
            await client.post(client.body(0, "sim-direct"), "r.1.0.e0.t0", timeout_s=0.05)
    [row] = rows_of(log)
    assert (row["status"], row["billed"], row["usage_sent"]) == (None, True, False)


async def test_a_rate_limit_answers_429_and_says_how_long_to_wait() -> None:
    async with serving(pace=Pace(requests_per_s=2)) as client:
        seen = [await client.post(client.body(n, "sim-direct")) for n in range(4)]
    assert [status for status, _, _ in seen] == [200, 200, 429, 429]
    assert 0 < float(seen[2][2]["Retry-After"]) <= 0.5


async def test_streams_carry_the_same_text_and_the_usage_when_asked() -> None:
    async with serving() as client:
        _, whole, _ = await client.post(client.body(1, "sim-direct"))
        body = client.body(1, "sim-direct", stream=True, stream_options={"include_usage": True})
        async with client.session.post(f"{client.server.url}/chat/completions", data=orjson.dumps(body)) as response:
            lines = [line for line in (await response.text()).split("\n\n") if line]
    events = [orjson.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert lines[-1] == "data: [DONE]"
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events if event["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert events[-1]["usage"] == whole["usage"]
    assert events[-2]["choices"][0]["finish_reason"] == "stop"


async def test_content_parts_and_images_find_the_same_item(tmp_path: Path) -> None:
    from harness.messages import ImagePart
    from harness.suites import Sample

    log = tmp_path / "billing.jsonl"
    sample = Sample(
        task="seen", sample_id="s", input=("What is it?", ImagePart(media_type="image/png", data=b"png")), target="cat"
    )
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{base64.b64encode(b'png').decode()}"}}
    content = [{"type": "text", "text": "What is it?"}, image]
    async with serving(key=AnswerKey.from_samples([(sample, "text")]), log=log) as client:
        await client.post({"model": "sim-reasoner", "messages": [{"role": "user", "content": content}]})
    [row] = rows_of(log)
    assert row["sample_id"] == "s"
    assert row["usage"]["prompt_tokens"] > 255


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "gpt-4o"}, 404),
        ({"model": "sim-direct", "reasoning_effort": "high"}, 400),
        ({"reasoning_effort": "huge"}, 400),
        ({"max_tokens": -1}, 400),
        ({"messages": "hello"}, 400),
        ({"messages": [{"role": "user", "content": 7}]}, 400),
    ],
)
async def test_senseless_requests_are_refused_and_entered(change: dict[str, Any], status: int, tmp_path: Path) -> None:
    log = tmp_path / "billing.jsonl"
    async with serving(log=log) as client:
        got, body, _ = await client.post({**client.body(0, "sim-reasoner"), **change}, "r.1.0.e0.t2")
    assert got == status
    assert body["error"]["message"]
    assert [(row["status"], row["billed"], row["try_number"]) for row in rows_of(log)] == [(status, False, 2)]


async def test_unknown_paths_answer_404_and_health_answers_ok() -> None:
    async with serving() as client:
        assert (await client.get("/health"))["status"] == "ok"
        assert "error" in await client.get("/nowhere")
        assert {model["id"] for model in (await client.get("/v1/models"))["data"]} >= {"sim-reasoner", "sim-direct"}


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org"])  # noqa: S104  # must be refused
async def test_it_refuses_to_listen_beyond_loopback(host: str) -> None:
    server = SimulationServer(KEY)
    with pytest.raises(InputError, match="loopback only"):
        await server.start(host=host)


async def test_a_taken_port_is_a_clear_error() -> None:
    async with serving() as client:
        port = int(client.server.url.split(":")[2].split("/")[0])
        with pytest.raises(InputError, match=f"cannot listen on port {port}"):
            await SimulationServer(KEY).start(port=port)


SUITE = """
name = "tiny"
version = "1"
title = "Tiny"
[[tasks]]
name = "sums"
prompt = "{question} End with: Answer: <number>"
scorer = { name = "number" }
[tasks.dataset]
path = "tiny"
local = "tiny.jsonl"
fields = { id = "id", question = "question", target = "answer" }
"""


async def test_the_command_prints_its_address_serves_and_completes_its_log_on_sigterm(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SUITE)
    items = [{"id": f"q{n}", "question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(20)]
    (tmp_path / "tiny.jsonl").write_bytes(
        b"".join(orjson.dumps(item, option=orjson.OPT_APPEND_NEWLINE) for item in items)
    )
    program = "import typer; from harness.cli.simulate import simulate; typer.run(simulate)"
    log = tmp_path / "billing.jsonl"
    arguments = ["--port", "0", "--suite", str(tmp_path / "tiny.toml"), "--billing-log", str(log)]
    process = subprocess.Popen(  # noqa: ASYNC220  # started before any request, waited for in a thread
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert process.stdout is not None
        url = (await asyncio.to_thread(process.stdout.readline)).strip()
        assert url.startswith("http://127.0.0.1:")
        async with aiohttp.ClientSession() as session:
            for item in items:
                prompt = f"{item['question']} End with: Answer: <number>"
                body = {"model": "sim-reasoner", "messages": [{"role": "user", "content": prompt}]}
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    assert response.status == 200
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0
    finally:
        process.kill()
        process.wait()
    assert [row["sample_id"] for row in rows_of(log)] == [item["id"] for item in items]
