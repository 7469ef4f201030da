"""What a whole run costs per request: `benchtab run` on one core against `benchtab simulate` on another.

Run as `python -m benchmarks.end_to_end [--samples N] [--concurrency N] [--routes direct litellm]`. It prints
one line per measurement, holds the ledger's sums against the server's own books, and removes its temporary folder.
Figures per request leave out the start: a run with one sample is measured first and subtracted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

SERVER_CORE, CLIENT_CORE = "1", "0"
MODELS = {"direct": "openai-compatible/sim-direct", "litellm": "openai/sim-direct"}
SUITE = '''
name = "generated"
version = "1"
title = "Generated multiple choice"

[[tasks]]
name = "generated"
prompt = """
Answer this multiple-choice question. Think it through; the last line of your reply must be
Answer: <letter>
with one of the letters {letters}.

{question}

{choices}"""
max_output_tokens = 4096

[tasks.scorer]
name = "multiple_choice"

[tasks.dataset]
source = "files"
path = "generated"
revision = "1"
local = "generated.jsonl"
target_form = "letter"
fields = { id = "id", question = "question", choices = "options", target = "answer" }
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one process used: wall and CPU seconds, its children's included, and its peak memory."""

    wall_s: float
    cpu_s: float
    peak_rss_mb: float


def write_suite(folder: Path, n_samples: int) -> Path:
    """Write a suite of multiple-choice questions of about a thousand characters each."""
    with (folder / "generated.jsonl").open("w") as file:
        for number in range(n_samples):
            story = f"Crate {number} holds {number % 97} bolts and {number % 89} nuts. " * 12
            item = {
                "id": f"g{number}",
                "question": f"{story}Which statement about crate {number} follows?",
                "options": [f"Statement {letter} about crate {number} follows from its contents." for letter in "ABCD"],
                "answer": "ABCD"[number % 4],
            }
            file.write(json.dumps(item) + "\n")
    path = folder / "generated.toml"
    path.write_text(SUITE)
    return path


@contextlib.contextmanager
def simulating(suite: Path, delay_ms: float) -> Iterator[str]:
    """Serve the simulated models on the server's core; give their base URL."""
    command = ["taskset", "-c", SERVER_CORE, sys.executable, "-m", "harness", "simulate", "--port", "0"]
    command += ["--suite", str(suite), "--delay-ms", str(delay_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url:
                raise SystemExit("benchtab simulate did not start")
            yield url
        finally:
            server.terminate()


def measured(command: Sequence[str], environment: dict[str, str], log: Path) -> Measured:
    """Run a command on the client's core and measure it."""
    started = time.monotonic()
    with log.open("ab") as output:
        pid = os.posix_spawnp(
            "taskset",
            ["taskset", "-c", CLIENT_CORE, *command],
            {**os.environ, **environment},
            file_actions=[(os.POSIX_SPAWN_DUP2, output.fileno(), 1), (os.POSIX_SPAWN_DUP2, output.fileno(), 2)],
        )
        _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()[-3_000:]}")
    return Measured(
        wall_s=time.monotonic() - started, cpu_s=used.ru_utime + used.ru_stime, peak_rss_mb=used.ru_maxrss / 1024
    )


def run_suite(suite: Path, url: str, route: str, database: Path, *, limit: int, concurrency: int) -> Measured:
    """Run the suite with `benchtab run`, as a user would."""
    command = [sys.executable, "-m", "harness", "run", str(suite), "-m", MODELS[route], "--base-url", url, "-q"]
    command += ["--limit", str(limit), "--concurrency", str(concurrency), "--db", str(database), "--run-id", "bench"]
    return measured(command, {"OPENAI_API_KEY": "none"}, database.with_suffix(".log"))


def ledger_facts(database: Path) -> dict[str, int]:
    """Count attempts, tokens, bytes and the time from the first request to the last answer."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        names = ("attempts", "succeeded", "prompt_tokens", "completion_tokens", "span_us")
        row = connection.execute(
            "SELECT count(*), sum(status = 'succeeded'), sum(input_tokens + coalesce(cache_read_tokens, 0)),"
            " sum(output_tokens), max(finished_at_us) - min(started_at_us) FROM attempts"
        ).fetchone()
    return {**dict(zip(names, row, strict=True)), "bytes": database.stat().st_size}


def stats(url: str) -> dict[str, Any]:
    """Read the server's own books."""
    with urlopen(url.removesuffix("/v1") + "/stats") as response:  # noqa: S310  # our own server on loopback
        books: dict[str, Any] = json.load(response)
    return books


def measure_route(folder: Path, suite: Path, route: str, arguments: argparse.Namespace) -> float:
    """Measure one route and print it; give its CPU milliseconds per request."""
    n = arguments.samples
    with simulating(suite, arguments.delay_ms) as url:
        small, large = folder / f"{route}-1.db", folder / f"{route}.db"
        start = run_suite(suite, url, route, small, limit=1, concurrency=arguments.concurrency)
        before = stats(url)
        whole = run_suite(suite, url, route, large, limit=n, concurrency=arguments.concurrency)
        after = stats(url)
    one, all_of = ledger_facts(small), ledger_facts(large)
    for name in ("prompt_tokens", "completion_tokens"):
        billed = after[name] - before[name]
        if all_of[name] != billed:
            raise SystemExit(f"{route}: the ledger says {all_of[name]} {name}, the server billed {billed}")
    cpu_ms: float = (whole.cpu_s - start.cpu_s) / (n - 1) * 1000
    print(
        f"{route:10s} {n} samples, {all_of['attempts']} attempts, tokens equal to the server's books:"
        f" {n / (all_of['span_us'] / 1e6):8.0f} requests/s,"
        f" {cpu_ms:6.3f} CPU ms/request,"
        f" peak {whole.peak_rss_mb:5.0f} MB,"
        f" {(all_of['bytes'] - one['bytes']) / (n - 1):6.0f} ledger bytes/attempt,"
        f" start {start.wall_s:5.2f} s, whole run {whole.wall_s:6.2f} s"
    )
    return cpu_ms


def measure_bare_loop(folder: Path, suite: Path, arguments: argparse.Namespace, harness_cpu_ms: float) -> None:
    """Measure `litellm.acompletion` alone on the same requests, and print what the harness adds to it."""
    command = [sys.executable, "-m", "benchmarks.end_to_end", "--bare", str(suite)]
    command += ["--concurrency", str(arguments.concurrency)]
    log = folder / "bare.log"
    with simulating(suite, arguments.delay_ms) as url:
        measured([*command, "--url", url], {"OPENAI_API_KEY": "none"}, log)
    found = json.loads(log.read_text().strip().splitlines()[-1])
    cpu_ms = found["cpu_s"] / arguments.samples * 1000
    print(
        f"{'bare':10s} litellm.acompletion in a loop: {arguments.samples / found['wall_s']:8.0f} requests/s,"
        f" {cpu_ms:6.3f} CPU ms/request; benchtab through litellm uses {harness_cpu_ms / cpu_ms:.2f} times that"
    )


def prompts_of(suite: Path) -> list[str]:
    """Render the same prompts that the run sends."""
    from harness.loaders import load_suite, load_task

    task = load_suite(str(suite)).tasks[0]
    return [str(sample.input) for sample in load_task(task, suite_path=suite).samples]


async def bare_loop(prompts: Sequence[str], url: str, concurrency: int) -> dict[str, float]:
    """Send the same questions with nothing around `litellm.acompletion`."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    waiting = iter(prompts)

    async def ask(prompt: str) -> None:
        await litellm.acompletion(
            model="openai/sim-direct",
            api_base=url,
            messages=[{"role": "user", "content": prompt}],
            max_tokens=4096,
            max_retries=0,
            num_retries=0,
        )

    async def work() -> None:
        for prompt in waiting:
            await ask(prompt)

    await ask("the first")  # the first call sets litellm up; it is no part of the loop
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"wall_s": time.monotonic() - started, "cpu_s": cpu_s}


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--routes", nargs="+", choices=sorted(MODELS), default=["direct", "litellm"])
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        print(json.dumps(asyncio.run(bare_loop(prompts_of(arguments.bare), arguments.url, arguments.concurrency))))
        return
    with tempfile.TemporaryDirectory(prefix="benchtab-bench-") as name:
        folder = Path(name)
        suite = write_suite(folder, arguments.samples)
        for route in arguments.routes:
            cpu_ms = measure_route(folder, suite, route, arguments)
            if route == "litellm":
                measure_bare_loop(folder, suite, arguments, cpu_ms)


if __name__ == "__main__":
    main()
