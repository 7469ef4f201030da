"""genai-prices' list: its models as quotes with their dates, with the rules for what is not believed.

Data flows genai_prices/data.py (installed, or in a wheel) -> `PriceList`. The file is a Python literal of constructor
calls: it is parsed and read as data, never executed, so that any version of the package can be read by this one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from harness.pricing.lists.listed_providers import listed_provider, of_genai
from harness.pricing.lists.quotes import PriceList, Quote, Refusal, RefusedError, Sale, check_chat_rates, published

DATA_FILE = "data.py"

_METERS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "input_image_mtok": "input_image",
    "cache_image_read_mtok": "cache_read_image",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "output_reasoning_mtok": "reasoning",
    "output_citation_mtok": "citation",
    "requests_kcount": "request_per_1k",
    "storage_searches_kcount": "file_search_per_1k",
    "web_searches_kcount": "web_search_per_1k",
}
_STANDARD = {"default", "standard"}
_CONVERTED = re.compile(r"\b(CNY|RMB|EUR|RUB|INR)\b|[¥€]|[Cc]onverted (to|from)|exchange rate")
_Place = tuple[Sale | None, int]


def read_genai(source: str, version: str, stated_on: date) -> PriceList:
    """Read the text of the package's `data.py`.

    Raises:
        ValueError: it is not the list of providers that this reader knows.
    """
    quotes: list[Quote] = []
    refusals: list[Refusal] = []
    ids: dict[tuple[str, str], str] = {}
    for listed in _providers(source):
        provider = of_genai(listed["id"]).name
        page = (listed.get("pricing_urls") or [""])[0]
        own = {model["id"] for model in listed["models"]}
        for model in listed["models"]:
            ids[provider, model["id"]] = f"{listed['id']}/{model['id']}"
            names = dict.fromkeys(
                [model["id"], *(name for name in _exact_names(model.get("match")) if name not in own)]
            )
            try:
                dated = _dated(listed["id"], provider, model, page, stated_on)
            except RefusedError as refused:
                refusals += [_refusal(listed["id"], model["id"], provider, name, str(refused)) for name in names]
                continue
            for name in names:
                quotes += [_renamed(quote, name) for quote in dated]
    return PriceList(
        project="genai-prices",
        version=version,
        stated_on=stated_on,
        quotes=tuple(quotes),
        refusals=tuple(refusals),
        ids=ids,
    )


def _refusal(listed: str, model_id: str, provider: str, model: str, reason: str) -> Refusal:
    return Refusal(listed_as=f"{listed}/{model_id}", provider=provider, model=model, reason=reason)


def _renamed(quote: Quote, model: str) -> Quote:
    return quote if quote.model == model else replace(quote, model=model)


def _providers(source: str) -> list[Mapping[str, Any]]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "providers":
            found = _literal(node.value)
            if isinstance(found, list):
                return found
    raise ValueError("it holds no list of providers")


def _literal(node: ast.AST | None) -> Any:
    """Turn constructor calls into mappings of their keywords, with the constructor's name under `is`."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.List | ast.Tuple):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Dict):
        return {_literal(key): _literal(value) for key, value in zip(node.keys, node.values, strict=True)}
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Call):
        return _call(node)
    raise ValueError(f"line {getattr(node, 'lineno', '?')}: not a value that a price list holds")


def _call(node: ast.Call) -> Any:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    values = [_literal(value) for value in node.args]
    if name == "Decimal":
        return Decimal(values[0])
    if name == "date":
        return date(*values)
    return {"is": name, "args": values, **{word.arg: _literal(word.value) for word in node.keywords if word.arg}}


def _exact_names(match: Mapping[str, Any] | None) -> Iterator[str]:
    """List the names that an entry is equal to; what it only begins with or contains is a guess."""
    if match is None:
        return
    if match["is"] == "ClauseEquals":
        yield match["equals"]
    elif match["is"] == "ClauseOr":
        for clause in match["or_"]:
            yield from _exact_names(clause)


def _dated(listed: str, provider: str, model: Mapping[str, Any], page: str, stated_on: date) -> list[Quote]:
    """Make a quote for each date of a model.

    What held before the first date has no start of its own, so it is left out: the model is unpriced then. A price of a
    day to come is only announced; the one of today ends there, since the rise may be cancelled or may come.
    """
    comments = str(model.get("price_comments") or "")
    if (currency := listed_provider(provider).currency) is not None:
        raise RefusedError(f"converted currency: the provider's list is in {currency}")
    if _CONVERTED.search(comments):
        raise RefusedError("converted currency: the entry says so")
    prices = model["prices"]
    listed_prices = [{"prices": prices}] if isinstance(prices, dict) else prices
    steps = [(step.get("constraint"), step["prices"]) for step in listed_prices]
    if any(constraint is not None and constraint["is"] != "StartDateConstraint" for constraint, _ in steps):
        raise RefusedError("peak and off-peak hours without their weekdays: a row that knows them decides")
    dated = [(None if constraint is None else constraint["start_date"], price) for constraint, price in steps]
    later = [(since, price) for since, price in dated if since is not None and since > stated_on]
    begun = [(since, price) for since, price in dated if since is not None and since <= stated_on]
    now = begun or [step for step in dated if step[0] is None][-1:]
    quotes = [_quote(listed, provider, model, page, since, price) for since, price in (*now, *later)]
    end = min((since for since, _ in later), default=None)
    return [
        replace(quote, announced=True)
        if number >= len(now)
        else replace(quote, until=end)
        if number == len(now) - 1
        else quote
        for number, quote in enumerate(quotes)
    ]


def _quote(
    listed: str, provider: str, model: Mapping[str, Any], page: str, since: date | None, price: Mapping[str, Any]
) -> Quote:
    found: dict[_Place, dict[str, Decimal]] = {}
    left_out = list(_place(price, None, provider, found))
    sold_since: dict[Sale, date] = {}
    for variant in model.get("price_variants") or ():
        constraint = variant.get("constraint") or {"is": "StartDateConstraint", "start_date": None}
        sale = _sale(variant["when"])
        if constraint["is"] != "StartDateConstraint":
            left_out.append("a way of selling at hours of the day")
        elif sale is None:
            left_out += [] if _is_standard(variant["when"]) else [f"rates for {variant['when']}"]
        elif not any(place[0] == sale for place in found):  # the first that holds counts
            left_out += _place(variant["prices"], sale, provider, found)
            if (start := constraint["start_date"]) and (since is None or start > since):
                sold_since[sale] = start
    rates = published(found.pop((None, 0), {}))
    whole = {part: rates.get(part) for part in ("input", "output")}
    for part, same in (("reasoning", "output"), ("input_image", "input")):
        if rates.get(part) is not None and rates.get(part) == whole[same]:
            del rates[part]
    if "request_per_1k" in rates and listed_provider(provider).searches == "request":
        raise RefusedError("not expressible: a fee on every request that depends on the size of its search")
    if not rates and left_out:
        raise RefusedError(f"not expressible: {', '.join(dict.fromkeys(left_out))}")
    check_chat_rates(rates, needs_output=any(key == "output_mtok" for key in price))
    return Quote(
        provider=provider,
        model=model["id"],
        listed_as=f"{listed}/{model['id']}",
        since=since,
        rates=rates,
        sales={sale: published(part) for (sale, size), part in found.items() if sale and not size},
        sizes={size: published(part) for (sale, size), part in found.items() if size and not sale},
        sized_sales={(sale, size): published(part) for (sale, size), part in found.items() if size and sale},
        sold_since=sold_since,
        page=page,
        left_out=tuple(dict.fromkeys(left_out)),
    )


def _place(
    price: Mapping[str, Any], sale: Sale | None, provider: str, found: dict[_Place, dict[str, Decimal]]
) -> Iterator[str]:
    """Sort the amounts of a price by prompt size; give the names of those that no price file can hold."""
    for key, amount in price.items():
        if key in ("is", "args") or amount is None:
            continue
        meter = _METERS.get(key)
        if meter is None:
            yield key
            continue
        if meter == "web_search_per_1k" and listed_provider(provider).searches == "grounding":
            yield f"{key} (per query or per prompt)"
            continue
        if isinstance(amount, Decimal):
            found.setdefault((sale, 0), {})[meter] = amount
            continue
        found.setdefault((sale, 0), {})[meter] = amount["base"]
        for tier in amount["tiers"]:
            found.setdefault((sale, tier["start"]), {})[meter] = tier["price"]


def _sale(when: Mapping[str, str]) -> Sale | None:
    if when == {"processing": "batch"}:
        return "tier", "batch"
    if when.keys() == {"service_tier"} and when["service_tier"] not in _STANDARD:
        return "tier", "priority" if when["service_tier"] == "fast" else when["service_tier"]
    return ("speed", when["speed"]) if when.keys() == {"speed"} else None


def _is_standard(when: Mapping[str, str]) -> bool:
    return when.keys() == {"service_tier"} and when["service_tier"] in _STANDARD
