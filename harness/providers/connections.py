"""Connections for long-thinking models: addresses and certificates read once, sockets probed while idle, proxies.

Data flows host and port -> socket addresses -> a connected socket; address -> the proxy of the environment.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohappyeyeballs import AddrInfoType, start_connection

KEEP_ALIVE_S = 4.0
"""Shorter than uvicorn's 5 s (vLLM, SGLang): a connection must not be closed by the server while we write to it."""

CONNECT_TIMEOUT_S = 30.0
"""Longest wait for a connection, its TLS handshake included."""

ADDRESSES_KEPT_S = 300.0
SECOND_FAMILY_DELAY_S = 0.25
"""Head start of the first address before the other family is tried too (RFC 8305, section 5)."""


class Addresses:
    """The socket addresses of one host, looked up once and shared by all of its connections for five minutes."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._found: Sequence[AddrInfoType] = ()
        self._found_at_s = 0.0
        self._looking_up = asyncio.Lock()

    async def connect(self) -> socket.socket:
        """Open a connected socket, trying both address families where the host has both.

        uvloop's `create_connection` cannot do that (0.22, 2026-11), hence aiohappyeyeballs, which aiohttp uses.

        Raises:
            OSError: the name is not known or nothing listens; uvloop may raise RuntimeError instead.
        """
        async with self._looking_up:
            if not self._found or monotonic() - self._found_at_s > ADDRESSES_KEPT_S:
                loop = asyncio.get_running_loop()
                self._found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                self._found_at_s = monotonic()
            tried = self._found
            self._found = [*tried[1:], tried[0]]  # the next connection starts elsewhere: hosts share the load
        try:
            return await start_connection(
                tried, happy_eyeballs_delay=SECOND_FAMILY_DELAY_S, socket_factory=keep_alive_socket
            )
        except (OSError, RuntimeError):
            self._found = ()  # the host may have moved
            raise


def keep_alive_socket(address: Any) -> socket.socket:
    """Open a socket whose idle connection is probed, so that firewalls do not forget it while a model thinks."""
    family, kind, protocol = address[:3]
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
    made.setblocking(False)
    return made


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Read the trusted certificates once (18 ms): the system's, or those that SSL_CERT_FILE and SSL_CERT_DIR name."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@lru_cache(maxsize=256)
def proxy_for(url: str) -> str | None:
    """Read the proxy environment once per address; asking for every request costs more than sending it."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
