"""One worker process as its host sees it: started when first asked, killed when it is late, asked one line at a time.

Data flows a line as a dictionary -> the worker's stdin -> its answer, or `WorkerGone` with the reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from harness.environments.environment_lines import Line
from harness.errors import EnvironmentLost, Finding, InputError
from harness.sandbox.process_limits import KEPT_ENVIRONMENT

LONGEST_LINE_BYTES = 2**28
WORKER_SETTINGS = {"PYTHONIOENCODING": "utf-8"}


class WorkerGone(Exception):
    """The worker ended, or was ended, before it answered; the text says why.

    Attributes:
        late: it was ended because its time was over.
    """

    def __init__(self, why: str, *, late: bool) -> None:
        self.late = late
        super().__init__(why)


class WorkerLink:
    """A worker process and its pipe. Whoever asks holds `lock`, so that questions and answers stay in step.

    Attributes:
        started: how often a process was started: what an earlier one held is gone.
    """

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.started = 0
        self._closed = False
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    async def running(self) -> None:
        """Start a process where there is none.

        Raises:
            WorkerGone: its host was closed.
        """
        if self.is_running:
            return
        if self._closed:
            raise WorkerGone("its host was closed", late=True)
        await self.stop()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "harness.environments.environment_worker",
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=LONGEST_LINE_BYTES,
            env={name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ} | WORKER_SETTINGS,
        )
        self.started += 1

    async def ask(self, line: Line, *, limit_s: float) -> Line:
        """Have one thing done.

        Args:
            limit_s: seconds by the clock, and of processor time.

        Raises:
            WorkerGone: no answer in time, or the process ended.
            InputError: the environment refused what it was given.
            EnvironmentLost: the environment's own code failed.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({**line, "limit_s": limit_s}).encode() + b"\n")
            await self._process.stdin.drain()
            said = await asyncio.wait_for(self._process.stdout.readline(), limit_s)
        except TimeoutError:
            await self.stop()
            raise WorkerGone(f"it took longer than {limit_s:g} s", late=True) from None
        except (BrokenPipeError, ConnectionResetError):
            said = b""
        except asyncio.CancelledError:
            await self.stop()
            raise
        if not said:
            await self.stop()
            raise WorkerGone("it needed more memory or time than allowed", late=False)
        return _answer(json.loads(said))

    async def close(self) -> None:
        """End the process, and start none any more."""
        self._closed = True
        await self.stop()

    async def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.communicate()


def _answer(said: Line) -> Line:
    if refused := said.get("refused"):
        findings = [Finding(where=where, message=message) for where, message in refused["findings"]]
        raise InputError(refused["message"], where=refused["where"], fix=refused["fix"], findings=findings)
    if "failed" in said:
        raise EnvironmentLost(f"the environment failed: {said['failed']}")
    done: Line = said["done"]
    return done
