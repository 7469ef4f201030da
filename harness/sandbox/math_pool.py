"""A pool of math worker processes: each comparison has a time limit, and a worker that breaks it is replaced.

Data flows `MathCheck` -> one worker's stdin -> verdict -> `Score`. Workers start when first needed and hold no secrets.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys
from types import TracebackType

from harness.sandbox.process_limits import KEPT_ENVIRONMENT
from harness.scorers import MathCheck, Score

START_TIMEOUT_S = 60.0


class _Worker:
    """One worker process; started on first use, killed when it is late."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, check: MathCheck) -> bool | str | None:
        """True, False, None (cannot be compared), or the reason why the worker gave no verdict."""
        process = await self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        question = json.dumps({"answer": check.answer, "target": check.target, "timeout_s": check.timeout_s})
        try:
            process.stdin.write(question.encode() + b"\n")
            await process.stdin.drain()
            line = await asyncio.wait_for(process.stdout.readline(), check.timeout_s)
        except TimeoutError:
            await self.stop()
            return f"the comparison took longer than {check.timeout_s:g} s"
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        except asyncio.CancelledError:
            await self.stop()
            raise
        if not line:
            await self.stop()
            return "the comparison needed more memory or time than allowed"
        verdict: bool | None = json.loads(line)["equal"]
        return verdict

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "harness.sandbox.math_worker",
                str(os.getpid()),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ},
            )
            assert self._process.stdout is not None
            await asyncio.wait_for(self._process.stdout.readline(), START_TIMEOUT_S)
        return self._process

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.communicate()


class MathWorkers:
    """A pool: `async with MathWorkers() as workers: score = await workers.check(check)`."""

    def __init__(self, count: int | None = None) -> None:
        self._workers = [_Worker() for _ in range(count or os.cpu_count() or 1)]
        self._free: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._free.put_nowait(worker)

    async def __aenter__(self) -> MathWorkers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End all worker processes; safe to call twice."""
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def check(self, check: MathCheck) -> Score:
        """Compare one answer with its reference.

        An answer that breaks the limits is wrong; only where its reference alone breaks them is nothing decided.
        """
        worker = await self._free.get()
        try:
            verdict = await worker.ask(check)
            if isinstance(verdict, str):
                alone = await worker.ask(dataclasses.replace(check, answer=check.target))
        finally:
            self._free.put_nowait(worker)
        if isinstance(verdict, str):
            if alone is not True:
                return Score(reason="undecided", answer=check.answer, rule=check.rule, explanation=verdict)
            wrong = f"{verdict}, which its reference alone does not: counted as wrong"
            return Score(value=0.0, answer=check.answer, rule=check.rule, explanation=wrong)
        explanation = "cannot be read as a formula" if verdict is None else "compared exactly"
        return Score(value=float(verdict is True), answer=check.answer, rule=check.rule, explanation=explanation)
