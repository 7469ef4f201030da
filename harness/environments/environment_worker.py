"""The program that a worker process runs: it holds open environments and does what a host asks, one JSON line each.

Data flows stdin `{"do", "environment", "limit_s", ...}` -> an `Environment` -> stdout. Its tools are foreign code:
memory is bounded, processor time is bounded question by question, and what they print goes nowhere.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import sys
from collections.abc import Callable
from typing import IO

from harness.environments.environment import Environment
from harness.environments.environment_lines import Line, read_turn, scene_line, verdict_line
from harness.environments.known_environments import environment_named
from harness.errors import HarnessError, InputError
from harness.messages import ToolCall
from harness.sandbox.process_limits import die_with_parent, limit_processor_time
from harness.suites.sample import Sample

MEMORY_BYTES = 6_000_000_000
"""Of address space: what libraries only map counts as well."""


def _open(worlds: dict[int, Environment], line: Line) -> Line:
    make = environment_named(line["name"]).make
    world = make(line["options"], Sample(**line["sample"]))
    worlds[line["environment"]] = world
    return {"scene": scene_line(world.scene()), "is_replayable": world.is_replayable}


def _call(worlds: dict[int, Environment], line: Line) -> Line:
    result = worlds[line["environment"]].call(ToolCall(**line["call"]), by=line["by"])
    return {"text": result.text, "failed": result.failed}


def _ended(worlds: dict[int, Environment], line: Line) -> Line:
    return {"ended": worlds[line["environment"]].ended(read_turn(line["turn"]))}


def _verdict(worlds: dict[int, Environment], line: Line) -> Line:
    turns = [read_turn(one) for one in line["turns"]]
    return verdict_line(worlds[line["environment"]].verdict(turns, ended=line["ended"]))


def _close(worlds: dict[int, Environment], line: Line) -> Line:
    world = worlds.pop(line["environment"], None)
    if world is not None:
        world.close()
    return {}


DOES: dict[str, Callable[[dict[int, Environment], Line], Line]] = {
    "open": _open,
    "call": _call,
    "ended": _ended,
    "verdict": _verdict,
    "close": _close,
}


def answer(worlds: dict[int, Environment], line: Line) -> Line:
    """Do what a line asks; what goes wrong is an answer too."""
    try:
        return {"done": DOES[line["do"]](worlds, line)}
    except InputError as error:
        findings = [[one.where, one.message] for one in error.findings]
        return {"refused": {"message": error.message, "where": error.where, "fix": error.fix, "findings": findings}}
    except HarnessError as error:
        return {"failed": str(error)}
    except (MemoryError, RecursionError, Exception) as error:  # noqa: BLE001 - foreign code may raise anything
        return {"failed": f"{type(error).__name__}: {error}"}


def _own_output() -> IO[str]:
    """Keep standard output for answers: what tools print to it goes where errors go."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def main() -> None:
    """Answer line by line until stdin ends; the argument is the id of the parent process."""
    die_with_parent(int(sys.argv[1]))
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    gc.set_threshold(100_000, 20, 50)  # a data base is a million objects, which are looked through again and again
    output = _own_output()
    worlds: dict[int, Environment] = {}
    for line in sys.stdin:
        asked: Line = json.loads(line)
        limit_processor_time(asked["limit_s"])
        print(json.dumps(answer(worlds, asked)), file=output, flush=True)


if __name__ == "__main__":
    main()
