"""OpenTelemetry's traces as JSON: spans with plain attributes, and which of them stands below which.

Data flows a file, one document or one export a line, -> `spans_in`; all spans -> `Tree`, small facts per span.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.declared import Json, JsonObject
from harness.imports.containers.json_stream import lines, walk
from harness.imports.containers.json_values import a_count, a_list, a_text, an_object
from harness.imports.log_formats import SourceFile
from harness.imports.log_records import Broken

EXPORTS = ("resourceSpans", "resource_spans", "batches")
"""Names of what an export holds: OTLP's, protobuf's own, and Tempo's."""
_SCOPES = ("scopeSpans", "scope_spans", "instrumentationLibrarySpans")
_NO_PARENT = frozenset({"", "0" * 16, "AAAAAAAAAAA="})
_DEEPEST = 200


@dataclass(frozen=True, slots=True)
class Span:
    """A span.

    Attributes:
        where: file and place, for messages.
        resource: attributes of what exported it.
    """

    where: str
    raw: JsonObject
    attributes: JsonObject
    resource: JsonObject

    @property
    def span_id(self) -> str:
        """Its own id; unlike any other's within all the traces of a file."""
        return str(_first(self.raw, "spanId", "span_id") or "")

    @property
    def trace_id(self) -> str:
        """The id of its trace."""
        return str(_first(self.raw, "traceId", "trace_id") or "")

    @property
    def parent_id(self) -> str | None:
        """The id of the span around it; None = it is the outermost."""
        parent = str(_first(self.raw, "parentSpanId", "parent_span_id") or "")
        return None if parent in _NO_PARENT else parent

    @property
    def has_failed(self) -> bool:
        """Its status is an error, as a number or by name."""
        code = an_object(self.raw.get("status")).get("code")
        return code == 2 or str(code).upper() in ("STATUS_CODE_ERROR", "ERROR", "2")

    def instant(self, which: str) -> Json:
        """Nanoseconds since 1970, of `start` or `end`."""
        return _first(self.raw, f"{which}TimeUnixNano", f"{which}_time_unix_nano")


def spans_in(file: SourceFile) -> Iterator[Span | Broken]:
    """Give every span of a file.

    Raises:
        ImportRefused: a document is cut or no JSON.
    """
    return _of_lines(file) if file.look.container == "lines" else _of_document(file)


def _of_lines(file: SourceFile) -> Iterator[Span | Broken]:
    for line in lines(file.file):
        if isinstance(line, Broken):
            yield line
            continue
        for name in EXPORTS:
            for export in a_list(an_object(line.value).get(name)):
                yield from _of_export(an_object(export), f"{file.name}:{line.number}")


def _of_document(file: SourceFile) -> Iterator[Span]:
    split = [(name, scope, "spans") for name in EXPORTS for scope in _SCOPES]
    resource: JsonObject = {}
    n_spans = 0
    for path, value in walk(file.file, *split):
        if path[1:] == ("resource",):
            resource = attributes_of(an_object(value))
        elif path in split:
            n_spans += 1
            raw = an_object(value)
            yield Span(f"{file.name}: span {n_spans}", raw, attributes_of(raw), resource)


def _of_export(export: JsonObject, where: str) -> Iterator[Span]:
    resource = attributes_of(an_object(export.get("resource")))
    for name in _SCOPES:
        for scope in a_list(export.get(name)):
            for raw in a_list(an_object(scope).get("spans")):
                if isinstance(raw, dict):
                    yield Span(where, raw, attributes_of(raw), resource)


def attributes_of(holder: JsonObject) -> JsonObject:
    """Give attributes by name, their values plain."""
    found = holder.get("attributes")
    if isinstance(found, dict):
        return found
    pairs = (an_object(pair) for pair in a_list(found))
    return {str(pair.get("key")): _plain(pair.get("value")) for pair in pairs}


def _plain(value: Json) -> Json:
    """Unpack a value: OTLP writes whole numbers as texts."""
    if not isinstance(value, dict):
        return value
    for kind, inner in value.items():
        if kind in ("arrayValue", "array_value"):
            return [_plain(each) for each in a_list(an_object(inner).get("values"))]
        if kind in ("kvlistValue", "kvlist_value"):
            return attributes_of({"attributes": an_object(inner).get("values")})
        if kind in ("intValue", "int_value"):
            return a_count(inner) if a_count(inner) is not None else inner
        return inner
    return None


def _first(raw: JsonObject, *names: str) -> Json:
    return next((raw[name] for name in names if raw.get(name) is not None), None)


@dataclass(slots=True)
class Tree:
    """Which span stands below which.

    Attributes:
        facts: of spans that say something of all that is below them.
    """

    parents: dict[str, str] = field(default_factory=dict)
    facts: dict[str, JsonObject] = field(default_factory=dict)

    def add(self, span: Span, facts: JsonObject) -> None:
        """Keep where a span stands."""
        if (parent := span.parent_id) is not None:
            self.parents[span.span_id] = parent
        if facts:
            self.facts[span.span_id] = facts

    def above(self, span_id: str) -> Iterator[str]:
        """Give the spans around one, the nearest first; also those that the file does not hold."""
        for _ in range(_DEEPEST):
            parent = self.parents.get(span_id)
            if parent is None or parent == span_id:
                return
            yield parent
            span_id = parent

    def all_above(self, span_ids: set[str]) -> set[str]:
        """Give every span that has one of these below it."""
        found: set[str] = set()
        for span_id in span_ids:
            for above in self.above(span_id):
                if above in found:
                    break
                found.add(above)
        return found

    def said_above(self, span_id: str) -> JsonObject:
        """Give the facts of a span or of the nearest around it that has any."""
        for one in (span_id, *self.above(span_id)):
            if one in self.facts:
                return self.facts[one]
        return {}


def name_of(resource: JsonObject, *names: str) -> str | None:
    """Give the first of these attributes that is a text."""
    return next((found for name in names if (found := a_text(resource.get(name))) is not None), None)
