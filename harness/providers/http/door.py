"""What the HTTP clients here share: one request a call, its whole answer or an error that says how far it came.

Data flows nowhere from here: these are the values and the protocol that the clients and the adapters share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from harness.version import __version__

REQUEST_ID = "X-Client-Request-Id"

COMMON_HEADERS: Mapping[str, str] = {
    "User-Agent": f"benchtab/{__version__}",
    "Accept-Encoding": "identity",  # answers are small; decompressing them costs more than their bytes
}
"""Sent with every request, unless the caller's headers say otherwise."""

BODY_LIMIT_BYTES = 2**28
"""Most bytes of an answer, as sent and decompressed."""


class HttpAnswer(NamedTuple):
    """An answer as it came: only rate-limit and request-id headers are kept, under lower-cased names.

    `first_byte_s` counts from the moment the request was handed in, the wait for a connection included.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    first_byte_s: float


class NoAnswerError(Exception):
    """No whole answer came.

    Args:
        message: what happened.
        sent: False when no byte of the request left.
        timed_out: it was our own limit that ended the wait.
        part: what had come of the answer by then, which may state a usage; None = not even its head.
    """

    def __init__(self, message: str, *, sent: bool, timed_out: bool = False, part: HttpAnswer | None = None) -> None:
        super().__init__(message)
        self.sent = sent
        self.timed_out = timed_out
        self.part = part


class HttpClient(Protocol):
    """What the direct and the proxied client have in common; there is nothing more to either."""

    async def post(self, body: bytes, *, request_id: str, timeout_s: float) -> HttpAnswer:
        """Send exactly one POST and read its answer whole.

        Args:
            body: sent as it is.
            request_id: goes along as X-Client-Request-Id.
            timeout_s: for everything, the wait for a connection included.

        Raises:
            NoAnswerError: no whole answer came; `sent` and `timed_out` say more.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; safe to call twice."""
        ...
