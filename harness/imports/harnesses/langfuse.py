"""Langfuse: pages of its observations and scores API, and exports of observations as JSON Lines, JSON or CSV.

Data flows all observations once for what must be known of the whole (pages, wrappers, the earliest), then each
generation -> sample, call; then scores. A trace is a sample, unless its metadata names one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from harness.declared import Json, JsonObject
from harness.imports.containers import csv_rows
from harness.imports.containers.json_stream import lines, walk
from harness.imports.containers.json_values import a_count, a_number, a_text, an_amount, an_object, parse
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER
from harness.imports.harnesses.langfuse_usage import NAME, usage_of
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.harnesses.score_values import score_of
from harness.imports.log_formats import Format, Source, SourceFile, by_folder
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedScore,
    Noted,
    Record,
    Said,
    SampleKey,
)
from harness.imports.refusal import ImportRefused

_OBSERVATION = {"id", "type"}
_CALLS = ("GENERATION", "EMBEDDING")
_OTHER_NAMES = {
    "traceId": "trace_id", "startTime": "start_time", "endTime": "end_time", "usageDetails": "usage_details",
    "costDetails": "cost_details", "modelParameters": "model_parameters", "statusMessage": "status_message",
    "parentObservationId": "parent_observation_id", "projectId": "project_id", "observationId": "observation_id",
    "dataType": "data_type", "completionStartTime": "completion_start_time", "model": "provided_model_name",
    "calculatedTotalCost": "calculated_total_cost",
}  # fmt: skip
"""Names in the API, and the same in exports to a blob store."""
_JSON_COLUMNS = ("usageDetails", "costDetails", "metadata", "modelParameters", "usage")


def role_of(look: Peek) -> str | None:
    """Recognise rows by their trace and their type, or by a score's name and value."""
    data, meta = look.top.get("data"), look.top.get("meta")
    if isinstance(data, list) and isinstance(meta, dict):
        return _in_form("page", _page_role(data, meta))
    if isinstance(look.document, list) and look.document:
        return _in_form("list", _role(set(an_object(look.document[0]))))
    role = _role(set(look.first)) or _role(set(look.columns))
    return _in_form("csv" if look.columns else "lines", role)


def _in_form(form: str, role: str | None) -> str | None:
    return None if role is None else f"{role} {form}"


def _page_role(data: list[Json], meta: JsonObject) -> str | None:
    """Say what a page holds; an empty one shows it by its count of pages alone."""
    if data:
        return _role(set(an_object(data[0])))
    return "observations" if "totalPages" in meta else None


def _role(names: set[str]) -> str | None:
    if not {"traceId", "trace_id"} & names:
        return None
    if names >= _OBSERVATION and {"startTime", "start_time"} & names:
        return "observations"
    return "scores" if names >= {"name", "value"} and {"dataType", "data_type", "source"} & names else None


def read(source: Source) -> Iterator[Record]:
    """Give all observations and scores of a folder as one run.

    Raises:
        ImportRefused: pages are missing, or there are scores without observations.
    """
    observations = [file for file in source.files if file.role.startswith("observations")]
    scores = [file for file in source.files if file.role.startswith("scores")]
    if not observations:
        raise ImportRefused(
            "Langfuse scores without the observations that they judge", where=", ".join(file.name for file in scores)
        )
    _refuse_gaps(observations)
    _refuse_gaps(scores)
    survey = _Survey()
    for file in observations:
        for row in _rows(file):
            if not isinstance(row, Broken):
                survey.see(row[1])
    yield from _Traces(survey, texts=source.texts).records(observations, scores)


def _refuse_gaps(files: list[SourceFile]) -> None:
    """Refuse a part of the pages: what is on the others is missing without a trace."""
    pages = [(file, an_object(_meta(file))) for file in files if file.role.endswith("page")]
    n_pages = max((a_count(meta.get("totalPages")) or 1 for _, meta in pages), default=0)
    missing = sorted(set(range(1, n_pages + 1)) - {a_count(meta.get("page")) or 1 for _, meta in pages})
    if missing:
        shown = ", ".join(str(number) for number in missing[:10])
        raise ImportRefused(
            f"{n_pages} pages, and not all are here: {shown} missing",
            where=", ".join(file.name for file, _ in pages),
            fix="fetch all pages into one folder and import that",
        )


def _meta(file: SourceFile) -> Json:
    found = dict(walk(file.file, ("data",), skip=True))
    return found.get(("meta",))


def _rows(file: SourceFile) -> Iterator[tuple[str, JsonObject] | Broken]:
    """Read rows of any form, under the names of the API."""
    form, number = file.role.partition(" ")[2], 0
    if form in ("page", "list"):
        wanted = ("data",) if form == "page" else ()
        for path, value in walk(file.file, wanted):
            if path == wanted:
                number += 1
                yield f"{file.name}: row {number}", _renamed(an_object(value))
    elif form == "csv":
        for csv_row in csv_rows.rows(file.file):
            if isinstance(csv_row, Broken):
                yield csv_row
            else:
                yield f"{file.name}:{csv_row.number}", _cells(dict(csv_row.fields))
    else:
        for line in lines(file.file):
            if isinstance(line, Broken):
                yield line
            else:
                yield f"{file.name}:{line.number}", _renamed(an_object(line.value))


def _renamed(row: JsonObject) -> JsonObject:
    """Give a row its names in the API; exports to a blob store write others."""
    return {**row, **{name: row[other] for name, other in _OTHER_NAMES.items() if name not in row and other in row}}


def _cells(fields: dict[str, str | None]) -> JsonObject:
    row = _renamed(dict(fields))
    for name in _JSON_COLUMNS:
        text = row.get(name)
        try:
            row[name] = parse(text.encode()) if isinstance(text, str) and text else None
        except ValueError:
            row[name] = None
    return row


@dataclass(slots=True)
class _Survey:
    """What must be known of all observations before the first is read.

    Attributes:
        parents: of each observation.
        generations: those with a usage.
    """

    parents: dict[str, str] = field(default_factory=dict)
    generations: set[str] = field(default_factory=set)
    projects: set[str] = field(default_factory=set)
    first: tuple[int, str] | None = None

    def see(self, row: JsonObject) -> None:
        """Take in an observation."""
        own, started = str(row.get("id")), instant_us(row.get("startTime"))
        if parent := a_text(row.get("parentObservationId")):
            self.parents[own] = parent
        if project := a_text(row.get("projectId")):
            self.projects.add(project)
        if row.get("type") in _CALLS:
            if usage_of(row, "") is not None:
                self.generations.add(own)
            place = (started or 0, own)
            self.first = place if self.first is None else min(self.first, place)

    def wrappers(self) -> set[str]:
        """Find generations around others: a framework's, whose usage repeats that of the provider's call inside."""
        found: set[str] = set()
        for own in self.generations:
            above, n_steps = self.parents.get(own), 0
            while above is not None and n_steps < len(self.parents) + 1:
                if above in self.generations:
                    found.add(above)
                above, n_steps = self.parents.get(above), n_steps + 1
        return found


class _Traces:
    """The observations of a folder while they are read."""

    def __init__(self, survey: _Survey, *, texts: bool) -> None:
        self._survey, self._texts = survey, texts
        projects = sorted(survey.projects)
        self._key = "/".join(projects) or f"traces from {survey.first[1] if survey.first else 'nothing'}"
        self._wrappers = survey.wrappers()
        self._cells: dict[tuple[str, str | None], ImportedCell] = {}
        self._seen: set[str] = set()
        self._last: dict[str, tuple[int, str]] = {}
        self._n_unplaced = 0

    def records(self, observations: list[SourceFile], scores: list[SourceFile]) -> Iterator[Record]:
        """Give the run, its generations, and their scores."""
        first = self._survey.first
        yield ImportedRun(key=self._key, tool=NAME, name=NAME, created_at_us=first[0] or None if first else None)
        for file in observations:
            for row in _rows(file):
                if isinstance(row, Broken):
                    yield row
                else:
                    yield from self._observation(*row)
        for file in scores:
            for row in _rows(file):
                yield from [row] if isinstance(row, Broken) else self._score(row[1])
        yield from self._notes()

    def _observation(self, where: str, row: JsonObject) -> Iterator[Record]:
        own = a_text(row.get("id"))
        if own is None or row.get("type") not in _CALLS or own in self._wrappers or own in self._seen:
            return
        self._seen.add(own)
        self._see_last(own, row)
        yield self._attempt(own, row, where)

    def _see_last(self, own: str, row: JsonObject) -> None:
        """Remember a generation that is the last of its trace so far: pages begin with the newest."""
        trace = a_text(row.get("traceId"))
        if trace is not None and row.get("type") == "GENERATION":
            place = (instant_us(row.get("startTime")) or 0, own)
            self._last[trace] = max(place, self._last.get(trace, (0, "")))

    def _attempt(self, own: str, row: JsonObject, where: str) -> ImportedAttempt:
        sample = a_text(an_object(row.get("metadata")).get("sample_id")) or a_text(row.get("traceId"))
        is_failed, started = row.get("level") == "ERROR", instant_us(row.get("startTime"))
        return ImportedAttempt(
            cell=self._cell(row),
            identity=own,
            sample=None if sample is None else SampleKey(sample_id=sample),
            purpose="solve" if row.get("type") == "GENERATION" else "tool",
            status="failed" if is_failed else "succeeded",
            usage=usage_of(row, where),
            started_at_us=started,
            finished_at_us=instant_us(row.get("endTime")),
            first_byte_us=_first_byte_us(row, started),
            stated_cost_usd=_stated_cost_usd(row),
            cost_note="Langfuse's price of the day on which it took the row in, or given by its user",
            error_message=a_text(row.get("statusMessage")) if is_failed else None,
            said=_said(row) if self._texts else None,
        )

    def _cell(self, row: JsonObject) -> ImportedCell:
        name, setting = a_text(row.get("model")) or NO_MODEL, setting_of(an_object(row.get("modelParameters")))
        if (name, setting) not in self._cells:
            self._cells[name, setting] = ImportedCell(
                run=self._key, suite=NAME, provider=UNKNOWN_PROVIDER, model=name, setting=setting
            )
        return self._cells[name, setting]

    def _score(self, row: JsonObject) -> Iterator[Record]:
        """Place a score at its observation, else at the last generation of its trace."""
        observed, trace = a_text(row.get("observationId")), a_text(row.get("traceId")) or ""
        attempt = observed if observed in self._seen else self._last.get(trace, (0, None))[1]
        if attempt is None:
            self._n_unplaced += 1
            return
        value = row.get("value")
        number, reason = score_of(_number(value) if isinstance(value, str) else value)
        yield ImportedScore(
            attempt=attempt,
            scorer=a_text(row.get("name")) or "score",
            value=number,
            reason=reason,
            explanation=a_text(row.get("comment")) if self._texts else None,
            scored_at_us=instant_us(row.get("timestamp")),
        )

    def _notes(self) -> Iterator[Noted]:
        if self._wrappers:
            detail = f"{len(self._wrappers)} generations only wrap others: their usage repeats that of the calls inside"
            yield Noted(run=self._key, name="wrappers_left_out", detail=detail)
        if self._n_unplaced:
            detail = f"{self._n_unplaced} scores are of traces without a generation here"
            yield Noted(run=self._key, name="scores_unplaced", detail=detail)


def _first_byte_us(row: JsonObject, started: int | None) -> int | None:
    """Say how long the first token took; None = not stated, or before the start."""
    first_token = instant_us(row.get("completionStartTime"))
    return first_token - started if first_token and started and first_token >= started else None


def _stated_cost_usd(row: JsonObject) -> Decimal | None:
    """Read the stated cost in dollars; None = none is stated, or 0."""
    total = an_object(row.get("costDetails")).get("total")
    return an_amount(total) or an_amount(row.get("calculatedTotalCost")) or None


def _number(text: str) -> Json:
    try:
        return a_number(float(text))
    except ValueError:
        return text


def _said(row: JsonObject) -> Said:
    asked, answered = row.get("input"), row.get("output")
    listed = an_object(asked).get("messages") if isinstance(asked, dict) else asked
    messages = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    answer = an_object(answered).get("content") if isinstance(answered, dict) else answered
    return Said(
        messages=messages or [{"role": "user", "content": asked if isinstance(asked, str) else str(asked or "")}],
        answer=answer if isinstance(answer, str) else None,
    )


FORMAT = Format(
    name=NAME,
    title="Langfuse",
    looks_for="observations with traceId, type and startTime: API pages with data and meta, JSON Lines or CSV",
    role_of=role_of,
    read=read,
    unit_of=by_folder,
    example="langfuse/",
    cannot_tell=(
        "No provider.",
        "Whether a provider said the tokens or Langfuse counted them itself.",
        "The day of the prices behind its costs.",
    ),
)
