"""What a client must do with hostile answers and lost connections before its speed counts.

Data flows a side of `benchmarks.http_sides` -> servers that misbehave on loopback -> the names of what it got wrong.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from benchmarks.http_sides import Open
from harness.providers.http import HttpAnswer, NoAnswerError
from tests.support.hostile_answers import BROKEN, FORGIVEN_BY_OTHERS, OK, answer, endless
from tests.support.loopback_raw import ANSWER, BODY, RawServer, Talk, always, serve_raw

LIMIT_S = 1.0
SHORT_S = 0.3


async def asked(open_side: Open, url: str, *, timeout_s: float = LIMIT_S, times: int = 1) -> HttpAnswer | NoAnswerError:
    """Ask so many times over one connection; gives the last outcome.

    Raises:
        Exception: the client ended with an error of its library, which is a mistake in itself.
    """
    client = open_side(url, {}, 1)
    try:
        for _ in range(times - 1):
            await client.post(b"{}", request_id="an-id", timeout_s=timeout_s)
        return await client.post(b"{}", request_id="an-id", timeout_s=timeout_s)
    except NoAnswerError as error:
        return error
    finally:
        await client.aclose()


async def refuses(open_side: Open, talk: Talk) -> bool:
    """Whether an answer is a failure at once, of a request that was sent."""
    async with serve_raw(talk) as server:
        found = await asked(open_side, server.url)
    return isinstance(found, NoAnswerError) and found.sent and not found.timed_out


async def silence(server: RawServer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Take requests and never answer."""
    while True:
        await server.read_request(reader)


async def half(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send half an answer and no more."""
    await server.read_request(reader)
    writer.write(ANSWER[:-4])
    await server.read_request(reader)


async def one_answer(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer once, keep the connection, and close it on the next request."""
    await server.read_request(reader)
    writer.write(ANSWER)
    await server.read_request(reader)


async def knows_that_it_was_sent(open_side: Open) -> bool:
    """A server took the request and thinks too long: it may be billed."""
    async with serve_raw(silence) as server:
        found = await asked(open_side, server.url, timeout_s=SHORT_S)
    return isinstance(found, NoAnswerError) and (found.sent, found.timed_out) == (True, True)


async def knows_that_it_was_not_sent(open_side: Open) -> bool:
    """Nobody accepted the connection: nothing can be billed."""
    with socket.socket() as full, socket.socket() as taken:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        taken.connect(full.getsockname())
        found = await asked(open_side, f"http://127.0.0.1:{full.getsockname()[1]}/v1", timeout_s=SHORT_S)
    return isinstance(found, NoAnswerError) and (found.sent, found.timed_out) == (False, True)


async def knows_that_a_refused_connection_sent_nothing(open_side: Open) -> bool:
    """Nothing listens."""
    async with serve_raw(silence) as server:
        url = server.url
    found = await asked(open_side, url)
    return isinstance(found, NoAnswerError) and not found.sent


async def sends_nothing_twice(open_side: Open) -> bool:
    """A kept connection is closed as the next request arrives: one attempt, and it may be billed."""
    async with serve_raw(one_answer) as server:
        found = await asked(open_side, server.url, times=2)
    return isinstance(found, NoAnswerError) and found.sent and len(server.requests) == 2


async def keeps_what_came(open_side: Open) -> bool:
    """Half an answer may state the bill."""
    async with serve_raw(half) as server:
        found = await asked(open_side, server.url, timeout_s=SHORT_S)
    return isinstance(found, NoAnswerError) and found.part is not None and found.part.body == BODY[:-4]


async def ends_endless_interim_answers(open_side: Open) -> bool:
    """100 Continue without an end."""
    return await refuses(open_side, endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000))


async def ends_an_endless_body(open_side: Open) -> bool:
    """More bytes than any answer has."""
    return await refuses(open_side, endless(OK + b"\r\n", b"a" * 10_000))


async def reads_a_header_in_utf_8(open_side: Open) -> bool:
    """A request id with an accent loses no answer."""
    async with serve_raw(always(answer(b"X-Request-Id: caf\xc3\xa9", BODY))) as server:
        found = await asked(open_side, server.url)
    return isinstance(found, HttpAnswer) and found.body == BODY


ACCOUNTS: tuple[Callable[[Open], Awaitable[bool]], ...] = (
    knows_that_it_was_sent,
    knows_that_it_was_not_sent,
    knows_that_a_refused_connection_sent_nothing,
    sends_nothing_twice,
    keeps_what_came,
    ends_endless_interim_answers,
    ends_an_endless_body,
    reads_a_header_in_utf_8,
)


async def mistakes(open_side: Open) -> tuple[int, list[str]]:
    """Try everything; gives how much was tried and the names of what did not hold."""
    answers = {**{name: sent for name, (sent, _) in BROKEN.items()}, **FORGIVEN_BY_OTHERS}
    tried = {name: refuses(open_side, always(sent, then_close=True)) for name, sent in answers.items()}
    tried |= {try_it.__name__.replace("_", " "): try_it(open_side) for try_it in ACCOUNTS}
    wrong = []
    for name, trying in tried.items():
        try:
            held = await trying
        except Exception:  # noqa: BLE001 - an error that the door does not know is what is looked for
            held = False
        if not held:
            wrong.append(name)
    return len(tried), wrong
