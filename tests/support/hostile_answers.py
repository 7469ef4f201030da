"""Answers that no well-behaved server gives: cut, endless, or framed so that two readers may cut them differently.

Tests hold our HTTP client to them, and `make bench-http` every client that is measured beside it.
"""

from __future__ import annotations

import asyncio
import gzip

from tests.support.loopback_raw import BODY, RawServer, Talk


def answer(head: bytes, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


BROKEN = {
    "nothing": (b"", "before it answered"),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", "in the middle of its answer"),
    "half a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{", "in the middle of its answer"),
    "half the chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
        "in the middle of its answer",
    ),
    "only an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", "in the middle of its answer"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"),
    "another protocol": (
        b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nPRI",
        "does not answer in HTTP",
    ),
    "two lengths": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nContent-Length: 9\r\n\r\n" + BODY,
        "does not answer in HTTP",
    ),
    "gzip that is none": (answer(b"Content-Encoding: gzip", BODY), "does not decompress"),
    "half a gzip": (answer(b"Content-Encoding: gzip", gzip.compress(BODY)[:-5]), "is cut off"),
    "a coding nobody asked for": (answer(b"Content-Encoding: br", BODY), "compressed with 'br'"),
    "a bomb": (answer(b"Content-Encoding: gzip", gzip.compress(bytes(200_000))), "holds more than 100000 bytes"),
}
"""Each with what the error says, for a client whose limit is 100,000 bytes."""

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"
FORGIVEN_BY_OTHERS = {
    "lines that end with LF": b"HTTP/1.1 200 OK\nContent-Length: 8\n\n" + BODY,
    "one header that ends with LF": OK + b"Content-Length: 8\n\r\n" + BODY,
    "lines that end with CR": b"HTTP/1.1 200 OK\rContent-Length: 8\r\r" + BODY,
    "a folded header": answer(b"X-A: a\r\n b", BODY),
    "a space before the colon": OK + b"Content-Length : 8\r\n\r\n" + BODY,
    "a control character in a header": answer(b"X-A: a\x01b", BODY),
    "a NUL in a header": answer(b"X-A: a\x00b", BODY),
    "a length and chunks": CHUNKED + b"Content-Length: 8\r\n\r\n8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunks and a length": OK + b"Content-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n" + BODY,
    "the same length twice": answer(b"Content-Length: 8", BODY),
    "a list of lengths": OK + b"Content-Length: 8, 8\r\n\r\n" + BODY,
    "a signed length": OK + b"Content-Length: +8\r\n\r\n" + BODY,
    "a negative length": OK + b"Content-Length: -8\r\n\r\n" + BODY,
    "an endless length": OK + b"Content-Length: 99999999999999999999\r\n\r\n" + BODY,
    "a space behind a chunk's size": CHUNKED + b"\r\n8 \r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk's size with 0x": CHUNKED + b"\r\n0x8\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk's size that ends with LF": CHUNKED + b"\r\n8\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk without its end": CHUNKED + b"\r\n8\r\n" + BODY + b"0\r\n\r\n",
    "a chunk larger than any": CHUNKED + b"\r\nffffffffffffffffff\r\n" + BODY,
    "HTTP/0.9": BODY,
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY,
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 8\r\n\r\n" + BODY,
}


def endless(head: bytes, part: bytes) -> Talk:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(head)
        while True:
            writer.write(part)
            await writer.drain()

    return talk
