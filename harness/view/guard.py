"""Who may ask the view, and what every answer of it tells the browser: a wall around the application.

Data flows a request -> checks, each of which may answer in the application's place -> the application -> headers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from harness.view.templating import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFE_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""What every answer carries, whatever it is."""
LONGEST_ADDRESS = 8_192
"""Bytes of path and query."""
METHODS = ("GET", "HEAD")

_HOST = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Who may come in.

    Attributes:
        names: host names and addresses besides this machine's loopback ones under which the view is reached.
        any_address: whether every numeric address is one of them, as where the view listens on all of them; no other
            site's name can be made to lead here by such an address.
        token: what each request must carry; None = nothing.
        port: where the view listens; browsers keep cookies by host alone.
    """

    names: frozenset[str] = frozenset()
    any_address: bool = False
    token: str | None = None
    port: int = 0

    @property
    def cookie(self) -> str:
        """Name of the cookie that carries the token: views of several ports and machines keep theirs apart."""
        return f"benchtab-view-{self.port}-{hashlib.sha256((self.token or '').encode()).hexdigest()[:8]}"

    def answers_to(self, host: str) -> bool:
        """Whether a Host header names this view; a name that was made to lead here (DNS rebinding) does not."""
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower().strip("[]")
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self.any_address


class Guard:
    """The application behind its door.

    Args:
        leaving: set when the server stops: streams that are open then end, as if their readers had left.
    """

    def __init__(self, app: ASGIApp, *, door: Door, leaving: asyncio.Event) -> None:
        self._app = app
        self._door = door
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        app = _refusal(request, self._door) or self._app
        ending = _Ending(receive, self._leaving)
        is_head = scope["method"] == "HEAD"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                _make_safe(message)
                await send(message)
                if is_head:  # a stream would go on for ever to nobody
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    ending.end()
            elif not is_head:
                await send(message)

        await app(scope, ending.receive, answer)


class _Ending:
    """What an application hears of its reader: gone when the reader is, when the server stops, or when told so."""

    def __init__(self, receive: Receive, leaving: asyncio.Event) -> None:
        self._receive = receive
        self._leaving = leaving
        self._ended = asyncio.Event()

    def end(self) -> None:
        self._ended.set()

    async def receive(self) -> Message:
        if self._leaving.is_set() or self._ended.is_set():
            return {"type": "http.disconnect"}
        heard = asyncio.ensure_future(self._receive())
        others = [asyncio.ensure_future(event.wait()) for event in (self._leaving, self._ended)]
        try:
            await asyncio.wait({heard, *others}, return_when=asyncio.FIRST_COMPLETED)
            return heard.result() if heard.done() else {"type": "http.disconnect"}
        finally:
            for task in (heard, *others):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*others, return_exceptions=True)


def _make_safe(message: Message) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in SAFE_HEADERS.items():
        headers[name] = value
    headers.setdefault("cache-control", "no-store")


def _refusal(request: Request, door: Door) -> Response | None:
    """Give what is answered in the application's place; None = the request may go on."""
    for check in _CHECKS:
        if (answer := check(request, door)) is not None:
            return answer
    return None


def _host(request: Request, door: Door) -> Response | None:
    given = request.headers.getlist("host")
    if len(given) == 1 and door.answers_to(given[0]):
        return None
    return _refused(403, "The Host header does not name this view", "open the address that benchtab view printed")


def _method(request: Request, _door: Door) -> Response | None:
    if request.method not in METHODS:
        answer = _refused(405, f"Nothing here is changed by {request.method}", "ask with GET")
        answer.headers["allow"] = ", ".join(METHODS)
        return answer
    if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
        return _refused(400, "The request has a body", "send none")
    return None


def _address(request: Request, _door: Door) -> Response | None:
    path, query = _raw(request)
    if len(path) + len(query) > LONGEST_ADDRESS:
        return _refused(414, f"The address is longer than {LONGEST_ADDRESS:,} bytes", "choose less of it")
    if not path.startswith("/") or path.startswith(("//", "/\\")) or "\0" in request.scope["path"]:
        return _refused(400, "The address is none of this view", "start at /")
    return None


def _site(request: Request, _door: Door) -> Response | None:
    """Refuse what another site's page sends: another port of this machine is another site, too."""
    host, origin = request.headers["host"].lower(), request.headers.get("origin")
    is_own = origin is None or origin.lower() in (f"http://{host}", f"https://{host}")
    if is_own and request.headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return None
    is_visit = request.headers.get("sec-fetch-mode") == "navigate" and request.method == "GET" and is_own
    path, query = _raw(request)
    return _refused(
        403,
        "Another site's page led here, and none may ask the view for anything",
        "open the address yourself",
        here=f"{path}?{query}" if query else path,
        is_visit=is_visit,
    )


def _token(request: Request, door: Door) -> Response | None:
    if door.token is None:
        return None
    path, query = _raw(request)
    kept = [pair for pair in query.split("&") if not _is_token(pair)]
    in_address = [unquote_plus(pair.partition("=")[2]) for pair in query.split("&") if _is_token(pair)]
    if in_address:
        if not all(_is_same(one, door.token) for one in in_address):
            return _without_token()
        answer = Response(status_code=303, headers={"location": "?".join(filter(None, (path, "&".join(kept))))})
        answer.set_cookie(door.cookie, door.token, path="/", httponly=True, samesite="strict")
        return answer
    return None if _carries(request, door.cookie, door.token) else _without_token()


def _carries(request: Request, cookie: str, token: str) -> bool:
    """Whether a request has the token in its headers."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer" and _is_same(given.strip(), token)
    return is_bearer or _is_same(request.cookies.get(cookie, ""), token)


_CHECKS: tuple[Callable[[Request, Door], Response | None], ...] = (_host, _address, _method, _site, _token)


def _is_token(pair: str) -> bool:
    return unquote_plus(pair.partition("=")[0]) == "token"


def _is_same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode())


def _without_token() -> Response:
    answer = _refused(
        401,
        "The token is missing or wrong",
        "open the address that benchtab view printed, or send the token as `Authorization: Bearer TOKEN`",
    )
    answer.headers["www-authenticate"] = 'Bearer realm="benchtab view"'
    return answer


def _raw(request: Request) -> tuple[str, str]:
    """Give path and query as they were sent."""
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    return path.partition(b"?")[0].decode("latin-1"), request.scope["query_string"].decode("latin-1")


def _refused(status: int, problem: str, fix: str, *, here: str = "", is_visit: bool = False) -> HTMLResponse:
    page = render("refused.html.j2", problem=problem, fix=fix, here=here if is_visit else "")
    return HTMLResponse(page, status_code=status, headers={"connection": "close"})
