"""litellm's price map: its entries as quotes, with the rules for what is not believed.

Data flows model_prices_and_context_window_backup.json (installed, in a wheel, or a file) -> `PriceList`; litellm itself
is never imported (seconds, and a download unless forbidden).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from harness.pricing.lists.listed_providers import listed_provider, of_litellm
from harness.pricing.lists.quotes import PriceList, Quote, Refusal, RefusedError, Sale, check_chat_rates, published

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


def read_litellm(prices: Mapping[str, Mapping[str, Any]], version: str, stated_on: date) -> PriceList:
    """Read the map; amounts must have been parsed as Decimal."""
    quotes, refusals = [], []
    facts: dict[tuple[str, str], Mapping[str, Any]] = {}
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


def _quote(
    key: str, provider: str, model: str, entry: Mapping[str, Any], prices: Mapping[str, Mapping[str, Any]]
) -> Quote:
    mode = str(entry.get("mode"))
    _check_entry(key, provider, mode, entry)
    found: dict[tuple[str, int], dict[str, Decimal]] = {}
    left_out = _read_rates(entry, found) if "tiered_pricing" not in entry else _read_ranges(entry, found)
    base = found.pop(("", 0), {})
    fees, unread = _fees(entry, provider, mode)
    if mode not in _CHAT and (left_out := [name for name in left_out if not name.startswith("output_cost_per_image")]):
        raise RefusedError(f"not expressible: {', '.join(left_out)}")
    rates = published({**base, **fees})
    if "output_cost_per_image" in entry and not any(part in rates for part in ("output", "output_image")):
        raise RefusedError("not expressible: a price per image, whatever its size")
    for part, same in (("reasoning", "output"), ("input_image", "input")):
        if part in rates and rates[part] == rates.get(same):
            del rates[part]
    check_chat_rates(rates, needs_output=mode not in _NO_OUTPUT)
    _check_twin(key, provider, entry, prices)
    return Quote(
        provider=provider,
        model=model,
        listed_as=key,
        rates=rates,
        sales={_sale(tier): published(part) for (tier, size), part in found.items() if tier and not size},
        sizes={size: published(part) for (tier, size), part in found.items() if size and not tier},
        sized_sales={(_sale(tier), size): published(part) for (tier, size), part in found.items() if size and tier},
        factors=_factors(entry),
        page=_page(str(entry.get("source") or "")),
        left_out=(*unread, *left_out),
    )


def _check_entry(key: str, provider: str, mode: str, entry: Mapping[str, Any]) -> None:
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


def _check_twin(key: str, provider: str, entry: Mapping[str, Any], prices: Mapping[str, Mapping[str, Any]]) -> None:
    """Bedrock sells Claude from Sonnet 4.5 on at +10 % in a region; the map often has the global rate there."""
    dearer = listed_provider(provider).dearer_in_region
    bare = key.rpartition("/")[2]
    if dearer is None or (start := bare.find(dearer)) < 0 or bare.startswith("global."):
        return
    twin = prices.get("global." + bare[start:])
    if twin is not None and twin.get("input_cost_per_token") == entry.get("input_cost_per_token"):
        raise RefusedError("an in-region id at the global rate: in-region costs 10 % more")


def _read_rates(entry: Mapping[str, Any], found: dict[tuple[str, int], dict[str, Decimal]]) -> list[str]:
    """Sort per-token amounts by tier and size; give the names of amounts that no price file can hold."""
    unread = []
    threshold_is_long = of_litellm(entry["litellm_provider"]).threshold_is_long
    for name, amount in entry.items():
        if not _is_amount(amount) or ("cost" not in name and "price" not in name):
            continue
        key = _KEY.fullmatch(name)
        tier = key["tier"] if key is not None else None
        if key is None or (tier is not None and tier not in _TIERS):
            if amount and name not in _FEES and name != "input_cost_per_token_cache_hit" and "uplift" not in name:
                unread.append(name)
            continue
        meter = _METERS[key["base"]]
        if key["hour"]:
            meter = "cache_write_1h"
        size = int(key["size"] or 0) * 1000
        if size and threshold_is_long:
            size -= 1
        place = (tier or "", size)
        found.setdefault(place, {})[meter] = Decimal(amount) * _MTOK
    return unread


def _read_ranges(entry: Mapping[str, Any], found: dict[tuple[str, int], dict[str, Decimal]]) -> list[str]:
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
    return []


def _is_amount(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _sale(tier: str) -> Sale:
    return "tier", _TIERS[tier]


def _fees(entry: Mapping[str, Any], provider: str, mode: str) -> tuple[dict[str, Decimal], tuple[str, ...]]:
    fees = {
        key: Decimal(entry[name]) * scale
        for name, (key, scale) in _FEES.items()
        if _is_amount(entry.get(name)) and mode in _CHAT
    }
    search = entry.get("search_context_cost_per_query")
    if not isinstance(search, Mapping):
        return fees, ()
    amounts = {Decimal(amount) * 1000 for amount in search.values()}
    listed = listed_provider(provider)
    if listed.searches == "request":
        raise RefusedError("not expressible: a fee on every request that depends on the size of its search")
    if len(amounts) != 1:
        return fees, ("a search fee by the size of its context",)
    (fee,) = amounts
    if listed.searches is None or entry["litellm_provider"] in listed.searches_as_usual:
        return {**fees, "web_search_per_1k": fee}, ()
    per_query = entry.get("web_search_billing_unit") == "per_query"
    return {**fees, "grounding_per_1k" if per_query else "grounded_prompt_per_1k": fee}, ()


def _factors(entry: Mapping[str, Any]) -> dict[Sale, Decimal]:
    own = entry.get("provider_specific_entry") or {}
    given: dict[Sale, Any] = {
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


def _facts(entry: Mapping[str, Any]) -> dict[str, Any]:
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
