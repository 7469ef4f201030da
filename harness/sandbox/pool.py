"""The sandbox as the runner uses it: `async with Sandbox() as sandbox: verdict = await sandbox.run(check)`.

Checks go to worker threads, each with boxes of its own, so that all processors are busy and the event loop stays free.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import queue
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from harness.declared import Json
from harness.errors import HarnessError
from harness.sandbox.isolation import Bubblewrap, Isolation, NoIsolation, Unavailable, find_isolation
from harness.sandbox.sandboxed import program  # noqa: F401 - leaves its bytecode where every box finds it
from harness.sandbox.values import Limits, Verdict
from harness.sandbox.worker import Worker
from harness.scorers.values import ProgramCheck


def working(isolation: Isolation, limits: Limits) -> Isolation | Unavailable:
    """Try an isolation on a right and a wrong program; a kernel that refuses a fork server may allow single boxes."""
    problem = ""
    single = dataclasses.replace(isolation, has_fork_server=False) if isinstance(isolation, Bubblewrap) else isolation
    for candidate in dict.fromkeys((isolation, single)):
        worker = Worker(candidate, limits, slot=50)
        try:
            right, wrong = (worker.run(_trial_check(answer)) for answer in (4, 5))
        finally:
            worker.close()
        if right.passed is True and wrong.passed is False:
            return candidate
        problem = right.detail or wrong.detail
    return Unavailable(
        problem=f"{isolation.name} does not work here: {problem[:300]}",
        fix="see what it says, or name a container engine",
    )


def _trial_check(answer: int) -> ProgramCheck:
    return ProgramCheck(program=f"def f(): return {answer}", tests="assert f() == 4", entry_point="f", timeout_s=30)


class Sandbox:
    """A pool of boxes for untrusted programs.

    Args:
        limits: what one program may use.
        workers: programs that run at the same time; None = one per processor.
        container_engine: `docker` or `podman`, when the user names one; None = bubblewrap.
        image: image for the container engine; None = a plain Python image.
        unsafe: run programs as plain processes with resource limits only, when nothing better is there.
        isolation: use this isolation instead of looking for one.

    Attributes:
        problem: why programs are not run and what to do about it; None when they are. Known once entered.
        isolation: what is used; None when there is a problem.
    """

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        workers: int | None = None,
        container_engine: str | None = None,
        image: str | None = None,
        unsafe: bool = False,
        isolation: Isolation | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.n_workers = workers or len(os.sched_getaffinity(0))
        self.problem: Unavailable | None = None
        self.isolation = isolation
        self._engine = container_engine
        self._image = image or ""
        self._unsafe = unsafe
        self._workers: list[Worker] = []
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None
        self._exchange: tempfile.TemporaryDirectory[str] | None = None

    async def __aenter__(self) -> Self:
        if self.isolation is None:
            found = await asyncio.to_thread(self._find)
            if isinstance(found, Unavailable):
                self.problem = found
                return self
            self.isolation = found
        self._threads = ThreadPoolExecutor(self.n_workers, thread_name_prefix="sandbox")
        self._workers = [Worker(self.isolation, self.limits, slot=slot) for slot in range(self.n_workers)]
        for worker in self._workers:
            self._free.put(worker)
        return self

    def _find(self) -> Isolation | Unavailable:
        if self._engine:
            self._exchange = tempfile.TemporaryDirectory(prefix="benchtab-exchange-")
            Path(self._exchange.name).chmod(0o711)
        exchange = self._exchange.name if self._exchange else ""
        found = find_isolation(container_engine=self._engine, image=self._image, exchange=exchange)
        tried = found if isinstance(found, Unavailable) else working(found, self.limits)
        return NoIsolation() if isinstance(tried, Unavailable) and self._unsafe else tried

    async def __aexit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.abort()
        if self._threads is not None:
            threads, self._threads = self._threads, None
            await asyncio.to_thread(threads.shutdown, wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.close()
        if self._exchange is not None:
            self._exchange.cleanup()

    async def run(self, check: ProgramCheck, targets: Sequence[Json] | None = None) -> Verdict:
        """Run one program against its tests; without a sandbox the verdict is `unsandboxed`.

        Args:
            targets: what the tests know as `targets`, in the forms of `sandboxed.values`; the program never sees them.

        Raises:
            HarnessError: the sandbox was not entered, or is closed.
        """
        if self.problem is not None:
            return Verdict(passed=None, reason="unsandboxed", detail=f"{self.problem.problem}; {self.problem.fix}")
        if self._threads is None:
            raise HarnessError("the sandbox is not open", fix="use it as `async with Sandbox() as sandbox`")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, check, targets)

    def _run(self, check: ProgramCheck, targets: Sequence[Json] | None) -> Verdict:
        worker = self._free.get()
        try:
            return worker.run(check, targets)
        finally:
            self._free.put(worker)
