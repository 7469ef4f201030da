"""Play scripts on every task of tau2-bench twice: by the package's orchestrator, and by this project's environment.

    python -m benchmarks.tau2 [--domain telecom] [--script gold] [--tasks 10]

Prompts, tools, every result of every call, why conversations ended, rewards and their parts are compared; each
difference is printed, and the exit code is 1 when there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.tau2.scripts import SCRIPTS, Move, Script
from harness.environments.environment import Turn
from harness.environments.hosting import EnvironmentHost
from harness.errors import HarnessError
from harness.loaders.suite_files import load_suite
from harness.loaders.tasks import load_task
from harness.messages import ToolCall
from harness.suites.sample import Sample
from harness.suites.suite import SolverRef

DOMAINS = ("telecom", "airline", "retail")
COMPARED = ("prompts", "tools", "opening", "results", "ended", "reward", "parts")


@dataclass
class Tally:
    """What one script gave over the tasks of one domain."""

    n_tasks: int = 0
    n_calls: int = 0
    n_solved: int = 0
    same: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


async def ours(host: EnvironmentHost, solver: SolverRef, sample: Sample, moves: Sequence[Move]) -> dict[str, Any]:
    """Play a script as the runner does: turn by turn, each call by the environment."""
    world = await host.open(solver, sample)
    try:
        scene, script, turns = world.scene, Script(moves), list[Turn]()
        by, ended = "user", None
        while ended is None:
            turns.append(await _turn(world, script.next_move(by), len(turns)))
            ended = await world.ended(turns[-1])
            by = by if turns[-1].calls else ("assistant" if by == "user" else "user")
        verdict = await world.verdict(turns, ended=ended)
    except HarnessError as error:
        return {"raised": error.message}
    finally:
        await world.close()
    named = [[_schema(tool) for tool in tools] for tools in (scene.tools, scene.user_tools)]
    return {
        "prompts": [scene.system, scene.user_system],
        "tools": named,
        "opening": scene.opening,
        "results": [[result.text, result.failed] for turn in turns for result in turn.results],
        "ended": ended,
        "reward": verdict.value,
        "parts": dict(verdict.parts),
    }


def _schema(tool: Any) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


async def _turn(world: Any, move: Move, number: int) -> Turn:
    calls = tuple(
        ToolCall(call_id=f"{number}.{place}", name=name, arguments=json.dumps(arguments))
        for place, (name, arguments) in enumerate(move.calls)
    )
    results = tuple([await world.call(call, by=move.by) for call in calls])
    return Turn(by="user" if move.by == "user" else "assistant", text=move.text, calls=calls, results=results)


async def theirs(domain: str, scripts: Sequence[str], tasks: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
    """Run the package in a process of its own; a task with what each script gave."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.tau2.reference",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**28,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"domain": domain, "scripts": list(scripts), "tasks": list(tasks)}
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    await process.stdin.drain()
    async for line in process.stdout:
        yield json.loads(line)
    if await process.wait():
        raise SystemExit("the package's own run failed")


def compare(tally: Tally, task: str, reference: dict[str, Any], given: dict[str, Any]) -> None:
    """Count one script on one task, and keep what differs."""
    tally.n_tasks += 1
    tally.n_calls += len(given.get("results", ()))
    tally.n_solved += given.get("reward") == 1
    tally.endings[given.get("ended", "raised")] += 1
    for name in COMPARED:
        if (wanted := reference.get(name, reference.get("raised"))) == (got := given.get(name, given.get("raised"))):
            tally.same[name] += 1
        else:
            tally.differences.append(f"{task}: {name}: package {_short(wanted)}, ours {_short(got)}")


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) < 200 else f"{text[:200]}..."


async def domain_tallies(domain: str, scripts: Sequence[str], n_tasks: int | None) -> dict[str, Tally]:
    """Play all scripts on a domain's tasks, both sides at the same time."""
    suite = load_suite(f"tau2_{domain}")
    task = suite.tasks[0]
    samples = load_task(task, suite_path=None, data_dir=None).samples[:n_tasks]
    by_id = {sample.sample_id: sample for sample in samples}
    tallies = {name: Tally() for name in scripts}
    async with EnvironmentHost(workers=1) as host:
        async for line in theirs(domain, scripts, list(by_id)):
            sample = by_id.pop(line["id"])
            row = {"id": sample.sample_id, "evaluation_criteria": json.loads(sample.target), **sample.metadata}
            for name in scripts:
                given = await ours(host, task.solver, sample, SCRIPTS[name](row))
                compare(tallies[name], sample.sample_id, line["played"][name], given)
    if by_id:
        raise SystemExit(f"the package has no task {', '.join(by_id)}")
    return tallies


def shown(domain: str, tallies: dict[str, Tally]) -> int:
    """Print a domain's counts; gives the number of differences."""
    heads = f"{'tasks':>6}{'calls':>7}{'solved':>7}{'same rewards':>14}{'same results':>14}"
    print(f"\n{domain}: {'script':<24}{heads}  endings")
    for name, tally in tallies.items():
        endings = ", ".join(f"{count} {reason}" for reason, count in tally.endings.most_common())
        print(
            f"{' ' * len(domain)}  {name:<24}{tally.n_tasks:>6}{tally.n_calls:>7}{tally.n_solved:>7}"
            f"{tally.same['reward']:>14}{tally.same['results']:>14}  {endings}"
        )
        for difference in tally.differences:
            print(f"      differs: {difference}")
    return sum(len(tally.differences) for tally in tallies.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", action="append", choices=DOMAINS)
    parser.add_argument("--script", action="append", choices=list(SCRIPTS))
    parser.add_argument("--tasks", type=int, default=None, help="the first N of each domain")
    options = parser.parse_args()
    started, n_differences, n_played, n_calls = time.monotonic(), 0, 0, 0
    for domain in options.domain or DOMAINS:
        tallies = asyncio.run(domain_tallies(domain, options.script or list(SCRIPTS), options.tasks))
        n_differences += shown(domain, tallies)
        n_played += sum(tally.n_tasks for tally in tallies.values())
        n_calls += sum(tally.n_calls for tally in tallies.values())
    minutes = (time.monotonic() - started) / 60
    played = f"{n_played} conversations with {n_calls} calls on both sides"
    print(f"\n{played}: {n_differences} differences ({minutes:.0f} min)")
    raise SystemExit(1 if n_differences else 0)


if __name__ == "__main__":
    main()
