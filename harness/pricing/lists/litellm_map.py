"""litellm's price map: its entries as quotes, with the rules for what is not believed.

Data flows model_prices_and_context_window_backup.json (installed, in a wheel, or a file) -> `PriceList`; litellm itself
is never imported (seconds, and a download unless forbidden).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import TypeAlias, TypedDict, TypeGuard

from harness.pricing.lists.listed_providers import listed_provider, of_litellm
from harness.pricing.lists.quotes import (
    Entry,
    PriceList,
    Quote,
    Rates,
    Refusal,
    RefusedError,
    Sale,
    check_chat_rates,
    published,
    without_repeated,
)

MAP_FILE = "model_prices_and_context_window_backup.json"
"""The copy of its price map that litellm carries for work without a network."""

_MODES = {"chat", "completion", "responses", "realtime", "embedding", "image_generation", "image_edit"}
_MODES |= {"audio_speech", "audio_transcription"}
_NO_OUTPUT = {"embedding", "audio_transcription", "image_generation", "image_edit", "audio_speech"}
_CHAT = {"chat", "completion", "responses", "realtime"}

_CONVERTED = re.compile(r"\b(CNY|RMB|EUR|RUB|INR)\b|[¥€]|\bconverted\b|exchange rate")
_KEY = re.compile(
    r"(?P<base>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost"
    r"|input_cost_per_audio_token|output_cost_per_audio_token|input_cost_per_image_token|output_cost_per_image_token"
    r"|cache_read_input_audio_token_cost|cache_read_input_image_token_cost|output_cost_per_reasoning_token"
    r"|citation_cost_per_token)(?P<hour>_above_1hr)?(?:_above_(?P<size>\d+)k_tokens)?(?:_(?P<tier>[a-z]+))?"
)
_METERS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "output_cost_per_image_token": "output_image",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_read_input_image_token_cost": "cache_read_image",
    "output_cost_per_reasoning_token": "reasoning",
    "citation_cost_per_token": "citation",
}
_FEES = {
    "input_cost_per_request": ("request_per_1k", 1000),
    "google_maps_grounding_cost_per_query": ("maps_grounding_per_1k", 1000),
    "file_search_cost_per_1k_calls": ("file_search_per_1k", 1),
    "code_interpreter_cost_per_session": ("code_session_each", 1),
}
_TIERS = {"batches": "batch", "priority": "priority", "flex": "flex"}
_MTOK = 1_000_000


def read_litellm(prices: Mapping[str, Entry], version: str, stated_on: date) -> PriceList:
    """Read the map; amounts must have been parsed as Decimal."""
    quotes, refusals = [], []
    facts: dict[tuple[str, str], Entry] = {}
    ids: dict[tuple[str, str], str] = {}
    for key, entry in prices.items():
        if key == "sample_spec" or not entry.get("litellm_provider"):
            continue
        provider, model = name_of(key, str(entry["litellm_provider"]))
        facts[provider, model] = _facts(entry)
        ids[provider, model] = key
        try:
            quotes.append(_quote(key, provider, model, entry, prices))
        except RefusedError as refused:
            refusals.append(Refusal(listed_as=key, provider=provider, model=model, reason=str(refused)))
    return PriceList(
        project="litellm",
        version=version,
        stated_on=stated_on,
        quotes=tuple(sorted(quotes, key=_vertex_last)),
        refusals=tuple(refusals),
        facts=facts,
        ids=ids,
    )


def name_of(key: str, group: str) -> tuple[str, str]:
    """Give the provider and model that a person types for an entry: `gemini/gemini-3-pro` -> google, gemini-3-pro."""
    listed = of_litellm(group)
    for prefix in (f"{group}/", *(listed.prefixes or (f"{listed.name}/",))):
        if key.startswith(prefix):
            return listed.name, key.removeprefix(prefix)
    return listed.name, key


def _vertex_last(quote: Quote) -> bool:
    """Of two entries under one name, the first counts: the Gemini API before Vertex, Azure OpenAI before its others."""
    preferred = listed_provider(quote.provider).preferred
    return "_ai/" in quote.listed_as if preferred is None else not quote.listed_as.startswith(preferred)


def _quote(key: str, provider: str, model: str, entry: Entry, prices: Mapping[str, Entry]) -> Quote:
    mode = str(entry.get("mode"))
    _check_entry(key, provider, mode, entry)
    found, left_out = _read_ranges(entry) if "tiered_pricing" in entry else _read_rates(entry)
    fees, unread = _fees(entry, provider, mode)
    if mode not in _CHAT and (left_out := [name for name in left_out if not name.startswith("output_cost_per_image")]):
        raise RefusedError(f"not expressible: {', '.join(left_out)}")
    rates = without_repeated(published({**found.pop(("", 0), {}), **fees}))
    if "output_cost_per_image" in entry and rates.keys().isdisjoint({"output", "output_image"}):
        raise RefusedError("not expressible: a price per image, whatever its size")
    check_chat_rates(rates, needs_output=mode not in _NO_OUTPUT)
    _check_twin(key, provider, entry, prices)
    return Quote(
        provider=provider,
        model=model,
        listed_as=key,
        rates=rates,
        **_sold(found),
        factors=_factors(entry),
        page=_page(str(entry.get("source") or "")),
        left_out=(*unread, *left_out),
    )


def _check_entry(key: str, provider: str, mode: str, entry: Entry) -> None:
    if mode not in _MODES:
        raise RefusedError(f"not a model that answers: mode {mode}")
    if "off_peak_pricing" in entry:
        raise RefusedError("peak rates with hours of its own: a row that knows the hours decides")
    listed = listed_provider(provider)
    if listed.refused is not None:
        raise RefusedError(listed.refused)
    if listed.currency is not None:
        raise RefusedError(f"converted currency: the provider's list is in {listed.currency}")
    if any("_dbu_" in name for name in entry):
        raise RefusedError("converted currency: the provider's list is in DBU")
    if _CONVERTED.search(f"{entry.get('metadata', '')} {entry.get('comment', '')}"):
        raise RefusedError("converted currency: the entry says so")
    if key.startswith("ft:"):
        raise RefusedError("the name of a base model, under which no fine-tuned one is called")


def _check_twin(key: str, provider: str, entry: Entry, prices: Mapping[str, Entry]) -> None:
    """Bedrock sells Claude from Sonnet 4.5 on at +10 % in a region; the map often has the global rate there."""
    dearer = listed_provider(provider).dearer_in_region
    bare = key.rpartition("/")[2]
    if dearer is None or (start := bare.find(dearer)) < 0 or bare.startswith("global."):
        return
    twin = prices.get("global." + bare[start:])
    if twin is not None and twin.get("input_cost_per_token") == entry.get("input_cost_per_token"):
        raise RefusedError("an in-region id at the global rate: in-region costs 10 % more")


_Places: TypeAlias = dict[tuple[str, int], dict[str, Decimal]]
"""Rates by tier and by the prompt size above which they hold; ("", 0) = always."""


class _Sold(TypedDict):
    """The rates of a `Quote` that replace the usual ones."""

    sales: dict[Sale, Rates]
    sizes: dict[int, Rates]
    sized_sales: dict[tuple[Sale, int], Rates]


def _sold(found: _Places) -> _Sold:
    sold: _Sold = {"sales": {}, "sizes": {}, "sized_sales": {}}
    for (tier, size), part in found.items():
        rates = published(part)
        if not tier:
            sold["sizes"][size] = rates
        elif size:
            sold["sized_sales"][("tier", _TIERS[tier]), size] = rates
        else:
            sold["sales"]["tier", _TIERS[tier]] = rates
    return sold


def _read_rates(entry: Entry) -> tuple[_Places, list[str]]:
    """Sort per-token amounts by tier and size, and name the amounts that no price file can hold."""
    found: _Places = {}
    unread = []
    threshold_is_long = of_litellm(entry["litellm_provider"]).threshold_is_long
    for name, amount in _amounts(entry):
        key = _KEY.fullmatch(name)
        if key is not None and (key["tier"] or "batches") in _TIERS:
            size = max(0, int(key["size"] or 0) * 1000 - threshold_is_long)
            meter = "cache_write_1h" if key["hour"] else _METERS[key["base"]]
            found.setdefault((key["tier"] or "", size), {})[meter] = amount * _MTOK
        elif amount and not _is_read_elsewhere(name):
            unread.append(name)
    return found, unread


def _amounts(entry: Entry) -> Iterator[tuple[str, Decimal]]:
    for name, amount in entry.items():
        if _is_amount(amount) and ("cost" in name or "price" in name):
            yield name, Decimal(amount)


def _is_read_elsewhere(name: str) -> bool:
    return name in _FEES or name == "input_cost_per_token_cache_hit" or "uplift" in name


def _read_ranges(entry: Entry) -> tuple[_Places, list[str]]:
    found: _Places = {}
    end = 0
    for step in entry["tiered_pricing"]:
        bounds = step.get("range")
        if not bounds or int(bounds[0]) != end or set(step) - {"range"} - _METERS.keys():
            raise RefusedError("not expressible: tiers by something else than the prompt's size")
        end = int(bounds[1])
        rates = {_METERS[name]: Decimal(amount) * _MTOK for name, amount in step.items() if name != "range"}
        if rates.get("reasoning") == rates.get("output"):
            rates.pop("reasoning", None)
        found["", int(bounds[0])] = rates
    return found, []


def _is_amount(value: object) -> TypeGuard[int | Decimal]:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _fees(entry: Entry, provider: str, mode: str) -> tuple[dict[str, Decimal], tuple[str, ...]]:
    fees = {}
    for name, (key, scale) in _FEES.items():
        amount = entry.get(name)
        if mode in _CHAT and _is_amount(amount):
            fees[key] = Decimal(amount) * scale
    search = entry.get("search_context_cost_per_query")
    if not isinstance(search, Mapping):
        return fees, ()
    if listed_provider(provider).searches == "request":
        raise RefusedError("not expressible: a fee on every request that depends on the size of its search")
    amounts = {Decimal(amount) * 1000 for amount in search.values()}
    if len(amounts) != 1:
        return fees, ("a search fee by the size of its context",)
    return {**fees, _search_meter(entry, provider): amounts.pop()}, ()


def _search_meter(entry: Entry, provider: str) -> str:
    """Say by what a provider sells its search: by the call, by the query or by the prompt."""
    listed = listed_provider(provider)
    if listed.searches is None or entry["litellm_provider"] in listed.searches_as_usual:
        return "web_search_per_1k"
    return "grounding_per_1k" if entry.get("web_search_billing_unit") == "per_query" else "grounded_prompt_per_1k"


def _factors(entry: Entry) -> dict[Sale, Decimal]:
    own = entry.get("provider_specific_entry") or {}
    given: dict[Sale, object] = {
        ("speed", "fast"): own.get("fast"),
        ("geo", "us"): own.get("us") or entry.get("regional_processing_uplift_multiplier_us"),
        ("geo", "eu"): entry.get("regional_processing_uplift_multiplier_eu"),
        ("geo", "*"): entry.get("regional_endpoint_uplift_multiplier"),
    }
    return {sale: Decimal(str(factor)) for sale, factor in given.items() if factor}


def _page(address: str) -> str:
    """Keep the page without its query, and of an account's own address the host alone."""
    page = address.partition("?")[0]
    return page.partition("/subscriptions/")[0]


def _facts(entry: Entry) -> dict[str, object]:
    """Keep what harness.pricing.lists.fact_importing reads, and whether the entry has a price per token at all."""
    kept = {key: value for key, value in entry.items() if key in _FACTS or key.endswith("_reasoning_effort")}
    return {**kept, "priced": bool(entry.get("input_cost_per_token") or entry.get("tiered_pricing"))}


_FACTS = {
    "mode",
    "supports_reasoning",
    "supports_adaptive_thinking",
    "supports_legacy_thinking",
    "thinking_always_on",
    "reasoning_effort_levels",
    "max_input_tokens",
    "max_output_tokens",
}
