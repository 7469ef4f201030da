"""Recorded provider interactions, streams included, through the reader of their kind and the price book.

Data flows replay.jsonl -> payload kind by host and path -> (stream fold) -> usage -> cost -> `table`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from harness.costs import Cost, cost_of
from harness.documents.table import Column, Table
from harness.money import plain
from harness.pricing import PriceBook
from harness.usage import FOLDS, Usage, parse_json, read_usage, sse_events

RECORDED_BY = datetime(2026, 8, 21, 12, tzinfo=UTC)
"""Day before the recordings were published: the date of responses that do not carry one."""

HOSTS = {
    "aiplatform.googleapis.com": ("gemini.usageMetadata", "vertex_ai"),
    "api.anthropic.com": ("anthropic.messages", "anthropic"),
    "api.cerebras.ai": ("openai.chat", "cerebras"),
    "api.cohere.com": ("cohere.v2", "cohere"),
    "api.deepseek.com": ("deepseek.chat", "deepseek"),
    "api.groq.com": ("groq.chat", "groq"),
    "api.inference.crusoecloud.com": ("openai.chat", "crusoe"),
    "api.mistral.ai": ("mistral.chat", "mistral"),
    "api.openai.com": ("openai.chat", "openai"),
    "api.z.ai": ("openai.chat", "zai"),
    "bedrock-mantle.us-east-1.api.aws": ("openai.responses", "bedrock"),
    "bedrock-runtime.us-east-1.amazonaws.com": ("bedrock.converse", "bedrock"),
    "bedrock-runtime.us-east-2.amazonaws.com": ("bedrock.converse", "bedrock"),
    "generativelanguage.googleapis.com": ("gemini.usageMetadata", "google"),
    "myorg-myaccount.snowflakecomputing.com": ("openai.chat", "snowflake"),
    "openrouter.ai": ("openrouter.chat", "openrouter"),
    "pydantic-ai-realtime-dev.openai.azure.com": ("openai.responses", "azure"),
}
TOLERANCE_USD = Decimal("1e-9")
_FRAME_BODY = re.compile(r":message-type.{3}event\{", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """One interaction after reading and pricing.

    Attributes:
        is_answer: False for calls that answer nothing (caches, file stores, responses still queued): no usage is due.
    """

    host: str
    kind: str
    provider: str
    model: str
    is_stream: bool
    is_answer: bool
    usage: Usage
    cost: Cost

    @property
    def reading(self) -> str:
        """`exact` (all identities hold), `flagged`, `missing` (totals unknown) or `no answer`."""
        if not self.is_answer:
            return "no answer"
        if self.usage.is_missing:
            return "missing"
        return "flagged" if self.usage.flags else "exact"


def read_replays(path: Path, book: PriceBook) -> list[Replay]:
    """Read and price every recorded interaction."""
    return [_replay(parse_json(line), book) for line in path.read_bytes().splitlines()]


def _replay(record: Mapping[str, Any], book: PriceBook) -> Replay:
    path = urlsplit(record["uri"]).path
    kind, provider = _kind(record["host"], path)
    raw, head = _final(kind, record["response"])
    usage = read_usage(kind, raw)
    model = _model(record, path, head)
    moment = head.get("created") or head.get("created_at")
    at = datetime.fromtimestamp(moment, UTC) if isinstance(moment, int) and moment else RECORDED_BY
    tier = head.get("service_tier")
    cost = cost_of(book, usage, provider=provider, model=model, at=at, service_tier=tier or None)
    return Replay(
        host=record["host"],
        kind=kind,
        provider=provider,
        model=model,
        is_stream=isinstance(record["response"], str),
        is_answer=_is_answer(head, path),
        usage=usage,
        cost=cost,
    )


def _kind(host: str, path: str) -> tuple[str, str]:
    if host == "router.huggingface.co":
        hosted = path.split("/")[1]
        return ("together.chat" if hosted == "together" else "openai.chat"), hosted
    kind, provider = HOSTS[host]
    return ("openai.responses" if "/responses" in path else kind), provider


def _final(kind: str, response: Any) -> tuple[Any, Mapping[str, Any]]:
    """Get the raw usage and the object that names model and time, from a body or a stream."""
    if not isinstance(response, str):
        return response.get("usage") or response.get("usageMetadata"), response
    if kind == "bedrock.converse":
        events = list(_bedrock_events(response))
        return FOLDS[kind](events), {}
    events = list(sse_events(response))
    head: dict[str, Any] = {}
    for event in events:
        holder = event.get("response") or event.get("message") or event
        head.update({name: value for name, value in holder.items() if value})
    return FOLDS[kind](events), head


def _bedrock_events(text: str) -> Iterator[Any]:
    """Find the JSON of AWS event-stream frames in text whose binary framing was lost when it was recorded."""
    if text.lstrip().startswith("{"):
        yield parse_json(text)
        return
    decoder = json.JSONDecoder(parse_float=Decimal)
    for match in _FRAME_BODY.finditer(text):
        try:
            # a frame's body is followed by its checksum, so the rest of the text is not looked at
            yield decoder.raw_decode(text, match.end() - 1)[0]
        except ValueError:
            continue


def _model(record: Mapping[str, Any], path: str, head: Mapping[str, Any]) -> str:
    request = record["request"] if isinstance(record["request"], Mapping) else {}
    named = re.search(r"/models?/([^/:]+)", path) if "/model" in path else None
    if record["host"].startswith("bedrock-runtime"):
        return unquote(path.split("/model/")[1].rsplit("/", 1)[0])
    found = head.get("model") or head.get("modelVersion") or (named and named.group(1)) or request.get("model")
    return str(found or "").removeprefix("models/")


def _is_answer(head: Mapping[str, Any], path: str) -> bool:
    stores = ("/cachedContents", "/vector_stores")
    return not any(store in path for store in stores) and head.get("status") not in ("queued", "in_progress")


def table(replays: Sequence[Replay]) -> Table:
    """Count readings and pricings by provider and kind."""
    grouped: dict[tuple[str, str], list[Replay]] = {}
    for replay in replays:
        grouped.setdefault((replay.provider, replay.kind), []).append(replay)
    rows = [(provider, kind, *_counts(members)) for (provider, kind), members in sorted(grouped.items())]
    everything = _counts(replays)
    unpriced = sorted({f"{item.provider}/{item.model}" for item in _unpriced(replays)})
    flags = Counter(flag.name for item in replays if item.is_answer for flag in item.usage.flags)
    return Table(
        name="replays",
        title=f"{len(replays)} recorded interactions, {everything[1]} of them streams: read without a crash",
        columns=(
            Column(name="provider"),
            Column(name="kind"),
            Column(name="interactions", kind="integer"),
            Column(name="streams", kind="integer"),
            Column(name="exact", kind="integer"),
            Column(name="flagged", kind="integer"),
            Column(name="missing", kind="integer"),
            Column(name="no_answer", kind="integer", title="no answer"),
            Column(name="priced", kind="integer"),
            Column(name="unpriced", kind="integer"),
            Column(name="free", kind="integer"),
        ),
        rows=[*rows, ("all", "", *everything)],
        notes=(
            "exact: every identity of the payload's kind holds; no answer: queued responses, caches and file stores",
            f"flags: {dict(flags)}",
            _stated_note(replays),
            f"without a price row: {', '.join(unpriced)}",
        ),
    )


def stated(replays: Sequence[Replay]) -> list[tuple[Replay, Decimal, Decimal | None]]:
    """List the interactions that state their cost (own-key calls: fee plus upstream) with our list price."""
    found = []
    for item in replays:
        usage = item.usage
        if usage.stated_cost_usd is not None:
            found.append((item, usage.stated_cost_usd + (usage.stated_upstream_usd or 0), item.cost.list_usd))
    return found


def _stated_note(replays: Sequence[Replay]) -> str:
    items = stated(replays)
    priced = [(item, said, ours) for item, said, ours in items if ours is not None]
    equal = [item for item, said, ours in priced if abs(said - ours) <= TOLERANCE_USD]
    different = [f"{item.model} {plain(said)} / {plain(ours)}" for item, said, ours in priced if item not in equal]
    return (
        f"{len(items)} state their cost, {len(priced)} of them have a list price: {len(equal)} equal it to 1e-9 USD; "
        f"stated / list where not: {'; '.join(different)}"
    )


def _unpriced(replays: Sequence[Replay]) -> list[Replay]:
    return [item for item in replays if item.is_answer and item.cost.list_usd is None]


def _counts(replays: Sequence[Replay]) -> tuple[int, ...]:
    readings = Counter(item.reading for item in replays)
    statuses = Counter(item.cost.status for item in replays if item.is_answer)
    return (
        len(replays),
        sum(item.is_stream for item in replays),
        *(readings[name] for name in ("exact", "flagged", "missing", "no answer")),
        *(statuses[name] for name in ("priced", "unpriced", "free")),
    )
