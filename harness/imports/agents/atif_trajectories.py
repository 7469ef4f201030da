"""Trajectories in the Agent Trajectory Interchange Format: the calls that steps stand for, and what the whole used.

Data flows a trajectory's steps, those of embedded sub-agents included -> `Call`s and `Sums`. Prompt tokens include what
was read from a cache and written to one; the steps need not add up to the total.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from harness.declared import Json, JsonObject
from harness.imports.agents.litellm_names import named
from harness.imports.containers.json_stream import members_of, walk
from harness.imports.containers.json_values import a_count, a_list, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import checked_usage
from harness.imports.harnesses.asked_models import UNKNOWN_PROVIDER
from harness.imports.log_formats import SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_records import ImportedUsage, Said
from harness.imports.refusal import ImportRefused
from harness.providers.wire.answers import text_of
from harness.usage.kinds import CHAT, MESSAGES

FMT = "harbor"
STEPS, SUBAGENTS = ("steps",), ("subagent_trajectories",)
SYNTHETIC = "<synthetic>"
_VERSION = re.compile(r"ATIF-v1\.[0-9]+")
_WRITTEN = ("cache_creation_input_tokens", "total_cache_creation_input_tokens")
_REASONING = ("reasoning_output_tokens", "total_reasoning_tokens", "reasoning_tokens", "total_reasoning_output_tokens")
_BESIDE = ("server_tool_use", "service_tier", "speed", "inference_geo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What a trajectory or a trial used in all, as it states it; None = it does not."""

    prompt: int | None = None
    cached: int | None = None
    completion: int | None = None
    cost_usd: Decimal | None = None
    extra: JsonObject

    @property
    def is_known(self) -> bool:
        """Both totals are stated; agents write 0 and 0 where they know nothing."""
        return self.prompt is not None and self.completion is not None and bool(self.prompt or self.completion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A step that stands for calls of a model.

    Attributes:
        model_name: as the step names it, else the trajectory.
        n_calls: how many calls it stands for, where that is known.
    """

    number: int
    model_name: str | None
    metrics: JsonObject
    at_us: int | None
    cost_usd: Decimal | None
    n_calls: int
    said: Said | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a trajectory says of the whole.

    Attributes:
        key: of the agent's run.
        total: as it states it.
        steps: sums over the calls of its steps: prompt and completion.
        steps_cost_usd: sum of what its steps cost.
        largest_prompt: of all its steps; it decides a context tier.
    """

    key: str | None
    agent: JsonObject
    total: Sums
    steps: tuple[int, int]
    steps_cost_usd: Decimal
    n_calls: int
    largest_prompt: int
    began_us: int | None


def header_of(file: SourceFile) -> Header:
    """Read a trajectory to its end for what it says of the whole.

    Raises:
        ImportRefused: it is of an unknown version.
    """
    top = _top(file)
    agent = an_object(top.get("agent"))
    prompt = completion = n_calls = largest = 0
    cost = Decimal(0)
    began_us: int | None = None
    for call in calls_in(file, agent, texts=False):
        given = a_count(call.metrics.get("prompt_tokens")) or 0
        prompt += given
        largest = max(largest, given)
        completion += a_count(call.metrics.get("completion_tokens")) or 0
        cost += call.cost_usd or 0
        n_calls += 1
        began_us = call.at_us if began_us is None else began_us
    return Header(
        key=a_text(top.get("session_id")) or a_text(top.get("trajectory_id")),
        agent=agent,
        total=_total(an_object(top.get("final_metrics"))),
        steps=(prompt, completion),
        steps_cost_usd=cost,
        n_calls=n_calls,
        largest_prompt=largest,
        began_us=began_us,
    )


def _top(file: SourceFile) -> JsonObject:
    """Read a trajectory without its steps.

    Raises:
        ImportRefused: it is of an unknown version.
    """
    top = members_of(file.file, STEPS, SUBAGENTS)
    version = a_text(top.get("schema_version")) or ""
    if _VERSION.fullmatch(version) is None:
        raise ImportRefused(f"schema_version {version!r} is not known", where=file.name, fix="read is ATIF-v1.x")
    return top


def _total(final: JsonObject) -> Sums:
    return Sums(
        prompt=a_count(final.get("total_prompt_tokens")),
        cached=a_count(final.get("total_cached_tokens")),
        completion=a_count(final.get("total_completion_tokens")),
        cost_usd=an_amount(final.get("total_cost_usd")),
        extra=an_object(final.get("extra")),
    )


def calls_in(file: SourceFile, agent: JsonObject, *, texts: bool) -> Iterator[Call]:
    """Give the steps that stand for calls, in their order; those that were copied for context stand for none.

    Args:
        agent: of the trajectory.
    """
    number = 0
    asked: list[JsonObject] = []
    for path, value in walk(file.file, STEPS, SUBAGENTS):
        if path not in (STEPS, SUBAGENTS):
            continue
        for step, step_agent in _steps(an_object(value), agent):
            if not _stands_for_calls(step, step_agent):
                if texts and step.get("source") != "agent":
                    asked.append({"role": step.get("source"), "content": step.get("message")})
                continue
            number += 1
            yield _call(number, step, step_agent, asked if texts else None)
            asked = []


def _steps(value: JsonObject, agent: JsonObject) -> Iterator[tuple[JsonObject, JsonObject]]:
    """Give a step, or those of an embedded sub-agent and of its own."""
    if "steps" not in value:
        yield value, agent
        return
    own = an_object(value.get("agent")) or agent
    for inner in (*a_list(value.get("steps")), *a_list(value.get("subagent_trajectories"))):
        yield from _steps(an_object(inner), own)


def _stands_for_calls(step: JsonObject, agent: JsonObject) -> bool:
    if step.get("source") != "agent" or step.get("is_copied_context") is True or step.get("llm_call_count") == 0:
        return False
    name = step.get("model_name") or agent.get("model_name")
    return bool(an_object(step.get("metrics"))) and name != SYNTHETIC


def _call(number: int, step: JsonObject, agent: JsonObject, asked: list[JsonObject] | None) -> Call:
    metrics: JsonObject = {
        name: value for name, value in an_object(step["metrics"]).items() if not isinstance(value, list)
    }
    said = None
    if asked is not None:
        answer = text_of(step.get("message"))
        said = Said(messages=list(asked), answer=answer, reasoning=a_text(step.get("reasoning_content")))
    return Call(
        number=number,
        model_name=a_text(step.get("model_name")) or a_text(agent.get("model_name")),
        metrics=metrics,
        at_us=instant_us(step.get("timestamp")),
        cost_usd=an_amount(metrics.get("cost_usd")) or None,
        n_calls=max(1, a_count(step.get("llm_call_count")) or 1),
        said=said,
    )


def usage_of(counts: Sequence[Json], extra: JsonObject, raw: JsonObject) -> ImportedUsage | None:
    """Read counts, of a step or of a whole, with what the agent's own usage object says beside them.

    Args:
        counts: prompt, cached and completion tokens.
        extra: the agent's own object: cache writes (which the prompt includes), lifetimes, reasoning, tools, tier.

    Returns:
        None where no counts are stated.
    """
    given, read, output = (a_count(count) for count in counts)
    if given is None and output is None:
        return None
    written = _first_count(extra, _WRITTEN)
    if written is not None:
        answer: JsonObject = {
            "input_tokens": None if given is None else given - (read or 0) - written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "cache_creation": extra.get("cache_creation"),
            "output_tokens": output,
            "output_tokens_details": extra.get("output_tokens_details"),
            **{name: extra[name] for name in _BESIDE if name in extra},
        }
        return ImportedUsage(usage=checked_usage(MESSAGES, answer).usage, raw=raw, kind=FMT)
    reasoning: Json = _first_count(extra, _REASONING)
    if reasoning is None:
        reasoning = an_object(extra.get("completion_tokens_details")).get("reasoning_tokens")
    answer = {
        "prompt_tokens": given,
        "completion_tokens": output,
        "prompt_tokens_details": {"cached_tokens": read},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return ImportedUsage(usage=checked_usage(CHAT, answer).usage, raw=raw, kind=FMT)


def _first_count(extra: JsonObject, names: Sequence[str]) -> int | None:
    """Give the count of the first name that has one: agents differ in what they call it."""
    return next((count for name in names if (count := a_count(extra.get(name))) is not None), None)


def asked_of(model_name: str | None, provider: str, model: str) -> tuple[str, str]:
    """Say who was asked in a step: its own name, with the trial's provider where that says nobody.

    Args:
        provider, model: of the trial.
    """
    if model_name is None or model_name == model:
        return provider, model
    step_provider, step_model = named(model_name)
    return (
        (provider or UNKNOWN_PROVIDER, step_model) if step_provider == UNKNOWN_PROVIDER else (step_provider, step_model)
    )
