"""The view as a server, until it is interrupted.

Data flows where to listen -> sockets -> uvicorn with the guarded application.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import secrets
import signal
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from harness.errors import InputError
from harness.secrets import learn
from harness.view.application import make_application
from harness.view.callers import Caller, Callers, Patience
from harness.view.guard import Door, Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from harness.view.page_values import Sources

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8322
"""Where the view listens unless it is told otherwise; where that is taken, one of the ports after it."""
_PORTS_TRIED = 20
_LAST_WORDS_S = 3
"""Within which answers under way are finished after a stop."""
_LONGEST_HEAD = 32_768
"""Bytes of a request's line and headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the view is to listen.

    Attributes:
        host: a name or address of this machine.
        port: None = the default one or one after it, 0 = any that is free.
    """

    host: str = DEFAULT_HOST
    port: int | None = None


class ViewServer:
    """A server of the view: it has its port at once, and answers from `run` on.

    Args:
        path: of the page that the address is to lead to.
        is_ready: hears the address once requests are answered; beyond this machine it carries the token.

    Attributes:
        address: of that page.

    Raises:
        InputError: the host is not this machine's, or the port is taken.
    """

    def __init__(
        self,
        sources: Sources,
        place: Place,
        *,
        path: str = "/",
        is_ready: Callable[[str], None] = lambda _: None,
        patience: Patience | None = None,
    ) -> None:
        self._listening = _listen(place)
        door = _door(place.host, self._listening)
        self.address = _address(place.host, door, path)
        leaving = asyncio.Event()
        config = uvicorn.Config(
            Guard(make_application(sources), door=door, leaving=leaving),
            http=Caller,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            timeout_graceful_shutdown=_LAST_WORDS_S,
        )

        def started() -> None:
            is_ready(self.address)
            learn(door.token)  # from now on no page and no message repeats it

        self._server = _Server(config, leaving=leaving, started=started, patience=patience or Patience())

    def run(self) -> None:
        """Serve until Ctrl-C, SIGTERM or `stop`; streams that are open then end."""
        self._server.run(sockets=self._listening)

    def stop(self) -> None:
        """Have `run` end; for another thread."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn that tells streams when it stops, and then ends as a command does that was told to."""

    def __init__(
        self, config: uvicorn.Config, *, leaving: asyncio.Event, started: Callable[[], None], patience: Patience
    ) -> None:
        super().__init__(config)
        self.server_state = Callers(patience.with_room())
        self._leaving = leaving
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving.set()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # that answers are cut short is meant
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal without dying of it afterwards, as uvicorn would."""
        if threading.current_thread() is not threading.main_thread():  # which alone hears signals
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(place: Place) -> list[socket.socket]:
    """Bind every address of the host to one port."""
    try:
        found = socket.getaddrinfo(place.host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise InputError(
            f"this is no address: {place.host!r}", where="--host", fix="name one of this machine, such as 127.0.0.1"
        ) from None
    addresses = list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))
    if place.port is not None:
        return _bound(addresses, place.port)
    for port in range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED):
        with contextlib.suppress(InputError):
            return _bound(addresses, port)
    return _bound(addresses, 0)


def _bound(addresses: Sequence[tuple[int, str]], port: int) -> list[socket.socket]:
    made: list[socket.socket] = []
    try:
        for family, address in addresses:
            one = socket.socket(family)
            made.append(one)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind((address, made[0].getsockname()[1] or port))
    except OSError as error:
        for one in made:
            one.close()
        where = f"{address}:{port}" if port else address
        raise InputError(
            f"cannot listen there: {error.strerror}", where=where, fix="another --port or --host"
        ) from None
    return made


def _door(host: str, listening: Sequence[socket.socket]) -> Door:
    addresses = [ipaddress.ip_address(one.getsockname()[0].partition("%")[0]) for one in listening]
    is_everywhere = any(address.is_unspecified for address in addresses)
    names = {host.lower(), *map(str, addresses)}
    if is_everywhere:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return Door(
        names=frozenset(names),
        any_address=is_everywhere,
        token=None if all(address.is_loopback for address in addresses) else secrets.token_urlsafe(32),
        port=listening[0].getsockname()[1],
    )


def _address(host: str, door: Door, path: str) -> str:
    if door.any_address:
        host = socket.gethostname()
    written = f"[{host}]" if ":" in host else host
    return f"http://{written}:{door.port}{path}" + (f"?token={door.token}" if door.token else "")
