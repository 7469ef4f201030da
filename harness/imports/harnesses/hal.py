"""Uploads of HAL (`RUN_UPLOAD.json`): one run of an agent on a benchmark, with usage as each provider sent it.

Data flows the upload -> a run, calls by task, scores. Two shapes are read: calls by task (since 2026), and whole Weave
calls in one list, among which operations repeat the sums of the calls that they wrap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.declared import Json, JsonObject
from harness.imports.containers.json_stream import members_of, walk
from harness.imports.containers.json_values import a_list, a_text, an_object
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER, Asked, slashed
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.harnesses.score_values import score_of
from harness.imports.harnesses.stated_sums import Sums
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
    Noted,
    Record,
    Said,
    SampleKey,
)
from harness.imports.refusal import ImportRefused
from harness.imports.usages import provider_usage
from harness.providers.catalogue import provider_names
from harness.usage.kinds import likely_kind

NAME = "hal"
_CALLS, _SCORES = "raw_logging_results", "raw_eval_results"
_VALUES = ("reward", "score", "accuracy", "correct", "is_correct", "resolved", "success", "passed")
_SUMMED = ("prompt_tokens", "completion_tokens")


def role_of(look: Peek) -> str | None:
    """Recognise an upload by the configuration that HAL writes first."""
    config = an_object(look.top.get("config"))
    return "upload" if {"benchmark_name", "run_id"} <= config.keys() and "results" in look.top else None


def read(source: Source) -> Iterator[Record]:
    """Give each upload as a run."""
    for file in source.files:
        yield from _Upload(file, texts=source.texts).records()


@dataclass(slots=True)
class _Task:
    """The calls of a task so far.

    Attributes:
        last: identity of the one that began last; the older shape lists the newest first.
    """

    last: str | None = None
    last_started: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def take_in(self, task: str, started_at: str | None) -> str:
        """Name a call by its start, which both shapes state, and but one of them an id."""
        started = started_at or ""
        self.seen[started] += 1
        identity = f"{task}/{started}/{self.seen[started]}"
        if self.last is None or started >= self.last_started:
            self.last, self.last_started = identity, started
        return identity


@dataclass(slots=True)
class _Told:
    """Which tasks HAL itself lists as solved and as not solved."""

    solved: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)


class _Upload:
    """One upload while it is read."""

    def __init__(self, file: SourceFile, *, texts: bool) -> None:
        self._file, self._texts = file, texts
        head = members_of(file.file, (_CALLS,), (_SCORES,))
        self._head, self._config = head, an_object(head.get("config"))
        arguments = an_object(self._config.get("agent_args"))
        self._key = a_text(self._config.get("run_id")) or ""
        self._main = _asked(a_text(arguments.get("model_name")) or a_text(arguments.get("model")) or NO_MODEL)
        self._cell = ImportedCell(
            run=self._key,
            suite=a_text(self._config.get("benchmark_name")) or NAME,
            provider=self._main.provider,
            model=self._main.model,
            setting=setting_of(arguments),
        )
        results = an_object(head.get("results"))
        self._told = _Told(_names(results.get("successful_tasks")), _names(results.get("failed_tasks")))
        self._tasks: dict[str, _Task] = {}
        self._sums = Sums(names=_SUMMED)

    def records(self) -> Iterator[Record]:
        """Give the run, its calls, then its scores.

        Raises:
            ImportRefused: the upload holds an accuracy and nothing of its tasks.
        """
        started = instant_us(self._config.get("date"))
        stated = {name: self._head[name] for name in ("total_cost", "git_info", "agent_hash") if self._head.get(name)}
        yield ImportedRun(
            key=self._key,
            tool="hal-harness",
            name=a_text(self._config.get("agent_name")) or self._key,
            created_at_us=started,
            config={**self._config, **stated},
        )
        n_values = 0
        for path, value in walk(self._file.file, (_CALLS,)):
            if path[:1] == (_CALLS,):
                n_values += 1
                yield from self._calls(path, value)
        for path, value in walk(self._file.file, (_SCORES,)):
            if path[:1] == (_SCORES,):
                n_values += 1
                yield from self._task_score(path, value)
        if not n_values:
            raise ImportRefused(
                "a HAL upload with an accuracy and no task: neither raw_logging_results nor raw_eval_results",
                where=self._file.name,
            )
        yield from self._notes()

    def _calls(self, path: tuple[str, ...], value: Json) -> Iterator[Record]:
        """Read one task's calls, or one Weave call of the older shape."""
        logged = an_object(value)
        if len(path) > 1:
            for call in a_list(logged.get("call_metadata")):
                one = an_object(call)
                name = a_text(one.get("model")) or a_text(logged.get("model"))
                yield from self._call(path[1], one.get("usage"), name, one, None)
            return
        output = an_object(logged.get("output"))
        if not output.get("usage"):
            return  # an operation around calls, whose summary repeats their sum
        task = a_text(logged.get("weave_task_id")) or a_text(an_object(logged.get("attributes")).get("weave_task_id"))
        name = a_text(output.get("model")) or a_text(an_object(logged.get("inputs")).get("model"))
        yield from self._call(task, output["usage"], name, logged, _said(logged) if self._texts else None)

    def _call(
        self, task: str | None, raw: Json, name: str | None, call: JsonObject, said: Said | None
    ) -> Iterator[Record]:
        sample = None if task is None else SampleKey(sample_id=task)
        place = self._tasks.setdefault(task or "", _Task())
        if not place.seen and sample is not None:
            yield ImportedSample(cell=self._cell, sample=sample)
        if not isinstance(raw, dict):
            where = f"{self._file.name}: {task}, call {place.seen.total() + 1}"
            yield Broken(where=where, reason="its usage is no object")
            return
        asked = _asked(name) if name else self._main
        identity = place.take_in(f"{self._key}/{task}", a_text(call.get("started_at")))
        usage = self._usage(raw, asked, name)
        is_main = asked == self._main
        yield ImportedAttempt(
            cell=self._cell,
            identity=identity,
            sample=sample,
            provider=None if is_main else asked.provider,
            model=None if is_main else asked.model,
            usage=usage,
            started_at_us=instant_us(call.get("started_at")),
            finished_at_us=instant_us(call.get("ended_at")),
            service_tier=None if usage is None else usage.usage.service_tier,
            said=said,
        )

    def _usage(self, raw: JsonObject, asked: Asked, name: str | None) -> ImportedUsage | None:
        """Read what a call used, and add it to the sum of its model."""
        usage = provider_usage(likely_kind(asked.provider, raw), raw)
        if usage is not None:
            self._sums.add(name or self._main.model, _as_summed(usage))
        return usage

    def _task_score(self, path: tuple[str, ...], value: Json) -> Iterator[Record]:
        """Read one task's result, whose shape depends on the benchmark; a text is why the task did not run."""
        if len(path) < 2:
            return
        task = path[1]
        known = self._tasks.get(task)
        if known is None or known.last is None:
            yield ImportedSample(cell=self._cell, sample=SampleKey(sample_id=task))
            return
        number, reason = self._value(task, value)
        yield ImportedScore(attempt=known.last, scorer=self._cell.suite, value=number, reason=reason)

    def _value(self, task: str, value: Json) -> tuple[float | None, str | None]:
        if isinstance(value, str):
            return None, f"the task did not run: {value[:200]}"
        stated = next((value[name] for name in _VALUES if name in value), None) if isinstance(value, dict) else value
        if isinstance(stated, bool | int | float):
            return score_of(stated)
        if task in self._told.solved or task in self._told.failed:
            return float(task in self._told.solved), None
        return None, "its result is of a shape that is not known"

    def _notes(self) -> Iterator[Noted]:
        stated = {name: an_object(sums) for name, sums in an_object(self._head.get("total_usage")).items()}
        for difference in self._sums.differences(stated):
            yield Noted(
                run=self._key, name="total_differs", detail=difference.text, lower_bound=difference.stated_is_more
            )
        detail = "HAL drops the calls of tasks that were run again, and calls outside of tasks"
        yield Noted(run=self._key, name="retries_lost", detail=detail, lower_bound=True)


def _asked(name: str) -> Asked:
    """Read a model's name: with a provider where it begins with one, as litellm writes it, else without."""
    provider = name.partition("/")[0]
    is_named = "/" in name and provider in provider_names()
    return slashed(name) if is_named else Asked(UNKNOWN_PROVIDER, name)


def _names(value: Json) -> set[str]:
    return {str(one) for one in a_list(value)}


def _as_summed(usage: ImportedUsage) -> Mapping[str, object]:
    """Give a call's counts as HAL sums them: reads from a cache are in its prompt, writes to one are not."""
    found = usage.usage
    prompt = (found.input_tokens or 0) - found.cache_write_tokens
    return {"prompt_tokens": prompt, "completion_tokens": found.output_tokens}


def _said(logged: JsonObject) -> Said:
    messages = [one for one in a_list(an_object(logged.get("inputs")).get("messages")) if isinstance(one, dict)]
    choice = an_object(next(iter(a_list(an_object(logged.get("output")).get("choices"))), None))
    return Said(messages=messages, answer=a_text(an_object(choice.get("message")).get("content")))


FORMAT = Format(
    name=NAME,
    title="HAL",
    looks_for="JSON with config.benchmark_name, config.run_id and results",
    role_of=role_of,
    read=read,
    example="RUN_UPLOAD.json",
    cannot_tell=(
        "No provider unless a model's name begins with one.",
        "No model of a call in the newer shape: all calls of a task are taken as one model's.",
        "Calls of tasks that were run again (--continue_run), and calls outside of tasks.",
        "Its total cost is of the whole run, from a table that skips models which it does not know.",
    ),
)
