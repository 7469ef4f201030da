"""What is answered where a page cannot be shown: our own errors in their words, any other without what it holds.

Data flows an error -> status and page; one that nobody foresaw goes to stderr, too, on a line of its own.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from harness.errors import HarnessError
from harness.rendering.printable import on_one_line
from harness.secrets import redact
from harness.view.page_values import NotThere
from harness.view.templating import render

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TITLES = {400: "Cannot be shown", 404: "Not found", 500: "Something broke"}
_LOG = logging.getLogger(__name__)


def status_of(error: HarnessError) -> int:
    """Give the HTTP status of one of our errors: an address may lead to nothing, or ask for what cannot be."""
    return 404 if isinstance(error, NotThere) else 400


def problem_page(error: HarnessError, status: int | None = None) -> HTMLResponse:
    """Make the page that says what is wrong.

    Args:
        status: None = that of the error.
    """
    status = status_of(error) if status is None else status
    page = render("problem.html.j2", title=_TITLES[status], problem=str(error))
    return HTMLResponse(page, status_code=status)


class Unforeseen:
    """An application around which no error is left over: the reader is told that there was one, stderr which.

    An answer that has begun stays without its end, so that no part of a file is taken for all of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        has_begun = False

        async def told(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, told)
        except Exception as error:  # noqa: BLE001 - the boundary of one request: others are answered
            _log(error, f"{scope['method']} {scope['path']}")
            if not has_begun:
                await _broken_page()(scope, receive, send)


def _log(error: Exception, request: str) -> None:
    """Say what broke and where; `-vv` has all of it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    said = "".join(traceback.format_exception_only(error)).strip()
    line = f"cannot answer {request}: {said} ({Path(frame.filename).name}:{frame.lineno})"
    _LOG.error("%s", on_one_line(redact(line)))
    _LOG.debug("what led there", exc_info=error)


def _broken_page() -> HTMLResponse:
    error = HarnessError(
        "this page could not be made: a mistake of benchtab's own",
        fix="try again; if it stays, report the line that benchtab view wrote to stderr (benchtab -vv view: all of it)",
    )
    return problem_page(error, 500)
