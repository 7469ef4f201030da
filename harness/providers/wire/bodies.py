"""An answer's bytes as JSON: one document or a stream's events, read as tolerantly as truth allows.

Data flows bytes -> documents, and in words what could not be decoded; nothing is passed over in silence. Pure.
"""

from __future__ import annotations

import base64
import json
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from harness.usage.stream_events import sse_messages

LONGEST_WHOLE_NUMBER = 4_000
"""Digits; Python converts up to 4,300 by default and refuses the whole document beyond."""

_LONE = re.compile("[\ud800-\udfff]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_STATED_USAGE = re.compile(r'(?<!\\)"(usage|usageMetadata)"\s*:\s*(?=\{)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What an answer's bytes hold.

    Attributes:
        documents: one JSON value of a whole answer, or a stream's events in order.
        is_stream: the documents are events.
        fault: what could not be decoded, in words; None = everything could.
    """

    documents: tuple[object, ...]
    is_stream: bool
    fault: str | None = None


def read_body(body: bytes) -> Body:
    """Decode an answer: a JSON document, a list of Gemini's chunks, JSON Lines (Ollama) or server-sent events."""
    if body.startswith(b"\0"):
        return Body(documents=tuple(_aws_events(body)), is_stream=True)
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start and start not in b"{[":
        return _read_events(decoded(body))
    try:
        document = parse_tolerantly(body)
    except ValueError as error:
        lines = _json_lines(body)
        if lines:
            return Body(documents=lines, is_stream=True)
        return Body(documents=_salvaged(body), is_stream=False, fault=f"the answer is not JSON: {error}")
    if isinstance(document, list) and document and all(isinstance(part, dict) for part in document):
        return Body(documents=tuple(document), is_stream=True)
    return Body(documents=(document,), is_stream=False)


def parse_tolerantly(text: bytes | str) -> object:
    """Parse JSON that is valid, or odd in a way that leaves its meaning alone; numbers with a fraction stay exact.

    A byte order mark, control characters inside strings, broken UTF-8 and halves of a character (they become U+FFFD),
    NaN and whole numbers of thousands of digits (they become texts) are taken.

    Raises:
        ValueError: it is not JSON, or nested deeper than Python follows.
    """
    if isinstance(text, bytes):
        text = decoded(text)
    try:
        document = _DECODER.decode(text.removeprefix("\ufeff").strip())
        return _whole_characters(document) if _SURROGATE.search(text) else document
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def parse_several(text: str) -> list[object]:
    """Parse documents that stand behind each other, as `parse_tolerantly` does one.

    Raises:
        ValueError: something there is not JSON.
        RecursionError: it is nested too deep.
    """
    documents: list[object] = []
    at = 0
    while at < len(text):
        document, end = _DECODER.raw_decode(text, at)
        documents.append(_whole_characters(document) if _SURROGATE.search(text) else document)
        at = end + len(text[end : end + 1_000]) - len(text[end : end + 1_000].lstrip())
    return documents


def decoded(body: bytes) -> str:
    """Decode bytes of JSON or of an event stream as text; what is not UTF-8 becomes U+FFFD."""
    return body.decode(json.detect_encoding(body), "replace")


def has_fraction(value: object) -> bool:
    """Whether a parsed JSON value holds a float, whose exact decimal is then read again from the text."""
    if isinstance(value, dict):
        parts: Iterable[object] = value.values()
    elif isinstance(value, list):
        parts = value
    else:
        return isinstance(value, float)
    for part in parts:  # runs for every answer: no generator, no call for a plain number
        kind = type(part)
        if kind is float or ((kind is dict or kind is list) and part and has_fraction(part)):
            return True
    return False


def _exact(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond what a Decimal holds
        return digits


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_WHOLE_NUMBER else digits


_DECODER = json.JSONDecoder(parse_float=_exact, parse_int=_whole, parse_constant=str, strict=False)


def _whole_characters(value: object) -> object:
    """Replace lone surrogates, which neither UTF-8 nor a database can hold."""
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole_characters(part) for part in value]
    if isinstance(value, dict):
        return {_LONE.sub("\ufffd", name): _whole_characters(part) for name, part in value.items()}
    return value


def _read_events(text: str) -> Body:
    events: list[object] = []
    faults: list[str] = []
    for message in sse_messages(text):
        try:
            event = _named_event(parse_tolerantly(message.data), message.name)
        except ValueError as error:
            faults.append(f"an event of the stream is not JSON: {error}")
            events += _salvaged(message.data)
            continue
        if isinstance(event, dict):
            events.append(event)
        elif event is not None:
            faults.append(f"an event of the stream is {type(event).__name__}, not an object")
    if not events and not faults:
        events += _salvaged(text)
        faults.append("the answer is neither JSON nor a stream of events")
    return Body(documents=tuple(events), is_stream=True, fault=faults[0] if faults else None)


def _named_event(event: object, name: str | None) -> object:
    """An event whose name says that it is an error, as one that holds an error."""
    if name != "error":
        return event
    if not isinstance(event, dict):
        return {"error": event}
    return event if event.get("error") else {**event, "error": dict(event)}


def _aws_events(body: bytes) -> Iterator[object]:
    """Payloads of Amazon's event stream (lengths, headers, JSON, checksum); exceptions become errors.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
    """
    while len(body) >= 16:
        length, headers_length = struct.unpack(">II", body[:8])
        payload = body[12 + headers_length : length - 4]
        try:
            event = parse_tolerantly(payload)
            if isinstance(event, dict) and isinstance(event.get("bytes"), str):  # InvokeModelWithResponseStream
                event = parse_tolerantly(base64.b64decode(event["bytes"]))
        except ValueError as error:
            event = {"error": f"an event of the stream is not JSON: {error}"}
        yield {"error": event} if b"exception" in body[12 : 12 + headers_length] else event
        body = body[max(length, 16) :]


def _json_lines(body: bytes) -> tuple[object, ...]:
    """Events written one JSON object a line; empty unless every line is one and there are at least two."""
    lines = [line for line in body.splitlines() if line.strip()]
    try:
        events = [parse_tolerantly(line) for line in lines]
    except ValueError:
        return ()
    return tuple(events) if len(events) > 1 and all(isinstance(event, dict) for event in events) else ()


def _salvaged(body: bytes | str) -> tuple[object, ...]:
    """What a text that is no JSON still states of its usage: the last such object that is whole."""
    text = decoded(body) if isinstance(body, bytes) else body
    return tuple({name: usage} for name, usage in _usages(text))[-1:]


def _usages(text: str) -> Iterator[tuple[str, object]]:
    for found in _STATED_USAGE.finditer(text):
        try:
            usage, _ = _DECODER.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            continue
        yield found[1], usage
