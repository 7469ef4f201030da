"""Run folders of HELM: `scenario_state.json` with `run_spec.json` and `per_instance_stats.json` beside it.

Data flows the states -> calls, those from HELM's own cache as reused; then the statistics of each instance -> scores.
HELM counts tokens again with a tokenizer of its own, which no provider bills by, so tokens are unknown.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.declared import Json, JsonObject
from harness.imports.containers.json_stream import members_of, walk
from harness.imports.containers.json_values import a_count, a_list, a_number, a_text, an_object
from harness.imports.harnesses.asked_models import NO_MODEL, UNKNOWN_PROVIDER
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.harnesses.score_values import score_of
from harness.imports.log_formats import Format, Source, SourceFile, by_folder
from harness.imports.log_instants import ended_us, instant_us
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

NAME = "helm"
USUAL_METRICS = ("exact_match", "quasi_exact_match", "prefix_exact_match", "quasi_prefix_exact_match", "f1_score")
"""Taken where a run's specification names no metrics; the first one that an instance has is what reports use."""
_Place = tuple[str, int, str]


def role_of(look: Peek) -> str | None:
    """Recognise the files of a run folder by their members."""
    top = look.top.keys()
    if top >= {"adapter_spec", "request_states"}:
        return "states"
    if top >= {"adapter_spec", "scenario_spec"}:
        return "spec"
    if top >= {"name", "definition_path"}:
        return "scenario"
    first = an_object(next(iter(a_list(look.document)), None))
    if first.keys() >= {"instance_id", "train_trial_index", "stats"}:
        return "instances"
    return "sums" if {"name", "count", "sum_squared"} <= first.keys() and isinstance(first["name"], dict) else None


def read(source: Source) -> Iterator[Record]:
    """Give a run folder as one run.

    Raises:
        ImportRefused: it has no states, which hold the requests.
    """
    states = source.one("states")
    if states is None:
        raise ImportRefused(
            "a part of a HELM run folder, without scenario_state.json, which alone holds the requests",
            where=", ".join(file.name for file in source.files),
            fix="import the whole run folder",
        )
    run = _Run(states, source.one("spec"), texts=source.texts)
    yield from run.calls()
    instances = source.one("instances")
    if instances is not None:
        yield from run.scores(instances)
    yield from run.notes()


class _Run:
    """A run folder while it is read."""

    def __init__(self, states: SourceFile, spec: SourceFile | None, *, texts: bool) -> None:
        self._states, self._texts = states, texts
        head = members_of(states.file, ("request_states",))
        described = an_object(spec.look.top) if spec is not None else {}
        self._adapter = an_object(described.get("adapter_spec")) or an_object(head.get("adapter_spec"))
        self._name = a_text(described.get("name")) or states.file.path.parent.name or NAME
        self._metrics = _metrics(described)
        self._key = ""
        self._cells: dict[tuple[str, str], ImportedCell] = {}
        self._last: dict[_Place, str] = {}

    def calls(self) -> Iterator[Record]:
        """Give the run and its requests; a multiple choice can be one for each option."""
        number = 0
        for path, value in walk(self._states.file, ("request_states",)):
            if path != ("request_states",):
                continue
            number += 1
            state = an_object(value)
            if not isinstance(state.get("request"), dict) or not isinstance(state.get("instance"), dict):
                where = f"{self._states.name}: request {number}"
                yield Broken(where=where, reason="has no request or no instance: not a state of HELM's")
                continue
            if not self._key:
                yield self._run(an_object(state.get("result")))
            yield from self._call(state)

    def _run(self, first: JsonObject) -> ImportedRun:
        started = instant_us(first.get("request_datetime"))
        completions = [a_text(an_object(one).get("text")) or "" for one in a_list(first.get("completions"))]
        self._key = f"{self._name}@{started if started is not None else completions[:1]}"
        return ImportedRun(
            key=self._key, tool=NAME, name=self._name, created_at_us=started, config={"adapter_spec": self._adapter}
        )

    def _call(self, state: JsonObject) -> Iterator[Record]:
        request, result = an_object(state["request"]), an_object(state.get("result"))
        place = _place(an_object(state["instance"]), state)
        cell, sample = self._cell(request), _sample(place)
        if place not in self._last:
            yield ImportedSample(cell=cell, sample=sample, target=_target(an_object(state["instance"])))
        identity = self._identity(place, state)
        is_reused, is_failed = bool(result.get("cached")), result.get("success") is False
        started = None if is_reused else instant_us(result.get("request_datetime"))
        completion = an_object(next(iter(a_list(result.get("completions"))), None))
        self._last[place] = identity
        yield ImportedAttempt(
            cell=cell,
            identity=identity,
            sample=sample,
            status="reused" if is_reused else "failed" if is_failed else "succeeded",
            started_at_us=started,
            finished_at_us=ended_us(started, a_number(result.get("request_time"))),
            error_message=a_text(result.get("error")) if is_failed else None,
            finish_reason=_finish(completion),
            parameters={name: request[name] for name in ("temperature", "max_tokens", "top_p") if name in request},
            said=_said(request, completion, is_failed=is_failed) if self._texts else None,
        )

    def _identity(self, place: _Place, state: JsonObject) -> str:
        """Name a request: a multiple choice has one for each option, told apart by the option's number."""
        parts = (self._key, *(str(part) for part in place), state.get("reference_index"), state.get("request_mode"))
        return "/".join(str(part) for part in parts if part is not None)

    def _cell(self, request: JsonObject) -> ImportedCell:
        named, deployed = a_text(request.get("model")) or "", a_text(request.get("model_deployment")) or ""
        if (named, deployed) not in self._cells:
            self._cells[named, deployed] = ImportedCell(
                run=self._key,
                suite=self._name.partition(":")[0],
                suite_version=self._variant(),
                # a model without a deployment, in old runs, was served by its maker
                provider=(deployed or named).partition("/")[0] if "/" in (deployed or named) else UNKNOWN_PROVIDER,
                model=named.rpartition("/")[2] or deployed.rpartition("/")[2] or NO_MODEL,
                setting=setting_of(self._adapter),
            )
        return self._cells[named, deployed]

    def _variant(self) -> str:
        """Give the scenario's own arguments, the model aside: `subject=philosophy,method=multiple_choice_joint`."""
        parts = self._name.partition(":")[2].split(",")
        return ",".join(part for part in parts if part and not part.startswith(("model=", "model_deployment=")))

    def scores(self, instances: SourceFile) -> Iterator[Record]:
        """Give the metrics of each instance, the run's first one last: that is the one which reports take."""
        for _, value in walk(instances.file, ()):
            row = an_object(value)
            place = _place({"id": row.get("instance_id"), "perturbation": row.get("perturbation")}, row)
            attempt = self._last.get(place)
            if attempt is None:
                continue
            found = {str(an_object(one.get("name")).get("name")): one for one in map(an_object, a_list(row["stats"]))}
            for metric in reversed([name for name in self._metrics if name in found]):
                number, reason = score_of(found[metric].get("mean"))
                yield ImportedScore(attempt=attempt, scorer=metric, value=number, reason=reason)

    def notes(self) -> Iterator[Noted]:
        """Say what a run folder does not hold."""
        if self._key:
            detail = "HELM keeps nothing of requests that it repeated"
            yield Noted(run=self._key, name="retries_lost", detail=detail, lower_bound=True)


def _metrics(described: JsonObject) -> tuple[str, ...]:
    """List the metrics that the run's specification asks for by name, then the usual ones."""
    asked = [
        name
        for spec in a_list(described.get("metric_specs"))
        for name in a_list(an_object(an_object(spec).get("args")).get("names"))
        if isinstance(name, str)
    ]
    return tuple(dict.fromkeys([*asked, *USUAL_METRICS]))


def _place(instance: JsonObject, row: JsonObject) -> _Place:
    """Name an instance in a trial: a perturbed copy of it is another one."""
    perturbation = an_object(instance.get("perturbation"))
    shown = ",".join(f"{name}={value}" for name, value in sorted(perturbation.items()) if value is not None)
    return str(instance.get("id")), max(0, a_count(row.get("train_trial_index")) or 0), shown


def _sample(place: _Place) -> SampleKey:
    return SampleKey(sample_id=place[0], task=place[2] or None, epoch=place[1])


def _target(instance: JsonObject) -> str | None:
    right = [
        a_text(an_object(an_object(one).get("output")).get("text")) or ""
        for one in a_list(instance.get("references"))
        if "correct" in a_list(an_object(one).get("tags"))
    ]
    return "\n".join(right) or None


def _finish(completion: JsonObject) -> str | None:
    reason = completion.get("finish_reason")
    named = a_text(reason) or a_text(an_object(reason).get("reason"))
    return None if named is None else {"stop": "stop", "endoftext": "stop", "length": "length"}.get(named, "other")


def _said(request: JsonObject, completion: JsonObject, *, is_failed: bool) -> Said:
    messages: list[Json] = a_list(request.get("messages"))
    chat = [one for one in messages if isinstance(one, dict)]
    thinking = a_text(an_object(completion.get("thinking")).get("text"))
    prompt = [{"role": "user", "content": a_text(request.get("prompt")) or ""}]
    answer = None if is_failed else a_text(completion.get("text")) or ""
    return Said(messages=chat or prompt, answer=answer, reasoning=thinking)


FORMAT = Format(
    name=NAME,
    title="HELM",
    looks_for="scenario_state.json with adapter_spec and request_states, and its run folder",
    role_of=role_of,
    read=read,
    unit_of=by_folder,
    example="benchmark_output/runs/SUITE/",
    cannot_tell=(
        "No tokens of the provider: HELM's own counts leave reasoning and the chat template out, and are not taken.",
        "No costs, and nothing of requests that were repeated.",
    ),
)
