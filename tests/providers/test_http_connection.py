"""What the direct client makes of an answer's bytes: every framing that HTTP/1.1 has, every way to break off."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable

import pytest

from harness.providers.http import HttpAnswer, NoAnswerError
from harness.providers.http.client import DirectClient
from tests.support.hostile_answers import BROKEN, CHUNKED, FORGIVEN_BY_OTHERS, answer, endless
from tests.support.loopback_raw import ANSWER, BODY, RawServer, always, reset, serve_raw

Start = Callable[[str], DirectClient]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    clients: list[DirectClient] = []

    def make(url: str) -> DirectClient:
        clients.append(DirectClient(url, {}, concurrency=2, body_limit=100_000))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


async def post(client: DirectClient) -> HttpAnswer:
    return await client.post(b"{}", request_id="r.c.s.e0.t0", timeout_s=20)


async def failure(client: DirectClient) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as caught:
        await post(client)
    return caught.value


def raw_deflate(body: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(body) + made.flush()


@pytest.mark.parametrize(
    "sent",
    [
        ANSWER,
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8;x=y\r\n"
        + BODY
        + b"\r\n0\r\nX-Request-Id: late\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Request-Id: early\r\n\r\n" + ANSWER,
        answer(b"Content-Encoding: gzip", gzip.compress(BODY)),
        answer(b"Content-Encoding: X-GZIP", gzip.compress(BODY)),
        answer(b"Content-Encoding: deflate", zlib.compress(BODY)),
        answer(b"Content-Encoding: deflate", raw_deflate(BODY)),
        answer(b"Content-Encoding: identity", BODY),
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 8\r\n\r\n" + BODY,
    ],
    ids=["length", "chunks", "trailer", "interim", "gzip", "x-gzip", "deflate", "raw deflate", "identity", "1.0"],
)
async def test_an_answer_is_read_whole_and_its_connection_used_again(start: Start, sent: bytes) -> None:
    async with serve_raw(always(sent)) as server:
        client = start(server.url)
        for _ in range(3):
            found = await post(client)
            assert (found.status, found.body, found.headers) == (200, BODY, {})
    assert server.n_connections == 1


@pytest.mark.parametrize(
    ("sent", "closes"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n" + BODY, True),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\n" + BODY, False),
        (answer(b"Connection: close", BODY), False),
        (ANSWER + b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Request-Id: other\r\n\r\n{}\n", False),
        (ANSWER + b"garbage", False),
    ],
    ids=["no length", "identity", "1.0", "close", "a second answer", "garbage behind"],
)
async def test_a_connection_that_is_not_kept_is_not_used_again(start: Start, sent: bytes, closes: bool) -> None:
    async with serve_raw(always(sent, then_close=closes)) as server:
        client = start(server.url)
        for _ in range(2):
            found = await post(client)
            assert (found.body, found.headers) == (BODY, {})
    assert server.n_connections == 2


async def test_an_answer_in_single_bytes_is_the_same_answer(start: Start) -> None:
    sent = answer(b"X-Request-Id: abc\r\nContent-Encoding: gzip", gzip.compress(BODY))

    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read_request(reader)
            for number in range(len(sent)):
                writer.write(sent[number : number + 1])
                await asyncio.sleep(0)

    async with serve_raw(talk) as server:
        client = start(server.url)
        for _ in range(2):
            found = await post(client)
            assert (found.body, found.headers) == (BODY, {"x-request-id": "abc"})


async def test_an_answer_without_a_body_is_empty(start: Start) -> None:
    async with serve_raw(always(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        client = start(server.url)
        for _ in range(2):
            assert ((found := await post(client)).status, found.body) == (204, b"")
    assert server.n_connections == 1


async def test_the_first_byte_is_timed_and_counts_from_the_call(start: Start) -> None:
    async with serve_raw(always(ANSWER)) as server:
        assert 0 < (await post(start(server.url))).first_byte_s < 20


async def test_only_rate_limit_and_request_id_headers_are_kept(start: Start) -> None:
    head = b"X-RateLimit-Remaining-Tokens: 7\r\nX-Request-ID: caf\xc3\xa9\r\nSet-Cookie: a=b\r\n"
    head += b"Retry-After: 1\r\nretry-after: 2"
    async with serve_raw(always(answer(head, BODY))) as server:
        found = await post(start(server.url))
    assert found.headers == {"x-ratelimit-remaining-tokens": "7", "x-request-id": "café", "retry-after": "2"}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_answer_is_a_clear_failure_of_a_sent_request(start: Start, name: str) -> None:
    sent, message = BROKEN[name]
    async with serve_raw(always(sent, then_close=True)) as server:
        client = start(server.url)
        error = await failure(client)
        assert message in str(error)
        assert (error.sent, error.timed_out) == (True, False)
        assert len(server.requests) == 1
        await failure(client)
    assert server.n_connections == 2


@pytest.mark.parametrize("name", FORGIVEN_BY_OTHERS)
async def test_an_answer_that_two_readers_may_cut_differently_is_refused(start: Start, name: str) -> None:
    async with serve_raw(always(FORGIVEN_BY_OTHERS[name])) as server:
        client = start(server.url)
        for _ in range(2):
            error = await failure(client)
            assert "does not answer in HTTP" in str(error)
            assert (error.sent, error.timed_out) == (True, False)
    assert (len(server.requests), server.n_connections) == (2, 2)


async def test_what_came_before_the_framing_broke_is_kept_as_it_may_state_the_bill(start: Start) -> None:
    sent = CHUNKED + b"\r\n8\r\n" + BODY + b"\r\n0x1\r\n"
    async with serve_raw(always(sent)) as server:
        part = (await failure(start(server.url))).part
    assert part is not None
    assert (part.status, part.body) == (200, BODY)


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\n{"])
async def test_a_reset_is_a_failure_of_a_sent_request(start: Start, sent: bytes) -> None:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(sent)
        await writer.drain()
        reset(writer)

    async with serve_raw(talk) as server:
        error = await failure(start(server.url))
    assert (error.sent, error.timed_out) == (True, False)
    assert "the connection was closed" in str(error)


@pytest.mark.parametrize(
    ("head", "part", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 10_000, "head is too long"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1_000, "head is too long"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000, "head is too long"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 10_000, "body is too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n" * 1_000, "body is too long"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 1_000, "body is too long"),
    ],
    ids=["one header", "many headers", "interim answers", "body", "chunks", "trailers"],
)
async def test_an_endless_answer_is_cut_off(start: Start, head: bytes, part: bytes, message: str) -> None:
    async with serve_raw(endless(head, part)) as server:
        assert message in str(await failure(start(server.url)))
