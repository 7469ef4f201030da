"""Connections to the view: those that ask nothing or read nothing make room for those that do.

Data flows bytes of a connection -> uvicorn's HTTP protocol, watched -> the application.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from harness.view.guard import SAFE_HEADERS

if TYPE_CHECKING:
    from uvicorn.config import Config

_OTHER_FILES = 400
"""File descriptors kept for the ledger, downloads and the process itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What callers may cost.

    Attributes:
        most: connections that are open at once; a browser opens six.
        request_s: within which a connection must have asked, whole.
        unread_s: after which a reader that took nothing of what waits for it is gone.
    """

    most: int = 1_000
    request_s: float = 10.0
    unread_s: float = 60.0

    def with_room(self) -> Patience:
        """Raise this process's limit of open files to what so many need; fewer where it cannot be raised so far."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self.most + _OTHER_FILES
        if hard != resource.RLIM_INFINITY:
            wanted = min(wanted, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return replace(self, most=max(16, wanted - _OTHER_FILES))


class Callers(ServerState):
    """Who is connected now, in the order in which they came or began to wait."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self.patience = patience
        self._all: dict[Caller, None] = {}
        self._waiting: dict[Caller, None] = {}

    def came(self, caller: Caller) -> None:
        """Take a new one in; the one who has asked nothing for longest, else the oldest of all, leaves for it."""
        if len(self._all) >= self.patience.most:
            leaving = next(iter(self._waiting or self._all))
            self.left(leaving)
            leaving.hang_up()
        self._all[caller] = None

    def waits(self, caller: Caller) -> None:
        """Note that one has nothing asked."""
        if caller in self._all:
            self._waiting[caller] = None

    def asks(self, caller: Caller) -> None:
        """Note that one has asked, and is being answered."""
        self._waiting.pop(caller, None)

    def left(self, caller: Caller) -> None:
        """Forget one."""
        self._all.pop(caller, None)
        self._waiting.pop(caller, None)


class Caller(H11Protocol):
    """One connection."""

    server_state: Callers

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._is_waiting = False
        self._must_ask: asyncio.TimerHandle | None = None
        self._must_read: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.server_state.came(self)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """End every timer."""
        super().connection_lost(exc)
        self._go_on()
        self.resume_writing()
        self._unset_keepalive_if_required()
        self.server_state.left(self)

    def handle_events(self) -> None:
        """Note whether what came makes a request whole."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._go_on()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note that what is sent is not being read."""
        super().pause_writing()
        self._look_again(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Note that it is read again."""
        super().resume_writing()
        if self._must_read is not None:
            self._must_read.cancel()
            self._must_read = None

    def send_400_response(self, msg: str) -> None:
        """Say that something was no HTTP, with the headers that every answer has."""
        if self.cycle is None or self.cycle.response_complete:
            headers = {
                **SAFE_HEADERS,
                "content-type": "text/plain; charset=utf-8",
                "content-length": str(len(msg)),
                "connection": "close",
            }
            lines = ("HTTP/1.1 400 Bad Request", *(f"{name}: {value}" for name, value in headers.items()), "", msg)
            self.transport.write("\r\n".join(lines).encode())
        self.transport.close()

    def hang_up(self) -> None:
        """Close at once, and have the system forget what was not read, too."""
        connection = self.transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _wait(self) -> None:
        self._go_on()
        self.server_state.waits(self)
        self._must_ask = self.loop.call_later(self.server_state.patience.request_s, self._give_up)

    def _go_on(self) -> None:
        self.server_state.asks(self)
        if self._must_ask is not None:
            self._must_ask.cancel()
            self._must_ask = None

    def _give_up(self) -> None:
        if self._must_read is None:  # else it is still reading its answer
            self.hang_up()

    def _look_again(self, unread_bytes: int) -> None:
        self._must_read = self.loop.call_later(self.server_state.patience.unread_s, self._end_unless_read, unread_bytes)

    def _end_unless_read(self, unread_bytes: int) -> None:
        left_bytes = self.transport.get_write_buffer_size()
        if left_bytes >= unread_bytes:
            self.hang_up()
        else:
            self._look_again(left_bytes)
