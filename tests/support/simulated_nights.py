"""Simulated models behind a server, and a suite of sums for them: what a night needs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.loaders import load_suite, load_task
from harness.simulation import AnswerKey
from harness.simulation.server import SimulationServer


@contextmanager
def serving(suite: str, *, seed: int) -> Iterator[str]:
    """Serve the simulated models with the answers of a suite file in a thread; gives the base URL."""
    path = Path(suite)
    key = AnswerKey.from_samples(
        (sample, task.scorer.name)
        for task in load_suite(suite).tasks
        for sample in load_task(task, suite_path=path).samples
    )
    server = SimulationServer(key, seed=seed)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result()
        yield server.url
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def write_suite(folder: Path, n_samples: int) -> str:
    """Write a suite of sums of all difficulties."""
    rows = [
        {"id": str(n), "question": f"What is {n} + {2 * n}?", "answer": str(3 * n), "difficulty": n / n_samples}
        for n in range(n_samples)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "sums.toml"
    path.write_text(
        """
name = "sums"
version = "1"
title = "Sums"

[[tasks]]
name = "sums"
prompt = "{question} End with the answer alone on the last line."
scorer = { name = "number" }
max_output_tokens = 4096
max_output_tokens_reasoning = 16384

[tasks.dataset]
source = "files"
path = "sums"
revision = "1"
local = "sums.jsonl"
fields = { id = "id", question = "question", target = "answer", difficulty = "difficulty" }
difficulty_range = [0, 1]
""",
        encoding="utf-8",
    )
    return str(path)
