"""The view as a server: where it listens, whom it hangs up on, how it ends, and what the command says."""

from __future__ import annotations

import contextlib
import select
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from harness.errors import InputError
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.view.callers import Patience
from harness.view.page_values import Sources
from harness.view.serving import DEFAULT_PORT, Place, ViewServer
from tests.support.command_lines import said_here
from tests.support.running_commands import line_with, running
from tests.support.view_servers import ANY_PORT, served
from tests.support.viewed import answered_with, peak_mb


@pytest.fixture(scope="module")
def at(seen_ledger: Path) -> Iterator[tuple[str, int]]:
    """One server for the tests that only ask."""
    with served(seen_ledger) as address:
        yield address


def _connected(at: tuple[str, int]) -> socket.socket:
    return socket.create_connection(at, timeout=30)


def _said(at: tuple[str, int], sent: bytes) -> bytes:
    """Send bytes, and read until the server closes."""
    with _connected(at) as one:
        one.sendall(sent)
        return b"".join(iter(lambda: one.recv(65_536), b""))


def _get(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


CLOSING = "Connection: close"


def test_a_page_is_answered(at: tuple[str, int]) -> None:
    assert _said(at, _get("/", CLOSING)).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "path",
    ["/assets/../application.py", "/assets/%2e%2e/application.py", "/assets/..%2fapplication.py", "/assets//etc/passwd",
     "/runs/../../etc/passwd", "/runs/..%2f..%2fetc%2fpasswd", "/assets/..\\application.py", "/../../../../etc/passwd",
     "/assets/%00view.css", "/runs/seen/..%2f..%2f..%2fetc%2fpasswd", "http://attacker.example/etc/passwd"],
)  # fmt: skip
def test_no_path_leads_out_of_the_view(at: tuple[str, int], path: str) -> None:
    answer = _said(at, _get(path, CLOSING))
    assert answer.split(b" ")[1] in (b"400", b"404")
    assert b"root:" not in answer
    assert b"starlette" not in answer


def test_requests_sent_at_once_are_answered_in_their_order(at: tuple[str, int]) -> None:
    answer = _said(at, _get("/nowhere") + _get("/") + _get("/assets/view.css", CLOSING))
    assert [part.split(b" ")[0] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"404", b"200", b"200"]


def test_head_sends_what_get_would_without_a_body(at: tuple[str, int]) -> None:
    head, _, body = _said(at, _get("/assets/view.css", CLOSING, method="HEAD")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"content-length: " in head
    assert body == b""


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
     b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X-Flood: 1\r\n" * 5_000, b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000],
    ids=["tls", "two hosts", "nonsense", "many headers", "a long header"],
)  # fmt: skip
def test_what_is_no_request_is_hung_up_on(at: tuple[str, int], sent: bytes) -> None:
    with contextlib.suppress(ConnectionError):  # it need not read all of a flood
        answer = _said(at, sent)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"content-security-policy: default-src 'none'" in answer
    assert _said(at, _get("/", CLOSING)).startswith(b"HTTP/1.1 200 OK")


def test_assets_are_sent_once_and_known_by_their_digest_then(at: tuple[str, int]) -> None:
    first = _said(at, _get("/assets/view.js", CLOSING))
    tag = next(line for line in first.decode().splitlines() if line.startswith("etag: ")).removeprefix("etag: ")
    again = _said(at, _get("/assets/view.js", f"If-None-Match: {tag}", CLOSING))
    assert again.startswith(b"HTTP/1.1 304 ")
    assert again.endswith(b"\r\n\r\n")
    assert _said(at, _get("/assets/view.js", 'If-None-Match: "other"', CLOSING)).startswith(b"HTTP/1.1 200 ")


def test_idle_connections_make_room_for_those_that_ask(seen_ledger: Path) -> None:
    with served(seen_ledger, patience=Patience(most=20)) as at, contextlib.ExitStack() as opened:
        idle = [opened.enter_context(_connected(at)) for _ in range(100)]
        assert _said(at, _get("/", CLOSING)).startswith(b"HTTP/1.1 200 OK")
        with pytest.raises(ConnectionResetError):
            idle[0].recv(1)


def test_a_connection_that_never_finishes_asking_is_closed(seen_ledger: Path) -> None:
    with served(seen_ledger, patience=Patience(request_s=0.4)) as at:
        for sent in (b"", b"GET / HTTP/1.1\r\nHost: loc", _get("/") + b"GET / HTTP/1.1\r\n"):
            with _connected(at) as slow:
                slow.sendall(sent)
                answer = b""
                with pytest.raises(ConnectionResetError):
                    while part := slow.recv(65_536):
                        answer += part
                    raise AssertionError("closed in peace")
                assert answer.count(b"HTTP/1.1 200 OK") == sent.count(b"\r\n\r\n")


def test_a_client_that_never_reads_is_hung_up_on(seen_ledger: Path) -> None:
    """Ten answers of 0.9 MB to each of many such clients would otherwise wait in memory for ever."""
    with served(seen_ledger, patience=Patience(unread_s=0.1)) as at, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect(at)
        deaf.sendall(_get("/assets/vega.js") * 10)
        closed = select.poll()
        closed.register(deaf, select.POLLRDHUP)
        assert closed.poll(30_000)
        assert _said(at, _get("/", CLOSING)).startswith(b"HTTP/1.1 200 OK")


def test_a_server_stops_though_a_client_never_reads(seen_ledger: Path) -> None:
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        with served(seen_ledger) as at:
            deaf.connect(at)
            deaf.sendall(_get("/assets/vega.js") * 3)
            assert _said(at, _get("/", CLOSING)).startswith(b"HTTP/1.1 200 OK")


def test_the_default_port_gives_way_and_a_named_one_does_not(seen_ledger: Path) -> None:
    with Ledger.open(seen_ledger, read_only=True) as ledger, socket.socket() as taken:
        sources = Sources(ledger=ledger, book=load_price_book())
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody else has it: as good
            taken.bind(("127.0.0.1", DEFAULT_PORT))
            taken.listen()
        assert urlsplit(ViewServer(sources, Place()).address).port != DEFAULT_PORT
        with pytest.raises(InputError, match="cannot listen there: Address already in use"):
            ViewServer(sources, Place(port=DEFAULT_PORT))
        with pytest.raises(InputError, match="cannot listen there"):
            ViewServer(sources, Place(host="192.0.2.1"))
        with pytest.raises(InputError, match="this is no address"):
            ViewServer(sources, Place(host="no such host"))


def test_ipv6_loopback_is_served_without_a_token(seen_ledger: Path) -> None:
    try:
        with served(seen_ledger, Place(host="::1", port=0)) as at:
            assert at[0] == "::1"
            assert _said(at, _get("/", CLOSING)).startswith(b"HTTP/1.1 200 OK")
    except InputError as error:
        pytest.skip(f"no IPv6 here: {error.message}")


def test_beyond_this_machine_the_address_carries_a_token_of_its_own(seen_ledger: Path) -> None:
    """The ports are bound and never listened on."""
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        sources = Sources(ledger=ledger, book=load_price_book())
        first, second = (ViewServer(sources, Place(host="0.0.0.0", port=0)) for _ in range(2))  # noqa: S104
        here = ViewServer(sources, ANY_PORT, path="/runs/seen")
    tokens = [urlsplit(one.address).query.removeprefix("token=") for one in (first, second)]
    assert all(len(token) >= 43 for token in tokens)
    assert tokens[0] != tokens[1]
    assert here.address.endswith("/runs/seen")


LINE = "a line of what a model wrote\n"
N_LINES = 1_200_000
KEY = "sk-proj-0123456789abcdefghijklmnop"


def test_the_command_outlives_an_answer_of_35_mb_masks_its_keys_and_ends_well(
    seen_ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    shutil.copy(seen_ledger, tmp_path / "seen.db")
    sample = answered_with(tmp_path / "seen.db", f"Authorization: Bearer {KEY}\n{LINE * N_LINES}{KEY}")
    with running("view", "seen", "--port", "0", "--db", "seen.db", folder=tmp_path) as started:
        address = urlsplit(line_with(started, "http://"))
        assert address.path == "/runs/seen"
        assert address.port
        at = ("127.0.0.1", address.port)
        before_mb = peak_mb(started.pid)
        page = _said(at, _get(sample, CLOSING))
        assert page.startswith(b"HTTP/1.1 200")
        assert len(page) < 1_000_000
        assert b"Bearer [redacted]" in page
        file = _said(at, _get(f"{sample}?format=txt&table=answer", CLOSING))
        assert len(file) > len(LINE) * N_LINES
        assert file.endswith(b"[redacted]\r\n0\r\n\r\n")
        assert KEY.encode() not in page + file
        assert peak_mb(started.pid) - before_mb < 6 * len(file) / 1e6
        with _connected(at) as still_open:
            still_open.sendall(_get("/"))
            assert still_open.recv(12) == b"HTTP/1.1 200"
            started.send_signal(signal.SIGINT)
            assert started.wait(30) == 0
    assert (tmp_path / "view.log").read_text() == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seen.db", "view.log"]


def test_a_run_that_is_not_there_is_said_before_anything_isserved(seen_ledger: Path) -> None:
    said = said_here("view", "sen", "--db", str(seen_ledger))
    assert said.code == 2
    assert "there is no run 'sen'" in said.stderr
    assert "seen" in said.stderr
    assert said.stdout == ""


def test_the_end_of_a_run_names_the_command_that_shows_it(tmp_path: Path) -> None:
    said = said_here(
        "run", "starter", "-m", "sim/direct", "--limit", "1", "--run-id", "r 1", "--db", "my.db", cwd=tmp_path
    )
    assert said.stderr.splitlines()[-1] == "look at it: benchtab view 'r 1' --db my.db"
