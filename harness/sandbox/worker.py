"""One worker: a judge's box that stays, a source of fresh boxes for programs, and the check that is going on.

Each program gets a box of its own, used once: from a fork server, or one that starts while the last program still runs.
Data flows `ProgramCheck` -> both boxes -> `Verdict`; the host reads bytes of output and the verdict, never a value of
the program.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from typing import TypeAlias

from harness.declared import Json
from harness.sandbox.boxes import TICK_S, Box, BoxError, seconds_left
from harness.sandbox.forked_programs import ForkedProgram
from harness.sandbox.isolation import Isolation, Side
from harness.sandbox.values import Limits, Verdict, VerdictReason
from harness.scorers.values import ProgramCheck

GRACE_S = 0.5
SHOWN_OUTPUT_BYTES = 4000
STARTS = 2
Found: TypeAlias = tuple[bool | None, VerdictReason, str]
"""A verdict in the making: passed, reason and detail."""


class Worker:
    """Runs checks one after the other; not for two threads at a time, except `abort`."""

    def __init__(self, isolation: Isolation, limits: Limits, *, slot: int) -> None:
        self.isolation = isolation
        self.limits = limits
        self.slot = slot
        self._judge: Box | None = None
        self._fork_server: Box | None = None
        self._spare: Box | None = None
        self._turn = 0
        self._aborted = threading.Event()

    def run(self, check: ProgramCheck, targets: Sequence[Json] | None = None) -> Verdict:
        """Judge one program; a box that does not start is tried a second time."""
        problem = ""
        for _ in range(STARTS):
            try:
                return self._run(check, targets)
            except (BoxError, OSError) as error:
                problem = str(error)
                self._drop()
        return Verdict(passed=None, reason="sandbox_failed", detail=problem[:500])

    def abort(self) -> None:
        """Make a check that is going on end soon; safe from another thread."""
        self._aborted.set()

    def close(self) -> None:
        """End both boxes."""
        self._drop()

    def _drop(self) -> None:
        for box in (self._judge, self._spare, self._fork_server):
            if box is not None:
                box.close()
        self._judge = self._spare = self._fork_server = None

    def _new_box(self) -> Box:
        """Start a program's box; slots alternate because the spare starts while the last one still runs."""
        self._turn = (self._turn + 1) % 4
        return Box("program", self.isolation, self.limits, slot=(self.slot * 5 + self._turn) % 255)

    def _take_box(self) -> Box | ForkedProgram:
        """A box that no program has seen."""
        if self.isolation.has_fork_server:
            self._fork_server = self._kept(self._fork_server, "fork_server", slot=self.slot * 5)
            return ForkedProgram(self._fork_server)
        box, self._spare = self._spare or self._new_box(), None
        return box

    def _kept(self, box: Box | None, side: Side, *, slot: int) -> Box:
        """A long-lived box, started again when it has ended."""
        if box is not None and box.process.poll() is not None:
            box.close()
            box = None
        box = box or Box(side, self.isolation, self.limits, slot=slot % 255)
        box.wait_until_ready()
        return box

    def _run(self, check: ProgramCheck, targets: Sequence[Json] | None) -> Verdict:
        self._judge = self._kept(self._judge, "judge", slot=self.slot * 5 + 4)
        box = self._take_box()
        try:
            box.wait_until_ready()
            if not self.isolation.has_fork_server:
                self._spare = self._new_box()
            return _Trial(check, box, self._judge, self, targets).verdict()
        finally:
            box.close()

    def replace_judge(self) -> None:
        """Give up on a judge that does not come back."""
        if self._judge is not None:
            self._judge.close()
        self._judge = None

    @property
    def aborted(self) -> bool:
        """True once `abort` was called."""
        return self._aborted.is_set()


class _Trial:
    """One check from handing over the program to the verdict."""

    def __init__(
        self,
        check: ProgramCheck,
        box: Box | ForkedProgram,
        judge: Box,
        worker: Worker,
        targets: Sequence[Json] | None = None,
    ) -> None:
        self.check = check
        self.targets = targets
        self.box = box
        self.judge = judge
        self.worker = worker
        self.limits = worker.limits
        self.output = bytearray()
        self.output_bytes = 0
        self.answer = bytearray()
        self.started = time.monotonic()
        self.deadline = self.started + check.timeout_s
        self.cpu_s = self.limits.cpu_s or math.ceil(check.timeout_s) + 1

    def verdict(self) -> Verdict:
        """Hand over, wait, and put the verdict together."""
        self.verdicts, theirs = socket.socketpair()
        with self.verdicts:
            with theirs:
                self._hand_over(theirs)
            found = self._wait()
        self._read_output()
        shown = bytes(self.output[-SHOWN_OUTPUT_BYTES:]).decode("utf-8", "replace")
        passed, reason, detail = found
        return Verdict(
            passed=passed,
            reason=reason,
            detail=detail,
            output=shown,
            duration_s=time.monotonic() - self.started,
        )

    def _hand_over(self, theirs: socket.socket) -> None:
        """Give the program to its box, the box's channel to the judge, and the tests to the judge."""
        program = {
            "program": self.check.program,
            "kind": self.check.kind,
            "cpu_s": self.cpu_s,
            "is_numeric": self.targets is not None,
        }
        tests = {
            "kind": self.check.kind,
            "tests": self.check.tests,
            "support": self.check.support,
            "entry_point": self.check.entry_point,
            "cases": [[case.input, case.expected] for case in self.check.cases],
            "cpu_s": self.cpu_s,
            "targets": self.targets,
        }
        self.box.channel.settimeout(self.check.timeout_s)
        self.box.channel.sendall(_frame(program))
        self.box.channel.settimeout(None)
        socket.send_fds(self.judge.channel, [b"\0"], [self.box.channel.fileno(), theirs.fileno()])
        self.box.channel.close()
        self.verdicts.settimeout(self.check.timeout_s)
        self.verdicts.sendall(_frame(tests))

    def _wait(self) -> Found:
        """Wait for the verdict, the end of the time, or a limit."""
        with selectors.DefaultSelector() as selector:
            signs = [sign.fileno() for sign in self.box.signs]
            for readable in (self.verdicts.fileno(), self.box.output, *signs):
                selector.register(readable, selectors.EVENT_READ)
            self.due = time.monotonic() + TICK_S
            found = None
            while found is None:
                for key, _ in selector.select(min(seconds_left(self.due), seconds_left(self.deadline))):
                    if key.fd in signs:
                        selector.unregister(key.fd)
                        self.due = 0.0
                    elif key.fd == self.box.output and not self._read_output():
                        selector.unregister(self.box.output)
                    elif key.fd == self.verdicts.fileno() and (verdict := self._read_verdict()) is not None:
                        return self._explained(*verdict)
                found = self._stopped()
            return found

    def _stopped(self) -> Found | None:
        """Stop a program that is past a limit, or whose sandbox is closed; None for any other."""
        if self.output_bytes > self.limits.output_bytes:
            return False, "output_limit", f"more than {self.limits.output_bytes} bytes of output"
        now = time.monotonic()
        if now >= self.deadline:
            return self._stop(False, "timeout", f"no result after {self.check.timeout_s:g} s")
        if now < self.due:
            return None
        if self.worker.aborted:
            return self._stop(None, "sandbox_failed", "the sandbox was closed during this check")
        ending, pause_s = self.box.look()
        self.due = now + pause_s
        if ending is None or not ending.limit:
            return None
        return self._stop(False, *ending.words(self.limits, cpu_s=self.cpu_s))

    def _explained(self, passed: bool | None, reason: VerdictReason, detail: str) -> Found:
        """A verdict with what is known of the program's end: a limit that was passed counts before any result."""
        ending = self.box.ending() if reason == "program_ended" else self.box.look()[0]
        if ending is not None and (ending.limit or reason == "program_ended"):
            return False, *ending.words(self.limits, cpu_s=self.cpu_s)
        return passed, reason, detail

    def _stop(self, passed: bool | None, reason: VerdictReason, detail: str) -> Found:
        """End the program; the judge then notices, or is replaced when its tests do not come back either."""
        self.box.end()
        self.verdicts.settimeout(GRACE_S)
        try:
            while self.verdicts.recv(1 << 16):
                pass
        except OSError:
            self.worker.replace_judge()
        return passed, reason, detail

    def _read_output(self) -> bool:
        """Take what the program printed, keep the end; False when no process can print any more."""
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self.box.output, 1 << 16):
                self.output_bytes += len(part)
                self.output += part
                del self.output[: -2 * SHOWN_OUTPUT_BYTES]
                if self.output_bytes > self.limits.output_bytes:
                    return True
            return False
        return True

    def _read_verdict(self) -> Found | None:
        """Take a part of the judge's answer; the verdict once it is complete."""
        part = self.verdicts.recv(1 << 16)
        self.answer += part
        size = int.from_bytes(self.answer[:4], "big") + 4
        if len(self.answer) >= max(size, 5):
            found = json.loads(self.answer[4:size])
            return found["passed"], found["reason"], found["detail"]
        if part:
            return None
        if self.judge.process.poll() is not None:
            raise BoxError("the judge's box has ended")
        return False, "memory", "the program's results do not fit into the judge's limits"


def _frame(message: object) -> bytes:
    body = json.dumps(message).encode("ascii")
    return len(body).to_bytes(4, "big") + body
