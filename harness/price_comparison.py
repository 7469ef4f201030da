"""Where other projects' prices of today disagree with ours: a check for people, never used to price anything.

Data flows (`PriceBook`, genai-prices and litellm's bundled map) -> `Disagreement` values; both libraries are optional.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.money import EXACT
from harness.pricing import ANY_MODEL, Price, PriceBook
from harness.rates import Terms, rates_in_force
from harness.usage.values import Meter

LITELLM_MAP = "model_prices_and_context_window_backup.json"
"""The copy of its price map that litellm carries for work without a network."""

_LITELLM_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("",),
    "azure": ("azure/",),
    "bedrock": ("",),
    "cerebras": ("cerebras/",),
    "cohere": ("", "cohere/"),
    "deepseek": ("deepseek/",),
    "fireworks": ("fireworks_ai/accounts/fireworks/models/", "fireworks_ai/"),
    "google": ("gemini/",),
    "groq": ("groq/",),
    "mistral": ("mistral/",),
    "openai": ("",),
    "openrouter": ("openrouter/",),
    "perplexity": ("perplexity/",),
    "sambanova": ("sambanova/",),
    "together": ("together_ai/",),
    "xai": ("xai/",),
}
_LITELLM_KEYS = {
    Meter.INPUT: "input_cost_per_token",
    Meter.CACHE_READ: "cache_read_input_token_cost",
    Meter.OUTPUT: "output_cost_per_token",
}
_GENAI_PROVIDERS = {"xai": "x-ai", "bedrock": "aws"}

Lookup = Callable[[Price], Mapping[Meter, Decimal] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One rate on which another project differs from ours, in USD per million tokens."""

    library: str
    provider: str
    model: str
    meter: Meter
    ours: Decimal
    theirs: Decimal


def disagreements(book: PriceBook, at: datetime, libraries: Mapping[str, Lookup]) -> Iterator[Disagreement]:
    """Compare every row in force with what each library says; what a library does not know is left out."""
    for price in book.rows:
        if price.free or price.model == ANY_MODEL or book.at(price.provider, price.model, at) != price:
            continue
        card = rates_in_force(price, Terms(at=at))
        for library, lookup in libraries.items():
            for meter, theirs in (lookup(price) or {}).items():
                ours = card.rate(meter)
                if ours is not None and ours.scaleb(6, EXACT) != theirs:
                    yield Disagreement(
                        library=library,
                        provider=price.provider,
                        model=price.model,
                        meter=meter,
                        ours=ours.scaleb(6, EXACT),
                        theirs=theirs,
                    )


def installed_libraries(at: datetime) -> dict[str, Lookup]:
    """Open the libraries that are installed; `{}` without the dev extra."""
    try:
        import genai_prices  # noqa: F401  # its presence is the dev extra's, which decides on the comparison
    except ImportError:
        return {}
    litellm = _litellm_lookup()
    return {"genai-prices": _genai_lookup(at), **({} if litellm is None else {"litellm": litellm})}


def _litellm_lookup() -> Lookup | None:
    """Read the price map that litellm carries, without importing litellm (seconds, and a download unless forbidden)."""
    package = find_spec("litellm")
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / LITELLM_MAP
    if not path.is_file():
        return None
    prices: Mapping[str, Mapping[str, Any]] = json.loads(path.read_bytes(), parse_float=Decimal)

    def lookup(price: Price) -> Mapping[Meter, Decimal] | None:
        for prefix in _LITELLM_PREFIXES.get(price.provider, ()):
            if entry := prices.get(prefix + price.model):
                return {meter: _per_mtok(entry[key]) for meter, key in _LITELLM_KEYS.items() if entry.get(key)}
        return None

    return lookup


def _per_mtok(usd_per_token: Decimal | int) -> Decimal:
    return EXACT.multiply(Decimal(usd_per_token), Decimal(1_000_000))


def _genai_lookup(at: datetime) -> Lookup:
    from genai_prices import Usage, calc_price

    samples = {
        Meter.INPUT: {"input_tokens": 1000, "output_tokens": 0},
        Meter.CACHE_READ: {"input_tokens": 1000, "cache_read_tokens": 1000, "output_tokens": 0},
        Meter.OUTPUT: {"input_tokens": 0, "output_tokens": 1000},
    }

    def lookup(price: Price) -> Mapping[Meter, Decimal] | None:
        provider = _GENAI_PROVIDERS.get(price.provider, price.provider)
        found = {}
        for meter, usage in samples.items():
            try:
                priced = calc_price(Usage(**usage), price.model, provider_id=provider, genai_request_timestamp=at)
            except (LookupError, ValueError):
                continue
            found[meter] = Decimal(priced.total_price).scaleb(3, EXACT)
        return found

    return lookup
