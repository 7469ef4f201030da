"""The host's side of a fork server: one warm box that gives each program a process tree of its own.

Data flows fork server box + descriptors -> `ForkedProgram`, which looks like a box to the worker.
"""

from __future__ import annotations

import contextlib
import os
import socket

from harness.sandbox.boxes import ENDING_TIMEOUT_S, START_TIMEOUT_S, TICK_S, Box, BoxError
from harness.sandbox.program_endings import Ending
from harness.sandbox.sandboxed.channel import READY


class ForkedProgram:
    """One program's process tree in a fork server.

    Attributes:
        channel: our end of the stream socket to the program's process.
        output: read end of its standard output and error together, non-blocking.
    """

    def __init__(self, server: Box) -> None:
        self.server = server
        self.output, sink = os.pipe()
        os.set_blocking(self.output, False)
        self.channel, theirs = socket.socketpair()
        self._sign, their_sign = socket.socketpair()
        self._said_by_keeper = b""
        try:
            socket.send_fds(server.channel, [b"\0"], [theirs.fileno(), sink, their_sign.fileno()])
        except OSError as error:
            self.close()
            raise BoxError(f"the sandbox has ended: {error}") from error
        finally:
            os.close(sink)
            theirs.close()
            their_sign.close()

    def wait_until_ready(self) -> None:
        """Wait until our code runs in the new process and has given up its privileges.

        Raises:
            BoxError: it died first.
        """
        self.channel.settimeout(START_TIMEOUT_S)
        try:
            ready = self.channel.recv(1) == READY
        except OSError as error:
            raise BoxError(f"a program's process did not start: {error}") from error
        if not ready:
            said = b"" if self.server.process.poll() is not None else self._said()
            raise BoxError(f"a program's process did not start: {said.decode('utf-8', 'replace').strip()[-400:]}")

    def _said(self) -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.output, 4096)
        return b""

    @property
    def signs(self) -> tuple[socket.socket, ...]:
        """What becomes readable when the program has met a limit or has ended."""
        return (self._sign,)

    def look(self) -> tuple[Ending | None, float]:
        """How the program was ended, None when nothing is known of it; and seconds until the next look is due."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._said_by_keeper += self._sign.recv(4096, socket.MSG_DONTWAIT)
        return Ending.read(self._said_by_keeper), TICK_S

    def ending(self) -> Ending | None:
        """Wait until the program's processes have ended, and say how."""
        self._wait_for_keeper(ENDING_TIMEOUT_S)
        return Ending.read(self._said_by_keeper)

    def end(self) -> None:
        """Give the sign to end, and wait until no process of the program is left."""
        with contextlib.suppress(OSError):
            self._sign.shutdown(socket.SHUT_WR)
        self._wait_for_keeper(START_TIMEOUT_S)

    def _wait_for_keeper(self, seconds: float) -> None:
        with contextlib.suppress(OSError):
            self._sign.settimeout(seconds)
            while part := self._sign.recv(4096):
                self._said_by_keeper += part

    def close(self) -> None:
        """End the program's processes and release what they held."""
        self.end()
        self._sign.close()
        self.channel.close()
        with contextlib.suppress(OSError):
            os.close(self.output)
