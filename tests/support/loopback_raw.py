"""A loopback server that speaks raw bytes, for what no well-behaved server does.

Data flows one connection -> the test's own `Talk` with its reader and writer; everything ends with the `async with`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

Talk = Callable[["RawServer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

BODY = b'{"a": 1}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY


class RawServer:
    """The server's books.

    Attributes:
        url: the address that clients post to.
        requests: head and body of each request in the order of arrival.
        n_connections: connections accepted so far.
        accepted: set by each connection.
        arrived: set by each request.
        hung_up: set when a client has closed a connection that the server was reading.
    """

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self.url = ""
        self.requests: list[bytes] = []
        self.n_connections = 0
        self.accepted = asyncio.Event()
        self.arrived = asyncio.Event()
        self.hung_up = asyncio.Event()
        self._talking: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let the test talk on one connection."""
        self.n_connections += 1
        self.accepted.set()
        task = asyncio.current_task()
        assert task is not None
        self._talking.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._talk(self, reader, writer)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
        finally:
            self._talking.discard(task)

    async def end(self) -> None:
        """Close every connection."""
        for task in (talking := tuple(self._talking)):
            task.cancel()
        await asyncio.gather(*talking, return_exceptions=True)

    async def read_request(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request and note it.

        Raises:
            IncompleteReadError: the client closed the connection.
        """
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            stated = re.search(rb"(?i)content-length: (\d+)", head)
            assert stated is not None
            request = head + await reader.readexactly(int(stated[1]))
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
            raise
        self.requests.append(request)
        self.arrived.set()
        return request


def always(answer: bytes, *, then_close: bool = False) -> Talk:
    """Answer every request with the same bytes; `then_close` ends the connection after the first."""

    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read_request(reader)
            writer.write(answer)
            if then_close:
                return

    return talk


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that the other side sees a reset."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


@contextlib.asynccontextmanager
async def serve_raw(
    talk: Talk, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    """Serve on a loopback port that the system chooses."""
    books = RawServer(talk)
    server = await asyncio.start_server(books.accept, host, 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    books.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/v1"
    try:
        yield books
    finally:
        server.close()
        await books.end()
