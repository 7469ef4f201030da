"""The application: addresses -> pages, files of what they show, and the few files that pages need.

Data flows request -> `Asked` -> page -> HTML, or rows as CSV or Parquet.
"""

from __future__ import annotations

import hashlib
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.errors import HarnessError
from harness.rendering.export_files import write_file
from harness.rendering.html.vega_bundle import vega_bundle
from harness.secrets import redact_pieces
from harness.view.live.live_route import live_route
from harness.view.menu import PAGES
from harness.view.page_addresses import named
from harness.view.page_values import Asked, NotThere, Page, Shown, Sources
from harness.view.problems import Unforeseen, problem_page
from harness.view.templating import render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CHART_LIBRARY = "vega.js"
ASSETS = Path(__file__).parent / "assets"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILE_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
"""What a page's tables can be had as, by the name in `?format=`."""
TEXT = "txt"
"""What its long texts can be had as."""


def make_application(sources: Sources, pages: Sequence[Page] = PAGES) -> Starlette:
    """Make the application over one ledger; who may ask it is decided around it (`guard`)."""
    own = (Route("/assets/{name}", _asset), live_route(sources))
    routes = [*own, *(_route(page, sources, pages) for page in pages)]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Unforeseen)],
        exception_handlers={404: lambda request, _: _nothing_here(request)},
    )


def _route(page: Page, sources: Sources, pages: Sequence[Page]) -> Route:
    async def answer(request: Request) -> Response:
        return await run_in_threadpool(_answer, page, sources, pages, request)

    return Route(page.path, answer, methods=["GET"])


def _answer(page: Page, sources: Sources, pages: Sequence[Page], request: Request) -> Response:
    query = {name: request.query_params.getlist(name) for name in request.query_params}
    try:
        names = {name: named(str(part)) for name, part in request.path_params.items()}
        asked = Asked(sources=sources.now(), path=_as_sent(request), names=names, query=query)
        shown = page.make(asked)
        if form := asked.one("format"):
            return _file(shown, form, asked.one("table"))
    except HarnessError as error:
        return problem_page(error)
    return HTMLResponse(
        render(
            shown.template,
            **{
                "asked": asked,
                "title": shown.title,
                "downloads": [(name, {form: asked.address(format=form, table=name) for form in FILE_TYPES})
                              for name in shown.downloads],
                "menu": [(each.menu, each.path) for each in pages if each.menu],
                "ledger": sources.ledger.database,
                **shown.values,
            },
        )
    )  # fmt: skip


def _as_sent(request: Request) -> str:
    """The path with the quoting that it came with: addresses of other views of the page begin with it."""
    raw: bytes | None = request.scope.get("raw_path")
    return quote(request.url.path) if raw is None else raw.decode("latin-1")


def _file(shown: Shown, form: str, table: str) -> Response:
    """Send one of the page's tables as a file: what its address chooses, all rows of it; or one of its texts."""
    if form == TEXT and table in shown.texts:
        return _text(shown.texts[table](), f"{table}.txt")
    name = table or next(iter(shown.downloads), "")
    if name not in shown.downloads or form not in FILE_TYPES:
        raise NotThere(
            f"this page has no table {name!r} as {form!r}",
            where="address",
            fix=f"tables: {', '.join(shown.downloads) or 'none'}; formats: {', '.join(FILE_TYPES)}",
        )
    folder = tempfile.TemporaryDirectory(prefix="benchtab-view-")
    path = Path(folder.name) / f"{name}.{form}"
    write_file(shown.downloads[name](), path)
    return FileResponse(
        path, media_type=FILE_TYPES[form], filename=path.name, background=BackgroundTask(folder.cleanup)
    )


def _text(pieces: Iterator[str], filename: str) -> Response:
    """Send a text piece by piece, as a file that no browser shows as anything else."""
    headers = {"content-disposition": f'attachment; filename="{filename}"', "x-content-type-options": "nosniff"}
    written = (piece.encode("utf-8", "replace") for piece in redact_pieces(pieces))
    return StreamingResponse(written, media_type="text/plain; charset=utf-8", headers=headers)


def _nothing_here(request: Request) -> Response:
    return problem_page(NotThere("there is no such page", where=request.url.path, fix="start at /"))


async def _asset(request: Request) -> Response:
    """Serve one of our files, or the chart library; a browser that has these bytes already is told so."""
    name = request.path_params["name"]
    if name not in _names():
        return _nothing_here(request)
    body, tag = await run_in_threadpool(_file_of_ours, name)
    headers = {"etag": tag, "cache-control": "private, no-cache"}  # kept, and asked for again by its digest
    if tag in (one.strip() for one in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=_TYPES[Path(name).suffix], headers=headers)


@cache
def _file_of_ours(name: str) -> tuple[bytes, str]:
    """Give the bytes of one of `_names`, and their digest as a tag."""
    body = vega_bundle() if name == CHART_LIBRARY else (ASSETS / name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@cache
def _names() -> frozenset[str]:
    """What may be asked for: a name is looked up among these, never taken as a path."""
    return frozenset({CHART_LIBRARY, *(path.name for path in ASSETS.iterdir() if path.suffix in _TYPES)})
