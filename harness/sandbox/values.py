"""Limits of a box and the verdict on a program; `Verdict.score` is what the run records.

Data flows `ProgramCheck` -> box and judge -> `Verdict` -> `Score`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from harness.scorers.values import ProgramCheck, Score

MIB = 1024 * 1024

VerdictReason = Literal[
    "passed",
    "wrong",
    "program_error",
    "program_ended",
    "tests_broken",
    "timeout",
    "memory",
    "output_limit",
    "unsandboxed",
    "sandbox_failed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program may use. Wall-clock time comes with each check.

    Attributes:
        cpu_s: processor seconds of each process; None = the check's wall-clock limit.
        memory_bytes: address space of each process.
        total_memory_bytes: memory of all processes of a program together: private, shared and in files without a
            name, in its private folder, in sockets; each page once.
        processes: processes and threads at one time.
        file_bytes: largest single file.
        disk_bytes: the private folder as a whole; it lives in memory.
        disk_files: files and folders in it.
        output_bytes: standard output and error together; one more byte ends the program.
        open_files: open descriptors.
    """

    cpu_s: int | None = None
    memory_bytes: int = 1024 * MIB
    total_memory_bytes: int = 1536 * MIB
    processes: int = 32
    file_bytes: int = 32 * MIB
    disk_bytes: int = 64 * MIB
    disk_files: int = 16_384
    output_bytes: int = 8 * MIB
    open_files: int = 64

    def with_memory(self, memory_mib: int) -> Limits:
        """The same limits with another one on a process's memory; all processes together have half as much again."""
        return replace(self, memory_bytes=memory_mib * MIB, total_memory_bytes=memory_mib * MIB * 3 // 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one program.

    Attributes:
        passed: None = not run (no sandbox, or the sandbox itself failed).
        reason: one word for the outcome.
        detail: one sentence for a person: the failed assertion, the exception, the limit that was met.
        output: the end of what the program printed, at most a few thousand characters.
        duration_s: wall-clock time from handing over the program to the verdict.
    """

    passed: bool | None
    reason: VerdictReason
    detail: str = ""
    output: str = ""
    duration_s: float = 0.0

    def score(self, check: ProgramCheck) -> Score:
        """The score of the checked answer: 1 or 0, or unscored when the program was not run."""
        if self.passed is None:
            reason: Literal["unsandboxed", "failed"] = "unsandboxed" if self.reason == "unsandboxed" else "failed"
            return Score(reason=reason, answer=check.answer, rule=check.rule, explanation=self.detail or None)
        words = self.reason.replace("_", " ") + (f": {self.detail}" if self.detail else "")
        return Score(value=float(self.passed), answer=check.answer, rule=check.rule, explanation=words)
