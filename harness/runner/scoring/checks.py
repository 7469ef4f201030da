"""Carries out what pure scorers cannot: programs in the sandbox, mathematics in bounded worker processes.

Both start on first use, so that a run without such tasks pays nothing for them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.loaders.hdf5_values import TargetError
from harness.loaders.numeric_targets import read_targets
from harness.scorers import MathCheck, ProgramCheck, Score

if TYPE_CHECKING:
    from harness.declared import Json
    from harness.sandbox import Sandbox, Unavailable
    from harness.sandbox.math_pool import MathWorkers


class ScoringChecks:
    """The sandbox and the math workers of a run; use as an async context manager."""

    def __init__(self, *, unsafe_exec: bool, notice: Callable[[str], None]) -> None:
        self._unsafe_exec = unsafe_exec
        self._notice = notice
        self._stack = contextlib.AsyncExitStack()
        self._opening = asyncio.Lock()
        self._sandboxes: dict[int | None, Sandbox] = {}
        self._math: MathWorkers | None = None

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def program_problem(self) -> Unavailable | None:
        """Say why programs cannot be run on this machine; None = they can."""
        return (await self._opened_sandbox()).problem

    async def run_program(self, check: ProgramCheck) -> Score:
        """Run a program against its tests; unsandboxed programs are not run and say so once."""
        sandbox = await self._opened_sandbox(check.memory_mib)
        targets: list[Json] | None = [] if check.is_numeric else None
        if check.targets is not None and sandbox.problem is None:
            try:
                targets = await asyncio.to_thread(read_targets, check.targets)
            except TargetError as error:
                explanation = f"the numeric targets cannot be read: {error}"
                return Score(reason="undecided", answer=check.answer, rule=check.rule, explanation=explanation)
        return (await sandbox.run(check, targets)).score(check)

    async def run_math(self, check: MathCheck) -> Score:
        """Compare a mathematical answer with its reference in bounded time and memory."""
        workers = await self._opened_math()
        return await workers.check(check)

    async def _opened_sandbox(self, memory_mib: int | None = None) -> Sandbox:
        """The sandbox for programs that need so much memory; None = the usual one."""
        async with self._opening:
            if memory_mib not in self._sandboxes:
                from harness.sandbox import Limits, Sandbox

                limits = Limits() if memory_mib is None else Limits().with_memory(memory_mib)
                opened = await self._stack.enter_async_context(Sandbox(limits=limits, unsafe=self._unsafe_exec))
                if (problem := opened.problem) is not None and not self._sandboxes:
                    self._notice(f"programs are not run and stay unscored: {problem.problem}; {problem.fix}")
                self._sandboxes[memory_mib] = opened
            return self._sandboxes[memory_mib]

    async def _opened_math(self) -> MathWorkers:
        async with self._opening:
            if self._math is None:
                from harness.sandbox.math_pool import MathWorkers

                self._math = await self._stack.enter_async_context(MathWorkers())
            return self._math
