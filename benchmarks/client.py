"""CPU per request of the provider adapters alone, without ledger, prompts or scores: `python -m benchmarks.client`.

The client runs on core 0, a C mock server on core 1 (compiled to a temporary folder when its source is at hand). Each
variant runs in a process of its own; data flows child process -> one JSON line -> the table.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

VARIANTS = ("direct", "litellm", "litellm-bare")
"""Our direct client; our litellm adapter; a bare loop over `litellm.acompletion` with its defaults."""

PROMPT = "Q" * 800


def source_path() -> Path | None:
    """Find the mock server's C source beside the checkout or in BENCHTAB_SHARED."""
    root = Path(os.environ.get("BENCHTAB_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    source = root / "perf" / "mock.c"
    return source if source.exists() else None


def start_server(source: Path, folder: Path, *, delay_ms: int, core: int) -> tuple[subprocess.Popen[bytes], str]:
    """Compile and start the mock server on a free port; returns the process and its base URL."""
    binary = folder / "mock"
    subprocess.run(["gcc", "-O2", "-o", str(binary), str(source)], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "DELAY_MS": str(delay_ms), "LIFE_S": "300"}
    command = [str(binary)]
    if shutil.which("taskset"):
        command = ["taskset", "-c", str(core), *command]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.01)
    return process, f"http://127.0.0.1:{port}/v1"


async def _load(send: Callable[[int], Awaitable[Any]], *, requests: int, concurrency: int) -> dict[str, float]:
    """Send `requests` with a fixed pool of workers; CPU and wall time between first and last."""
    numbers = iter(range(requests))

    async def work() -> None:
        for number in numbers:
            await send(number)

    await asyncio.gather(*(send(-1 - number) for number in range(min(concurrency, 20))))  # warm
    gc.collect()
    gc.freeze()
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu_ms_per_request": 1000 * cpu / requests, "requests_per_s": requests / wall}


async def _adapter(name: str, url: str, *, requests: int, concurrency: int) -> dict[str, float]:
    from harness.models import parse_model
    from harness.providers import make_provider
    from harness.providers.base import Message, Request

    spec = parse_model("openai-compatible/m" if name == "direct" else "openai/m")
    provider = make_provider(spec, base_url=url, concurrency=concurrency)

    async def send(number: int) -> None:
        message = Message(role="user", content=f"{number} {PROMPT}")
        request = Request(
            request_id=f"r.{number}.e0.t0", model=spec, messages=(message,), temperature=0.0, max_output_tokens=100
        )
        response = await provider.send(provider.prepare(request), timeout_s=60)
        assert response.raw_usage is not None

    measured = await _load(send, requests=requests, concurrency=concurrency)
    await provider.aclose()
    return measured


async def _bare(url: str, *, requests: int, concurrency: int) -> dict[str, float]:
    import litellm

    async def send(number: int) -> None:
        messages = [{"role": "user", "content": f"{number} {PROMPT}"}]
        answer = await litellm.acompletion(
            model="openai/m", messages=messages, api_base=url, temperature=0.0, max_tokens=100
        )
        assert answer.usage is not None

    return await _load(send, requests=requests, concurrency=concurrency)


def measure(name: str, url: str, *, requests: int, concurrency: int) -> dict[str, float]:
    """Run one variant in this process."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    os.environ.setdefault("OPENAI_API_KEY", "sk-not-a-real-key")
    if name == "litellm-bare":
        return asyncio.run(_bare(url, requests=requests, concurrency=concurrency))
    import uvloop

    return uvloop.run(_adapter(name, url, requests=requests, concurrency=concurrency))


def _child(name: str, url: str, *, requests: int, concurrency: int, core: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.client", "--child", name, "--url", url]
    command += ["--requests", str(requests), "--concurrency", str(concurrency)]
    if shutil.which("taskset"):
        command = ["taskset", "-c", str(core), *command]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    measured: dict[str, float] = json.loads(output.strip().splitlines()[-1])
    return measured


def main() -> None:
    """Print CPU per request of each variant: medians over repeats that take turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--litellm-requests", type=int, default=1_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", choices=VARIANTS)
    parser.add_argument("--url")
    options = parser.parse_args()
    if options.child:
        print(
            json.dumps(measure(options.child, options.url, requests=options.requests, concurrency=options.concurrency))
        )
        return
    source = source_path()
    if source is None:
        print("the mock server's source (perf/mock.c) is not on this machine; set BENCHTAB_SHARED", file=sys.stderr)
        return
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as folder:
        server, url = start_server(source, Path(folder), delay_ms=0, core=1)
        try:
            for _ in range(options.repeats):
                for name in VARIANTS:
                    count = options.requests if name == "direct" else options.litellm_requests
                    measured[name].append(_child(name, url, requests=count, concurrency=options.concurrency, core=0))
        finally:
            server.terminate()
            server.wait()
    print(f"{'client':<14} {'CPU ms/request':>15} {'requests/s':>11}   median of {options.repeats}")
    medians = {}
    for name, rows in measured.items():
        medians[name] = statistics.median(row["cpu_ms_per_request"] for row in rows)
        speed = statistics.median(row["requests_per_s"] for row in rows)
        print(f"{name:<14} {medians[name]:>15.3f} {speed:>11.0f}")
    print(f"litellm adapter / bare litellm loop: {medians['litellm'] / medians['litellm-bare']:.2f}")


if __name__ == "__main__":
    main()
