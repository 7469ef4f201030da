"""Open environments: light ones in this process, foreign ones in bounded worker processes that may be lost.

Data flows `SolverRef` + `Sample` -> `OpenEnvironment`; a call -> `ToolResult`; turns -> `Verdict`. A hosted environment
keeps a log of what it was asked, and is played again from it when its worker ended under another sample's call, or had
to make room. The call that ended a worker failed, and never happened: neither then nor when it is played again.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections import OrderedDict
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from harness.environments.call_arguments import failed
from harness.environments.environment import Caller, Environment, Scene, ToolResult, Turn, Verdict
from harness.environments.environment_lines import Line, read_scene, read_verdict, sample_line, turn_line
from harness.environments.known_environments import environment_named
from harness.environments.worker_link import WorkerGone, WorkerLink
from harness.errors import EnvironmentLost
from harness.messages import ToolCall
from harness.suites.sample import Sample
from harness.suites.suite import SolverRef

CALL_LIMIT_S = 30.0
OPEN_LIMIT_S = 120.0
"""Opening may import a large package first."""
VERDICT_LIMIT_S = 120.0
LIVE_PER_WORKER = 32
"""Environments that one worker holds at a time; the longest unused one makes room and is played again when asked."""


class OpenEnvironment(Protocol):
    """One sample's world. Calls of a sample are made one after the other, in the order in which they were asked for.

    Attributes:
        scene: what the parties see before anything is said.
        is_replayable: an interrupted conversation can be played again from its turns.
    """

    scene: Scene
    is_replayable: bool

    async def call(self, call: ToolCall, *, by: Caller) -> ToolResult:
        """Carry out a call; one that breaks limits of time or memory is a failed result, and changed nothing.

        Raises:
            EnvironmentLost: the world is gone for good.
        """
        ...

    async def ended(self, turn: Turn) -> str | None:
        """Why the conversation is over after this turn; asked once for every turn, in order. None = it goes on.

        Raises:
            EnvironmentLost: the world is gone for good.
        """
        ...

    async def replay(self, turns: Sequence[Turn]) -> bool:
        """Play a conversation that was interrupted; False where a call gives another result: begin it anew.

        Raises:
            EnvironmentLost: the world is gone for good.
        """
        ...

    async def verdict(self, turns: Sequence[Turn], *, ended: str) -> Verdict:
        """Judge the end state that these turns led to.

        Raises:
            EnvironmentLost: the world is gone for good, or cannot be judged within its limits.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds; safe to call twice."""
        ...


class EnvironmentHost:
    """Opens environments: `async with EnvironmentHost() as host: world = await host.open(solver, sample)`.

    Worker processes start when the first foreign environment is opened, and end with the host or with this process.

    Args:
        workers: processes at most; None = one for every core.
        call_limit_s: seconds that one call may take.
        all_apart: light environments run in worker processes as well.
    """

    def __init__(
        self, *, workers: int | None = None, call_limit_s: float = CALL_LIMIT_S, all_apart: bool = False
    ) -> None:
        self._all_apart = all_apart
        self._call_limit_s = call_limit_s
        self._workers = [_Worker() for _ in range(workers or os.cpu_count() or 1)]

    async def __aenter__(self) -> EnvironmentHost:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all worker processes; safe to call twice."""
        await asyncio.gather(*(worker.link.close() for worker in self._workers))

    async def open(self, solver: SolverRef, sample: Sample) -> OpenEnvironment:
        """Open one sample's world.

        Raises:
            InputError: no such environment, options or a sample that it does not take, or its package is absent.
            EnvironmentLost: its worker ended while it was opened.
        """
        known = environment_named(solver.environment)
        if not (known.foreign or self._all_apart):
            return _Inside(known.make(solver.options, sample))
        worker = min(self._workers, key=lambda one: one.n_open)
        opening = {"do": "open", "name": solver.environment, "options": solver.options, "sample": sample_line(sample)}
        hosted = _Hosted(worker, opening, self._call_limit_s)
        await hosted.opened()
        return hosted


class _Inside:
    """An environment in this process."""

    def __init__(self, world: Environment) -> None:
        self._world = world
        self.scene = world.scene()
        self.is_replayable = world.is_replayable

    async def call(self, call: ToolCall, *, by: Caller) -> ToolResult:
        return self._world.call(call, by=by)

    async def ended(self, turn: Turn) -> str | None:
        return self._world.ended(turn)

    async def replay(self, turns: Sequence[Turn]) -> bool:
        return await _replayed(self, turns)

    async def verdict(self, turns: Sequence[Turn], *, ended: str) -> Verdict:
        return self._world.verdict(turns, ended=ended)

    async def close(self) -> None:
        self._world.close()


class _Worker:
    """A worker process and the environments that it holds, the longest unused first."""

    def __init__(self) -> None:
        self.link = WorkerLink()
        self.n_open = 0
        self._live: OrderedDict[_Hosted, None] = OrderedDict()
        self._holds_since = 0

    async def holds(self, hosted: _Hosted) -> bool:
        """Whether the process, started where there is none, still holds this environment."""
        await self.link.running()
        if self._holds_since != self.link.started:
            self._holds_since = self.link.started
            self._live.clear()
        if hosted not in self._live:
            return False
        self._live.move_to_end(hosted)
        return True

    async def take_in(self, hosted: _Hosted) -> None:
        """Note that it holds one more, and have another make room where there are too many."""
        self._live[hosted] = None
        movable = [one for one in self._live if one.is_replayable and one is not hosted]
        if len(self._live) > LIVE_PER_WORKER and movable:
            await self.let_go(movable[0])

    async def let_go(self, hosted: _Hosted) -> None:
        """Drop an environment, if the process that holds it still runs."""
        if hosted in self._live:
            del self._live[hosted]
            if self._holds_since == self.link.started and self.link.is_running:
                await self.link.ask({"do": "close", "environment": id(hosted)}, limit_s=CALL_LIMIT_S)


@dataclasses.dataclass(slots=True)
class _Step:
    """One thing that an environment was asked, and what it said; `lost` = it ended the worker, and is left out."""

    line: Line
    said: Line
    lost: bool = False


class _Hosted:
    """An environment in a worker process, and the log from which it is played again."""

    def __init__(self, worker: _Worker, opening: Line, call_limit_s: float) -> None:
        self._worker = worker
        self._opening = {**opening, "environment": id(self)}
        self._call_limit_s = call_limit_s
        self._log: list[_Step] = []
        self._closed = False
        self.scene = Scene()
        self.is_replayable = True
        worker.n_open += 1

    async def opened(self) -> None:
        try:
            async with self._worker.link.lock:
                await self._present()
        except BaseException:
            await self.close()
            raise

    async def call(self, call: ToolCall, *, by: Caller) -> ToolResult:
        line = {"do": "call", "call": dataclasses.asdict(call), "by": by}
        try:
            said = await self._do(line, limit_s=self._call_limit_s)
        except WorkerGone as gone:
            result = failed(f"{call.name} was stopped: {gone}")
            self._log.append(_Step(line, {"text": result.text, "failed": True}, lost=True))
            if not self.is_replayable:
                raise EnvironmentLost(f"a call of {call.name} ended the environment: {gone}") from None
            return result
        self._log.append(_Step(line, said))
        return ToolResult(**said)

    async def ended(self, turn: Turn) -> str | None:
        line = {"do": "ended", "turn": turn_line(turn)}
        try:
            said = await self._do(line, limit_s=self._call_limit_s)
        except WorkerGone as gone:
            raise EnvironmentLost(f"whether the conversation is over could not be said: {gone}") from None
        self._log.append(_Step(line, said))
        reason: str | None = said["ended"]
        return reason

    async def replay(self, turns: Sequence[Turn]) -> bool:
        return await _replayed(self, turns)

    async def verdict(self, turns: Sequence[Turn], *, ended: str) -> Verdict:
        kept = [turn_line(turn) for turn in self._without_lost(turns)]
        try:
            said = await self._do({"do": "verdict", "turns": kept, "ended": ended}, limit_s=VERDICT_LIMIT_S)
        except WorkerGone as gone:
            raise EnvironmentLost(f"the end state could not be judged: {gone}") from None
        return read_verdict(said)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._worker.n_open -= 1
        async with self._worker.link.lock:
            try:
                await self._worker.let_go(self)
            except (WorkerGone, EnvironmentLost):
                return

    async def _do(self, line: Line, *, limit_s: float) -> Line:
        """Ask one thing; twice where the process had ended: that need not have been this question's doing."""
        asked = {**line, "environment": id(self)}
        async with self._worker.link.lock:
            await self._present()
            try:
                return await self._worker.link.ask(asked, limit_s=limit_s)
            except WorkerGone as gone:
                if gone.late or not self.is_replayable:
                    raise
            await self._present()
            return await self._worker.link.ask(asked, limit_s=limit_s)

    async def _present(self) -> None:
        """Have the worker hold this environment in the state that its log leads to."""
        try:
            if await self._worker.holds(self):
                return
            if self._log and not self.is_replayable:
                raise EnvironmentLost("the environment's process ended, and it cannot be played again")
            said = await self._worker.link.ask(self._opening, limit_s=OPEN_LIMIT_S)
            self.scene, self.is_replayable = read_scene(said["scene"]), said["is_replayable"]
            await self._played()
            await self._worker.take_in(self)
        except WorkerGone as gone:
            raise EnvironmentLost(f"the environment could not be opened: {gone}") from None

    async def _played(self) -> None:
        for step in self._log:
            if step.lost:
                continue
            said = await self._worker.link.ask({**step.line, "environment": id(self)}, limit_s=self._call_limit_s)
            if said != step.said:
                raise EnvironmentLost("the environment gave another result when it was played again")

    def _without_lost(self, turns: Sequence[Turn]) -> list[Turn]:
        """The turns without calls that never happened; calls were made in the order of the turns."""
        steps = iter([step for step in self._log if step.line["do"] == "call"])
        kept: list[Turn] = []
        for turn in turns:
            lost = [(step := next(steps, None)) is not None and step.lost for _ in turn.results]
            happened = [place for place in range(len(turn.calls)) if place >= len(lost) or not lost[place]]
            calls = tuple(turn.calls[place] for place in happened)
            results = tuple(turn.results[place] for place in happened if place < len(turn.results))
            kept.append(Turn(by=turn.by, text=turn.text, calls=calls, results=results))
        return kept


async def _replayed(world: OpenEnvironment, turns: Sequence[Turn]) -> bool:
    for turn in turns:
        for call, result in zip(turn.calls, turn.results, strict=False):
            if await world.call(call, by=turn.by) != result:
                return False
        await world.ended(turn)
    return True
