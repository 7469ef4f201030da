"""Calls inside one Anthropic answer (`iterations`): the answering model's own, those of others, and declined attempts.

Data flows the listed rows -> `Calls` -> the readers of Anthropic's own payload and of litellm's sum over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.usage.draft import LIFETIMES, Draft
from harness.usage.families.context import differ_by_tier
from harness.usage.payload import Fields
from harness.usage.values import CACHE_PARTS, Usage

MESSAGE, COMPACTION, FALLBACK = "message", "compaction", "fallback_message"
OWN_CALLS = (MESSAGE, COMPACTION)
"""Iterations that the asked model itself made; `advisor_message` and its like name another model."""


@dataclass(slots=True, kw_only=True)
class Calls:
    """The listed calls of one answer, by who is billed for them.

    Attributes:
        visible: calls of the answering model that the top level sums.
        compactions: its calls that the top level leaves out.
        others: calls of other models, with their names: advisors, and attempts declined after some output.
        unbilled: attempts that a fallback replaced before they had written anything: they cost nothing.
        served_model: the model that answered in the end, where a fallback did; None = the one that was asked.
    """

    visible: list[Draft] = field(default_factory=list)
    compactions: list[Draft] = field(default_factory=list)
    others: list[tuple[str, Draft]] = field(default_factory=list)
    unbilled: list[Draft] = field(default_factory=list)
    served_model: str | None = None

    @property
    def own(self) -> list[Draft]:
        """Calls of the answering model, compactions last."""
        return [*self.visible, *self.compactions]

    @property
    def all(self) -> list[Draft]:
        """Every listed call."""
        return [*self.own, *(call for _, call in self.others), *self.unbilled]

    def other_usages(self) -> tuple[tuple[str, Usage], ...]:
        """Give the usage of other models; their faults stand once, among the payload's own flags."""
        return tuple((model, _usage_of(call)) for model, call in self.others)

    def by_tier(self, total: Draft) -> tuple[Usage, ...]:
        """Give the own calls one by one where their prompts lie on both sides of a context tier, else nothing.

        Args:
            total: what they are charged as; nothing is given where they do not sum to it.
        """
        prompts = [call.input_tokens for call in self.own if call.input_tokens is not None]
        outputs = [call.output_tokens for call in self.own if call.output_tokens is not None]
        if len(prompts) < 2 or len(prompts) != len(self.own) or len(outputs) != len(self.own):
            return ()
        if (sum(prompts), sum(outputs)) != (total.input_tokens, total.output_tokens) or not differ_by_tier(prompts):
            return ()
        return tuple(_usage_of(call) for call in self.own)


def read_calls(fields: Fields, rows: Sequence[Fields]) -> Calls:
    """Sort listed calls by who is billed for them.

    With a server-side fallback the top level is the call that answered, each attempt is billed at its own model, and
    one that was declined before any output is not billed at all (platform.claude.com, refusals and fallback, 2026-08).
    """
    kinds = [(row.text("type"), row.text("model")) for row in rows]
    fallbacks = [index for index, (kind, _) in enumerate(kinds) if kind == FALLBACK]
    calls = Calls(served_model=kinds[fallbacks[-1]][1] if fallbacks else None)
    for index, (row, (kind, model)) in enumerate(zip(rows, kinds, strict=True)):
        call = read_call(row)
        call.reasoning_tokens = row.part("output_tokens_details").count("thinking_tokens")
        if fallbacks and kind in (MESSAGE, FALLBACK):
            _take_attempt(fields, calls, call, model, answered=index >= fallbacks[0] and model == calls.served_model)
        elif model is None or kind in OWN_CALLS:
            if kind not in OWN_CALLS:
                row.flag("unknown_iteration", f"{row.path} has type {kind!r} and names no model; counted as its own")
            (calls.compactions if kind == COMPACTION else calls.visible).append(call)
        elif (call.input_tokens, call.output_tokens) != (0, 0):
            calls.others.append((model, call))
    return calls


def _take_attempt(fields: Fields, calls: Calls, call: Draft, model: str | None, *, answered: bool) -> None:
    """Sort one attempt of a request that fell back to another model."""
    if answered:
        calls.visible.append(call)
    elif call.output_tokens == 0:
        calls.unbilled.append(call)
        fields.flag("declined_unbilled", f"{call.fields.path} was declined before any output: not billed")
    elif model is None:
        calls.unbilled.append(call)
        fields.flag("declined_model_unknown", f"{call.fields.path} was declined after output and names no model")
    else:
        calls.others.append((model, call))


def read_call(fields: Fields) -> Draft:
    """Read the counts of one call; the prompt is input + cache reads + cache writes."""
    plain, read = fields.count("input_tokens"), fields.count("cache_read_input_tokens", "input_tokens_cache_read")
    created = fields.count("cache_creation_input_tokens", "input_tokens_cache_write")
    lifetimes = fields.part("cache_creation")
    write_5m, write_1h = (lifetimes.count(name) for name in LIFETIMES)
    spoiled = fields.spoiled(
        "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"
    ) or lifetimes.spoiled(*LIFETIMES)
    draft = Draft(fields=fields, output_tokens=fields.count("output_tokens"), cache_read_tokens=read)
    draft.split_cache_writes(created, write_5m, write_1h)
    if plain is not None and not spoiled:
        draft.input_tokens = plain + draft.cached
    return draft


def sum_calls(fields: Fields, calls: Sequence[Draft]) -> Draft:
    """Add calls count by count; one unknown total makes the sum unknown, an unknown part does not."""

    def totals(name: str) -> int | None:
        counts = [getattr(call, name) for call in calls]
        return None if None in counts else sum(counts)

    def parts(name: str) -> int | None:
        counts = [getattr(call, name) for call in calls if getattr(call, name) is not None]
        return sum(counts) if counts else None

    summed = Draft(fields=fields, input_tokens=totals("input_tokens"), output_tokens=totals("output_tokens"))
    for name in CACHE_PARTS:
        setattr(summed, name, parts(name))
    return summed


def _usage_of(call: Draft) -> Usage:
    usage = call.usage(thinking=True if call.reasoning_tokens else None)
    return replace(usage, flags=(), unknown_fields={})
