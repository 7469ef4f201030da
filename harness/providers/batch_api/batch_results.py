"""Results of a batch: every line that can be read becomes an outcome, every other one a `Trouble` that says where.

Data flows raw lines -> objects -> custom id + outcome. Whatever one line holds, its neighbours are read.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from harness.errors import Billed, ErrorClass, ProviderError
from harness.providers.base import Response
from harness.providers.batch_api.fields import mapping
from harness.providers.batch_api.result_lines import RawLine, UnreadableLineError, documents_in, looks_like_results
from harness.providers.failures import shortened
from harness.providers.wire.raw_answers import Document, Received
from harness.secrets import redact, redact_known, redact_values
from harness.usage.payload import shown

EndedEarly = Literal["expired", "cancelled"]

_GONE = (404, 410)
_MOST_LINES_EACH, _MOST_LINES_BESIDE = 10, 10_000
"""A file of more lines than so many for each request, and so many beside, is not read to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a line: a response, or the error that it met.

    Attributes:
        early: it expired or was cancelled before it was answered; None = it did not.
    """

    result: Response | ProviderError
    early: EndedEarly | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The outcome of one line, expired and cancelled ones included.

    Attributes:
        place: where it stood, for messages: "line 3 of the output file".
        digest: of the whole line, by which a second result for the same line shows whether it says the same.
    """

    custom_id: str
    outcome: Response | ProviderError
    early: EndedEarly | None = None
    place: str = ""
    digest: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A line that could not be read or joined to a request, or a whole file that is not there.

    Attributes:
        place: "line 3 of the output file", or the file.
        reason: in our words, which may quote the server's; without keys.
        whole_file: the file as a whole is missing.
    """

    place: str
    reason: str
    whole_file: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", redact(self.reason))


Failure = Callable[[bytes, Received], ProviderError]
"""Classifies an error answer; see `BatchEndpoint.failure`."""


async def results_in(
    lines: AsyncIterator[RawLine],
    file: str,
    read: Callable[[Document], Outcome],
    *,
    n_requests: int,
    needed: bool = True,
) -> AsyncIterator[BatchResult | Trouble]:
    """Read a file of results.

    Args:
        file: its name for messages.
        read: reads the outcome of one line; whatever it raises is contained in that line.
        n_requests: how many were handed over; a file that never ends is left.
        needed: False = a file that is no file of results is a trouble, and not a reason to ask for it again and again.

    Raises:
        ProviderError: the file cannot be had now. One that is gone for good is a `Trouble`.
    """
    resembles, first = False, ""
    before: list[BatchResult | Trouble] = []
    try:
        async for line in lines:
            _check_length(line, file, n_requests)
            resembles |= looks_like_results(line)
            first = first or (line.content or b"").decode("utf-8", "replace")
            before += _found_in(line, file, read)
            while resembles and before:
                yield before.pop(0)
    except ProviderError as error:
        if error.http_status not in _GONE:
            raise
        yield Trouble(place=file, reason=error.message, whole_file=True)
        return
    if first and not resembles:
        yield _not_results(file, first, needed=needed)


def _not_results(file: str, first: str, *, needed: bool) -> Trouble:
    if needed:
        raise _no_results(f"{file} holds no results: {shown(first)}")
    return Trouble(place=file, reason=f"it holds no results: {shown(first)}", whole_file=True)


def _check_length(line: RawLine, file: str, n_requests: int) -> None:
    if line.number > _MOST_LINES_EACH * n_requests + _MOST_LINES_BESIDE:
        raise _no_results(f"{file} has more than {line.number - 1:,} lines")


def _no_results(why: str) -> ProviderError:
    return ProviderError(why, error_class=ErrorClass.MALFORMED_RESPONSE, http_status=200)


def _found_in(line: RawLine, file: str, read: Callable[[Document], Outcome]) -> list[BatchResult | Trouble]:
    place = f"line {line.number} of {file}"
    try:
        documents = documents_in(line)
    except UnreadableLineError as error:
        return [Trouble(place=place, reason=str(error))]
    return [_result(document, place, read) for document in documents]


def _result(document: Document, place: str, read: Callable[[Document], Outcome]) -> BatchResult | Trouble:
    custom_id = document.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        return Trouble(place=place, reason="no custom_id" if custom_id is None else "its custom_id is no text")
    try:
        digest = blake2b(json.dumps(document, sort_keys=True, default=str).encode(), digest_size=16).digest()
        outcome = read(document)
    except Exception as error:  # noqa: BLE001 - the boundary of one line: its neighbours are paid and must be read
        digest, outcome = b"", Outcome(result=_unreadable(f"{type(error).__name__}: {error}"))
    return BatchResult(custom_id=custom_id, outcome=outcome.result, early=outcome.early, place=place, digest=digest)


def answer_in(
    read: Callable[[object, Received], Response], answer: object, received: Received, *, usage: Document | None
) -> Outcome:
    """Read an answer; one that cannot be scored keeps the usage that it states.

    Args:
        usage: what the line states, in the answer or elsewhere; None = nothing.
    """
    try:
        return Outcome(result=read(answer, received))
    except ProviderError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - the boundary of one line, as above; here its usage is known
        failure = _unreadable(f"{type(error).__name__}: {error}")
    return Outcome(result=_with_usage(failure, answer, usage, received.usage_kind))


def failure_in(body: object, failure: Failure, received: Received, *, usage: Document | None) -> Outcome:
    """Classify the error body of a line; usage that it states is kept, as it is billed."""
    content = body if isinstance(body, str) else json.dumps(body, default=str)
    error = failure(content.encode("utf-8", "replace"), received)
    return Outcome(result=_with_usage(error, body, usage, received.usage_kind))


def _with_usage(error: ProviderError, answer: object, usage: Document | None, usage_kind: str) -> ProviderError:
    """Add the usage that a failed line states, and the model that it names: stated tokens are priced."""
    if usage is not None:
        error.raw_usage, error.usage_kind = redact_values(usage), usage_kind
    model = mapping(answer).get("model")
    if error.model_served is None and isinstance(model, str) and model:
        error.model_served = redact_known(model)
    return error


def ended_early(code: str, message: object) -> Outcome:
    """A line that expired or was cancelled before it was answered: not billed at either provider."""
    billed: Billed = "no"
    text = shortened(str(message)) if isinstance(message, str) and message else "before it was answered"
    error = ProviderError(f"{code}: {text}", error_class=ErrorClass.TIMEOUT, billed=billed)
    return Outcome(result=error, early="expired" if "expired" in code else "cancelled")


def _unreadable(why: str) -> ProviderError:
    return ProviderError(
        shortened(f"the result cannot be read: {why}"), error_class=ErrorClass.MALFORMED_RESPONSE, http_status=200
    )
