"""What a host and its workers say to each other, as JSON: samples, calls and turns out; scenes, results, verdicts back.

Pure. Every value has one form here, written by the one side and read by the other.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from harness.environments.environment import Scene, ToolResult, Turn, Verdict
from harness.messages import ToolCall, ToolSpec
from harness.suites.sample import Sample

Line = dict[str, Any]
"""One message: `do` says what is asked, `environment` of whom."""


def sample_line(sample: Sample) -> Line:
    """A sample without its images: no tool sees them."""
    text = sample.input if isinstance(sample.input, str) else "\n".join(p for p in sample.input if isinstance(p, str))
    return {
        "task": sample.task,
        "sample_id": sample.sample_id,
        "input": text,
        "target": sample.target,
        "metadata": sample.metadata,
    }


def turn_line(turn: Turn) -> Line:
    """A turn with its calls and what they gave."""
    return dataclasses.asdict(turn)


def read_turn(line: Line) -> Turn:
    """The turn that `turn_line` wrote."""
    return Turn(
        by=line["by"],
        text=line["text"],
        calls=tuple(ToolCall(**one) for one in line["calls"]),
        results=tuple(ToolResult(**one) for one in line["results"]),
    )


def scene_line(scene: Scene) -> Line:
    """A scene with its tools."""
    return dataclasses.asdict(scene)


def read_scene(line: Line) -> Scene:
    """The scene that `scene_line` wrote."""
    tools = {name: tuple(ToolSpec(**one) for one in line[name]) for name in ("tools", "user_tools")}
    return Scene(**{**line, **tools})


def verdict_line(verdict: Verdict) -> Line:
    """A verdict with its parts."""
    return {"value": verdict.value, "explanation": verdict.explanation, "parts": dict(verdict.parts)}


def read_verdict(line: Line) -> Verdict:
    """The verdict that `verdict_line` wrote."""
    return Verdict(**line)
