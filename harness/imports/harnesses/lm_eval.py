"""Outputs of lm-evaluation-harness: `results_DATE.json` with `samples_TASK_DATE.jsonl` beside it.

Data flows both -> a run, a cell for each task, an attempt for each request (a repeat is an epoch), scores by metric and
filter. The tool keeps no tokens, no times and nothing of requests that it repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.declared import Json, JsonObject
from harness.imports.containers.json_stream import Line, lines, members_of
from harness.imports.containers.json_values import a_count, a_list, a_number, a_sha256, a_text, an_object
from harness.imports.harnesses.asked_models import NO_MODEL, provider_at
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.harnesses.prompt_texts import messages_of
from harness.imports.harnesses.score_values import score_of
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import ended_us, instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedScore,
    LoggedStatus,
    Noted,
    Record,
    Said,
    SampleKey,
)
from harness.imports.refusal import ImportRefused

NAME = "lm_eval"
_DATED = re.compile(r"(?:samples_(?P<task>.+)|.+)_(?P<date>\d{4}-\d\d-\d\dT[\d:.-]+?)\.jsonl?(?:\.gz|\.zst)?")
_ROW = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps"}
_OWN = _ROW | {"filter", "metrics", "doc_hash", "prompt_hash", "target_hash"}
_MAKERS = {"openai": "openai", "anthropic": "anthropic"}


def role_of(look: Peek) -> str | None:
    """Recognise results by `results` with names like `acc,none`, and samples by their rows."""
    if look.first.keys() >= _ROW:
        return "samples"
    results = an_object(look.top.get("results"))
    named = [name for task in results.values() for name in an_object(task)]
    is_ours = any("," in name for name in named) and {"lm_eval_version", "configs", "group_subtasks"} & look.top.keys()
    return "results" if is_ours else None


def unit_of(path: Path, role: str) -> Path:  # noqa: ARG001  # one rule for both roles
    """Say that files of one folder and date belong together."""
    found = _DATED.fullmatch(path.name)
    return path.parent / found["date"] if found else path.parent


def read(source: Source) -> Iterator[Record]:
    """Give the run, then the rows of each samples file.

    Raises:
        ImportRefused: results or samples are missing.
    """
    results, rows = source.one("results"), source.of("samples")
    where = ", ".join(file.name for file in source.files)
    if results is None:
        raise ImportRefused(
            "lm-eval samples without the results of the same date, which name the model",
            where=where,
            fix="import the folder that holds results_*.json, too",
        )
    if not rows:
        raise ImportRefused(
            "lm-eval results without samples: sums alone, of no request",
            where=where,
            fix="run lm_eval with --log_samples",
        )
    run = _Run(members_of(results.file), texts=source.texts)
    yield run.record("complete")
    seen: dict[str, int] = {}
    for file in rows:
        task = run.task_of(file)
        seen[task] = 0
        for record in run.rows(file, task):
            seen[task] += isinstance(record, ImportedSample)
            yield record
        yield from run.primary_scores(file, task)
    notes = list(run.notes(seen))
    yield from notes
    if any(note.name == "samples_missing" for note in notes):
        yield run.record("partial")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a samples file: one document under one filter."""

    document: str
    filter: str
    values: JsonObject

    @property
    def metrics(self) -> list[str]:
        """Names of its metrics; versions before 0.4.4 do not list them."""
        listed = [name for name in a_list(self.values.get("metrics")) if isinstance(name, str)]
        return listed or [name for name in self.values if name not in _OWN]

    @property
    def answers(self) -> list[tuple[int, int, Json]]:
        """Request, repeat and answer of each request; an option of a multiple choice is a request of its own."""
        return [
            (request, repeat, answer)
            for request, answers in enumerate(a_list(self.values.get("resps")))
            for repeat, answer in enumerate(answers if isinstance(answers, list) else [answers])
        ]


class _Run:
    """A run, as its results tell it."""

    def __init__(self, results: JsonObject, *, texts: bool) -> None:
        self._results, self._texts = results, texts
        config = an_object(results.get("config"))
        self._arguments = _arguments(config.get("model_args"))
        named = a_text(results.get("model_name")) or self._arguments.get("model") or self._arguments.get("pretrained")
        self._model = named or NO_MODEL
        self._source = a_text(results.get("model_source")) or a_text(config.get("model")) or "unknown"
        self._key = f"{self._model}/{results.get('date')}"
        self._cells: dict[str, ImportedCell] = {}

    def record(self, status: LoggedStatus) -> ImportedRun:
        """Give the run, which is written when it ends."""
        results, started = self._results, instant_us(self._results.get("date"))
        took_s = results.get("total_evaluation_time_seconds")
        duration_s = a_number(took_s) if not isinstance(took_s, str) else _number(took_s)
        kept = ("config", "n-shot", "versions", "task_hashes", "git_hash", "n-samples", "model_source")
        return ImportedRun(
            key=self._key,
            tool="lm-evaluation-harness",
            tool_version=a_text(results.get("lm_eval_version")),
            name=self._model,
            created_at_us=started,
            finished_at_us=ended_us(started, duration_s),
            status=status,
            config={name: results[name] for name in kept if results.get(name)},
        )

    def task_of(self, file: SourceFile) -> str:
        """Name the task of a samples file: task names have underscores, so the date is cut off from the right."""
        name = Path(file.name).name
        found = _DATED.fullmatch(name)
        return found["task"] if found and found["task"] else name.removeprefix("samples_").partition(".")[0]

    def _cell(self, task: str) -> ImportedCell:
        if task not in self._cells:
            own = an_object(an_object(an_object(self._results.get("configs")).get(task)).get("generation_kwargs"))
            config = an_object(self._results.get("config"))
            versions = an_object(self._results.get("versions"))
            maker = _MAKERS.get(self._source.partition("-")[0])
            self._cells[task] = ImportedCell(
                run=self._key,
                suite=task,
                suite_version=str(versions[task]) if versions.get(task) is not None else "",
                provider=provider_at(self._arguments.get("base_url")) or maker or self._source,
                model=self._model,
                setting=setting_of({**own, **an_object(config.get("gen_kwargs"))}),
            )
        return self._cells[task]

    def rows(self, file: SourceFile, task: str) -> Iterator[Record]:
        """Give requests, and scores of all but the first filter and metric; each filter lists all requests again."""
        seen: set[str] = set()
        first: tuple[str, str] | None = None
        for line in lines(file.file):
            row = _row(line, file)
            if isinstance(row, Broken):
                yield row
                continue
            if row.document not in seen:
                seen.add(row.document)
                yield from self._requests(row, task)
            for metric in row.metrics:
                first = first or (row.filter, metric)
                if (row.filter, metric) != first:
                    yield from self._score(row, metric, task)

    def primary_scores(self, file: SourceFile, task: str) -> Iterator[Record]:
        """Give the scores of the first filter and metric: they come last, and are the ones that reports take."""
        first: tuple[str, str] | None = None
        for line in lines(file.file):
            row = _row(line, file)
            if isinstance(row, Broken) or not row.metrics:
                continue
            first = first or (row.filter, row.metrics[0])
            if row.filter == first[0]:
                yield from self._score(row, first[1], task)

    def _identity(self, row: _Row, task: str, request: int, repeat: int) -> str:
        return f"{self._key}/{task}/{row.document}/{request}/{repeat}"

    def _requests(self, row: _Row, task: str) -> Iterator[Record]:
        cell = self._cell(task)
        target = row.values.get("target")
        yield ImportedSample(
            cell=cell,
            sample=SampleKey(sample_id=row.document),
            target=None if target is None else str(target),
            content_sha256=a_sha256(row.values.get("doc_hash")),
        )
        for request, repeat, answer in row.answers:
            yield ImportedAttempt(
                cell=cell,
                identity=self._identity(row, task, request, repeat),
                sample=SampleKey(sample_id=row.document, epoch=repeat),
                said=_said(row, request, answer) if self._texts else None,
            )

    def _score(self, row: _Row, metric: str, task: str) -> Iterator[Record]:
        """Judge a document: the score of several repeats is of all of them, and stands at the first."""
        value, reason = score_of(row.values.get(metric))
        if isinstance(row.values.get(metric), list):
            reason = "a part of a sum that only lm-eval's aggregation understands"
        scorer = f"{metric},{row.filter}"
        firsts = sorted({repeat for _, repeat, _ in row.answers})
        for repeat in firsts:
            yield ImportedScore(
                attempt=self._identity(row, task, 0, repeat),
                scorer=scorer,
                value=value if repeat == firsts[0] else None,
                reason=reason if repeat == firsts[0] else f"scored together: {len(firsts)} answers have one score",
            )

    def notes(self, seen: Mapping[str, int]) -> Iterator[Noted]:
        """Say what the results state and the samples do not hold."""
        for task, stated in an_object(self._results.get("n-samples")).items():
            n_stated = a_count(an_object(stated).get("effective"))
            if n_stated is not None and n_stated > seen.get(task, 0):
                yield Noted(
                    run=self._key,
                    name="samples_missing",
                    detail=f"{task}: {n_stated} documents stated, {seen.get(task, 0)} in the samples; not scaled up",
                    lower_bound=True,
                )
        detail = "lm-eval keeps nothing of requests that it repeated or that timed out"
        yield Noted(run=self._key, name="retries_lost", detail=detail, lower_bound=True)


def _row(line: Line | Broken, file: SourceFile) -> _Row | Broken:
    if isinstance(line, Broken):
        return line
    values = an_object(line.value)
    document = values.get("doc_id")
    if document is None or isinstance(document, dict | list):
        return Broken(where=f"{file.name}:{line.number}", reason="has no doc_id: not a row of lm-eval's samples")
    return _Row(str(document), a_text(values.get("filter")) or "none", values)


def _arguments(value: Json) -> dict[str, str]:
    """Read the model's arguments: an object since 0.4.10, one text `a=b,c=d` before."""
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if isinstance(part, str)}
    pairs = [part.partition("=") for part in (value if isinstance(value, str) else "").split(",")]
    return {name.strip(): part.strip() for name, sign, part in pairs if sign}


def _number(text: str) -> float | None:
    try:
        return a_number(float(text))
    except ValueError:
        return None


def _said(row: _Row, request: int, answer: Json) -> Said:
    """Read prompt and answer; the prompt of a chat is a list that holds one JSON text of its messages."""
    arguments = row.values.get("arguments")
    if isinstance(arguments, dict):
        asked = an_object(arguments.get(f"gen_args_{request}")).get("arg_0")
    else:
        asked = next(iter(a_list(next(iter(a_list(arguments)[request : request + 1]), None))), None)
    prompt = next(iter(asked), "") if isinstance(asked, list) else asked
    return Said(
        messages=messages_of(prompt if isinstance(prompt, str) else ""),
        answer=answer if isinstance(answer, str) else str(answer),
    )


FORMAT = Format(
    name=NAME,
    title="lm-evaluation-harness",
    looks_for="results_*.json with results and configs, and samples_*.jsonl with doc_id, arguments and resps",
    role_of=role_of,
    read=read,
    unit_of=unit_of,
    example="results/",
    cannot_tell=(
        "No tokens, so no cost; --estimate counts the visible texts, and no reasoning.",
        "No provider, unless its address or adapter names one, and no model as served.",
        "No time, error, retry or finish reason of a request: an empty answer may be a failure or a cut one.",
        "Several answers to one document have one score.",
    ),
)
