"""Every Eval Ever: instance records (`UUID_samples.jsonl`) and the sums of a run beside them (`UUID.json`).

Data flows both -> runs, a call for each record, scores. Records of tools that talk several turns hold the usage of the
last request alone, and records of several epochs the mean of all: both are said, and nothing is scaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.declared import Json, JsonObject
from harness.imports.containers.json_stream import lines, members_of
from harness.imports.containers.json_values import a_count, a_list, a_number, a_sha256, a_text, an_object
from harness.imports.harnesses.asked_models import UNKNOWN_PROVIDER, Asked
from harness.imports.harnesses.inspect_ai.inspect_calls import FINISH, meaning_of, version_of
from harness.imports.harnesses.model_usage import NOT_KNOWN, read_model_usage
from harness.imports.harnesses.score_values import score_of
from harness.imports.log_formats import Format, Source
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedScore,
    Noted,
    Record,
    Said,
    SampleKey,
)
from harness.imports.refusal import ImportRefused

NAME = "every_eval_ever"
OWN_TOOL = "benchtab"
"""Records of our own export hold all requests of a sample, and each epoch's own score."""
_AGGREGATE = {"schema_version", "evaluation_id", "evaluation_results"}
_RECORD = {"schema_version", "evaluation_id", "sample_id", "model_id", "evaluation"}


def role_of(look: Peek) -> str | None:
    """Recognise records by their first line, and aggregates by their members."""
    if look.first.keys() >= _RECORD:
        return "records"
    return "aggregate" if look.top.keys() >= _AGGREGATE else None


def unit_of(path: Path, role: str) -> Path:  # noqa: ARG001  # one rule for both roles
    """Say that files of one name belong together, `_samples` aside."""
    return path.parent / path.name.partition(".")[0].removesuffix("_samples")


def read(source: Source) -> Iterator[Record]:
    """Give the records of each evaluation.

    Raises:
        ImportRefused: there are sums without records, or records of a version that is not read.
    """
    aggregate, records = source.one("aggregate"), source.of("records")
    about = {} if aggregate is None else members_of(aggregate.file)
    if not records:
        where = ", ".join(file.name for file in source.files)
        named = a_text(an_object(about.get("detailed_evaluation_results")).get("file_path"))
        missing = f"; its records, {named}, are not here" if named else ""
        raise ImportRefused(f"Every Eval Ever results without records: sums of no request{missing}", where=where)
    reader = _Reader(about, texts=source.texts)
    for file in records:
        for line in lines(file.file):
            if isinstance(line, Broken):
                yield line
            else:
                yield from reader.record(line.value, f"{file.name}:{line.number}")
    yield from reader.notes()


@dataclass(slots=True)
class _Run:
    """What is counted of one evaluation.

    Attributes:
        answers: score ids seen of each answer: a record with another score id is another score of the same answer.
    """

    cells: dict[tuple[str, str], ImportedCell] = field(default_factory=dict)
    answers: dict[tuple[str, str, str, int], set[str]] = field(default_factory=dict)
    n_records: int = 0
    n_turns: int = 0
    n_unsure: int = 0
    n_epochs: int = 0


class _Reader:
    """The records of one file and its copies."""

    def __init__(self, aggregate: JsonObject, *, texts: bool) -> None:
        self._about, self._texts = aggregate, texts
        library = an_object(aggregate.get("eval_library"))
        self._library = a_text(library.get("name")) or ""
        self._version = a_text(library.get("version"))
        self._runs: dict[str, _Run] = {}

    def record(self, value: Json, where: str) -> Iterator[Record]:
        """Give a record's sample, call and score."""
        row = an_object(value)
        lacking = [name for name in ("evaluation_id", "sample_id", "model_id") if a_text(row.get(name)) is None]
        if lacking:
            yield Broken(where=where, reason=f"lacks {', '.join(lacking)}")
            return
        if not str(row.get("schema_version", "")).startswith("0."):
            raise ImportRefused(
                f"schema version {row.get('schema_version')!r}: versions 0.2 and 0.3 are read", where=where
            )
        key = str(row["evaluation_id"])
        if key not in self._runs:
            self._runs[key] = _Run()
            yield self._run(key)
        yield from self._answer(row, key, where)

    def _run(self, key: str) -> ImportedRun:
        about = self._about if self._about.get("evaluation_id") in (None, key) else {}
        kept = ("source_metadata", "eval_library", "model_info", "evaluation_id")
        return ImportedRun(
            key=key,
            tool=NAME,
            tool_version=a_text(self._about.get("schema_version")),
            name=key,
            created_at_us=_instant(about.get("evaluation_timestamp")),
            config={name: about[name] for name in kept if about.get(name)},
        )

    def _answer(self, row: JsonObject, key: str, where: str) -> Iterator[Record]:
        run, task, name = self._runs[key], a_text(row.get("evaluation_name")) or "evaluation", str(row["model_id"])
        own = self._own(row)
        suite = a_text(own.get("suite")) or task
        cell = run.cells.get((suite, name)) or self._cell(key, suite, name, own)
        run.cells[suite, name] = cell
        epoch, is_new = self._place(run, row, task, name)
        sample = SampleKey(sample_id=str(row["sample_id"]), task=task if own else None, epoch=epoch)
        identity = f"{key}/{task}/{name}/{sample.sample_id}/{epoch}"
        if is_new:
            run.n_records += 1
            run.n_epochs = max(run.n_epochs, epoch + 1)
            yield self._sample(row, cell, sample)
            attempt = self._attempt(row, cell, sample, identity, where)
            run.n_turns += attempt.usage is not None and row.get("interaction_type") in ("multi_turn", "agentic")
            run.n_unsure += attempt.usage is not None and attempt.usage.usage.is_missing
            yield attempt
        yield _score(row, identity)

    def _place(self, run: _Run, row: JsonObject, suite: str, name: str) -> tuple[int, bool]:
        """Find the epoch of a record, and whether it is another answer than those before it."""
        stated = a_count(an_object(row.get("metadata")).get("epoch"))
        epoch, result = max(0, (stated or 1) - 1), str(row.get("evaluation_result_id"))
        sample = str(row["sample_id"])
        while result in (seen := run.answers.setdefault((suite, name, sample, epoch), set())):
            epoch += 1
        seen.add(result)
        return epoch, len(seen) == 1

    def _own(self, row: JsonObject) -> JsonObject:
        """Give what only our own export writes beside the schema's fields: suite, setting, status and time."""
        return an_object(row.get("metadata")) if self._library == OWN_TOOL else {}

    def _cell(self, key: str, suite: str, name: str, own: JsonObject) -> ImportedCell:
        info = an_object(self._about.get("model_info"))
        platform = a_text(info.get("inference_platform")) or a_text(an_object(info.get("inference_engine")).get("name"))
        asked = _asked(name, platform)
        return ImportedCell(
            run=key,
            suite=suite,
            suite_version=a_text(own.get("suite_version")) or "",
            provider=asked.provider,
            model=asked.model,
            setting=a_text(own.get("setting")),
            simulated=own.get("simulated") == "true",
        )

    def _sample(self, row: JsonObject, cell: ImportedCell, sample: SampleKey) -> ImportedSample:
        targets = [str(one) for one in a_list(an_object(row.get("input")).get("reference"))]
        digest = a_sha256(row.get("sample_hash"))
        return ImportedSample(cell=cell, sample=sample, target="\n".join(targets) or None, content_sha256=digest)

    def _attempt(
        self, row: JsonObject, cell: ImportedCell, sample: SampleKey, identity: str, where: str
    ) -> ImportedAttempt:
        raw, fault, own = row.get("token_usage"), a_text(row.get("error")), self._own(row)
        is_answered = own.get("status") == "succeeded" if own else not fault
        is_reused = own.get("status") == "reused"
        meaning = NOT_KNOWN
        if self._library == "inspect":
            meaning = meaning_of(version_of((self._version or "").rpartition(":")[2]), str(row["model_id"]))
        return ImportedAttempt(
            cell=cell,
            identity=identity,
            sample=sample,
            status="reused" if is_reused else "succeeded" if is_answered else "failed",
            started_at_us=_instant(own.get("started_at")),
            usage=read_model_usage(NAME, raw, where=where, meaning=meaning) if isinstance(raw, dict) else None,
            error_message=None if is_answered else fault,
            finish_reason=FINISH.get(str(an_object(row.get("metadata")).get("stop_reason"))),
            said=_said(row) if self._texts else None,
        )

    def notes(self) -> Iterator[Noted]:
        """Say what the records do not hold."""
        stated = a_count(an_object(self._about.get("detailed_evaluation_results")).get("total_rows"))
        for key, run in self._runs.items():
            if stated is not None and len(self._runs) == 1 and run.n_records < stated:
                detail = f"{stated} records stated, {run.n_records} in the file"
                yield Noted(run=key, name="samples_missing", detail=detail, lower_bound=True)
            if run.n_unsure:
                detail = f"the counts of {run.n_unsure} records fit no rule: their tokens are unknown"
                yield Noted(run=key, name="usage_unsure", detail=detail, lower_bound=True)
            if self._library == OWN_TOOL:
                continue
            if run.n_turns:
                detail = f"{run.n_turns} records of several turns state the usage of the last request alone"
                yield Noted(run=key, name="last_request_only", detail=detail, lower_bound=True)
            if run.n_epochs > 1:
                detail = f"each of the {run.n_epochs} epochs of a sample states the score of all of them together"
                yield Noted(run=key, name="reduced_scores", detail=detail)
            detail = "records hold no request that was repeated or timed out"
            yield Noted(run=key, name="retries_lost", detail=detail, lower_bound=True)


def _asked(name: str, platform: str | None) -> Asked:
    """Read who was asked: the platform, where one is named; the maker in a name is who made the model, no more."""
    provider = (platform or "").strip().lower().replace(" ", "-")
    if provider in ("", "unknown"):
        return Asked(UNKNOWN_PROVIDER, name)
    maker, slash, model = name.partition("/")
    return Asked(provider, model if slash and maker.lower() == provider else name)


def _instant(value: Json) -> int | None:
    """Read an instant: seconds since 1970, as text with a fraction, too."""
    text = value if isinstance(value, str) else ""
    try:
        return instant_us(float(text)) if text else instant_us(a_number(value))
    except ValueError:
        return instant_us(text)


def _score(row: JsonObject, identity: str) -> ImportedScore:
    """Read a record's score; a request that failed is not a wrong answer, although its record says 0."""
    judged, scorer = an_object(row.get("evaluation")), a_text(row.get("evaluation_result_id")) or "score"
    if fault := a_text(row.get("error")):
        return ImportedScore(attempt=identity, scorer=scorer, value=None, reason=f"the request failed: {fault[:200]}")
    value, reason = score_of(judged.get("score"))
    return ImportedScore(attempt=identity, scorer=scorer, value=value, reason=reason)


def _said(row: JsonObject) -> Said:
    asked, output = an_object(row.get("input")), an_object(row.get("output"))
    answers = [str(one) for one in a_list(output.get("raw"))] or _assistant_turns(row)
    prompt = a_text(asked.get("formatted")) or a_text(asked.get("raw")) or ""
    traces = [str(one) for one in a_list(output.get("reasoning_trace")) if one]
    return Said(
        messages=[{"role": "user", "content": prompt}],
        answer=answers[-1] if answers else None,
        reasoning="\n".join(traces) or None,
    )


def _assistant_turns(row: JsonObject) -> list[str]:
    turns = [an_object(one) for one in a_list(row.get("messages"))]
    return [a_text(turn.get("content")) or "" for turn in turns if turn.get("role") == "assistant"]


FORMAT = Format(
    name=NAME,
    title="Every Eval Ever",
    looks_for="*_samples.jsonl with evaluation_id, sample_id, model_id and evaluation, and the JSON file beside it",
    role_of=role_of,
    read=read,
    unit_of=unit_of,
    example="data/",
    cannot_tell=(
        "No costs, no times and no retries.",
        "Of several turns the last request alone.",
        "One score for all epochs of a sample, in records that a converter made.",
        "Models whose names a converter shortened are one.",
    ),
)
