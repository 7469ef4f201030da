"""Hosted environments: the same results as in the process, played again after a worker was lost or had to make room."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from benchmarks.workbench_samples import talk_row, tool_row
from harness.environments.environment import Turn
from harness.environments.hosting import LIVE_PER_WORKER, EnvironmentHost, OpenEnvironment
from harness.errors import EnvironmentLost, InputError
from harness.messages import ToolCall
from harness.suites.gold_calls import GoldCall, gold_of
from harness.suites.sample import Sample
from harness.suites.suite import SolverRef
from tests.environments.test_workbench import sample_of

SOLVER = SolverRef(name="tools", environment="workbench")


def workers_here() -> list[int]:
    """Ids of this process's children that are workers."""
    children = [
        int(one) for task in Path("/proc/self/task").iterdir() for one in (task / "children").read_text().split()
    ]
    return [one for one in children if b"environment_worker" in Path(f"/proc/{one}/cmdline").read_bytes()]


def gold_calls(sample: Sample) -> tuple[GoldCall, ...]:
    gold = gold_of(sample)
    assert gold is not None
    return gold.calls


async def step(world: OpenEnvironment, call: GoldCall) -> Turn:
    asked = ToolCall(call_id="1", name=call.name, arguments=json.dumps(dict(call.arguments)))
    turn = Turn(by=call.by, text="", calls=(asked,), results=(await world.call(asked, by=call.by),))
    assert await world.ended(turn) is None
    return turn


async def test_an_environment_apart_gives_what_it_gives_in_the_process() -> None:
    sample = sample_of(talk_row(2))
    async with EnvironmentHost(workers=1) as here, EnvironmentHost(workers=1, all_apart=True) as apart:
        inside, hosted = await here.open(SOLVER, sample), await apart.open(SOLVER, sample)
        assert len(workers_here()) == 1
        assert hosted.scene == inside.scene
        turns = [await step(inside, call) for call in gold_calls(sample)]
        assert [await step(hosted, call) for call in gold_calls(sample)] == turns
        for ended in ("user_stop", "max_turns"):
            assert await hosted.verdict(turns, ended=ended) == await inside.verdict(turns, ended=ended)
        await hosted.close()
        await hosted.close()
        left = await apart.open(SOLVER, sample)
    with pytest.raises(EnvironmentLost, match="host was closed"):
        await left.ended(turns[0])
    assert workers_here() == []


async def test_a_worker_that_was_lost_or_is_full_costs_no_sample_its_state() -> None:
    samples = [sample_of(tool_row(number % 20)) for number in range(LIVE_PER_WORKER + 2)]
    async with EnvironmentHost(workers=1, all_apart=True) as host:
        worlds = [await host.open(SOLVER, sample) for sample in samples]
        played = [[await step(world, gold_calls(sample)[0])] for world, sample in zip(worlds, samples, strict=True)]
        os.kill(workers_here()[0], signal.SIGKILL)
        for world, sample, turns in list(zip(worlds, samples, played, strict=True))[::-1][:4]:
            turns += [await step(world, call) for call in gold_calls(sample)[1:]]
            told = Turn(by="assistant", text=sample.target)
            assert (await world.verdict([*turns, told], ended="answered")).value == 1
            await world.close()


async def test_a_conversation_is_played_again_from_its_turns() -> None:
    sample = sample_of(tool_row(1))
    async with EnvironmentHost() as host:
        first, again, other = [await host.open(SOLVER, sample) for _ in range(3)]
        turns = [await step(first, call) for call in gold_calls(sample)]
        assert await again.replay(turns)
        assert (await again.verdict(turns, ended="answered")).value == 1
        assert not await other.replay(
            [*turns[:-1], Turn(by="assistant", text="", calls=turns[0].calls, results=turns[1].results)]
        )


async def test_refusals_come_from_a_worker_as_they_are() -> None:
    sample = sample_of(tool_row(0))
    typo = SolverRef(name="tools", environment="workbench", options={"report_word": 1})
    async with EnvironmentHost(workers=1, all_apart=True) as host:
        with pytest.raises(InputError, match="does not know these options") as refused:
            await host.open(typo, sample)
        assert [one.where for one in refused.value.findings] == ["report_word"]
        with pytest.raises(InputError, match="names no environment"):
            await host.open(SolverRef(name="tools"), sample)
        with pytest.raises(EnvironmentLost, match="JSONDecodeError"):
            await host.open(SOLVER, Sample(task="t", sample_id="1", input="", target="", metadata=sample.metadata))
        assert (await host.open(SOLVER, sample)).scene.tools
