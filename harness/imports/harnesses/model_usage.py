"""The usage object of Inspect, which EvalScope and Every Eval Ever write, too: one set of names with several meanings.

Whether `input_tokens` includes cached tokens and `output_tokens` includes reasoning depends on the tool's version and
the provider; the object's own total shows it. Pure. Data flows an object -> `read_model_usage` -> `ImportedUsage`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.imports.containers.json_values import a_count
from harness.imports.log_records import ImportedUsage
from harness.imports.usages import counted, unsure
from harness.usage import read_usage
from harness.usage.draft import flag_unread_counts
from harness.usage.kinds import likely_kind
from harness.usage.payload import Fields
from harness.usage.values import Flag, Usage

COUNTS = ("input_tokens", "output_tokens")
PARTS = ("input_tokens_cache_read", "input_tokens_cache_write", "reasoning_tokens")
UNSURE = "total_mismatch"
"""Flag of counts whose total fits no rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """How a writer counts; the total decides, and this only where two rules give the same total or none is stated.

    Attributes:
        cached_inside: `input_tokens` includes what was read from a cache or written to one; None = not known.
        reasoning_inside: `output_tokens` includes reasoning; None = not known.
    """

    cached_inside: bool | None = None
    reasoning_inside: bool | None = None


NOT_KNOWN = Meaning()
_RULES = tuple(
    Meaning(cached_inside=cached, reasoning_inside=reasoning) for reasoning in (True, False) for cached in (False, True)
)


def read_model_usage(
    fmt: str, raw: Mapping[str, object] | None, *, where: str, meaning: Meaning = NOT_KNOWN
) -> ImportedUsage | None:
    """Read a usage object with Inspect's names.

    With cached tokens, `total = input + output` means that they are inside, `total = input + output + cached` that they
    are beside; reasoning that is missing from the total's sum is beside the output. A total that fits no rule leaves
    the tokens unknown where cached ones are among them, for nobody can say what was charged at which rate.

    Args:
        fmt: the format's name.
        where: file and record, for messages.
        meaning: how the tool's version counts.

    Returns:
        None where the log holds no usage.
    """
    if raw is None:
        return None
    fields = Fields(raw)
    fields.ignore("total_cost")
    counts = [fields.count(name) or 0 for name in COUNTS]
    read, written, reasoning = (fields.count(name) for name in PARTS)
    total = fields.count("total_tokens")
    if fields.flags:  # negative, no whole number: nothing of it can be trusted
        return unsure(fmt, raw, fields.flags[0].name, f"{where}: {fields.flags[0].detail}")
    if not any((*counts, read, written, reasoning)):
        return unsure(fmt, raw, "zero_usage", f"{where}: no tokens at all are stated, as where a provider told none")
    rule = _rule(counts, (read or 0) + (written or 0), reasoning or 0, total, meaning)
    if rule is None:
        return unsure(fmt, raw, UNSURE, f"{where}: {_sums(raw)}: fits neither input with cached tokens nor without")
    flag_unread_counts(fields, (*counts, sum(counts)))
    return _counted(fmt, raw, where, rule, fields)


def _rule(counts: list[int], cached: int, reasoning: int, total: int | None, meaning: Meaning) -> Meaning | None:
    """Choose the rule that gives the stated total; None = none does, and it matters."""
    possible = [rule for rule in _RULES if not rule.cached_inside or cached <= counts[0]]
    fitting = [rule for rule in possible if _total(rule, counts, cached, reasoning) == total]
    if not total:
        if cached and meaning.cached_inside is None:
            return None
        fitting = possible
    if not fitting:
        # what was cached is not in question: the counts stand, and the difference is flagged
        return Meaning(cached_inside=False, reasoning_inside=reasoning <= counts[1]) if not cached else None
    return max(fitting, key=lambda rule: _agreement(rule, meaning))


def _total(rule: Meaning, counts: list[int], cached: int, reasoning: int) -> int:
    beside = 0 if rule.cached_inside else cached
    return sum(counts) + beside + (0 if rule.reasoning_inside else reasoning)


def _agreement(rule: Meaning, meaning: Meaning) -> int:
    """Count in how much a rule is what the version says; `max` takes the first, likeliest one of equals."""
    known = ((rule.cached_inside, meaning.cached_inside), (rule.reasoning_inside, meaning.reasoning_inside))
    return sum(1 for one, other in known if one == other)


def _counted(fmt: str, raw: Mapping[str, object], where: str, rule: Meaning, fields: Fields) -> ImportedUsage:
    (given, output), (read, written, reasoning) = (a_count(raw.get(name)) or 0 for name in COUNTS), _parts(raw)
    cached = (read or 0) + (written or 0)
    flags = list(fields.flags)
    total = a_count(raw.get("total_tokens"))
    if total and total != _total(rule, [given, output], cached, reasoning or 0):
        flags.append(Flag(name=UNSURE, detail=f"{_sums(raw)}: the counts are taken, and the bill of them is partial"))
    if not rule.reasoning_inside:
        output += reasoning or 0
    elif (reasoning or 0) > output:
        flags.append(Flag(name="reasoning_exceeds_output", detail=f"reasoning {reasoning}, output {output}"))
        reasoning = None
    return counted(
        fmt,
        raw,
        where=where,
        uncached_input=given - cached if rule.cached_inside else given,
        cache_read=read,
        cache_write=written,
        output=output,
        reasoning=reasoning,
        flags=tuple(flags),
    )


def _parts(raw: Mapping[str, object]) -> tuple[int | None, int | None, int | None]:
    read, written, reasoning = (a_count(raw.get(name)) for name in PARTS)
    return read, written, reasoning


def _sums(raw: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {raw[name]}" for name in (*COUNTS, *PARTS, "total_tokens") if raw.get(name) is not None)


def with_details(usage: ImportedUsage | None, provider: str, answer: Mapping[str, object]) -> ImportedUsage | None:
    """Add what only the provider's own usage object says: cache lifetimes, audio, fees, tiers.

    It is taken where that object states the same totals; the tool's own counts stand in every case.

    Args:
        answer: the provider's raw answer, as the log keeps it; empty = it does not.
    """
    raw = answer.get("usage")
    if usage is None or not isinstance(raw, dict) or usage.usage.is_missing:
        return usage
    theirs, ours = read_usage(likely_kind(provider, raw), raw), usage.usage
    if (theirs.input_tokens, theirs.output_tokens) != (ours.input_tokens, ours.output_tokens):
        return usage
    if (theirs.cache_read_tokens or 0) != (ours.cache_read_tokens or 0) or theirs.other_models or theirs.calls:
        return usage
    return replace(usage, usage=_detailed(ours, theirs))


def _detailed(ours: Usage, theirs: Usage) -> Usage:
    is_split = ours.cache_write_tokens == theirs.cache_write_tokens != 0
    lifetimes = theirs if is_split else ours
    return replace(
        ours,
        cache_write_5m_tokens=lifetimes.cache_write_5m_tokens,
        cache_write_1h_tokens=lifetimes.cache_write_1h_tokens,
        input_audio_tokens=theirs.input_audio_tokens,
        input_image_tokens=theirs.input_image_tokens,
        cache_read_audio_tokens=theirs.cache_read_audio_tokens if ours.cache_read_tokens else None,
        cache_read_image_tokens=theirs.cache_read_image_tokens if ours.cache_read_tokens else None,
        output_audio_tokens=theirs.output_audio_tokens,
        output_image_tokens=theirs.output_image_tokens,
        fees=theirs.fees,
        context_tokens=theirs.context_tokens,
        service_tier=theirs.service_tier,
        speed=theirs.speed,
        inference_geo=theirs.inference_geo,
    )
