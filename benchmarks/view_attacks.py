"""What a server of the view must outlive: callers by the thousand that ask nothing or read nothing, an endless answer.

Data flows a ledger with one answer of 100 MB -> `benchtab view` as a process of its own -> attacks on its socket ->
what it answered to a reader meanwhile, and how much memory it took.
"""

from __future__ import annotations

import contextlib
import http.client
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from urllib.parse import urlsplit

from tests.support.running_commands import line_with, running
from tests.support.viewed import answered_with, peak_mb, seen_run

N_IDLE = 10_000
N_DEAF = 300
ANSWER_BYTES = 100_000_000
MOST_MB = 700.0
"""Memory that the server may take at its peak; it begins with about 200."""


@dataclass(frozen=True, slots=True)
class Found:
    """What an attack came to: whether the server held, and the figure that says so."""

    name: str
    held: bool
    figure: str


def main() -> int:
    """Attack; 1 where the server did not hold."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ledger = seen_run(folder)
        line = "what a model wrote, line after line, \u00e9\n"
        address = answered_with(ledger, line * (ANSWER_BYTES // len(line.encode())))
        with running("view", "--db", ledger.name, "--port", "0", folder=folder) as server:
            at = urlsplit(line_with(server, "http://"))
            assert at.hostname
            assert at.port
            found = list(_attacked((at.hostname, at.port), address, server))
    for one in found:
        print(f"{'held' if one.held else 'FAILED':7} {one.name:60} {one.figure}")
    return 0 if all(one.held for one in found) else 1


def _attacked(at: tuple[str, int], address: str, server: Popen[str]) -> Iterator[Found]:
    yield _timed("a page, alone", lambda: _asked(at, "/runs/seen"))
    yield _timed("the page of an answer of 100 MB", lambda: _asked(at, address, most=1_000_000))
    yield _timed("that answer as a file", lambda: _asked(at, f"{address}?format=txt&table=answer", least=90_000_000))
    with contextlib.ExitStack() as opened:
        for _ in range(N_IDLE):
            opened.enter_context(_connected(at))
        yield _timed(f"a page beside {N_IDLE:,} idle connections", lambda: _asked(at, "/runs/seen"))
    with contextlib.ExitStack() as opened:
        for path in ["/assets/vega.js", f"{address}?format=txt&table=answer", "/runs/seen/live"] * (N_DEAF // 3):
            deaf = opened.enter_context(_connected(at, rcvbuf=4_096))
            deaf.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield _timed(f"a page beside {N_DEAF:,} clients that never read", lambda: _asked(at, "/runs/seen"))
        taken_mb = peak_mb(server.pid)
        yield Found("memory at its peak", taken_mb < MOST_MB, f"{taken_mb:,.0f} MB, at most {MOST_MB:,.0f}")
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        code = server.wait(60)
        yield Found(
            "it ends with those clients still there", code == 0, f"{time.monotonic() - begun:.1f} s, exit {code}"
        )


def _timed(name: str, ask: Callable[[], int]) -> Found:
    begun = time.monotonic()
    try:
        n_bytes = ask()
    except (OSError, http.client.HTTPException, AssertionError) as error:
        return Found(name, False, repr(error))
    return Found(name, True, f"{n_bytes:,} bytes in {time.monotonic() - begun:.2f} s")


def _asked(at: tuple[str, int], path: str, *, least: int = 1_000, most: int = 1 << 40) -> int:
    """Read an address to its end, piece by piece; gives the length of its body."""
    with contextlib.closing(http.client.HTTPConnection(*at, timeout=120)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, answer.status
        n_bytes = sum(map(len, iter(lambda: answer.read(1 << 16), b"")))
    assert least <= n_bytes <= most, n_bytes
    return n_bytes


def _connected(at: tuple[str, int], *, rcvbuf: int | None = None) -> socket.socket:
    made = socket.socket()
    if rcvbuf is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    made.settimeout(60)
    made.connect(at)
    return made


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sys.exit(main())
