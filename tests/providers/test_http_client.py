"""The direct client's connections: as many as asked, kept and dropped in time, never used with an answer due."""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.providers.http import HttpAnswer, NoAnswerError, open_client
from harness.providers.http.client import DirectClient, request_head
from harness.providers.http.network import keep_alive_socket, tls_context
from harness.version import __version__
from tests.support.loopback_raw import ANSWER, BODY, RawServer, always, serve_raw

Start = Callable[..., DirectClient]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    clients: list[DirectClient] = []

    def make(url: str, concurrency: int = 2, **options: Any) -> DirectClient:
        clients.append(DirectClient(url, {"Accept": "application/json"}, concurrency=concurrency, **options))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()


async def post(client: DirectClient, request_id: str = "r.c.s.e0.t0", timeout_s: float = 20) -> HttpAnswer:
    return await client.post(b"{}", request_id=request_id, timeout_s=timeout_s)


async def failure(client: DirectClient, timeout_s: float = 20) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as caught:
        await post(client, timeout_s=timeout_s)
    return caught.value


class Gate:
    """Holds every answer until the test opens it."""

    def __init__(self, open_at: int = 0) -> None:
        self.opened = asyncio.Event()
        self._open_at = open_at

    async def talk(self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.read_request(reader)
            if len(server.requests) == self._open_at:
                self.opened.set()
            await self.opened.wait()
            writer.write(ANSWER)


async def silent(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read requests and never answer; notes when the client hangs up."""
    while True:
        await server.read_request(reader)


async def test_five_hundred_at_once_are_five_hundred_connections(start: Start) -> None:
    async with serve_raw(Gate(open_at=500).talk) as server:
        client = start(server.url, concurrency=500)
        await asyncio.gather(*(post(client) for _ in range(500)))
        assert server.n_connections == 500
        await asyncio.gather(*(post(client) for _ in range(500)))
    assert server.n_connections == 500


async def test_never_more_connections_than_asked_and_the_others_wait_their_turn(start: Start) -> None:
    gate = Gate()
    async with serve_raw(gate.talk) as server:
        client = start(server.url, concurrency=1)
        asked = [asyncio.ensure_future(post(client, f"id-{number}")) for number in range(10)]
        await server.arrived.wait()
        assert len(server.requests) == 1
        gate.opened.set()
        await asyncio.gather(*asked)
    assert server.n_connections == 1
    assert [b"id-%d\r\n" % number in request for number, request in enumerate(server.requests)] == [True] * 10


async def test_a_cancelled_waiter_takes_no_place_with_it(start: Start) -> None:
    gate = Gate()
    async with serve_raw(gate.talk) as server:
        client = start(server.url, concurrency=1)
        first, second, third = (asyncio.ensure_future(post(client)) for _ in range(3))
        await server.arrived.wait()
        second.cancel()
        gate.opened.set()
        assert (await first).body == (await third).body == BODY
    assert second.cancelled()
    assert len(server.requests) == 2


async def test_the_connection_used_last_is_used_first(start: Start) -> None:
    async with serve_raw(Gate(open_at=2).talk) as server:
        client = start(server.url)
        await asyncio.gather(post(client), post(client))
        for _ in range(5):
            await post(client)
    assert server.n_connections == 2


async def test_an_idle_connection_is_closed_after_its_time(start: Start) -> None:
    async with serve_raw(always(ANSWER)) as server:
        client = start(server.url, keep_alive_s=0.05)
        await post(client)
        await server.hung_up.wait()
        await post(client)
    assert server.n_connections == 2


@pytest.mark.parametrize("farewell", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"\r\n"])
async def test_a_connection_with_something_unasked_for_is_not_used_again(start: Start, farewell: bytes) -> None:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(ANSWER)
        await told.wait()
        writer.write(farewell) if farewell else writer.write_eof()
        await server.read_request(reader)

    told = asyncio.Event()
    async with serve_raw(talk) as server:
        client = start(server.url)
        await post(client)
        told.set()
        await server.hung_up.wait()
        assert (await post(client)).body == BODY
    assert server.n_connections == 2
    assert len(server.requests) == 2


async def test_a_kept_connection_that_closes_as_we_write_is_one_attempt_and_not_sent_again(start: Start) -> None:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(ANSWER)
        await server.read_request(reader)

    async with serve_raw(talk) as server:
        client = start(server.url)
        await post(client)
        error = await failure(client)
        assert (error.sent, error.timed_out) == (True, False)
    assert (len(server.requests), server.n_connections) == (2, 1)


async def test_a_timeout_hangs_up_and_the_next_request_has_a_connection_of_its_own(start: Start) -> None:
    gate = Gate()
    async with serve_raw(gate.talk) as server:
        client = start(server.url, concurrency=1)
        error = await failure(client, timeout_s=0.05)
        assert (error.sent, error.timed_out) == (True, True)
        assert "no whole answer within 0.05 s" in str(error)
        gate.opened.set()
        assert (await post(client)).body == BODY
    assert server.n_connections == 2


async def test_the_limit_holds_for_the_whole_answer_not_for_its_first_byte(start: Start) -> None:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(ANSWER[:-1])
        await server.read_request(reader)

    async with serve_raw(talk) as server:
        error = await failure(start(server.url), timeout_s=0.2)
        await server.hung_up.wait()
    assert (error.sent, error.timed_out) == (True, True)


async def test_each_request_has_its_own_limit(start: Start) -> None:
    async with serve_raw(silent) as server:
        client = start(server.url, concurrency=3)
        long = asyncio.ensure_future(post(client, timeout_s=600))
        await server.arrived.wait()
        errors = await asyncio.gather(*(failure(client, timeout_s) for timeout_s in (0.1, 0.05)))
        assert [error.timed_out for error in errors] == [True, True]
        assert not long.done()
        await client.aclose()
        with pytest.raises(NoAnswerError, match="the connection was closed before it answered"):
            await long


async def test_cancelling_hangs_up_and_the_next_request_has_a_connection_of_its_own(start: Start) -> None:
    gate = Gate()
    async with serve_raw(gate.talk) as server:
        client = start(server.url, concurrency=1)
        asked = asyncio.ensure_future(post(client))
        await server.arrived.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        gate.opened.set()
        assert (await post(client)).body == BODY
    assert server.n_connections == 2


async def test_an_answer_never_goes_to_another_request(start: Start) -> None:
    dice = random.Random(7)
    open_now = most_open = 0

    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most_open
        open_now += 1
        most_open = max(most_open, open_now)
        try:
            while True:
                request_id = (await server.read_request(reader)).split(b"Request-Id: ")[1].split(b"\r\n")[0]
                for _ in range(dice.randrange(20)):
                    await asyncio.sleep(0)
                answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(request_id), request_id)
                sent = dice.choice([answer] * 6 + [answer + b"surplus", answer[:-1], b"garbage", answer * 2])
                writer.write(sent)
                if sent != answer or dice.random() < 0.1:
                    return
        finally:
            open_now -= 1

    async def attempt(number: int) -> bool:
        asked = asyncio.ensure_future(post(client, f"id-{number}", timeout_s=dice.choice([20, 20, 0.002])))
        if dice.random() < 0.2:
            for _ in range(dice.randrange(40)):
                await asyncio.sleep(0)
            asked.cancel()
        try:
            found = await asked
        except (NoAnswerError, asyncio.CancelledError):
            return False
        assert found.body == b"id-%d" % number
        return True

    async with serve_raw(talk) as server:
        client = start(server.url, concurrency=8)
        numbers = iter(range(1_500))

        async def work() -> int:
            return sum([await attempt(number) for number in numbers])

        answered = sum(await asyncio.gather(*(work() for _ in range(12))))
    assert 300 < answered < 1_500
    assert most_open <= 2 * 8  # the server may learn late that the client has closed one


async def test_closing_while_a_connection_is_made_leaves_none_behind(start: Start) -> None:
    async with serve_raw(silent) as server:
        client = start(server.url.replace("http:", "https:"))
        asked = asyncio.ensure_future(post(client))
        await server.accepted.wait()
        await client.aclose()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await server.hung_up.wait()


async def test_waiting_for_a_free_connection_counts_and_nothing_is_sent(start: Start) -> None:
    async with serve_raw(silent) as server:
        client = start(server.url, concurrency=1)
        first = asyncio.ensure_future(post(client))
        await server.arrived.wait()
        error = await failure(client, timeout_s=0.05)
        assert (error.sent, error.timed_out) == (False, True)
        assert len(server.requests) == 1
        first.cancel()


async def test_nothing_listens_and_nothing_is_sent(start: Start) -> None:
    async with serve_raw(silent) as server:
        url = server.url
    error = await failure(start(url))
    assert (error.sent, error.timed_out) == (False, False)
    assert "no connection to 127.0.0.1:" in str(error)


async def test_a_host_that_nobody_knows_is_not_connected(start: Start) -> None:
    error = await failure(start("http://no-such-host.invalid/v1"), timeout_s=2)
    assert not error.sent  # and timed out where no name server answers


async def test_a_server_that_does_not_accept_is_a_timeout_before_sending(start: Start) -> None:
    with socket.socket() as full, socket.socket() as accepted_by_the_system:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        accepted_by_the_system.connect(full.getsockname())
        error = await failure(start(f"http://127.0.0.1:{full.getsockname()[1]}/"), timeout_s=0.2)
    assert (error.sent, error.timed_out) == (False, True)
    assert "within 0.2" in str(error)


async def test_a_server_that_does_not_shake_hands_is_a_timeout_before_sending(start: Start) -> None:
    async with serve_raw(silent) as server:
        error = await failure(start(server.url.replace("http:", "https:")), timeout_s=0.2)
    assert (error.sent, error.timed_out) == (False, True)


async def test_closing_ends_everything_and_is_safe_twice(start: Start) -> None:
    async with serve_raw(silent) as server:
        client = start(server.url)
        asked = asyncio.ensure_future(post(client))
        await server.arrived.wait()
        await client.aclose()
        await client.aclose()
        with pytest.raises(NoAnswerError):
            await asked
        await server.hung_up.wait()
        error = await failure(client)
    assert (error.sent, str(error)) == (False, "the client is closed")


async def test_both_address_families_are_tried(start: Start) -> None:
    async with serve_raw(always(ANSWER)) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        assert (await post(start(url))).body == BODY


async def test_an_ipv6_address_is_reached(start: Start) -> None:
    try:
        async with serve_raw(always(ANSWER), host="::1") as server:
            assert (await post(start(server.url))).body == BODY
    except OSError:
        pytest.skip("there is no IPv6 here")
    port = server.url.split(":")[-1].removesuffix("/v1")
    assert f"\r\nHost: [::1]:{port}\r\n".encode() in server.requests[0]


def test_connections_are_probed_and_never_delayed() -> None:
    with keep_alive_socket((socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert not made.getblocking()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed here (apt-get install openssl): https is not tested")
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    command += f" -addext subjectAltName=DNS:localhost -keyout {path} -out {path}.crt"
    subprocess.run(command.split(), check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_name("certificate.pem.crt").read_bytes())
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


async def test_https_trusts_what_ssl_cert_file_names_and_keeps_its_connection(
    start: Start, certificate: Path, trusting: None
) -> None:
    async with serve_raw(always(ANSWER), host="localhost", tls=server_side(certificate)) as server:
        client = start(server.url)
        for _ in range(3):
            assert (await post(client)).body == BODY
        await client.aclose()
    assert server.n_connections == 1
    assert tls_context.cache_info().misses == 1


async def test_http_2_is_not_spoken_to_a_server_that_offers_it(start: Start, certificate: Path, trusting: None) -> None:
    async def talk(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        chosen.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        writer.write(ANSWER)

    chosen: list[str | None] = []
    context = server_side(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    async with serve_raw(talk, host="localhost", tls=context) as server:
        assert (await post(start(server.url))).body == BODY
    assert chosen == ["http/1.1"]


async def test_https_checks_the_name_on_the_certificate(start: Start, certificate: Path, trusting: None) -> None:
    async with serve_raw(always(ANSWER), tls=server_side(certificate)) as server:
        error = await failure(start(server.url))
    assert (error.sent, error.timed_out) == (False, False)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)
    assert server.requests == []


async def test_https_refuses_a_certificate_that_nobody_vouches_for(start: Start, certificate: Path) -> None:
    async with serve_raw(always(ANSWER), host="localhost", tls=server_side(certificate)) as server:
        error = await failure(start(server.url))
    assert (error.sent, error.timed_out) == (False, False)
    assert "CERTIFICATE_VERIFY_FAILED" in str(error)


@pytest.mark.parametrize(
    ("url", "target", "host"),
    [
        ("http://127.0.0.1:8000/v1", "/v1", "127.0.0.1:8000"),
        ("https://host.example", "/", "host.example"),
        (
            "https://x.example/deploy/m%20m?api-version=2024-10-21&a=%2F",
            "/deploy/m%20m?api-version=2024-10-21&a=%2F",
            None,
        ),
        ("http://[::1]:80/v1", "/v1", "[::1]:80"),
        ("http://[fe80::1%25eth0]/v1", "/v1", "[fe80::1]"),
        ("https://Bücher.example/ä b", "/%C3%A4%20b", "xn--bcher-kva.example"),
    ],
)
def test_the_head_names_the_address_as_it_is_written(url: str, target: str, host: str | None) -> None:
    assert request_head(url, {"Accept": "application/json"}).decode() == (
        f"POST {target} HTTP/1.1\r\nHost: {host or 'x.example'}\r\nUser-Agent: benchtab/{__version__}\r\n"
        "Accept-Encoding: identity\r\nAccept: application/json\r\nX-Client-Request-Id: "
    )


@pytest.mark.parametrize("value", ["a\r\nX-Injected: b", "a\nb", "a\x00b", "a\n"])
async def test_a_line_break_never_becomes_a_header(start: Start, value: str) -> None:
    with pytest.raises(InputError, match="the header Authorization") as caught:
        open_client("http://127.0.0.1/v1", {"Authorization": value}, concurrency=1)
    assert caught.value.where
    assert caught.value.fix
    assert "Injected" not in str(caught.value)
    with pytest.raises(InputError, match="the header X-Client-Request-Id"):
        await post(start("http://127.0.0.1/v1"), request_id=value)


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(InputError, match="not a host name"):
        open_client(f"http://{host}/v1", {}, concurrency=1)
