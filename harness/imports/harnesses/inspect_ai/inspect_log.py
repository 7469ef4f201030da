"""Logs of Inspect AI, `.eval` and `.json`, of all versions since 0.3.41.

Data flows a log's header and samples -> a run, its samples, calls (those of failed tries, too) and scores. Inspect
retries HTTP requests itself and keeps their number alone; calls that timed out are there without tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.declared import JsonObject
from harness.imports.containers.json_values import a_count, a_text, an_object
from harness.imports.harnesses.asked_models import slashed
from harness.imports.harnesses.inspect_ai.inspect_calls import (
    NAME,
    Place,
    Spans,
    Version,
    attempt_of,
    flat,
    meaning_of,
    model_of,
    version_of,
)
from harness.imports.harnesses.inspect_ai.inspect_samples import HEADER, START, LoggedSample, header, samples
from harness.imports.harnesses.inspect_ai.inspect_scores import judged
from harness.imports.harnesses.inspect_ai.inspect_texts import said
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.harnesses.model_usage import read_model_usage
from harness.imports.harnesses.stated_sums import Sums
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedScore,
    ImportedUsage,
    LoggedStatus,
    Noted,
    Record,
    SampleKey,
)
from harness.imports.refusal import ImportRefused
from harness.imports.usages import unsure

TOOL = "inspect-ai"
VERSIONS = (1, 2)


def role_of(look: Peek) -> str | None:
    """Recognise an archive with a beginning or a header, and a document with an evaluation, its plan and status."""
    if look.container == "zip":
        return "log" if START in look.members or HEADER in look.members else None
    about = an_object(look.top.get("eval"))
    is_whole = "status" in look.top and {"plan", "results", "stats", "samples"} & look.top.keys()
    return "log" if {"task", "model"} <= about.keys() and is_whole else None


def read(source: Source) -> Iterator[Record]:
    """Give each log as a run of its own."""
    for file in source.files:
        yield from _Log(file, header(file), texts=source.texts).records()


@dataclass(slots=True)
class _Call:
    """What is remembered of a sample's calls until its scores come."""

    last_solving: str | None = None
    n: int = 0
    seen: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Totals:
    """What a sample says that its models used.

    Attributes:
        usages: usage objects by model as Inspect names it.
        is_last_alone: there are no sums: it is the usage of the last call.
    """

    usages: dict[str, JsonObject]
    is_last_alone: bool = False


def _totals(facts: JsonObject, main: str) -> _Totals:
    summed = {name: an_object(usage) for name, usage in an_object(facts.get("model_usage")).items()}
    output = an_object(facts.get("output"))
    if not summed and (output.get("choices") or output.get("usage")):
        return _Totals({main: an_object(output.get("usage"))}, is_last_alone=True)
    return _Totals(summed)


class _Log:
    """One log while it is read."""

    def __init__(self, file: SourceFile, head: JsonObject, *, texts: bool) -> None:
        about = an_object(head.get("eval"))
        self._file, self._head, self._about, self._texts = file, head, about, texts
        self._version: Version | None = version_of(self._version_text)
        self._main = a_text(about.get("model")) or ""
        self._key = _key(about)
        asked = slashed(self._main)
        planned = an_object(an_object(head.get("plan")).get("config"))
        self._cell = ImportedCell(
            run=self._key,
            suite=a_text(about.get("task")) or "task",
            suite_version=str(about.get("task_version") or ""),
            provider=asked.provider,
            model=asked.model,
            setting=setting_of({**an_object(about.get("model_generate_config")), **planned}),
        )
        self._sums = Sums()
        self._n_samples = 0
        self._n_unsure = 0

    @property
    def _version_text(self) -> str | None:
        return a_text(an_object(self._about.get("packages")).get("inspect_ai"))

    def records(self) -> Iterator[Record]:
        """Give the run, all of its samples, and what the log's own sums say besides.

        Raises:
            ImportRefused: the log has a version that is not read.
        """
        if (version := self._head.get("version", VERSIONS[-1])) not in VERSIONS:
            raise ImportRefused(
                f"Inspect log of version {version!r}: versions {VERSIONS[0]} and {VERSIONS[1]} are read",
                where=self._file.name,
            )
        yield self._run("complete")
        for sample in samples(self._file, texts=self._texts):
            self._n_samples += 1
            yield from self._sample(sample)
        if not self._n_samples:
            raise self._empty()
        yield from self._notes()
        yield self._run(self._status())

    def _empty(self) -> ImportRefused:
        """Say that a log holds no samples, and what it sums up all the same."""
        sums = ", ".join(f"{name} {sums.get('total_tokens')} tokens" for name, sums in self._stated.items())
        return ImportRefused(
            f"holds no sample (status {self._head.get('status')!r}); its own sums, of no request: {sums or 'none'}",
            where=self._file.name,
            fix="import the log that has the samples: a header alone, or one written without them, has no calls",
        )

    @property
    def _stated(self) -> dict[str, JsonObject]:
        """The log's own sums of what each model used."""
        stats = an_object(self._head.get("stats"))
        return {name: an_object(usage) for name, usage in an_object(stats.get("model_usage")).items()}

    def _run(self, status: LoggedStatus) -> ImportedRun:
        about, stats = self._about, an_object(self._head.get("stats"))
        shown = ("task", "task_args", "model", "model_generate_config", "config", "dataset", "model_roles", "solver")
        return ImportedRun(
            key=self._key,
            tool=TOOL,
            tool_version=self._version_text,
            name=a_text(about.get("task")),
            created_at_us=instant_us(about.get("created")) or instant_us(stats.get("started_at")),
            finished_at_us=instant_us(stats.get("completed_at")),
            status=status,
            config={
                **{name: about[name] for name in (*shown, "run_id", "eval_id", "eval_set_id") if about.get(name)},
                "plan": an_object(self._head.get("plan")),
                "status": self._head.get("status"),
            },
        )

    def _status(self) -> LoggedStatus:
        stated = self._head.get("status")
        if stated == "success":
            return "complete" if not self._n_missing else "partial"
        return "partial" if self._n_samples else "failed"

    @property
    def _n_stated(self) -> int | None:
        return a_count(an_object(self._head.get("results")).get("total_samples"))

    @property
    def _n_missing(self) -> int:
        return max(0, (self._n_stated or 0) - self._n_samples)

    def _sample(self, sample: LoggedSample) -> Iterator[Record]:
        facts = sample.facts
        key = SampleKey(sample_id=str(facts.get("id", "")), epoch=max(0, (a_count(facts.get("epoch")) or 1) - 1))
        target = facts.get("target")
        texts = [str(one) for one in target] if isinstance(target, list) else [str(target)]
        yield ImportedSample(cell=self._cell, sample=key, target="\n".join(texts) if target else None)
        calls = _Call()
        yield from self._calls(sample, key, calls)
        if not calls.n:
            yield from self._summed(sample, key, calls)
        yield from self._scores(facts, calls)

    def _calls(self, sample: LoggedSample, key: SampleKey, calls: _Call) -> Iterator[Record]:
        spans = Spans()
        for logged in sample.events():
            for event in flat(logged.event):
                spans.see(event)
                if event.get("event") != "model":
                    continue
                calls.n += 1
                place = self._place(sample, key, calls.n, event, is_scoring=spans.is_scoring(event))
                attempt = attempt_of(event, place)
                if attempt.identity in calls.seen:
                    continue
                calls.seen.add(attempt.identity)
                if attempt.purpose == "solve" and not logged.is_of_failed_try:
                    calls.last_solving = attempt.identity
                if self._texts:
                    attempt.said = said(event, sample.facts)  # type: ignore[misc]  # frozen for the type checker alone
                self._count(attempt, event)
                yield attempt

    def _place(
        self, sample: LoggedSample, key: SampleKey, number: int, event: JsonObject, *, is_scoring: bool
    ) -> Place:
        return Place(
            cell=self._cell,
            sample=key,
            main=self._main,
            version=self._version,
            is_scoring=is_scoring,
            fallback=f"{self._key}/{key.sample_id}/{key.epoch + 1}/{number}@{event.get('timestamp')}",
            where=f"{sample.where}, call {number}",
        )

    def _count(self, attempt: ImportedAttempt, event: JsonObject) -> None:
        if attempt.status == "reused" or attempt.usage is None:
            return
        self._sums.add(model_of(event, self._main), attempt.usage.raw or {})
        self._n_unsure += attempt.usage.usage.is_missing

    def _summed(self, sample: LoggedSample, key: SampleKey, calls: _Call) -> Iterator[Record]:
        """Give one attempt a model for a sample whose calls are not in the log, with what the sample sums up.

        Without sums its tokens are unknown: what its output states is the usage of its last call alone.
        """
        totals = _totals(sample.facts, self._main)
        for name, usage in totals.usages.items():
            attempt = self._sum_attempt(sample, key, name, totals)
            yield attempt
            if not totals.is_last_alone:
                self._sums.add(name, usage)
            if attempt.purpose == "solve":
                calls.last_solving = attempt.identity
        if totals.usages:
            is_last_alone = totals.is_last_alone
            told = "unknown, for only the last call's are stated" if is_last_alone else "sums, each as one attempt"
            detail = f"the log holds no calls of some samples: their tokens are {told}"
            yield Noted(run=self._key, name="calls_not_itemised", detail=detail, lower_bound=is_last_alone)

    def _sum_attempt(self, sample: LoggedSample, key: SampleKey, name: str, totals: _Totals) -> ImportedAttempt:
        facts, asked, is_main = sample.facts, slashed(name), name == self._main
        one_try = facts.get("uuid") or facts.get("completed_at") or facts.get("total_time")
        is_last_alone = totals.is_last_alone
        return ImportedAttempt(
            cell=self._cell,
            identity=f"{self._key}/{key.sample_id}/{key.epoch + 1}/sum of {name}@{one_try}",
            sample=key,
            purpose="solve" if is_main or self._main not in totals.usages else "tool",
            provider=None if is_main else asked.provider,
            model=None if is_main else asked.model,
            usage=self._sum_usage(totals.usages[name], name, sample.where, is_last_alone=is_last_alone),
            started_at_us=instant_us(facts.get("started_at")),
            finished_at_us=instant_us(facts.get("completed_at")),
        )

    def _sum_usage(self, raw: JsonObject, name: str, where: str, *, is_last_alone: bool) -> ImportedUsage | None:
        if is_last_alone:
            return unsure(NAME, raw, "last_call_only", f"{where}: of several calls, if there were, the last one's")
        return read_model_usage(NAME, raw or None, where=where, meaning=meaning_of(self._version, name))

    def _scores(self, facts: JsonObject, calls: _Call) -> Iterator[Record]:
        if calls.last_solving is None:
            return
        finished = instant_us(facts.get("completed_at"))
        scores = judged(facts)
        for one in scores:
            yield ImportedScore(
                attempt=calls.last_solving,
                scorer=one.scorer,
                value=one.value,
                reason=one.reason,
                answer=one.answer if self._texts else None,
                explanation=one.explanation if self._texts else None,
                scored_at_us=finished,
            )
        if not scores and facts.get("error"):
            fault = facts["error"]
            said_so = a_text(an_object(fault).get("message")) or str(fault)
            yield ImportedScore(
                attempt=calls.last_solving,
                scorer="none",
                value=None,
                reason=f"the sample ended in an error: {said_so[:200]}",
                scored_at_us=finished,
            )

    def _notes(self) -> Iterator[Record]:
        status = self._head.get("status")
        if status != "success":
            detail = f"the log's status is {status!r}: calls in flight when it ended are not in it"
            yield Noted(run=self._key, name="not_finished", detail=detail, lower_bound=True)
        if self._n_missing:
            detail = f"{self._n_stated} samples stated, {self._n_samples} in the file; nothing is scaled up"
            yield Noted(run=self._key, name="samples_missing", detail=detail, lower_bound=True)
        if self._n_unsure:
            detail = f"the counts of {self._n_unsure} calls fit no rule: their tokens are unknown"
            yield Noted(run=self._key, name="usage_unsure", detail=detail, lower_bound=True)
        for difference in self._sums.differences(self._stated):
            yield Noted(
                run=self._key, name="total_differs", detail=difference.text, lower_bound=difference.stated_is_more
            )


def _key(about: JsonObject) -> str:
    """Name an evaluation by its task's id, which a retry keeps: its log repeats the earlier calls and adds its own."""
    names = ("task_id", "eval_id", "run_id", "created")
    own = next((found for name in names if (found := a_text(about.get(name)))), "")
    return f"{own}/{about.get('model')}"


FORMAT = Format(
    name=NAME,
    title="Inspect AI",
    looks_for="a zip with _journal/start.json or header.json, or JSON with status, eval and plan",
    role_of=role_of,
    read=read,
    example="logs/",
    cannot_tell=(
        "HTTP requests that Inspect repeated are a number without tokens, and calls that timed out have none.",
        "Costs are stated only where its user gave prices.",
        "A killed run holds its finished samples only.",
        "Outputs of Google's models before 0.3.208 do not say what was read from a cache.",
    ),
)
