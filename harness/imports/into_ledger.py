"""One unit of a log into the ledger: all of it in one transaction, or nothing when it is refused anywhere.

Data flows a `Unit` -> its reader's records, as they come -> runs, cells, samples, attempts, scores through
`Ledger.importing`. A call that the ledger knows, from this file or another, adds nothing.
"""

from __future__ import annotations

import gc
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from harness.imports.attempt_facts import AttemptPlace, logged, request_id
from harness.imports.harnesses.asked_models import is_nobody
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedScore,
    Noted,
    Record,
    SampleKey,
)
from harness.imports.log_runs import RunImport, stored_run
from harness.imports.log_units import Unit
from harness.imports.masked_records import Masking
from harness.imports.refusal import ImportRefused
from harness.ledger import Ledger
from harness.ledger.records import CellRecord, ScoreRecord, SuiteRecord
from harness.ledger.writing.import_writer import (
    ImportedFile,
    ImportWriter,
    LoggedAttempt,
    LoggedSample,
    StoredAttempt,
)
from harness.providers.endpoints import SIMULATED
from harness.secrets import redact_texts

_Place = tuple[str, str, str, str, int]
"""Run, suite, task, sample, epoch."""
_Waiting = ImportedSample | ImportedAttempt | ImportedScore
AT_ONCE = 1_000
"""Records that are held before they are written."""
REMEMBERED = 5_000
"""Newest calls and samples whose place in the ledger is known without asking it."""
MOST_BROKEN_SHOWN = 100
PROVIDER_GIVEN = "the log names no provider of some calls; whoever imported it named"
NEW_BEFORE_COLLECTION = 100_000
"""Objects: what waits to be written holds no cycles, and to look through it over and over costs a tenth of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to import.

    Attributes:
        run_id: id of the run; None = made of the format and what the tool names its run by.
        transcripts: keep prompts and answers.
        estimate: count tokens from texts where a log has none.
        suite: `SUITE` or `SUITE/TASK` in place of the log's own names; None = as the log says.
        price_book_sha256: of the prices in force; reports compare with it.
        provider: whose the calls are for which the log names no provider; None = they stay without.
    """

    now_us: int
    price_book_sha256: str
    harness_version: str
    run_id: str | None = None
    suite: str | None = None
    provider: str | None = None
    transcripts: bool = False
    estimate: bool = False


@dataclass(slots=True, kw_only=True)
class Imported:
    """What became of a unit.

    Attributes:
        runs: in the order in which they came.
        broken: the first lines that were lost.
        n_broken: all of them.
    """

    format: Format
    files: tuple[str, ...]
    runs: list[RunImport] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    n_broken: int = 0


def import_unit(ledger: Ledger, unit: Unit, options: ImportOptions) -> Imported:
    """Import one unit.

    Raises:
        ImportRefused: it cannot be read, or must not be; nothing of it is in the ledger.
        LedgerError: the ledger cannot be written.
    """
    assert unit.format.read is not None
    source = Source(files=unit.files, texts=options.transcripts or options.estimate)
    with _few_collections(), ledger.importing() as writer:
        reading = _Reading(writer, unit.format, options)
        for record in unit.format.read(source):
            reading.take(record)
        return reading.finish(unit)


@contextmanager
def _few_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(NEW_BEFORE_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Reading:
    """The records of one unit on their way into the ledger."""

    def __init__(self, writer: ImportWriter, fmt: Format, options: ImportOptions) -> None:
        self._writer = writer
        self._format = fmt
        self._options = options
        self._runs: dict[str, RunImport] = {}
        self._cells: dict[tuple[str, str, str, str, str | None], int] = {}
        self._samples: OrderedDict[_Place, int] = OrderedDict()
        self._newest: OrderedDict[str, StoredAttempt] = OrderedDict()
        self._waiting: list[_Waiting] = []
        self._first_id = 2**62
        self._masking = Masking()
        self._done = Imported(format=fmt, files=())

    def take(self, record: Record) -> None:
        """Take the next record of the reader."""
        record = self._masking.masked(record)
        match record:
            case ImportedAttempt() | ImportedSample() | ImportedScore():
                self._waiting.append(self._as_asked(record))
                if len(self._waiting) >= AT_ONCE:
                    self._write()
            case ImportedRun():
                self._take_run(record)
            case Noted():
                self._run(record.run).note(
                    record.name, record.detail, lower_bound=record.lower_bound, upper_bound=record.upper_bound
                )
            case Broken():
                self._done.n_broken += 1
                if len(self._done.broken) < MOST_BROKEN_SHOWN:
                    self._done.broken.append(record)

    def _as_asked(self, record: _Waiting) -> _Waiting:
        """Give a record the suite and the provider that a person named."""
        if isinstance(record, ImportedScore):
            return record
        suite, provider = self._options.suite, self._options.provider
        if suite is not None:
            record = _renamed(record, suite)
        if provider is not None and is_nobody(record.cell.provider):
            self._run(record.cell.run).note("provider_given", f"{PROVIDER_GIVEN} {provider!r}")
            record = replace(record, cell=replace(record.cell, provider=provider))
        return record

    def finish(self, unit: Unit) -> Imported:
        """Write what is left, and how the runs stand.

        Raises:
            ImportRefused: there was nothing in it.
        """
        self._write()
        done = self._done
        done.files = tuple(file.name for file in unit.files)
        done.runs = [run for run in self._runs.values() if run.is_stored]
        n_records = sum(run.n_new + run.n_known + run.n_samples for run in self._runs.values())
        if not n_records:
            why = f"; {done.n_broken} broken lines, the first: {done.broken[0].reason}" if done.broken else ""
            where = done.broken[0].where if done.broken else unit.name
            raise ImportRefused(f"holds no call of a model and no sample{why}", where=where)
        digests = {file: _sha256_of(file) for file in unit.files}
        for run in done.runs:
            if done.n_broken:
                run.note("broken_lines", f"{done.n_broken:,} lines could not be read", lower_bound=True)
            self._finish(run)
            first = unit.files[0]
            self._writer.files([self._file(run, *each, is_first=each[0] is first) for each in digests.items()])
        return done

    def _finish(self, run: RunImport) -> None:
        if run.changes_something:
            finished = run.record.finished_at_us or run.last_us or self._options.now_us
            self._writer.finish_run(run.run_id, run.record.status, finished_at_us=finished, warnings=run.warnings())

    def _file(self, run: RunImport, file: SourceFile, sha256: str, *, is_first: bool) -> ImportedFile:
        """Make the record of a file; what was counted over all files of the unit stands at the first of them."""
        return ImportedFile(
            run_id=run.run_id,
            format=self._format.name,
            format_version=run.record.tool_version,
            name=file.name,
            sha256=sha256,
            n_bytes=file.file.n_bytes,
            imported_at_us=self._options.now_us,
            n_new=run.n_new if is_first else 0,
            n_known=run.n_known if is_first else 0,
            n_broken=self._done.n_broken if is_first else 0,
        )

    # runs

    def _take_run(self, record: ImportedRun) -> None:
        known = self._runs.get(record.key)
        if known is not None:
            known.record = record
            return
        if self._options.run_id is not None and self._runs:
            raise ImportRefused(
                f"holds several runs ({next(iter(self._runs))}, {record.key}, ...), and --run-id names one",
                where="--run-id",
                fix="leave it out: each gets an id of its own",
            )
        self._runs[record.key] = RunImport.of(record, self._format.name, self._options.run_id, self._writer)

    def _run(self, key: str) -> RunImport:
        found = self._runs.get(key)
        if found is None:
            raise AssertionError(f"the reader of {self._format.name} names a run that it did not yield: {key}")
        return found

    def _store_run(self, run: RunImport, cells: list[ImportedCell], first_us: int | None) -> None:
        if run.is_stored:
            return
        record = stored_run(
            run,
            self._format.name,
            models=list(dict.fromkeys(_shown(cell) for cell in cells)),
            suites=tuple(dict.fromkeys(self._suite(cell) for cell in cells)),
            created_at_us=run.record.created_at_us or first_us or self._options.now_us,
            price_book_sha256=self._options.price_book_sha256,
            harness_version=self._options.harness_version,
        )
        self._writer.add_run(record)
        run.is_stored = True

    # what waits

    def _write(self) -> None:
        """Write what waits, in its order as far as it matters: samples, attempts, scores."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        calls = [self._own_cell(one) for one in waiting if isinstance(one, ImportedAttempt)]
        samples = [one for one in waiting if isinstance(one, ImportedSample)]
        new = self._unknown(calls)
        if new or samples:
            self._store_runs(new, samples)
            self._plan(new, samples)
        self._write_calls(new)
        self._write_scores([one for one in waiting if isinstance(one, ImportedScore)])
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        for memory in (self._newest, self._samples):
            while len(memory) > REMEMBERED:
                memory.popitem(last=False)

    def _own_cell(self, call: ImportedAttempt) -> ImportedAttempt:
        """Give a solving call of another model than its cell's a cell of its own: a row of a report has one model."""
        model, provider, cell = call.model, call.provider, call.cell
        if call.purpose != "solve" or (
            (model or cell.model) == cell.model and (provider or cell.provider) == cell.provider
        ):
            return call
        other = replace(
            cell, model=model or cell.model, provider=provider or cell.provider, setting=None, settings_sent={}
        )
        return replace(call, cell=other, model=None, provider=None)

    def _unknown(self, calls: list[ImportedAttempt]) -> dict[str, ImportedAttempt]:
        """Find the calls that the ledger does not hold, by request id."""
        asked = [(request_id(self._format.name, call.identity), call) for call in calls]
        known = self._writer.known(request for request, _ in asked)
        new: dict[str, ImportedAttempt] = {}
        for request, call in asked:
            run = self._run(call.cell.run)
            if request in known or request in new:
                run.n_known += 1
                if request in known:
                    self._newest[request] = known[request]
            else:
                new[request] = call
                run.count(call)
        return new

    def _store_runs(self, new: Mapping[str, ImportedAttempt], samples: list[ImportedSample]) -> None:
        cells: dict[str, list[ImportedCell]] = {}
        first_us: dict[str, int] = {}
        for call in new.values():
            cells.setdefault(call.cell.run, []).append(call.cell)
            at_us = call.started_at_us or call.finished_at_us
            if at_us is not None:
                first_us[call.cell.run] = min(at_us, first_us.get(call.cell.run, at_us))
        for sample in samples:
            cells.setdefault(sample.cell.run, []).append(sample.cell)
        for key, own in cells.items():
            self._store_run(self._run(key), own, first_us.get(key))

    def _suite(self, cell: ImportedCell) -> SuiteRecord:
        """Name a suite: of what was in it nothing is known, so its digest is one of its name."""
        named = f"{self._format.name}/{cell.suite}/{cell.suite_version}"
        digest = hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()
        return SuiteRecord(name=cell.suite, version=cell.suite_version, sha256=digest)

    def _cell_id(self, cell: ImportedCell) -> int:
        key = cell.run, cell.suite, cell.provider, cell.model, cell.setting
        found = self._cells.get(key)
        if found is None:
            suite = self._suite(cell)
            record = CellRecord(
                suite=suite.name,
                suite_version=suite.version,
                suite_sha256=suite.sha256,
                provider=cell.provider,
                model=cell.model,
                setting=cell.setting,
                reasoning=cell.reasoning,
                simulated=cell.simulated or cell.provider == SIMULATED,
                settings_sent=cell.settings_sent,
            )
            found = self._cells[key] = self._writer.cell(self._run(cell.run).run_id, record)
        return found

    def _plan(self, new: Mapping[str, ImportedAttempt], samples: list[ImportedSample]) -> None:
        """Store the samples of these calls, and those that the log names by themselves."""
        wanted: dict[str, dict[_Place, LoggedSample]] = {}
        for sample in samples:
            run = self._run(sample.cell.run)
            run.n_samples += 1
            self._cell_id(sample.cell)
            kept = redact_texts(sample.target) if self._options.transcripts else None
            place = _place(sample.cell, sample.sample)
            wanted.setdefault(run.run_id, {})[place] = _planned(place, sample.content_sha256, kept)
        for call in new.values():
            if call.sample is not None:
                place = _place(call.cell, call.sample)
                if place not in self._samples:
                    own = wanted.setdefault(self._run(call.cell.run).run_id, {})
                    if place not in own:
                        own[place] = _planned(place)
        for run_id, planned in wanted.items():
            self._samples.update(zip(planned, self._writer.planned(run_id, list(planned.values())), strict=True))

    def _write_calls(self, new: Mapping[str, ImportedAttempt]) -> None:
        ready: dict[str, LoggedAttempt] = {}
        for request, call in new.items():
            retried = None if call.retry_of is None else request_id(self._format.name, call.retry_of)
            if retried in ready:
                self._insert(ready)
                ready = {}
            run = self._run(call.cell.run)
            place = AttemptPlace(
                request=request,
                cell_id=self._cell_id(call.cell),
                planned_id=None if call.sample is None else self._samples[_place(call.cell, call.sample)],
                retry_of=None if retried is None else self._attempt_id(retried),
                when_us=run.record.created_at_us or self._options.now_us,
            )
            ready[request] = logged(
                call, place, estimated=self._options.estimate, transcripts=self._options.transcripts
            )
        self._insert(ready)

    def _insert(self, ready: Mapping[str, LoggedAttempt]) -> None:
        if not ready:
            return
        ids = self._writer.attempts(list(ready.values()))
        self._first_id = min(self._first_id, ids[0])
        for attempt_id, (request, one) in zip(ids, ready.items(), strict=True):
            self._newest[request] = StoredAttempt(attempt_id, one.start.cell_id, one.start.planned_id)

    def _attempt_id(self, request: str) -> int | None:
        found = self._stored([request]).get(request)
        return None if found is None else found.attempt_id

    def _stored(self, requests: list[str]) -> dict[str, StoredAttempt]:
        asked = [request for request in requests if request not in self._newest]
        known = self._writer.known(asked) if asked else {}
        return {request: found for request in requests if (found := self._newest.get(request) or known.get(request))}

    def _write_scores(self, scores: list[ImportedScore]) -> None:
        if not scores:
            return
        requests = [request_id(self._format.name, score.attempt) for score in scores]
        places = self._stored(requests)
        # a call that came just now has no score yet
        before = self._writer.scored(
            {place.attempt_id for place in places.values() if place.attempt_id < self._first_id}
        )
        ready: list[ScoreRecord] = []
        for request, score in zip(requests, scores, strict=True):
            place = places.get(request)
            if place is None:
                raise AssertionError(f"the reader of {self._format.name} scores a call that it did not yield")
            record = self._score(score, place)
            if record is not None and (record.attempt_id, record.scorer, record.value_millionths) not in before:
                ready.append(record)
        self._writer.scores(ready)

    def _score(self, score: ImportedScore, place: StoredAttempt) -> ScoreRecord | None:
        if place.planned_id is None:
            return None
        why_not = _why_not_scored(score)
        return ScoreRecord(
            attempt_id=place.attempt_id,
            planned_id=place.planned_id,
            cell_id=place.cell_id,
            scorer=f"{self._format.name}/{score.scorer}"[:200],
            scorer_version="",
            scored_at_us=score.scored_at_us or self._options.now_us,
            value_millionths=None if score.value is None or why_not is not None else round(score.value * 1_000_000),
            reason=why_not,
            answer=redact_texts(score.answer) if self._options.transcripts else None,
            explanation=redact_texts(score.explanation) if self._options.transcripts else None,
        )


def _sha256_of(file: SourceFile) -> str:
    with file.file.path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _why_not_scored(score: ImportedScore) -> str | None:
    """Say why a score has no value that a report can use; None = it has one."""
    if score.value is None:
        return score.reason or "not_scored"
    return None if 0 <= score.value <= 1 else score.reason or "not_from_0_to_1"


def _renamed(record: ImportedSample | ImportedAttempt, name: str) -> ImportedSample | ImportedAttempt:
    """Give a record the suite, and the task, that a person named."""
    suite, _, task = name.partition("/")
    sample = replace(record.sample, task=task) if task and record.sample is not None else record.sample
    return replace(record, cell=replace(record.cell, suite=suite), sample=sample)  # type: ignore[arg-type]  # of its kind


def _place(cell: ImportedCell, sample: SampleKey) -> _Place:
    return cell.run, cell.suite, sample.task or cell.suite, sample.sample_id, sample.epoch


def _planned(place: _Place, digest: str | None = None, reference: str | None = None) -> LoggedSample:
    _, suite, task, sample_id, epoch = place
    made = digest or hashlib.sha256(f"{task}/{sample_id}".encode("utf-8", "replace")).hexdigest()
    return LoggedSample(suite, task, sample_id, epoch, made, reference)


def _shown(cell: ImportedCell) -> str:
    return f"{cell.provider}/{cell.model}{f'@{cell.setting}' if cell.setting else ''}"
