"""Logs in Inspect's shapes, small and written by hand; for tests alone."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Log = dict[str, Any]


def usage(given: int, output: int, total: int, **parts: int) -> Log:
    """A usage object; `parts` are cache_read, cache_write and reasoning."""
    names = {"cache_read": "input_tokens_cache_read", "cache_write": "input_tokens_cache_write"}
    return {
        "input_tokens": given,
        "output_tokens": output,
        "total_tokens": total,
        **{names.get(name, "reasoning_tokens"): count for name, count in parts.items()},
    }


def call(counts: Mapping[str, Any] | None, uuid: str | None = None, **members: Any) -> Log:
    """A model event that was answered `Answer: A`; `members` are laid over it."""
    output = {
        "model": "gpt-5-2025-08-07",
        "choices": [{"message": {"role": "assistant", "content": "Answer: A"}, "stop_reason": "stop"}],
    }
    event: Log = {
        "event": "model",
        "model": "openai/gpt-5",
        "input": [{"role": "user", "content": "Which?"}],
        "timestamp": "2026-03-01T10:00:00+01:00",
        "completed": "2026-03-01T10:00:02.5+01:00",
        "output": {**output, "usage": counts} if counts else output,
    }
    return {**event, **({"uuid": uuid} if uuid else {}), **members}


def sample(events: Sequence[Log], number: int = 1, epoch: int = 1, **members: Any) -> Log:
    """A sample that was scored correct."""
    scores = {"match": {"value": "C", "answer": "A"}}
    return {"id": number, "epoch": epoch, "target": "A", "scores": scores, "events": list(events), **members}


def log(*samples: Log, version: str = "0.3.285", **members: Any) -> Log:
    """A whole log of one task on openai/gpt-5."""
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": "E1",
            "run_id": "R1",
            "created": "2026-03-01T09:00:00+00:00",
            "task": "arithmetic",
            "model": "openai/gpt-5",
            "packages": {"inspect_ai": version},
        },
        "plan": {"config": {"reasoning_effort": "high"}},
        "results": {"total_samples": len(samples)},
        "stats": {"model_usage": {}},
        "samples": list(samples),
        **members,
    }


def write_document(folder: Path, content: Log) -> Path:
    path = folder / "log.json"
    path.write_text(json.dumps(content))
    return path


def write_archive(folder: Path, content: Log, *, is_killed: bool = False, in_chunks: bool = False) -> Path:
    """Write an `.eval`: a killed run has no header; of a sample in chunks each event has a file of its own."""
    head = {name: value for name, value in content.items() if name != "samples"}
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        started = {name: head[name] for name in ("version", "eval", "plan")}
        archive.writestr("_journal/start.json", json.dumps(started))
        for one in content["samples"]:
            name = f"samples/{one['id']}_epoch_{one['epoch']}"
            if not in_chunks:
                archive.writestr(f"{name}.json", json.dumps(one))
                continue
            archive.writestr(f"{name}/sample.json", json.dumps({key: one[key] for key in one if key != "events"}))
            for number, event in reversed(list(enumerate(one["events"]))):
                archive.writestr(f"{name}/events/{number}.json", json.dumps([event]))
            archive.writestr(f"{name}/events/stats.json", "{}")
        if not is_killed:
            archive.writestr("header.json", json.dumps(head))
    return path
