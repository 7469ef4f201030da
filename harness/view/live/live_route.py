"""The address of a run under way: server-sent events for its page, or its figures once, as JSON, for programs.

Every connection begins with the whole state, so that one that was lost need not say what it has seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from harness.errors import HarnessError
from harness.ledger.batch_states import open_batches
from harness.rendering.json_text import to_json
from harness.rendering.printable import on_one_line
from harness.secrets import redact_known
from harness.view.live.live_values import LiveState
from harness.view.live.live_words import FAILURE_COLUMNS, FIGURES, MODEL_COLUMNS, TASK_COLUMNS, figures_of, words_of
from harness.view.live.run_reader import RunReader
from harness.view.live.watching import Told, Watches
from harness.view.page_addresses import live_address, named, run_address
from harness.view.page_values import NotThere, Sources
from harness.view.problems import status_of

if TYPE_CHECKING:
    from harness.ledger import RunRecord

PATH = "/runs/{run_id}/live"
_RETRY_MS = 3_000
_NOT_KEPT = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_EVENTS, _JSON, _PAGE = "text/event-stream", "application/json", "text/html"


def live_route(sources: Sources) -> Route:
    """Make the route."""
    watches = Watches()

    async def answer(request: Request) -> Response:
        run_id, accepted = named(request.path_params["run_id"]), request.headers.get("accept", "")

        def read() -> LiveState:
            return _reader(sources.now(), run_id).read()

        def check() -> None:
            if sources.ledger.run(run_id) is None:
                raise NotThere(f"there is no run {run_id}", where="address", fix="start at /")

        if request.query_params.get("once") or (_JSON in accepted and _EVENTS not in accepted):
            return await run_in_threadpool(_once, check, read)
        if _PAGE in accepted:
            return RedirectResponse(run_address(run_id), status_code=303)
        try:
            await run_in_threadpool(check)
        except HarnessError as error:
            return PlainTextResponse(redact_known(str(error)), status_code=status_of(error))
        if watches.is_full:
            return PlainTextResponse("too many pages are watching; close some", status_code=503)
        return StreamingResponse(_events(watches, run_id, read), media_type=_EVENTS, headers=_NOT_KEPT)

    return Route(PATH, answer, methods=["GET"])


def _reader(sources: Sources, run_id: str) -> RunReader:
    key = run_id, sources.book.sha256  # with other prices it is charged anew
    return sources.readers.of(key, lambda: RunReader(sources.ledger, sources.book, run_id))


def _once(check: Callable[[], None], read: Callable[[], LiveState]) -> Response:
    try:
        check()
        text, status = to_json(figures_of(read())), 200
    except HarnessError as error:
        text, status = to_json({"error": redact_known(str(error))}), status_of(error)
    return Response(f"{text}\n", status_code=status, media_type=_JSON, headers={"Cache-Control": "no-store"})


async def _events(watches: Watches, run_id: str, read: Callable[[], LiveState]) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY_MS}\n\n".encode()
    async for news in watches.watch(run_id, read):
        yield b": nothing new\n\n" if news is None else _event(*news)


def _event(number: int, told: Told) -> bytes:
    if isinstance(told, LiveState):
        name, value = "end" if told.is_over else "state", orjson.dumps(asdict(words_of(told)))
    else:
        name, value = "problem", orjson.dumps({"problem": redact_known(on_one_line(str(told)))})
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), value)


def live_part(sources: Sources, run: RunRecord) -> dict[str, object] | None:
    """Give what the template `live.html.j2` is to show of a run; None = nothing more will come of it."""
    if run.status != "running" and not open_batches(sources.ledger, run.run_id):
        return None
    return {
        "words": words_of(_reader(sources, run.run_id).read()),
        "address": live_address(run.run_id),
        "figures": FIGURES,
        "models": MODEL_COLUMNS,
        "tasks": TASK_COLUMNS,
        "failures": FAILURE_COLUMNS,
    }
