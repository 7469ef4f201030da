"""The server that answers benchmarks at once: the C mock where its source and a compiler are at hand, else a small
one in Python.

`serving` starts it on a core of its own and ends it. `python -m benchmarks.mock_server PORT DELAY_MS N_EVENTS` is the
Python one: one protocol, no routing, fixed answers of a thousand characters, or of so many events of a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from socket import create_connection, socket
from typing import cast

SERVER_CORE = "1"
LIFE_S = 900
_TEXT = "Each crate was opened, counted and labelled, and the rest follows from the numbers above. " * 11
_BODY = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"sim-direct","choices":[{"index":0,"message":'
    f'{{"role":"assistant","content":"{_TEXT}\\nANSWER: B"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":240,'
    '"completion_tokens":310,"total_tokens":550,"prompt_tokens_details":{"cached_tokens":0},'
    '"completion_tokens_details":{"reasoning_tokens":64}}}'
).encode()
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = b'data: {"choices":[{"index":0,"delta":{"content":" the"},"finish_reason":null}]}\n\n'
_CHUNK = b"%x\r\n%s\r\n" % (len(_EVENT), _EVENT)


def source() -> Path | None:
    """Find the C mock's source in BENCHTAB_SHARED, or in the folder `shared` beside the checkout."""
    root = Path(os.environ.get("BENCHTAB_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    found = root / "perf" / "mock.c"
    return found if found.exists() else None


@contextlib.contextmanager
def serving(delay_ms: int = 0, *, n_events: int = 0) -> Iterator[str]:
    """Serve chat completions on a free port; gives the base URL. Streams of `n_events` are the Python one's alone."""
    with tempfile.TemporaryDirectory(prefix="benchtab-mock-") as folder, socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [sys.executable, "-m", "benchmarks.mock_server", str(port), str(delay_ms), str(n_events)]
        written, compiler = source(), shutil.which("cc") or shutil.which("gcc")
        if written is not None and compiler is not None and not n_events:
            command = [f"{folder}/mock"]
            subprocess.run([compiler, "-O2", "-o", command[0], str(written)], check=True)
        settings = {"PORT": str(port), "DELAY_MS": str(delay_ms), "LIFE_S": str(LIFE_S)}
        server = subprocess.Popen(
            [*_on_a_core_of_its_own(), *command],
            env={**os.environ, **settings},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait()


def _on_a_core_of_its_own() -> list[str]:
    """The words before a command that keep it off the measured core, where the machine has two and `taskset`."""
    return ["taskset", "-c", SERVER_CORE] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


def _wait_for(port: int) -> None:
    for _ in range(500):
        with contextlib.suppress(OSError), create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise SystemExit("the mock server did not start")


class _Answering(asyncio.Protocol):
    """Answers each request on its connection after the delay; requests are told apart by their stated length."""

    def __init__(self, delay_s: float, n_events: int) -> None:
        self._delay_s = delay_s
        self._n_events = n_events
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
            if len(self._received) < end + 4 + length:
                return
            self._received = self._received[end + 4 + length :]
            if self._n_events:
                self._transport.write(_STREAM_HEAD)
                asyncio.get_running_loop().call_soon(self._stream, self._n_events)
            elif self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, _ANSWER)
            else:
                self._transport.write(_ANSWER)

    def _stream(self, n_left: int) -> None:
        """Write one event, the next one in the loop's next turn: each leaves on its own."""
        self._transport.write(_CHUNK if n_left else b"0\r\n\r\n")
        if n_left:
            asyncio.get_running_loop().call_soon(self._stream, n_left - 1)


async def _serve(port: int, delay_s: float, n_events: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Answering(delay_s, n_events), "127.0.0.1", port, backlog=1024
    )
    async with server, asyncio.timeout(LIFE_S):
        await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    with contextlib.suppress(TimeoutError):
        uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]) / 1000, int(sys.argv[3])))
