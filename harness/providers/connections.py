"""Connections for long-thinking models: kept open, probed while idle, as many as were asked for, proxies read once.

Data flows concurrency -> an aiohttp connector; address -> the proxy of the environment.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

KEEP_ALIVE_S = 4.0
"""Shorter than uvicorn's 5 s (vLLM, SGLang): a connection must not be closed by the server while we write to it."""


def connector(concurrency: int) -> aiohttp.TCPConnector:
    """Make a pool of at most `concurrency` connections; must be called inside the event loop."""
    return aiohttp.TCPConnector(
        limit=concurrency,
        limit_per_host=0,
        keepalive_timeout=KEEP_ALIVE_S,
        ttl_dns_cache=300,
        socket_factory=keep_alive_socket,
    )


def keep_alive_socket(address: Any) -> socket.socket:
    """Open a socket whose idle connection is probed, so that firewalls do not forget it while a model thinks."""
    family, kind, protocol = address[:3]
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
    made.setblocking(False)
    return made


@lru_cache(maxsize=256)
def proxy_for(url: str) -> str | None:
    """Read the proxy environment once per address; asking for every request costs more than sending it."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
