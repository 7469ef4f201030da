"""Connections for long-thinking models: addresses and certificates read once, sockets probed while idle, proxies.

Data flows host and port -> socket addresses -> a connected socket; address -> the proxy that the user asked for.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohappyeyeballs import AddrInfoType, start_connection

from harness.errors import InputError
from harness.secrets import learn_url, redact_url

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


PROXY_VARIABLE = "BENCHTAB_PROXY"
"""The proxy for requests to models: its address, or `env` for what http_proxy, https_proxy and all_proxy say."""


def proxy_for(url: str) -> str | None:
    """Find the proxy for an address; None unless one was asked for, and for hosts that no_proxy names.

    Raises:
        InputError: what was asked for is no address of an http proxy.
    """
    asked = os.environ.get(PROXY_VARIABLE)
    parts = urlsplit(url)
    if not asked or not parts.hostname or proxy_bypass(parts.hostname):
        return None
    named = getproxies()
    found = (named.get(parts.scheme) or named.get("all")) if asked == "env" else asked
    return checked_proxy(found) if found else None


def checked_proxy(address: str) -> str:
    """Complete and check a proxy's address; its password is masked everywhere from now on.

    Raises:
        InputError: it is none, or of a kind that is not spoken here (socks).
    """
    learn_url(address)
    whole = address if "://" in address else f"http://{address}"
    try:
        parts = urlsplit(whole)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InputError(
            f"not an address of an http proxy: {redact_url(address)!r}",
            where=PROXY_VARIABLE,
            fix="write for example http://proxy.example:3128",
        )
    return whole


def idle_proxy_variables(environment: Mapping[str, str]) -> list[str]:
    """Name the proxy variables that are set and not used, because nobody asked for it."""
    if environment.get(PROXY_VARIABLE):
        return []
    return sorted(name for name, value in environment.items() if value and name.lower() in _PROXY_NAMES)


_PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy")
