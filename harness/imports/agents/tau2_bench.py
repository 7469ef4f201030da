"""Results of tau2-bench: simulated conversations between an agent and a user, who is a second model that is paid for.

Data flows one file with all simulations, or a header and a file per simulation -> a sample per task and trial, whose
calls are the messages that have a usage. The first greeting is the tool's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.declared import JsonObject
from harness.imports.agents.litellm_names import named
from harness.imports.containers.json_stream import members_of, walk
from harness.imports.containers.json_values import a_count, a_list, a_number, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import checked_usage, doubt_in, read_logged
from harness.imports.harnesses.logged_settings import setting_of
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedScore,
    ImportedUsage,
    Noted,
    Record,
    Said,
    SampleKey,
)
from harness.imports.refusal import ImportRefused
from harness.ledger.records import Purpose
from harness.usage.kinds import LITELLM

NAME = "tau2"
SUITE = "tau2-bench"
SIMULATIONS, TASKS = ("simulations",), ("tasks",)
_ENDED = "termination_reason"
_PURPOSES: Mapping[str, Purpose] = {"assistant": "solve", "user": "user_simulator"}
"""What calls are for, by the role of the messages that came from them."""


def role_of(look: Peek) -> str | None:
    """Recognise results with their simulations, the header of those that have files of their own, and summaries."""
    top = look.top
    if "agent_info" in an_object(top.get("info")):
        return "results" if a_list(top.get("simulations")) else "header"
    if {"task_id", _ENDED} <= top.keys() and ("messages" in top or "ticks" in top or "reward_info" in top):
        return "simulation"
    return "summary" if {"domain", "num_tasks", "num_simulations", "metrics"} <= top.keys() else None


def unit_of(path: Path, role: str) -> Path:
    """Say that a header belongs to the simulations below it, and a summary to the results that it sums up."""
    if role == "simulation":
        return path.parent.parent if path.parent.name == "simulations" else path.parent
    if role == "header":
        return path.parent
    return path.with_name(path.name.replace("_results.json", ".json"))


def read(source: Source) -> Iterator[Record]:
    """Give each simulation as a sample with the calls of both models, and its reward.

    Raises:
        ImportRefused: there are simulations without a header, or a summary alone.
    """
    header = source.one("results") or source.one("header")
    if header is None:
        names = ", ".join(file.name for file in source.files[:3])
        is_summary = not source.of("simulation")
        raise ImportRefused(
            "holds sums, no calls"
            if is_summary
            else "holds simulations without their results.json, which names the models",
            where=names,
            fix="name the folder with results.json",
        )
    facts = members_of(header.file, SIMULATIONS, TASKS)
    run = _Run.of(facts)
    yield run.record
    for where, simulation in _simulations(source, header):
        yield from _Simulation(run=run, where=where, facts=simulation, texts=source.texts).records()
    yield from run.notes(_n_tasks(header))


def _simulations(source: Source, header: SourceFile) -> Iterator[tuple[str, JsonObject]]:
    if header.role == "results":
        rows = (value for path, value in walk(header.file, SIMULATIONS, TASKS) if path == SIMULATIONS)
        for number, value in enumerate(rows, 1):
            yield f"{header.name}: simulation {number}", an_object(value)
    for file in source.of("simulation"):
        yield file.name, members_of(file.file)


def _n_tasks(header: SourceFile) -> int:
    return sum(path == TASKS for path, _ in walk(header.file, SIMULATIONS, TASKS))


@dataclass(slots=True, kw_only=True)
class _Run:
    """What the header says, and what was met on the way.

    Attributes:
        trials: of each task, as asked for.
        skipped: simulations that the tool gave up.
    """

    record: ImportedRun
    cell: ImportedCell
    domain: str
    user: tuple[str, str]
    trials: int
    n_simulations: int = 0
    skipped: int = 0
    without_usage: int = 0
    judged: int = 0
    n_plain: int = 0

    @classmethod
    def of(cls, facts: JsonObject) -> _Run:
        """Read the header."""
        info = an_object(facts.get("info"))
        agent, user = an_object(info.get("agent_info")), an_object(info.get("user_info"))
        domain = a_text(an_object(info.get("environment_info")).get("domain_name")) or SUITE
        began = a_text(facts.get("timestamp"))
        provider, model = named(a_text(agent.get("llm")))
        key = f"{began}/{domain}/{agent.get('llm')}/{info.get('seed')}"
        record = ImportedRun(
            key=key,
            tool=NAME,
            name=f"{domain} {model}",
            tool_version=a_text(info.get("git_commit")),
            created_at_us=instant_us(began),
            config={name: info.get(name) for name in ("num_trials", "max_steps", "max_errors", "seed")}
            | {"agent": agent.get("llm_args"), "user": user.get("llm_args")},
        )
        cell = ImportedCell(
            run=key,
            suite=SUITE,
            provider=provider,
            model=model,
            setting=setting_of(an_object(agent.get("llm_args")))
            or a_text(an_object(info.get("audio_native_config")).get("reasoning_effort")),
        )
        return cls(
            record=record,
            cell=cell,
            domain=domain,
            user=named(a_text(user.get("llm"))),
            trials=a_count(info.get("num_trials")) or 1,
        )

    def notes(self, n_tasks: int) -> Iterator[Noted]:
        """Say what the results leave out."""
        found = [
            ("retries_lost", "tau2 keeps nothing of requests that litellm repeated", True),
            ("no_zone", "instants have no time zone; they are read as UTC", False),
        ]
        if self.n_plain:
            detail = "tokens that were read from a cache are counted as input: the list price is at most this"
            found.append(("cached_dropped", detail, False))
        if n_tasks * self.trials > self.n_simulations:
            detail = f"{self.n_simulations} of {n_tasks * self.trials} simulations are here"
            found.append(("samples_missing", detail, True))
        if self.skipped:
            found.append(("samples_missing", f"{self.skipped} simulations were skipped", True))
        if self.without_usage:
            detail = f"{self.without_usage} simulations have no usage at all (voice): what they cost is unknown"
            found.append(("usage_missing", detail, True))
        if self.judged:
            detail = f"{self.judged} simulations were judged by a model, of whose calls nothing is kept"
            found.append(("judge_lost", detail, True))
        for name, detail, lower_bound in found:
            yield Noted(
                run=self.record.key,
                name=name,
                detail=detail,
                lower_bound=lower_bound,
                upper_bound=name == "cached_dropped",
            )


@dataclass(slots=True, kw_only=True)
class _Simulation:
    """One conversation."""

    run: _Run
    where: str
    facts: JsonObject
    texts: bool
    asked: list[JsonObject] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        run, facts = self.run, self.facts
        run.n_simulations += 1
        run.skipped += facts.get("skipped") is True
        trial = a_count(facts.get("trial")) or 0
        sample = SampleKey(sample_id=str(facts.get("task_id")), task=run.domain, epoch=max(0, trial))
        key = a_text(facts.get("id")) or f"{run.record.key}/{sample.sample_id}/{trial}"
        last: str | None = None
        for number, value in enumerate(a_list(facts.get("messages"))):
            message = an_object(value)
            found = self._call(message, number, f"{key}/{number}", sample)
            if isinstance(found, ImportedAttempt) and found.purpose == "solve":
                last = found.identity
            if found is not None:
                yield found
            if self.texts:
                self.asked.append({name: message.get(name) for name in ("role", "content")})
        if last is None:
            run.without_usage += 1
            last = key
            yield self._whole(key, sample)
        yield from self._score(last)

    def _whole(self, key: str, sample: SampleKey) -> ImportedAttempt:
        """Stand for all calls of a conversation of which none is kept: nobody knows what they used."""
        began, ended = (instant_us(self.facts.get(name)) for name in ("start_time", "end_time"))
        return ImportedAttempt(
            cell=self.run.cell, identity=key, sample=sample, started_at_us=began, finished_at_us=ended
        )

    def _call(self, message: JsonObject, number: int, identity: str, sample: SampleKey) -> Record | None:
        """Give the call that a message came from; None = it came from no model, or nobody knows."""
        purpose = _PURPOSES.get(str(message.get("role")))
        if purpose is None:
            return None
        raw = an_object(message.get("raw_data"))
        is_own = purpose == "solve"
        provider, model = (self.run.cell.provider, self.run.cell.model) if is_own else self.run.user
        answer = read_logged(raw, provider)
        usage = self._usage(message, answer.usage)
        if usage is None and not raw:
            return None
        if usage is not None and (doubt := doubt_in(usage)) is not None:
            return Broken(where=f"{self.where}, message {number}", reason=doubt)
        at_us = instant_us(message.get("timestamp"))
        return ImportedAttempt(
            cell=self.run.cell,
            identity=identity,
            sample=sample,
            purpose=purpose,
            provider=None if is_own else provider,
            model=None if is_own else model,
            model_served=answer.stated.model,
            usage=usage,
            started_at_us=at_us,
            finished_at_us=at_us,
            stated_cost_usd=an_amount(message.get("cost")) or None,
            cost_note="litellm's price list of that day",
            provider_request_id=a_text(raw.get("id")),
            finish_reason=answer.finish_reason,
            said=self._said(message),
        )

    def _said(self, message: JsonObject) -> Said | None:
        """Give the words of a call, where texts are wanted."""
        return Said(messages=list(self.asked), answer=a_text(message.get("content"))) if self.texts else None

    def _usage(self, message: JsonObject, whole: ImportedUsage | None) -> ImportedUsage | None:
        """Take the usage of the raw answer where it is kept; the message's own has lost what was cached."""
        raw = message.get("usage")
        if whole is not None and whole.raw is not None and "prompt_tokens" in whole.raw:
            return checked_usage(LITELLM, an_object(whole.raw))
        if not isinstance(raw, dict):
            return whole
        self.run.n_plain += 1
        return checked_usage(LITELLM, raw)

    def _score(self, last: str) -> Iterator[Record]:
        judged = an_object(self.facts.get("reward_info"))
        if not judged:
            return
        self.run.judged += bool(a_list(judged.get("nl_assertions")))
        value = a_number(judged.get("reward"))
        ended = a_text(self.facts.get(_ENDED))
        yield ImportedScore(
            attempt=last,
            scorer="reward",
            value=value,
            reason=f"not rewarded ({ended})" if value is None else None,
            explanation=ended,
            scored_at_us=instant_us(self.facts.get("end_time")),
        )


FORMAT = Format(
    name=NAME,
    title="tau2-bench results",
    looks_for="JSON with info.agent_info and simulations, or results.json beside a folder of simulations",
    role_of=role_of,
    read=read,
    unit_of=unit_of,
    example="RESULTS.json",
    cannot_tell=(
        "Cached and reasoning tokens, where the raw answer is not kept; cached ones are inside of the input.",
        "Retries, and simulations that failed and were repeated: the spend is a lower bound.",
        "What the judge of natural-language assertions cost.",
        "The time zone of its instants.",
        "Voice: no usage at all.",
    ),
)
