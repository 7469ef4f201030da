"""400 recorded usage payloads, normalised by us and by genai-prices, with a reviewed reason for every difference.

Data flows provider_usages_400.json -> `compare` -> differences -> `table`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.documents.table import Column, Table
from harness.usage import Meter, Usage, parse_json, read_usage

OWN_EXTRACTOR = {
    "anthropic.messages": ("anthropic", "default"),
    "bedrock.converse": ("aws", "default"),
    "cohere.v2": ("cohere", "default"),
    "gemini.usageMetadata": ("google", "default"),
    "groq.chat": ("groq", "default"),
    "mistral.chat": ("mistral", "default"),
    "openai.chat": ("openai", "chat"),
    "openai.responses": ("openai", "responses"),
    "openrouter.chat": ("openrouter", "chat"),
}
"""Which of the recorded normalisations is the provider's own (provider_id, api_flavor), by payload kind."""

NOT_COMPARED = (
    "input_text_tokens",
    "output_text_tokens",
    "input_tool_tokens",
    "input_text_tool_tokens",
    "input_video_tokens",
)
"""Recorded parts that we do not split off: they cost the base rate on every listed model."""

REVIEWED = {
    ("anthropic.messages", "input_tokens"): (
        "ours",
        "compaction is listed in iterations[] only; the recorded count leaves the call out",
    ),
    ("anthropic.messages", "output_tokens"): (
        "ours",
        "compaction is listed in iterations[] only; the recorded count leaves the call out",
    ),
    ("anthropic.messages", "cache_write_tokens"): (
        "ours",
        "the compaction call wrote 55,096 tokens to the cache; the recorded count leaves the call out",
    ),
    ("anthropic.messages", "other_models"): (
        "ours",
        "an advisor of another model answered inside the request; the recorded counts leave it out",
    ),
    ("mistral.chat", "cache_read_tokens"): (
        "ours",
        "the payload says num_cached_tokens; the recorded extractor does not know that field",
    ),
    ("gemini.usageMetadata", "input_image_tokens"): (
        "both",
        "a DOCUMENT modality: recorded as image, ours as text; they cost the same on every listed model",
    ),
}
"""Every difference there is, by kind and count: who is right, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A count on which we and the recording disagree."""

    file: str
    kind: str
    count: str
    ours: int
    recorded: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All payloads read and compared.

    Attributes:
        kinds: payloads by kind.
        flagged: payloads with at least one flag, by flag name.
        missing: payloads whose totals we could not read.
        unknown_fields: names of fields that no reader knew.
        equal: payloads without any difference.
        differences: every count that differs.
    """

    kinds: Mapping[str, int]
    flagged: Mapping[str, int]
    missing: int
    unknown_fields: frozenset[str]
    equal: int
    differences: tuple[Difference, ...]


def kind_of(body: Mapping[str, Any]) -> str:
    """Tell the payload kind of a recorded body by its shape, and by its file where two providers share a shape."""
    usage = body.get("usage")
    if usage is None:
        return "gemini.usageMetadata"
    for field, kind in (
        ("inputTokens", "bedrock.converse"),
        ("billed_units", "cohere.v2"),
        ("cache_read_input_tokens", "anthropic.messages"),
        ("input_tokens", "openai.responses"),
        ("queue_time", "groq.chat"),
        ("num_cached_tokens", "mistral.chat"),
    ):
        if field in usage:
            return kind
    return "openrouter.chat" if "openrouter" in body["file"] else "openai.chat"


def compare(path: Path) -> Comparison:
    """Read every payload and compare it with the recorded normalisation of its own provider."""
    records = parse_json(path.read_bytes())
    kinds: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    unknown: set[str] = set()
    differences: list[Difference] = []
    equal = missing = 0
    for record in records:
        body = record["body"]
        kind = kind_of(body)
        usage = read_usage(kind, body.get("usage") or body["usageMetadata"])
        kinds[kind] += 1
        flagged.update({flag.name for flag in usage.flags})
        unknown.update(usage.unknown_fields)
        missing += usage.is_missing
        found = _differences(body["file"], kind, usage, _recorded(record["extracted"], kind))
        equal += not found
        differences += found
    return Comparison(
        kinds=kinds,
        flagged=flagged,
        missing=missing,
        unknown_fields=frozenset(unknown),
        equal=equal,
        differences=tuple(differences),
    )


def _recorded(extracted: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, int]:
    """Find the recorded counts of the payload's own provider and API."""
    for result in extracted:
        extractors = {(item["provider_id"], item["api_flavor"]) for item in result["extractors"]}
        if OWN_EXTRACTOR[kind] in extractors:
            counts: Mapping[str, int] = result["usage"]
            return counts
    raise LookupError(f"no recorded counts by {OWN_EXTRACTOR[kind]}")


def _counts(usage: Usage) -> dict[str, int]:
    """Name our counts as the recording does; unknown counts are 0 there, since it leaves them out."""
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": (usage.cache_write_5m_tokens or 0) + (usage.cache_write_1h_tokens or 0),
        "output_reasoning_tokens": usage.reasoning_tokens,
        "input_audio_tokens": usage.input_audio_tokens,
        "input_image_tokens": usage.input_image_tokens,
        "output_image_tokens": usage.output_image_tokens,
        "web_searches": usage.fees.get(Meter.WEB_SEARCH),
        "other_models": len(usage.other_models),
    }
    return {name: count or 0 for name, count in counts.items()}


def _differences(file: str, kind: str, usage: Usage, recorded: Mapping[str, int]) -> list[Difference]:
    ours = _counts(usage)
    if "cache_write_5m_tokens" in recorded:
        ours["cache_write_5m_tokens"] = usage.cache_write_5m_tokens or 0
    names = [*ours, *(name for name in recorded if name not in ours and name not in NOT_COMPARED)]
    return [
        Difference(file=file, kind=kind, count=name, ours=ours.get(name, 0), recorded=recorded.get(name, 0))
        for name in names
        if ours.get(name, 0) != recorded.get(name, 0)
    ]


def table(comparison: Comparison) -> Table:
    """Group the differences by kind and count, with the reviewed reason."""
    grouped: dict[tuple[str, str], list[Difference]] = {}
    for difference in comparison.differences:
        grouped.setdefault((difference.kind, difference.count), []).append(difference)
    rows = []
    for (kind, count), members in sorted(grouped.items()):
        right, reason = REVIEWED.get((kind, count), ("?", "not reviewed"))
        example = f"{members[0].ours} / {members[0].recorded}"
        rows.append((kind, count, len(members), example, right, reason))
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(comparison.kinds.items()))
    total = sum(comparison.kinds.values())
    return Table(
        name="payloads",
        title=f"{total} recorded payloads: all read, {comparison.equal} normalised alike, "
        f"{total - comparison.equal} differ",
        columns=(
            Column(name="kind"),
            Column(name="count"),
            Column(name="payloads", kind="integer"),
            Column(name="example", title="ours / recorded"),
            Column(name="right", title="who is right"),
            Column(name="reason"),
        ),
        rows=rows,
        notes=(
            f"kinds: {kinds}",
            f"missing totals: {comparison.missing}; flagged: {dict(comparison.flagged)}; "
            f"unknown fields: {sorted(comparison.unknown_fields)}",
            f"recorded parts that are not compared, since they cost the base rate: {', '.join(NOT_COMPARED)}",
        ),
    )
