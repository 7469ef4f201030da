"""Files of a provider's batch: requests, results and failed lines, each in a file, joined on an id that the user chose.

Data flows the files of one batch -> `read_batch`, with what a `Dialect` knows of its provider's lines -> records. Only
an id, a digest and a place are kept of every line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypedDict

from harness.declared import Json, JsonObject
from harness.errors import ProviderError
from harness.imports.containers.json_stream import members_of, walk
from harness.imports.containers.json_values import a_count, a_list, a_text, an_object
from harness.imports.gateways.batch_names import batch_of, item_of
from harness.imports.gateways.logged_answers import LoggedAnswer, error_facts, logged_words
from harness.imports.gateways.logged_rows import digest_of, line_rows
from harness.imports.harnesses.asked_models import NO_MODEL
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedUsage,
    LoggedStatus,
    Noted,
    Record,
)
from harness.imports.refusal import ImportRefused
from harness.ledger.records import SettledStatus

REQUESTS, RESULTS, JOB = "requests", "results", "job"
"""Roles of files: what was asked, what became of it (answers and failures alike), the batch object itself."""
BATCH = "batch"
_UNFINISHED = frozenset({
    "validating", "in_progress", "finalizing", "expired", "cancelling", "cancelled", "canceling", "queued", "running",
    "timeout_exceeded", "cancellation_requested",
})  # fmt: skip
_SHOWN_IDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a result line says.

    Attributes:
        failure: None = it was answered.
        request_id: the provider's own id of the request, unique among all batches; None = it gives none.
        document: the answer; empty = there is none.
    """

    status: SettledStatus
    answer: LoggedAnswer | None = None
    failure: ProviderError | None = None
    request_id: str | None = None
    document: JsonObject = field(default_factory=dict)

    @property
    def usage(self) -> ImportedUsage | None:
        """What its answer states; None = it states nothing, or there is no answer."""
        return None if self.answer is None else self.answer.usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a batch object says of the whole.

    Attributes:
        total: requests in it.
        sums: input and output tokens over all its lines.
    """

    run: ImportedRun
    model: str | None = None
    total: int | None = None
    sums: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How one provider, or all that follow it, write batch files.

    Attributes:
        fmt: name of the format.
        key: member that joins a request and its result.
        body: member of a request's line that holds its body.
        provider: tells who served it, from the first lines of the files.
        outcome: reads a result line. Raises `ImportRefused` for one that says two things at once.
        setting: reasoning setting of a request's body, as people type it.
        stated: reads the batch object.
    """

    fmt: str
    key: str
    body: str
    provider: Callable[[Source], str]
    outcome: Callable[[JsonObject, str, str], Outcome]
    setting: Callable[[JsonObject], str | None]
    stated: Callable[[JsonObject], Stated]


def batch_format(
    dialect: Dialect,
    *,
    title: str,
    looks_for: str,
    role_of: Callable[[Peek], str | None],
    cannot_tell: tuple[str, ...],
) -> Format:
    """Make the format of a provider's batch files; the arguments are those of `Format`."""
    return Format(
        name=dialect.fmt,
        title=title,
        looks_for=looks_for,
        role_of=role_of,
        read=partial(read_batch, dialect=dialect),
        unit_of=batch_of,
        example="BATCH_FOLDER",
        cannot_tell=cannot_tell,
    )


def read_batch(source: Source, dialect: Dialect) -> Iterator[Record]:
    """Give the lines of one batch as attempts.

    Raises:
        ImportRefused: there are no results; one id has two different results; a result belongs to none of the requests
            that are given; the batch object states other sums than the lines have.
    """
    results = source.of(RESULTS)
    if not results:
        names = ", ".join(file.name for file in source.files)
        raise ImportRefused(
            "holds requests of a batch and no results", where=names, fix="put its output file into the same folder"
        )
    stated = _stated(source, dialect, results)
    yield stated.run
    reading = _Reading(source=source, dialect=dialect, stated=stated, provider=dialect.provider(source))
    for file in source.of(REQUESTS):
        yield from reading.requests(file)
    for file in results:
        yield from reading.results(file)
    yield from reading.end()


def _stated(source: Source, dialect: Dialect, results: list[SourceFile]) -> Stated:
    job = source.one(JOB)
    if job is not None:
        return dialect.stated(members_of(job.file))
    first = next((row for file in results for row in file.look.rows if isinstance(row, dict)), {})
    key = digest_of([first.get("id"), first.get(dialect.key), _created(first)])
    return Stated(
        run=ImportedRun(key=f"{dialect.fmt}-{key}", tool=dialect.fmt, created_at_us=instant_us(_created(first)))
    )


def _created(row: JsonObject) -> Json:
    """When a line was answered: the one instant that these files have, and not all have it."""
    response = an_object(row.get("response"))
    body = an_object(response.get("body")) or response
    return body.get("created", body.get("created_at", body.get("createTime")))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is kept of a request."""

    cell: ImportedCell
    messages: list[Json] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One pass over the files of a batch."""

    source: Source
    dialect: Dialect
    stated: Stated
    provider: str
    cells: dict[tuple[str, str, str | None], ImportedCell] = field(default_factory=dict)
    asked: dict[str, _Asked] = field(default_factory=dict)
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)
    sums: tuple[int, int] = (0, 0)
    n_without_usage: int = 0
    n_read: int = 0
    broken: list[Broken] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    def _cell(self, suite: str | None, model: str | None, setting: str | None) -> ImportedCell:
        """Give the cell of a request, the same one for all that are asked alike."""
        cell = ImportedCell(
            run=self.stated.run.key,
            suite=suite or self.dialect.fmt,
            provider=self.provider,
            model=model or NO_MODEL,
            setting=setting,
        )
        return self.cells.setdefault((cell.suite, cell.model, setting), cell)

    def requests(self, file: SourceFile) -> Iterator[Record]:
        """Keep what was asked under which id."""
        for found in _requests_in(file):
            if isinstance(found, Broken):
                yield found
                continue
            where, row = found
            key = a_text(row.get(self.dialect.key))
            if key is None:
                yield Broken(where=where, reason=f"a request without {self.dialect.key}")
                continue
            if key in self.asked:
                raise ImportRefused(f"two requests with {self.dialect.key} {key!r}", where=where)
            body = an_object(row.get(self.dialect.body))
            model = a_text(body.get("model")) or self.stated.model
            cell = self._cell(item_of(key)[0], model, self.dialect.setting(body))
            self.asked[key] = _Asked(cell, _messages(body) if self.source.texts else [])

    def results(self, file: SourceFile) -> Iterator[Record]:
        """Give each line of a file of results."""
        for found in line_rows(file):
            if isinstance(found, Broken):
                yield self._broken(found)
                continue
            where, row = found
            key = a_text(row.get(self.dialect.key))
            if key is None:
                yield self._broken(Broken(where=where, reason=self._keyless()))
            elif self._is_new(key, row, where):
                yield from self._result(key, row, where)

    def _keyless(self) -> str:
        return f"no {self.dialect.key}: whose result it is cannot be told"

    def _broken(self, found: Broken) -> Broken:
        self.broken.append(found)
        return found

    def _is_new(self, key: str, row: JsonObject, where: str) -> bool:
        """Whether an id is seen for the first time; the same line once more says nothing new."""
        digest = digest_of(row)
        before, place = self.seen.setdefault(key, (digest, where))
        if before != digest:
            raise ImportRefused(
                f"two different results for {self.dialect.key} {key!r}: which one is its answer cannot be told",
                where=f"{place} and {where}",
            )
        if self.asked and key not in self.asked:
            raise ImportRefused(
                f"{self.dialect.key} {key!r} is none of the requests beside it: files of different batches", where=where
            )
        return place == where

    def _result(self, key: str, row: JsonObject, where: str) -> Iterator[Record]:
        outcome = self.dialect.outcome(row, self.provider, where)
        if outcome.answer is not None and outcome.answer.doubt is not None:
            yield self._broken(Broken(where=where, reason=outcome.answer.doubt))
            return
        self._count(outcome, where)
        yield self._attempt(key, outcome)

    def _attempt(self, key: str, outcome: Outcome) -> ImportedAttempt:
        asked = self.asked.get(key) or self._unasked(key, outcome)
        of_answer = _answer_facts(outcome.answer)
        if outcome.request_id:
            of_answer["provider_request_id"] = outcome.request_id
        return ImportedAttempt(
            cell=asked.cell,
            identity=outcome.request_id or f"{self.stated.run.key}/{key}",
            sample=item_of(key)[1],
            status=outcome.status,
            usage=outcome.usage,
            # what failed, expired or was cancelled in a batch is not charged, unless the line itself states tokens
            billed="no" if outcome.failure is not None and outcome.usage is None else None,
            mode=BATCH,
            service_tier=BATCH,
            said=logged_words(asked.messages, outcome.document, self.provider) if self.source.texts else None,
            **of_answer,
            **error_facts(outcome.failure),
        )

    def _unasked(self, key: str, outcome: Outcome) -> _Asked:
        """Make the best of a result whose request is not given: the model that was served stands for the one asked."""
        served = None if outcome.answer is None else outcome.answer.stated.model
        return _Asked(self._cell(item_of(key)[0], self.stated.model or served, None))

    def _count(self, outcome: Outcome, where: str) -> None:
        self.n_read += 1
        used = None if outcome.usage is None else outcome.usage.usage
        if used is not None and used.is_missing:
            self.unsure.append(f"{where}: {'; '.join(flag.detail for flag in used.flags)}")
        if used is not None and used.input_tokens is not None and used.output_tokens is not None:
            self.sums = (self.sums[0] + used.input_tokens, self.sums[1] + used.output_tokens)
        elif outcome.failure is None:
            self.n_without_usage += 1

    def end(self) -> Iterator[Record]:
        """Compare with what the batch says of itself, and name what has no result."""
        if not self.n_read and self.broken:
            first = self.broken[0]
            raise ImportRefused(f"no line of it can be read; the first: {first.reason}", where=first.where)
        if self.stated.sums not in (None, (0, 0), self.sums) and not (self.n_without_usage or self.broken):
            self._refuse_sums()
        if self.unsure:
            detail = f"the tokens of {len(self.unsure)} answers are unknown; {self.unsure[0]}"
            yield Noted(run=self.stated.run.key, name="usage_unsure", detail=detail, lower_bound=True)
        yield from self._missing()

    def _missing(self) -> Iterator[Record]:
        """Give what was asked and has no result, and how many these are."""
        missing = [key for key in self.asked if key not in self.seen]
        for key in missing:
            yield ImportedSample(cell=self.asked[key].cell, sample=item_of(key)[1])
        n_expected = max(self.stated.total or 0, len(self.asked))
        if n_expected > len(self.seen):
            shown = (
                f" ({', '.join(missing[:_SHOWN_IDS])}{', ...' if len(missing) > _SHOWN_IDS else ''})" if missing else ""
            )
            detail = f"{n_expected - len(self.seen)} of {n_expected} requests have no line in the files given{shown}"
            yield Noted(run=self.stated.run.key, name="samples_missing", detail=detail, lower_bound=True)

    def _refuse_sums(self) -> None:
        wanted, found = self.stated.sums, self.sums
        if len(self.seen) < (self.stated.total or 0) and wanted is not None and wanted > found:
            return  # files are missing, which is said by itself
        raise ImportRefused(
            f"the batch object states (input, output) tokens {wanted}, its lines sum to {found}",
            where=", ".join(file.name for file in self.source.files),
            fix="give all files of one batch, and of no other",
        )


class _AnswerFacts(TypedDict, total=False):
    """What an attempt says of its answer."""

    model_served: str | None
    started_at_us: int | None
    finished_at_us: int | None
    provider_request_id: str | None
    finish_reason: str | None
    refused: bool


def _answer_facts(answer: LoggedAnswer | None) -> _AnswerFacts:
    if answer is None:
        return {}
    return {
        "model_served": answer.stated.model,
        "started_at_us": answer.created_us,
        "finished_at_us": answer.created_us,
        "provider_request_id": answer.stated.request_id,
        "finish_reason": answer.finish_reason,
        "refused": answer.stated.refused,
    }


def _requests_in(file: SourceFile) -> Iterator[tuple[str, JsonObject] | Broken]:
    """Give the requests of a file: a line each, or the list that was posted."""
    if file.look.container == "json" and "requests" in file.look.top:
        posted = (value for path, value in walk(file.file, ("requests",)) if path == ("requests",))
        for number, value in enumerate(posted, 1):
            yield f"{file.name}: request {number}", an_object(value)
        return
    yield from line_rows(file)


def _messages(body: JsonObject) -> list[Json]:
    asked = body.get("messages", body.get("input", body.get("contents", body.get("prompt"))))
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else a_list(asked)


def run_status(word: object) -> LoggedStatus:
    """Say how a batch ended, by the provider's word for it in any spelling."""
    said = str(word or "").lower().removeprefix("job_state_").removeprefix("batch_state_")
    if said == "failed":
        return "failed"
    return "partial" if said in _UNFINISHED else "complete"


def count_in(row: JsonObject, *names: str) -> int | None:
    """Give the first of these counts that is there."""
    return next((found for name in names if (found := a_count(row.get(name))) is not None), None)
