"""`benchtab` commands as processes that can be killed, stopped and woken: forked from one that has imported everything.

Data flows words of a command line -> a process of its own, ended with its parent, whose words go to a file.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")


def imported_beforehand() -> None:
    """Have every later command begin with its modules imported: a start costs a tenth of the time."""
    _FORKS.set_forkserver_preload(["benchmarks.workers.preloaded"])


class Command:
    """One command at work.

    Attributes:
        log: the file that holds what it said.
    """

    def __init__(self, words: Sequence[str], log: Path) -> None:
        self.log = log
        self._process = _FORKS.Process(target=_carry_out, args=(list(words), str(log)))
        self._process.start()

    @property
    def name(self) -> str:
        """How the ledger calls this process."""
        return f"process {self.pid} on {os.uname().nodename}"

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None = it works, negative = by this signal."""
        return self._process.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        if self.exit_code is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.join()

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends by itself within a time."""
        self._process.join(seconds)
        return self.exit_code is not None

    def said(self) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-2_000:]


def _carry_out(words: list[str], log: str) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # Linux: PR_SET_PDEATHSIG
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.argv = ["benchtab", *words]
    from harness.cli import main

    main()
