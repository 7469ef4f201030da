"""What starts the workers of a run: processes of this machine, or nothing where others start them.

An engine only starts and stops processes; what they do, and what becomes of it when they die, is the ledger's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

LONGEST_STOP_S = 30.0
"""How long a worker has to go once it was told for good."""
MOST_RESTARTS = 20
"""Per worker: what ends it again and again will not go away by itself."""


class Engine(Protocol):
    """Starts the workers of one run."""

    def start(self) -> None:
        """Start them."""
        ...

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        """Start those again that ended although work is left for them, and say what happened."""
        ...

    @property
    def is_alive(self) -> bool:
        """Whether any worker works or may still come."""
        ...

    def drain(self) -> None:
        """Tell all workers to finish what they have begun, and take nothing more."""
        ...

    def stop(self) -> None:
        """See to it that all workers have ended."""
        ...


class OthersWorkers:
    """No workers of its own: a batch system or a person starts them, on any machine that reaches the ledger."""

    is_alive = True

    def start(self) -> None:
        """Start nothing."""

    def look(self, *, is_work_left: bool) -> Iterator[str]:  # noqa: ARG002  # the interface
        """Nothing to look after."""
        return iter(())

    def drain(self) -> None:
        """They hear it from the ledger: the run's status says so."""

    def stop(self) -> None:
        """As `drain`."""


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
        self._running: list[subprocess.Popen[bytes]] = []
        self._n_restarts = 0
        self._is_draining = False

    def start(self) -> None:
        """Start them all."""
        self._running = [self._one() for _ in range(self._n_workers)]

    def _one(self) -> subprocess.Popen[bytes]:
        # a session of its own: Ctrl-C in the terminal reaches the driver, which tells the workers what to do
        return subprocess.Popen(
            self._words, env=self._environment, start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def look(self, *, is_work_left: bool) -> Iterator[str]:
        """Start workers again that broke off."""
        for place, process in enumerate(self._running):
            code = process.poll()
            if code in (None, 0) or not is_work_left or self._is_draining:
                continue
            if self._n_restarts >= MOST_RESTARTS * self._n_workers:
                continue
            self._n_restarts += 1
            yield f"worker process {process.pid} ended ({_how(code)}); another takes its place"
            self._running[place] = self._one()

    @property
    def is_alive(self) -> bool:
        """Whether any process runs."""
        return any(process.poll() is None for process in self._running)

    def drain(self) -> None:
        """SIGTERM to all."""
        self._is_draining = True
        self._tell(signal.SIGTERM)

    def stop(self) -> None:
        """Wait for all to end; SIGKILL for those that do not."""
        self._is_draining = True
        for process in self._running:
            try:
                process.wait(LONGEST_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _tell(self, number: int) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(number)


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


def _how(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit {code}"
