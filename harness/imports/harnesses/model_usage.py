"""The usage object of Inspect, which EvalScope and Every Eval Ever write, too: one set of names with several meanings.

Whether `input_tokens` includes cached tokens and `output_tokens` includes reasoning depends on the tool's version and
the provider; the object's own total shows it. Pure. Data flows an object -> `read_model_usage` -> `ImportedUsage`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stated:
    """What an object states, in tokens.

    Attributes:
        read: from a cache; None = not stated, as for the following.
        written: to a cache.
        total: 0 where none is stated.
    """

    given: int
    output: int
    read: int | None
    written: int | None
    reasoning: int | None
    total: int

    @property
    def cached(self) -> int:
        return (self.read or 0) + (self.written or 0)

    def possible_rules(self) -> list[Meaning]:
        """Leave out those by which more would be cached than there is input."""
        return [rule for rule in _RULES if not rule.cached_inside or self.cached <= self.given]

    def sum_by(self, rule: Meaning) -> int:
        """Add up what a rule takes for parts of the total."""
        beside = 0 if rule.cached_inside else self.cached
        return self.given + self.output + beside + (0 if rule.reasoning_inside else self.reasoning or 0)


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
    stated = _stated(fields)
    if fields.flags:  # negative, no whole number: nothing of it can be trusted
        return unsure(fmt, raw, fields.flags[0].name, f"{where}: {fields.flags[0].detail}")
    if not any((stated.given, stated.output, stated.cached, stated.reasoning)):
        return unsure(fmt, raw, "zero_usage", f"{where}: no tokens at all are stated, as where a provider told none")
    rule = _rule(stated, meaning)
    if rule is None:
        return unsure(fmt, raw, UNSURE, f"{where}: {_sums(raw)}: fits neither input with cached tokens nor without")
    flag_unread_counts(fields, (stated.given, stated.output, stated.given + stated.output))
    return _counted(fmt, raw, where, rule, stated, (*fields.flags, *_doubts(raw, stated, rule)))


def _stated(fields: Fields) -> _Stated:
    given, output = (fields.count(name) or 0 for name in COUNTS)
    read, written, reasoning = (fields.count(name) for name in PARTS)
    total = fields.count("total_tokens") or 0
    return _Stated(given=given, output=output, read=read, written=written, reasoning=reasoning, total=total)


def _rule(stated: _Stated, meaning: Meaning) -> Meaning | None:
    """Choose the rule that gives the stated total; None = none does, and it matters."""
    possible = stated.possible_rules()
    if not stated.total:
        return None if stated.cached and meaning.cached_inside is None else _likeliest(possible, meaning)
    fitting = [rule for rule in possible if stated.sum_by(rule) == stated.total]
    if fitting:
        return _likeliest(fitting, meaning)
    if stated.cached:
        return None
    # what was cached is not in question: the counts stand, and the difference is flagged
    return Meaning(cached_inside=False, reasoning_inside=(stated.reasoning or 0) <= stated.output)


def _likeliest(rules: list[Meaning], meaning: Meaning) -> Meaning:
    return max(rules, key=lambda rule: _agreement(rule, meaning))


def _agreement(rule: Meaning, meaning: Meaning) -> int:
    """Count in how much a rule is what the version says; `max` takes the first, likeliest one of equals."""
    known = ((rule.cached_inside, meaning.cached_inside), (rule.reasoning_inside, meaning.reasoning_inside))
    return sum(1 for one, other in known if one == other)


def _doubts(raw: Mapping[str, object], stated: _Stated, rule: Meaning) -> Iterator[Flag]:
    """Flag what does not add up under a rule."""
    if stated.total and stated.total != stated.sum_by(rule):
        yield Flag(name=UNSURE, detail=f"{_sums(raw)}: the counts are taken, and the bill of them is partial")
    if _exceeds(stated, rule):
        yield Flag(name="reasoning_exceeds_output", detail=f"reasoning {stated.reasoning}, output {stated.output}")


def _exceeds(stated: _Stated, rule: Meaning) -> bool:
    """True where more reasoning is stated than the output in which it should be."""
    return rule.reasoning_inside is True and (stated.reasoning or 0) > stated.output


def _counted(
    fmt: str, raw: Mapping[str, object], where: str, rule: Meaning, stated: _Stated, flags: tuple[Flag, ...]
) -> ImportedUsage:
    return counted(
        fmt,
        raw,
        where=where,
        uncached_input=stated.given - stated.cached if rule.cached_inside else stated.given,
        cache_read=stated.read,
        cache_write=stated.written,
        output=stated.output if rule.reasoning_inside else stated.output + (stated.reasoning or 0),
        reasoning=None if _exceeds(stated, rule) else stated.reasoning,
        flags=flags,
    )


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
