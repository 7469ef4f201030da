"""What starts the workers of a run: processes of this machine, or nothing where others start them.

An engine only starts and stops processes; what they do, and what becomes of it when they die, is the ledger's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Protocol

LONGEST_STOP_S = 30.0
"""How long a worker has to go once it was told for good."""
MOST_RESTARTS = 100
"""Per worker: what ends it again and again will not go away by itself."""
QUICK_S = 20.0
MOST_QUICK = 5
"""A worker that ended with an error so often in a row, each time so soon after its start, is not started again."""
CANNOT_START = 2
"""The exit code of what no other try mends: a missing key, another suite file, another program."""


class Engine(Protocol):
    """Starts the workers of one run."""

    def start(self) -> None:
        """Start them."""
        ...

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        """Start those again that ended although work is left for them, and say what happened and what they said."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether any worker works or may still come."""
        ...

    def drain(self) -> None:
        """Tell all workers, once, to finish what they have begun, and take nothing more."""
        ...

    def give_up(self) -> None:
        """Tell all workers not to wait for what is in flight."""
        ...

    def stop(self) -> None:
        """Wait until all workers have ended; they were told to."""
        ...


class OthersWorkers:
    """No workers of its own: a batch system or a person starts them, on any machine that reaches the ledger.

    Args:
        command: that starts one, to be said once; None = nothing is said.
    """

    def __init__(self, command: str | None = None) -> None:
        self._unsaid = [] if command is None else [f"no worker is started here; on each machine: {command}"]
        self._is_draining = False

    def start(self) -> None:
        """Start nothing."""

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        """Say once, where work waits, how a worker is started."""
        while is_work_left and self._unsaid:
            yield self._unsaid.pop()

    @property
    def is_alive(self) -> bool:
        """Whether workers may still come: while there is work for them."""
        return not self._is_draining

    def drain(self) -> None:
        """They hear it from the ledger: the run's status says so."""
        self._is_draining = True

    def give_up(self) -> None:
        """Whoever started them may tell them so."""

    def stop(self) -> None:
        """Nothing to wait for."""


@dataclass(slots=True)
class Tries:
    """How often a worker was started in one place.

    Attributes:
        began_s: when it was last, by the monotonic clock.
        n_quick: ends with an error in a row, each soon after a start.
        is_given_up: no other worker is started here.
    """

    began_s: float = field(default_factory=time.monotonic)
    n_restarts: int = 0
    n_quick: int = 0
    is_given_up: bool = False

    def may_have_another(self, code: int) -> bool:
        """Decide whether another worker may take this place of one that failed.

        Args:
            code: its exit code; negative = its process was killed.
        """
        is_quick = code > 0 and time.monotonic() < self.began_s + QUICK_S
        self.n_quick = self.n_quick + 1 if is_quick else 0
        self.is_given_up = code == CANNOT_START or self.n_quick >= MOST_QUICK or self.n_restarts >= MOST_RESTARTS
        return not self.is_given_up

    def again(self) -> None:
        """Note that another one is started."""
        self.began_s = time.monotonic()
        self.n_restarts += 1


@dataclass(slots=True, kw_only=True)
class _Place:
    """Where one worker runs, and after it the one that takes its place.

    Attributes:
        said: a file that takes what it says; a pipe would end workers whose driver is gone.
        n_read: bytes of it that were passed on.
    """

    process: subprocess.Popen[bytes]
    said: IO[bytes]
    tries: Tries = field(default_factory=Tries)
    n_read: int = 0

    def new_lines(self) -> Iterator[str]:
        """Give the lines that the worker has ended since; all there is once it has ended itself."""
        is_over = self.process.poll() is not None
        new = os.pread(self.said.fileno(), 1 << 20, self.n_read)
        if not is_over:
            new = new[: new.rfind(b"\n") + 1]
        self.n_read += len(new)
        yield from new.decode(errors="replace").splitlines()


class LocalProcesses:
    """Processes of this machine.

    Args:
        words: the command line of one worker.
        environment: of the workers; it names the ledger, whose password must not show among the processes.
    """

    def __init__(self, words: Sequence[str], *, n_workers: int, environment: Mapping[str, str]) -> None:
        self._words = list(words)
        self._environment = dict(environment)
        self._n_workers = n_workers
        self._places: list[_Place] = []
        self._told: set[str] = set()
        self._is_draining = False
        self._gave_up_at_s: float | None = None

    def start(self) -> None:
        """Start them all."""
        for _ in range(self._n_workers):
            said = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # it lives as long as its worker's place
            self._places.append(_Place(process=self._one(said), said=said))

    def _one(self, said: IO[bytes]) -> subprocess.Popen[bytes]:
        # a session of its own: Ctrl-C in the terminal reaches the driver, which tells the workers what to do
        return subprocess.Popen(
            self._words, env=self._environment, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=said,
        )  # fmt: skip

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        """Pass on what workers say, the same words once, and start those again that broke off."""
        for place in self._places:
            code = place.process.poll()
            for line in place.new_lines():
                if line not in self._told:
                    self._told.add(line)
                    yield line
            if code in (None, 0) or not is_work_left or self._is_draining or place.tries.is_given_up:
                continue
            ended = f"worker process {place.process.pid} ended ({_how(code)})"
            if not place.tries.may_have_another(code):
                yield f"{ended} and is not started again"
                continue
            yield f"{ended}; another takes its place"
            place.process = self._one(place.said)
            place.tries.again()

    @property
    def is_alive(self) -> bool:
        """Whether any process runs."""
        return any(place.process.poll() is None for place in self._places)

    @property
    def process_ids(self) -> list[int]:
        """The processes that run now, or ran last, one a place."""
        return [place.process.pid for place in self._places]

    def drain(self) -> None:
        """SIGTERM to all, once: a second one would give up what is in flight."""
        if not self._is_draining:
            self._is_draining = True
            self._tell(signal.SIGTERM)

    def give_up(self) -> None:
        """SIGTERM once more."""
        self._gave_up_at_s = time.monotonic()
        self._tell(signal.SIGTERM)

    def stop(self) -> None:
        """Wait for all to end; SIGKILL for those that do not although they were told to give up."""
        for place in self._places:
            while place.process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    place.process.wait(1.0)
                if self._gave_up_at_s is not None and time.monotonic() > self._gave_up_at_s + LONGEST_STOP_S:
                    place.process.kill()

    def _tell(self, number: int) -> None:
        for place in self._places:
            if place.process.poll() is None:
                place.process.send_signal(number)


def local_processes(
    run_id: str, *, n_workers: int, ledger_url: str, places: Sequence[str], quiet: bool
) -> LocalProcesses:
    """Make workers on this machine, through the command that any launcher can start.

    Args:
        ledger_url: with its password, if it has one.
        places: words that name other price files.
    """
    words = [sys.executable, "-m", "harness", "worker", run_id, *places, *(["-q"] if quiet else [])]
    return LocalProcesses(words, n_workers=n_workers, environment={**os.environ, "BENCHTAB_DB": ledger_url})


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit {code}"
