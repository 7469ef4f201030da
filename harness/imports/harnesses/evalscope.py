"""Runs of EvalScope: `predictions/MODEL/BENCH_SUBSET.jsonl`, with `reviews/`, `reports/` and `configs/` beside.

Data flows the reviews into memory, small facts of each; then each prediction -> sample, call, scores. The tool keeps no
time of a request, and nothing of those that it repeated.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.declared import Json, JsonObject
from harness.imports.containers.json_stream import lines
from harness.imports.containers.json_values import a_count, a_list, a_text, an_object
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER, provider_at
from harness.imports.harnesses.inspect_ai.inspect_calls import FINISH
from harness.imports.harnesses.model_usage import Meaning, read_model_usage
from harness.imports.harnesses.score_values import score_of
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedScore,
    ImportedUsage,
    LoggedStatus,
    Noted,
    Record,
    Said,
    SampleKey,
)
from harness.imports.refusal import ImportRefused

NAME = "evalscope"
_FOLDERS = frozenset({"predictions", "reviews", "reports"})
_STARTED = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d)(\d\d)(\d\d)")
_MEANING = Meaning(cached_inside=True, reasoning_inside=True)


def role_of(look: Peek) -> str | None:
    """Recognise predictions and reviews by their rows, reports by their members, configurations by their lines."""
    first = look.first.keys()
    if first >= {"index", "model", "model_output"}:
        return "predictions"
    if first >= {"index", "sample_score"}:
        return "reviews"
    if look.top.keys() >= {"dataset_name", "model_name", "metrics"}:
        return "report"
    return "config" if b"\nevalscope_version:" in look.head and b"\nwork_dir:" in look.head else None


def unit_of(path: Path, role: str) -> Path:
    """Say that all below one working folder belongs together."""
    if role == "config" and path.parent.name == "configs":
        return path.parent.parent
    return path.parent.parent.parent if path.parent.parent.name in _FOLDERS else path.parent


def read(source: Source) -> Iterator[Record]:
    """Give a working folder as one run.

    Raises:
        ImportRefused: it has no predictions.
    """
    predictions = source.of("predictions")
    if not predictions:
        raise ImportRefused(
            "EvalScope's reviews or reports without predictions, which alone hold the calls",
            where=", ".join(file.name for file in source.files),
            fix="import the working folder, with predictions/ in it",
        )
    reviews: dict[tuple[str, str], _Review] = {}
    for file in source.of("reviews"):
        yield from _reviews(file, reviews)
    yield from _Run(source, reviews).records(predictions)


@dataclass(frozen=True, slots=True)
class _Review:
    """What a review says of a prediction: which sample and repeat it was, and its scores."""

    sample: str
    repeat: int
    scores: tuple[tuple[str, Json], ...]
    fault: str | None
    target: str | None
    is_judged: bool


def _reviews(file: SourceFile, found: dict[tuple[str, str], _Review]) -> Iterator[Broken]:
    """Read a file of reviews; a prediction's is found by model, file and index."""
    place = _place(file)
    for line in lines(file.file):
        if isinstance(line, Broken):
            yield line
            continue
        row = an_object(line.value)
        judged, index = an_object(row.get("sample_score")), str(row.get("index"))
        score = an_object(judged.get("score"))
        status, target = a_text(score.get("status")), row.get("target")
        values = an_object(score.get("value"))
        main = a_text(score.get("main_score_name"))
        ordered = sorted(values.items(), key=lambda one: one[0] == main) if main else list(reversed(values.items()))
        found[place, index] = _Review(
            sample=str(judged.get("group_id", index)),
            repeat=max(0, a_count(judged.get("generation_index")) or 0),
            scores=tuple(ordered),
            fault=status if status not in (None, "success") else None,
            target="\n".join(str(one) for one in target) if isinstance(target, list) else a_text(target),
            is_judged=bool(score.get("judge_summary") or score.get("judge_detail")),
        )


def _place(file: SourceFile) -> str:
    """Name the file below its kind, which predictions and reviews share: `MODEL/BENCH_SUBSET`."""
    path = file.file.path
    return f"{path.parent.name}/{path.name.partition('.jsonl')[0]}"


class _Run:
    """A working folder while it is read."""

    def __init__(self, source: Source, reviews: Mapping[tuple[str, str], _Review]) -> None:
        self._texts, self._reviews = source.texts, reviews
        configs = source.of("config")
        self._config = _settings(configs[0].look.head.decode("utf-8", "replace")) if configs else {}
        self._reports = [an_object(file.look.top) for file in source.of("report")]
        self._benches = sorted({str(one.get("dataset_name")) for one in self._reports}, key=len, reverse=True)
        self._key = ""
        self._cells: dict[tuple[str, str], ImportedCell] = {}
        self._n_predictions = 0
        self._n_judged = 0

    def records(self, predictions: list[SourceFile]) -> Iterator[Record]:
        """Give the run and all of its predictions."""
        for file in predictions:
            for line in lines(file.file):
                if isinstance(line, Broken):
                    yield line
                    continue
                row = an_object(line.value)
                if row.get("index") is None:
                    yield Broken(where=f"{file.name}:{line.number}", reason="has no index: not a prediction")
                    continue
                if not self._key:
                    self._key = hashlib.sha256(_identity(_place(file), row).encode("utf-8", "replace")).hexdigest()[:32]
                    yield self._run("complete")
                self._n_predictions += 1
                yield from self._prediction(row, file, f"{file.name}:{line.number}")
        if self._key:
            yield from self._notes()

    def _run(self, status: LoggedStatus) -> ImportedRun:
        started = _STARTED.search(self._config.get("work_dir", ""))
        return ImportedRun(
            key=self._key,
            tool=NAME,
            tool_version=self._config.get("evalscope_version"),
            name=self._config.get("model_id") or self._config.get("model"),
            created_at_us=instant_us("{}-{}-{}T{}:{}:{}".format(*started.groups())) if started else None,
            status=status,
            config={name: value for name, value in self._config.items() if name != "api_key"},
        )

    def _prediction(self, row: JsonObject, file: SourceFile, where: str) -> Iterator[Record]:
        place, index = _place(file), str(row["index"])
        review = self._reviews.get((place, index))
        cell, task = self._cell(place, a_text(row.get("model")) or NO_MODEL)
        sample = SampleKey(
            sample_id=review.sample if review else index, task=task, epoch=review.repeat if review else 0
        )
        identity = _identity(place, row)
        yield ImportedSample(cell=cell, sample=sample, target=review.target if review else None)
        yield self._attempt(row, cell, sample, identity, where)
        if review is not None:
            self._n_judged += review.is_judged
            for metric, value in review.scores:
                number, reason = score_of(value)
                yield ImportedScore(attempt=identity, scorer=metric, value=number, reason=reason)
            if review.fault is not None and not review.scores:
                yield ImportedScore(attempt=identity, scorer="none", value=None, reason=f"review: {review.fault}")

    def _cell(self, place: str, model: str) -> tuple[ImportedCell, str | None]:
        """Find benchmark and subset, which one file name joins: reports name the benchmarks."""
        named = place.rpartition("/")[2]
        bench = next((one for one in self._benches if named.startswith(f"{one}_")), named)
        if (bench, model) not in self._cells:
            address = self._config.get("api_url")
            self._cells[bench, model] = ImportedCell(
                run=self._key,
                suite=bench,
                provider=provider_at(address) or UNKNOWN_PROVIDER,
                model=model,
                setting=self._config.get("reasoning_effort"),
            )
        return self._cells[bench, model], named.removeprefix(f"{bench}_") if bench != named else None

    def _attempt(
        self, row: JsonObject, cell: ImportedCell, sample: SampleKey, identity: str, where: str
    ) -> ImportedAttempt:
        output = an_object(row.get("model_output"))
        fault = a_text(output.get("error"))
        choice = an_object(next(iter(a_list(output.get("choices"))), None))
        is_failed = fault is not None or not (choice or output.get("usage"))
        return ImportedAttempt(
            cell=cell,
            identity=identity,
            sample=sample,
            model_served=None if is_failed else a_text(output.get("model")),
            status="failed" if is_failed else "succeeded",
            usage=_usage(row, output, where),
            error_message=fault,
            provider_request_id=a_text(output.get("id")),
            finish_reason=None if is_failed else FINISH.get(str(choice.get("stop_reason"))),
            said=_said(row, choice) if self._texts else None,
        )

    def _notes(self) -> Iterator[Record]:
        stated = sum(a_count(an_object(one.get("execution_summary")).get("requested")) or 0 for one in self._reports)
        if stated > self._n_predictions:
            detail = f"{stated} answers requested, {self._n_predictions} in the predictions"
            yield Noted(run=self._key, name="samples_missing", detail=detail, lower_bound=True)
            yield self._run("partial")
        if self._config.get("use_cache") not in (None, "null"):
            detail = "the run took over predictions of an earlier one: what those used may have been paid there"
            yield Noted(run=self._key, name="reused_unsure", detail=detail)
        if self._n_judged:
            detail = f"{self._n_judged} answers were judged by a model whose tokens are not in the log"
            yield Noted(run=self._key, name="judges_lost", detail=detail, lower_bound=True)
        detail = "EvalScope says nothing of requests that it repeated or that timed out"
        yield Noted(run=self._key, name="retries_lost", detail=detail, lower_bound=True)


def _identity(place: str, row: JsonObject) -> str:
    """Name a prediction: ids of answers repeat at some servers, so that of the message, made by EvalScope, is in it."""
    output = an_object(row.get("model_output"))
    message = an_object(an_object(next(iter(a_list(output.get("choices"))), None)).get("message"))
    parts = (place, str(row.get("index")), a_text(output.get("id")) or "", a_text(message.get("id")) or "")
    return "/".join(parts)


def _usage(row: JsonObject, output: JsonObject, where: str) -> ImportedUsage | None:
    """Read what a prediction used; of an agent's several calls their sum, which its trace states."""
    trace = an_object(row.get("agent_trace"))
    raw = trace.get("total_usage") if isinstance(trace.get("total_usage"), dict) else output.get("usage")
    return read_model_usage(NAME, raw, where=where, meaning=_MEANING) if isinstance(raw, dict) else None


def _settings(text: str) -> dict[str, str]:
    """Read `name: value` lines of a configuration: the few that are asked for stand alone on a line."""
    wanted = {
        "api_url", "eval_type", "evalscope_version", "model", "model_id", "reasoning_effort", "repeats", "use_cache",
        "work_dir",
    }  # fmt: skip
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.strip().partition(":")
        if colon and name in wanted and value.strip() and name not in found:
            found[name] = value.strip().strip("'\"")
    return found


def _said(row: JsonObject, choice: JsonObject) -> Said:
    asked = [an_object(one) for one in a_list(row.get("messages"))]
    if asked and asked[-1].get("role") == "assistant":
        asked.pop()
    answer, reasoning = _answered(an_object(choice.get("message")).get("content"))
    return Said(
        messages=[{"role": str(one.get("role", "user")), "content": one.get("content")} for one in asked],
        answer=answer,
        reasoning=reasoning,
    )


def _answered(content: Json) -> tuple[str, str | None]:
    """Read an answer and its reasoning from a message's content: a text, or parts."""
    if isinstance(content, str):
        return content, None
    parts = [an_object(part) for part in a_list(content)]
    thoughts = [a_text(part.get("reasoning")) or "" for part in parts if part.get("type") == "reasoning"]
    return "\n".join(a_text(part.get("text")) or "" for part in parts), "\n".join(thoughts) or None


FORMAT = Format(
    name=NAME,
    title="EvalScope",
    looks_for="predictions/*.jsonl with index, model and model_output, and reviews beside them",
    role_of=role_of,
    read=read,
    unit_of=unit_of,
    example="outputs/20261127_215115/",
    cannot_tell=(
        "No provider unless its address names one, no costs and no time of a request: the run's folder gives the day.",
        "Tokens of judges, and requests that were repeated.",
        "Which predictions a run took over from an earlier one (--use-cache).",
    ),
)
