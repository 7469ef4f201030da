"""How a program's processes came to their end, as a reason and a sentence that name the limit that was met.

Data flows what a fork server's keeper wrote, or a box's exit status -> `Ending` -> the words of a verdict.
"""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Literal, Self

from harness.sandbox.values import MIB, Limits, VerdictReason

LARGEST_SIGNAL = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why a program's processes ended, or had to be ended.

    Attributes:
        limit: the limit of the whole box that was passed; None = none was.
        signal: number of the signal that ended the program's first process; None = it left by itself.
    """

    limit: Literal["memory", "files"] | None = None
    signal: int | None = None

    @classmethod
    def read(cls, said: bytes) -> Self | None:
        """The first fact that a keeper wrote, a line of JSON; None when it wrote none."""
        if b"\n" not in said:
            return None
        fact = json.loads(said.splitlines()[0])
        return cls(limit=fact.get("limit"), signal=fact.get("signal"))

    def words(self, limits: Limits, *, cpu_s: int) -> tuple[VerdictReason, str]:
        """The reason and the sentence of a verdict."""
        match self:
            case Ending(limit="memory"):
                size = limits.total_memory_bytes // MIB
                return "memory", f"more than {size} MiB of memory in all its processes together"
            case Ending(limit="files"):
                return "memory", f"more than {limits.disk_files} files and folders in its private folder"
            case Ending(signal=signal.SIGXCPU):
                return "timeout", f"more than {cpu_s} s of processor time in one process"
            case _:
                return "program_ended", f"the program's process was ended by {signal_name(self.signal or 0)}"


def signal_name(number: int) -> str:
    """`SIGSEGV` and the like; the bare number for one that has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def ending_of_exit_status(code: int | None) -> Ending | None:
    """What an exit status says: negative for a signal, or 128 and the signal as bubblewrap passes it on."""
    number = -code if code and code < 0 else (code or 0) - 128
    return Ending(signal=number) if 0 < number <= LARGEST_SIGNAL else None
