"""Our HTTP client beside kept ones, all in one run: `python -m benchmarks.http_clients [--rounds N] [--parts ...]`.

Bare requests, streamed answers and whole runs of the harness, in turns, as medians of CPU time and ratios to our own;
then what each does with hostile answers. docs/http-client.md says what follows from it. Data flows child processes on
a core of their own -> lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import orjson

from benchmarks.bare_loops import MESSAGES, loop
from benchmarks.http_behaviour import mistakes
from benchmarks.http_sides import OWN, SIDES, at_hand
from benchmarks.mock_server import serving
from benchmarks.requests import DIRECT, inside, on_client_core

ALLOWED = 1.2
"""A client that costs a run at most this much more than ours replaces it, if it makes no mistake."""

N_EVENTS = 20
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
ME = ("-m", "benchmarks.http_clients")

Measure = Callable[[str, Path, argparse.Namespace], float]


def bare_us(side: str, folder: Path, chosen: argparse.Namespace) -> float:
    """CPU microseconds of one request and its answer of 1.6 kB, with nothing around them."""
    return _loop_us(side, folder, chosen, n_events=0)


def streamed_us(side: str, folder: Path, chosen: argparse.Namespace) -> float:
    """The same for an answer that comes in chunks, one an event."""
    return _loop_us(side, folder, chosen, n_events=N_EVENTS)


def _loop_us(side: str, folder: Path, chosen: argparse.Namespace, *, n_events: int) -> float:
    with serving(n_events=n_events) as url:
        command = [*ME, "--loop", side, "--url", url, "--requests", str(chosen.requests)]
        found = on_client_core([*command, "--concurrency", str(chosen.concurrency)], folder).found
    return found["cpu_s"] / chosen.requests * 1e6


def run_us(side: str, folder: Path, chosen: argparse.Namespace) -> float:
    """CPU microseconds of one sample of a run: rendered, sent, committed to the ledger, parsed, scored."""
    program = (*ME, "--run", side)
    found = inside(DIRECT, folder, n=chosen.requests, concurrency=chosen.concurrency, program=program)
    return found["cpu_ms"] * 1000


PARTS: Mapping[str, Measure] = {"bare": bare_us, "streamed": streamed_us, "run": run_us}


async def post_all(side: str, chosen: argparse.Namespace) -> dict[str, float]:
    """Send the requests of one loop through one client."""
    client = SIDES[side](f"{chosen.url}/chat/completions", HEADERS, chosen.concurrency)

    async def ask() -> int:
        body = orjson.dumps({"model": "sim-direct", "messages": MESSAGES, "max_tokens": 4096})
        return len((await client.post(body, request_id="r.c.s.e0.t0", timeout_s=600)).body)

    found = await loop(ask, n_requests=chosen.requests, concurrency=chosen.concurrency)
    await client.aclose()
    return found


def run_with(side: str, arguments: Sequence[str]) -> None:
    """Time a run of the harness in which adapters get this side's client from the door."""
    from benchmarks import timed_run
    from harness.providers import openai_compatible

    def opened(url: str, headers: Mapping[str, str], *, concurrency: int) -> object:
        return SIDES[side](url, headers, concurrency)

    if side != OWN:
        openai_compatible.open_client = opened
    sys.argv[1:] = arguments
    timed_run.main()


def measure(part: str, sides: Sequence[str], chosen: argparse.Namespace) -> None:
    """Measure the sides in turns and print medians and ratios, each ratio taken within its round."""
    with tempfile.TemporaryDirectory(prefix="benchtab-http-") as name:
        rounds = [{side: PARTS[part](side, Path(name), chosen) for side in sides} for _ in range(chosen.rounds)]
    for side in sides:
        cost_us = median(found[side] for found in rounds)
        ratio = median(found[side] / found[OWN] for found in rounds)
        verdict = ""
        if part == "run" and side != OWN:
            verdict = f"  at most x {ALLOWED}: {'fast enough' if ratio <= ALLOWED else 'too slow'}"
        print(f"{part:10s} {side:12s} {cost_us:8.1f} us CPU  x {ratio:5.2f}{verdict}", flush=True)


def show_mistakes(sides: Sequence[str]) -> None:
    """Print what each side gets wrong."""
    for side in sides:
        n_tried, wrong = asyncio.run(mistakes(SIDES[side]))
        print(f"hostile    {side:12s} {n_tried - len(wrong)} of {n_tried} held", flush=True)
        for name in wrong:
            print(f"             not: {name}")


def main() -> None:
    """Measure what the command line asks for; `--loop` and `--run` are what the children are started with."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS, "hostile"], default=[*PARTS, "hostile"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--loop", choices=list(SIDES), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.loop:
        import uvloop

        print(json.dumps(uvloop.run(post_all(chosen.loop, chosen))))
        return
    sides = [side for side in SIDES if at_hand(side)]
    for side in SIDES.keys() - sides:
        print(f"{side}: not installed and left out; .venv/bin/pip install {side} adds it")
    conditions = f"{chosen.requests:,} requests, {chosen.concurrency} at once, median of {chosen.rounds} rounds"
    print(f"{conditions}; load before: {os.getloadavg()[0]:.1f}")
    for part in chosen.parts:
        if part != "hostile":
            measure(part, sides, chosen)
    if "hostile" in chosen.parts:
        show_mistakes(sides)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run_with(sys.argv[2], sys.argv[3:])
    else:
        main()
