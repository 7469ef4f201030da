"""Who may ask the view, and what every answer carries."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.view.application import make_application
from harness.view.guard import SAFE_HEADERS, Door, Guard
from harness.view.page_values import Sources

HERE = "http://127.0.0.1:8322"
TOKEN = "5Yt-example-of-a-token-that-is-long-enough-1"


async def _page(request: Request) -> Response:
    return PlainTextResponse(f"seen {request.url.path}")


async def _broken(request: Request) -> Response:
    raise ZeroDivisionError


def _asked(door: Door | None = None, *, base_url: str = HERE) -> TestClient:
    routes = [Route("/broken", _broken), Route("/{rest:path}", _page)]
    guarded = Guard(Starlette(routes=routes), door=door or Door(), leaving=asyncio.Event())
    return TestClient(guarded, base_url=base_url, raise_server_exceptions=False, follow_redirects=False)


ANSWERS = {
    "page": ("GET", "/", {}, 200),
    "error in a page": ("GET", "/broken", {}, 500),
    "foreign host": ("GET", "/", {"host": "attacker.example"}, 403),
    "post": ("POST", "/", {}, 405),
    "long address": ("GET", f"/{'a' * 9_000}", {}, 414),
    "cross-site": ("GET", "/", {"origin": "https://attacker.example"}, 403),
}


@pytest.mark.parametrize(("method", "path", "headers", "status"), ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_carries_the_safe_headers(method: str, path: str, headers: dict[str, str], status: int) -> None:
    answer = _asked().request(method, path, headers=headers)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
    assert answer.headers["cache-control"] == "no-store"
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
    assert "'unsafe-eval'" not in answer.headers["content-security-policy"]


def test_the_applications_own_errors_and_files_carry_them_too(seen_ledger: Path) -> None:
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        application = make_application(Sources(ledger=ledger, book=load_price_book()))
        asked = TestClient(Guard(application, door=Door(), leaving=asyncio.Event()), base_url=HERE)
        for path in ("/", "/nowhere", "/assets/nothing.js", "/?format=csv", "/?format=exe", "/assets/view.css"):
            assert SAFE_HEADERS.items() <= dict(asked.get(path).headers).items()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9000", "localhost", "LOCALHOST:8322", "[::1]:8322", "127.8.8.8"]
)
def test_loopback_names_at_any_port_are_answered(host: str) -> None:
    """Through `ssh -L 9000:localhost:8322` the browser says `localhost:9000`."""
    assert _asked().get("/", headers={"host": host}).status_code == 200


FOREIGN = """
attacker.example attacker.example:8322 localhost.attacker.example 127.0.0.1.attacker.example evil.localhost
127.0.0.1@attacker.example 192.168.0.7 0.0.0.0 localhost:8322:1 [::1 2130706433 localhost/x localhost.
"""


@pytest.mark.parametrize("host", ["", *FOREIGN.split()])
def test_a_name_that_was_made_to_lead_here_is_not(host: str) -> None:
    assert _asked().get("/", headers={"host": host}).status_code == 403


def test_beyond_loopback_only_the_address_bound_is_answered() -> None:
    bound = _asked(Door(names=frozenset({"192.168.0.7", "box.lan"})))
    assert bound.get("/", headers={"host": "192.168.0.7:8322"}).status_code == 200
    assert bound.get("/", headers={"host": "Box.lan"}).status_code == 200
    assert bound.get("/", headers={"host": "192.168.0.8"}).status_code == 403
    everywhere = _asked(Door(any_address=True))
    assert everywhere.get("/", headers={"host": "192.168.0.8"}).status_code == 200
    assert everywhere.get("/", headers={"host": "attacker.example"}).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://attacker.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
        {"origin": "http://localhost:8322"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    ],
    ids=str,
)
def test_another_sites_page_is_refused_whatever_it_sends(method: str, headers: dict[str, str]) -> None:
    answer = _asked().request(method, "/", headers=headers)
    assert answer.status_code in (403, 405)
    assert "seen" not in answer.text


def test_the_views_own_pages_may_ask_it() -> None:
    own = {"origin": HERE, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert _asked().get("/", headers=own).status_code == 200
    assert _asked().get("/", headers={"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}).status_code == 200


def test_a_link_from_another_site_leads_to_one_more_click() -> None:
    answer = _asked().get(
        "/runs/a%22b?x=%3Cb%3E", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    )
    assert answer.status_code == 403
    assert '<a href="/runs/a%22b?x=%3Cb%3E">' in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_only_get_and_head_are_answered(method: str) -> None:
    answer = _asked().request(method, "/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_a_request_with_a_body_is_refused() -> None:
    assert _asked().request("GET", "/", content=b"a body").status_code == 400


@pytest.mark.parametrize("path", ["//attacker.example/", "//attacker.example/?token=x", "/\\attacker.example", "/%00"])
def test_an_address_that_a_redirect_would_take_elsewhere_is_refused(path: str) -> None:
    assert _asked(base_url="http://127.0.0.1").get(f"http://127.0.0.1{path}").status_code == 400


def _locked(port: int = 8322, token: str = TOKEN) -> Door:
    return Door(names=frozenset({"box.lan"}), token=token, port=port)


@pytest.mark.parametrize("path", ["/", "/assets/view.css", "/nowhere", "/?format=csv", "/runs/seen/live"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer \xe9"},
        {"cookie": "benchtab-view-8322=wrong"},
    ],
    ids=str,
)
def test_every_request_without_the_token_is_refused(path: str, headers: dict[str, str]) -> None:
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = _asked(_locked()).get(path, headers=sent)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert TOKEN not in answer.text


def test_the_token_in_the_address_becomes_a_cookie_and_leaves_the_address() -> None:
    asked = _asked(_locked())
    answer = asked.get(f"/runs/seen?model=a%26b&token={TOKEN}&page=2")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/runs/seen?model=a%26b&page=2"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert asked.get(answer.headers["location"]).text == "seen /runs/seen"
    assert asked.get("/assets/view.css").status_code == 200


@pytest.mark.parametrize(
    "query", ["token=wrong", "token=", f"token={TOKEN}&token=wrong", f"token={TOKEN}x", "%74oken=wrong"]
)
def test_a_wrong_token_in_the_address_is_refused(query: str) -> None:
    answer = _asked(_locked()).get(f"/?{query}")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_token_may_come_as_a_header_for_programs() -> None:
    assert _asked(_locked()).get("/", headers={"authorization": f"bearer {TOKEN}"}).status_code == 200


def test_views_of_one_host_keep_their_cookies_apart() -> None:
    """Browsers keep cookies by host, whatever the port."""
    doors = [_locked(8322), _locked(8323), _locked(8322, "another-machine-behind-the-same-tunnel-port-1")]
    assert len({door.cookie for door in doors}) == 3
    assert all(re.fullmatch(rf"benchtab-view-{door.port}-[0-9a-f]{{8}}", door.cookie) for door in doors)


def test_the_token_does_not_open_the_door_to_other_sites() -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert _asked(_locked()).get("/", headers=headers | {"origin": "https://attacker.example"}).status_code == 403
    assert _asked(_locked()).get("/", headers=headers | {"host": "attacker.example"}).status_code == 403


class _Stream:
    """An endless stream that notes its end."""

    def __init__(self) -> None:
        self.ended = False

    async def answer(self, request: Request) -> Response:
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        try:
            yield ": one\n\n"
            await asyncio.Event().wait()
        finally:
            self.ended = True


def _scope(method: str) -> dict[str, object]:
    return {
        "type": "http",
        "method": method,
        "path": "/",
        "query_string": b"",
        "scheme": "http",
        "headers": [(b"host", b"localhost")],
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }


@pytest.mark.parametrize(("method", "n_parts"), [("GET", 1), ("HEAD", 0)])
async def test_streams_end_when_the_server_stops_and_at_once_for_head(method: str, n_parts: int) -> None:
    stream, leaving, sent = _Stream(), asyncio.Event(), []
    guarded = Guard(Starlette(routes=[Route("/", stream.answer)]), door=Door(), leaving=leaving)

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        sent.append(message)
        if message.get("body"):
            leaving.set()

    await guarded(_scope(method), receive, send)  # type: ignore[arg-type]  # messages are mappings of any kind
    assert sum(bool(message.get("body")) for message in sent) == n_parts
    assert stream.ended or method == "HEAD"
