"""What OpenRouter tells of calls: its export of activity, single generations, and replies with their cost.

Data flows rows, generations or replies -> one call each -> records. The native counts are those that are billed; a
generation's other counts are of a tokenizer that all models share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from harness.declared import Json, JsonObject
from harness.imports.containers.json_values import a_count, a_list, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import checked_usage, doubt_in, logged_words, read_logged
from harness.imports.gateways.logged_rows import first_row, rows_in
from harness.imports.log_formats import Format, Source
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import Broken, ImportedAttempt, ImportedCell, ImportedRun, ImportedUsage, Record
from harness.imports.refusal import ImportRefused
from harness.ledger.records import SettledStatus
from harness.providers.wire.finish_reasons import finish_reason
from harness.usage.values import Flag

NAME = "openrouter"
KIND = "openrouter.chat"
PAGES = ("data",)
_COUNTS = ("prompt", "completion", "cached", "reasoning")
_FEW = 6
"""Columns of the exports that have but a model and what was spent on it."""
_EXTRAS = ("cost_web_search", "cost_file_processing")


def role_of(look: Peek) -> str | None:
    """Recognise the export by its columns, generations and replies by their members; daily sums are refused."""
    row = first_row(look, *PAGES)
    if {"generation_id", "tokens_prompt", "tokens_completion"} <= row.keys():
        return "export"
    generation = an_object(row.get("data")) or row
    if {"native_tokens_prompt", "native_tokens_completion", "total_cost"} <= generation.keys():
        return "generation"
    if {"date", "requests", "usage", "model_permaslug"} <= row.keys() or _is_spend_by_model(look.columns):
        return "daily"
    is_reply = {"choices", "usage", "provider"} <= row.keys() and "cost" in an_object(row.get("usage"))
    return "reply" if is_reply else None


def _is_spend_by_model(columns: Sequence[str]) -> bool:
    names = {name.lower() for name in columns}
    return len(columns) <= _FEW and "model" in names and not names.isdisjoint(("cost", "spend"))


def read(source: Source) -> Iterator[Record]:
    """Give each generation as an attempt.

    Raises:
        ImportRefused: the rows are sums by day, model and provider.
    """
    yield ImportedRun(key=NAME, tool=NAME, name=NAME)
    cells: dict[str, ImportedCell] = {}
    for file in source.files:
        if file.role == "daily":
            raise ImportRefused(
                "holds sums by day, no calls: a run cannot be made of it",
                where=file.name,
                fix="compare it with a ledger (benchtab reconcile), or export the generations",
            )
        for row in rows_in(file, *PAGES):
            if isinstance(row, Broken):
                yield row
                continue
            where, fields = row
            call = _READERS[file.role](fields, cells)
            if call is None:
                yield Broken(where=where, reason="no generation id, or no model")
            elif call.usage is not None and (doubt := doubt_in(call.usage)) is not None:
                yield Broken(where=where, reason=doubt)
            else:
                yield (
                    replace(call, said=logged_words([], fields, NAME))
                    if source.texts and file.role == "reply"
                    else call
                )


def _cell(cells: dict[str, ImportedCell], model: str) -> ImportedCell:
    cell = ImportedCell(run=NAME, suite=NAME, provider=NAME, model=model)
    return cells.setdefault(model, cell)


def _export_row(row: JsonObject, cells: dict[str, ImportedCell]) -> ImportedAttempt | None:
    """Read a row of the export: input includes what was cached, output includes reasoning."""
    key, model = a_text(row.get("generation_id")), a_text(row.get("model_permaslug")) or a_text(row.get("model"))
    if key is None or model is None:
        return None
    if row.get("variant") not in (None, "standard"):
        model = f"{model}:{row['variant']}"
    own_key = an_amount(row.get("byok_usage_inference")) or None
    counts = [a_count(row.get(f"tokens_{name}")) for name in _COUNTS]
    extras = [name for name in _EXTRAS if an_amount(row.get(name))]
    at_us = instant_us(row.get("created_at"))
    return ImportedAttempt(
        cell=_cell(cells, model),
        identity=key,
        status="cancelled" if str(row.get("cancelled")).lower() == "true" else "succeeded",
        usage=_usage(counts, an_amount(row.get("cost_total")), own_key, dict(row), extras),
        billed="yes",
        started_at_us=at_us,
        finished_at_us=_after(at_us, row.get("generation_time_ms")),
        first_byte_us=_ms(row.get("time_to_first_token_ms")),
        stated_cost_usd=an_amount(row.get("cost_total")),
        cost_note=_cost_note(row.get("provider_name"), own_key),
        provider_request_id=key,
        finish_reason=_ended(row.get("finish_reason_normalized")),
    )


def _generation(row: JsonObject, cells: dict[str, ImportedCell]) -> ImportedAttempt | None:
    """Read a generation: of its counts the native ones are billed."""
    facts = an_object(row.get("data")) or row
    key, model = a_text(facts.get("id")), a_text(facts.get("model"))
    if key is None or model is None:
        return None
    counts = [a_count(facts.get(f"native_tokens_{name}")) for name in _COUNTS]
    own_key = an_amount(facts.get("upstream_inference_cost")) if facts.get("is_byok") is True else None
    tried = [an_object(one) for one in a_list(facts.get("provider_responses"))]
    at_us = instant_us(facts.get("created_at"))
    extras = ["num_search_results"] if a_count(facts.get("num_search_results")) else []
    return ImportedAttempt(
        cell=_cell(cells, model),
        identity=key,
        status="cancelled" if facts.get("cancelled") is True else "succeeded",
        usage=_usage(counts, an_amount(facts.get("total_cost")), own_key, _billed_facts(facts), extras),
        billed="yes",
        started_at_us=at_us,
        finished_at_us=_after(at_us, facts.get("generation_time")),
        first_byte_us=_ms(facts.get("latency")),
        stated_cost_usd=an_amount(facts.get("total_cost")),
        cost_note=_cost_note(facts.get("provider_name"), own_key),
        service_tier=a_text(facts.get("service_tier")),
        hidden_retries=max(0, len(tried) - 1),
        provider_request_id=key,
        finish_reason=_ended(facts.get("finish_reason")),
    )


def _reply(row: JsonObject, cells: dict[str, ImportedCell]) -> ImportedAttempt | None:
    """Read a reply of its chat interface, which states its cost."""
    key, model = a_text(row.get("id")), a_text(row.get("model"))
    if key is None or model is None:
        return None
    answer = read_logged(row, NAME)
    status: SettledStatus = "succeeded" if answer.stated.error is None else "failed"
    return ImportedAttempt(
        cell=_cell(cells, model),
        identity=key,
        status=status,
        usage=answer.usage,
        started_at_us=answer.created_us,
        finished_at_us=answer.created_us,
        stated_cost_usd=an_amount(an_object(row.get("usage")).get("cost")),
        cost_note=_cost_note(row.get("provider"), None),
        service_tier=answer.stated.service_tier,
        provider_request_id=key,
        finish_reason=answer.finish_reason,
    )


_READERS: Mapping[str, Callable[[JsonObject, dict[str, ImportedCell]], ImportedAttempt | None]] = {
    "export": _export_row,
    "generation": _generation,
    "reply": _reply,
}


def _usage(
    counts: list[int | None], cost: Decimal | None, own_key: Decimal | None, raw: JsonObject, extras: list[str]
) -> ImportedUsage | None:
    """Read the counts, the charge, and what an upstream charged to the user's own key; None = no counts are stated.

    Args:
        extras: what the charge holds beside tokens, and of which no quantity is stated.
    """
    prompt, completion, cached, reasoning = counts
    if prompt is None and completion is None:
        return None
    answer: JsonObject = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
        "cost": None if cost is None else str(cost),
        "is_byok": own_key is not None,
        "cost_details": {"upstream_inference_cost": None if own_key is None else str(own_key)},
    }
    usage = checked_usage(KIND, answer).usage
    flags = [
        Flag(name="fee_not_counted", detail=f"{name} is {raw[name]}, and no quantity is stated") for name in extras
    ]
    if flags:
        usage = replace(usage, flags=(*usage.flags, *flags))
    return ImportedUsage(usage=usage, raw=raw, kind=NAME)


def _billed_facts(facts: JsonObject) -> JsonObject:
    """Keep of a generation what its bill is made of."""
    words = ("tokens", "cost", "usage", "byok", "num_", "cache")
    return {name: value for name, value in facts.items() if any(word in name for word in words)}


def _cost_note(upstream: Json, own_key: Decimal | None) -> str:
    note = f"charged by OpenRouter, served by {upstream}" if upstream else "charged by OpenRouter"
    return note if own_key is None else f"{note} with a key of your own, which was charged {own_key} USD there"


def _ms(value: Json) -> int | None:
    milliseconds = a_count(value)
    return None if milliseconds is None or milliseconds < 0 else milliseconds * 1000


def _after(at_us: int | None, milliseconds: Json) -> int | None:
    took = _ms(milliseconds)
    return at_us if at_us is None or took is None else at_us + took


def _ended(word: Json) -> str | None:
    return finish_reason(word) if isinstance(word, str) and word else None


FORMAT = Format(
    name=NAME,
    title="OpenRouter (activity export, generations, replies)",
    looks_for="CSV with generation_id and tokens_prompt, JSON with native_tokens_prompt, or a reply with usage.cost",
    role_of=role_of,
    read=read,
    example="activity.csv",
    cannot_tell=(
        "Cache writes, and quantities of searches and files: their cost is in the stated charge alone.",
        "The reasoning setting, samples and scores.",
        "The activity interface has sums by day: it is for reconciling, not a run.",
    ),
)
