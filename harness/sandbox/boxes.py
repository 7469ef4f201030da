"""One box: a process that was started under an isolation, its channel, its output, and its end.

Data flows isolation + limits -> running `Box`; closing it ends every process inside.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from harness.errors import HarnessError
from harness.sandbox.isolation import BoxPlan, Bubblewrap, Container, Isolation, NoIsolation, Side
from harness.sandbox.program_endings import Ending, ending_of_exit_status
from harness.sandbox.sandboxed.channel import READY
from harness.sandbox.sandboxed.memory import Meter, Watch
from harness.sandbox.values import Limits

START_TIMEOUT_S = 60.0
ENDING_TIMEOUT_S = 1.0
TICK_S = 0.1


class BoxError(HarnessError):
    """A box did not start or died before it was given a program."""


class Box:
    """A started process with a channel.

    Attributes:
        channel: our end of the stream socket to the process.
        output: read end of its standard output and error together, non-blocking.
    """

    def __init__(self, side: Side, isolation: Isolation, limits: Limits, *, slot: int) -> None:
        self.isolation = isolation
        self.label = f"benchtab-{os.getpid()}-{secrets.token_hex(6)}"
        self.output, sink = os.pipe()
        os.set_blocking(self.output, False)
        self._listener: socket.socket | None = None
        self._booted = False
        self._proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        meter = Meter(self._proc, lambda: _family(self.process.pid), folder=None)
        self._watch = Watch(meter, limits.total_memory_bytes)
        place, inherited = self._open_channel()
        arguments = (place, json.dumps(_inner_limits(isolation, limits, slot=slot)))
        self.plan = BoxPlan(side=side, arguments=arguments, slot=slot, label=self.label, limits=limits)
        try:
            self.process = subprocess.Popen(
                isolation.command(self.plan),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                pass_fds=[inherited.fileno()] if inherited else [],
                start_new_session=True,
                cwd="/",
                env=_starter_environment(isolation),
            )
        finally:
            os.close(sink)
            if inherited:
                inherited.close()

    def _open_channel(self) -> tuple[str, socket.socket | None]:
        """Make the channel: an inherited socket, or a listening one in the folder that a container shares."""
        if isinstance(self.isolation, Container):
            self._listener = socket.socket(socket.AF_UNIX)
            path = Path(self.isolation.exchange) / self.label
            self._listener.bind(str(path))
            path.chmod(0o777)
            self._listener.listen(1)
            return f"/exchange/{self.label}", None
        self.channel, inherited = socket.socketpair()
        return str(inherited.fileno()), inherited

    def wait_until_ready(self) -> None:
        """Wait until our code inside runs and has lowered its limits.

        Raises:
            BoxError: it died first, or took more than a minute.
        """
        if self._booted:
            return
        try:
            if self._listener is not None:
                self._listener.settimeout(START_TIMEOUT_S)
                self.channel, _ = self._listener.accept()
                self._listener.close()
                (Path(self.isolation.exchange) / self.label).unlink()  # type: ignore[attr-defined]
            self.channel.settimeout(START_TIMEOUT_S)
            self._booted = self.channel.recv(1) == READY
        except OSError as error:
            raise BoxError(f"a sandbox did not start: {error}") from error
        if not self._booted:
            self.process.wait()
            raise BoxError(f"a sandbox did not start: {self.read_output(4096).decode('utf-8', 'replace').strip()}")

    def read_output(self, most: int) -> bytes:
        """Read what is there of the output, at most so many bytes; empty when there is nothing."""
        try:
            return os.read(self.output, most)
        except BlockingIOError:
            return b""

    @property
    def signs(self) -> tuple[socket.socket, ...]:
        """What becomes readable when the program has met a limit or has ended: nothing, it must be looked at."""
        return ()

    def look(self) -> tuple[Ending | None, float]:
        """Which limit of the whole box is passed, None when none is; and seconds until the next look is due.

        An engine limits the memory of its container by itself.
        """
        if isinstance(self.isolation, Container):
            return None, TICK_S
        within, pause_s = self._watch.look()
        if not within:
            return Ending(limit="memory"), TICK_S
        if isinstance(self.isolation, Bubblewrap) and self._n_files() > self.plan.limits.disk_files:
            return Ending(limit="files"), TICK_S
        return None, min(TICK_S, pause_s)

    def _n_files(self) -> int:
        """Files and folders in the private folder."""
        with contextlib.suppress(OSError):
            place = os.statvfs(f"/proc/{_family(self.process.pid)[-1]}/root/tmp")
            return place.f_files - place.f_ffree
        return 0

    def ending(self) -> Ending | None:
        """Wait a moment for the program's end, and say how it was; None when it left by itself or is still there."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(ENDING_TIMEOUT_S)
        return ending_of_exit_status(self.process.returncode)

    def end(self) -> None:
        """End every process in the box."""
        stop = self.isolation.stop_command(self.plan)
        if stop is not None:
            subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30, check=False)
        if isinstance(self.isolation, NoIsolation):
            for pid in _family(self.process.pid)[1:]:
                _kill(pid)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """End every process in the box and release what it held."""
        self.end()
        for end in (self._listener, getattr(self, "channel", None)):
            if end is not None:
                end.close()
        for descriptor in (self.output, self._proc):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _inner_limits(isolation: Isolation, limits: Limits, *, slot: int) -> dict[str, object]:
    """The limits that the process inside sets for itself before any foreign code runs."""
    inner: dict[str, object] = dataclasses.asdict(limits)
    if isinstance(isolation, NoIsolation):
        inner["processes"] = None  # would count all processes of the user, the harness included
    return inner | {"packages": list(isolation.packages), "user_id": isolation.user_id(slot)}


def _starter_environment(isolation: Isolation) -> dict[str, str]:
    """A container client needs its settings; everything else starts with nothing of ours."""
    if isinstance(isolation, Container):
        return dict(os.environ)
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


def _family(pid: int) -> list[int]:
    """A process and its descendants, as far as they can be read."""
    found = [pid]
    for member in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{member}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def seconds_left(deadline: float) -> float:
    """Seconds until a moment of the monotonic clock, never negative."""
    return max(0.0, deadline - time.monotonic())
