"""genai-prices' list: its models as quotes with their dates, with the rules for what is not believed.

Data flows genai_prices/data.py (installed, or in a wheel) -> `PriceList`. The file is a Python literal of constructor
calls: it is parsed and read as data, never executed, so that any version of the package can be read by this one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from harness.pricing.lists.listed_providers import listed_provider, of_genai
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
_Step = tuple[date | None, Entry]
"""The day from which a price holds, and the price."""

_Sizes = dict[int, dict[str, Decimal]]
"""Rates by the prompt size above which they hold; 0 = of any size."""


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
        for model, names in _named(listed):
            ids[provider, model["id"]] = f"{listed['id']}/{model['id']}"
            try:
                dated = _dated(listed, provider, model, stated_on)
            except RefusedError as refused:
                refusals += [_refusal(listed["id"], model["id"], provider, name, str(refused)) for name in names]
                continue
            quotes += [_renamed(quote, name) for name in names for quote in dated]
    return PriceList(
        project="genai-prices",
        version=version,
        stated_on=stated_on,
        quotes=tuple(quotes),
        refusals=tuple(refusals),
        ids=ids,
    )


def _named(listed: Entry) -> Iterator[tuple[Entry, list[str]]]:
    """Give a provider's models, each with its id and the other names that it is equal to."""
    own = {model["id"] for model in listed["models"]}
    for model in listed["models"]:
        others = (name for name in _exact_names(model.get("match")) if name not in own)
        yield model, list(dict.fromkeys([model["id"], *others]))


def _refusal(listed: str, model_id: str, provider: str, model: str, reason: str) -> Refusal:
    return Refusal(listed_as=f"{listed}/{model_id}", provider=provider, model=model, reason=reason)


def _renamed(quote: Quote, model: str) -> Quote:
    return quote if quote.model == model else replace(quote, model=model)


def _providers(source: str) -> list[Entry]:
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


def _exact_names(match: Entry | None) -> Iterator[str]:
    """List the names that an entry is equal to; what it only begins with or contains is a guess."""
    if match is None:
        return
    if match["is"] == "ClauseEquals":
        yield match["equals"]
    elif match["is"] == "ClauseOr":
        for clause in match["or_"]:
            yield from _exact_names(clause)


def _dated(listed: Entry, provider: str, model: Entry, stated_on: date) -> list[Quote]:
    """Make a quote for each date of a model.

    What held before the first date has no start of its own, so it is left out: the model is unpriced then. A price of a
    day to come is only announced; the one of today ends there, since the rise may be cancelled or may come.
    """
    now, later = _now_and_later(_steps(provider, model), stated_on)
    held = [_quote(listed, provider, model, since, price) for since, price in now]
    announced = [_quote(listed, provider, model, since, price) for since, price in later]
    if held:
        held[-1] = replace(held[-1], until=min((quote.since for quote in announced if quote.since), default=None))
    return [*held, *(replace(quote, announced=True) for quote in announced)]


def _now_and_later(dated: Sequence[_Step], stated_on: date) -> tuple[list[_Step], list[_Step]]:
    """Part the prices that have begun, or the last one without a date, from those of days to come."""
    undated = [step for step in dated if step[0] is None]
    begun = [step for step in dated if step[0] is not None and step[0] <= stated_on]
    later = [step for step in dated if step[0] is not None and step[0] > stated_on]
    return begun or undated[-1:], later


def _steps(provider: str, model: Entry) -> list[_Step]:
    """Give a model's prices with their first days.

    Raises:
        RefusedError: they are converted, or hold at hours of the day.
    """
    if (currency := listed_provider(provider).currency) is not None:
        raise RefusedError(f"converted currency: the provider's list is in {currency}")
    if _CONVERTED.search(str(model.get("price_comments") or "")):
        raise RefusedError("converted currency: the entry says so")
    prices = model["prices"]
    steps: list[_Step] = []
    for step in [{"prices": prices}] if isinstance(prices, dict) else prices:
        constraint = step.get("constraint") or _ALWAYS
        if constraint["is"] != _ALWAYS["is"]:
            raise RefusedError("peak and off-peak hours without their weekdays: a row that knows them decides")
        steps.append((constraint["start_date"], step["prices"]))
    return steps


_ALWAYS: Entry = {"is": "StartDateConstraint", "start_date": None}


@dataclass(frozen=True, slots=True)
class _Sold:
    """What a way of selling costs, and from when on."""

    sizes: _Sizes
    since: date | None


def _quote(listed: Entry, provider: str, model: Entry, since: date | None, price: Entry) -> Quote:
    sizes, unread = _sizes(price, provider)
    sold, unread_sold = _ways_of_selling(model, provider)
    left_out = tuple(dict.fromkeys((*unread, *unread_sold)))
    rates = without_repeated(published(sizes.pop(0, {})))
    _check(rates, provider, price, left_out)
    return Quote(
        provider=provider,
        model=model["id"],
        listed_as=f"{listed['id']}/{model['id']}",
        since=since,
        rates=rates,
        sales={sale: published(each.sizes[0]) for sale, each in sold.items()},
        sizes={size: published(part) for size, part in sizes.items()},
        sized_sales={place: published(part) for place, part in _sized(sold)},
        sold_since={sale: each.since for sale, each in sold.items() if each.since and each.since > (since or date.min)},
        page=(listed.get("pricing_urls") or [""])[0],
        left_out=left_out,
    )


def _sized(sold: Mapping[Sale, _Sold]) -> Iterator[tuple[tuple[Sale, int], Rates]]:
    for sale, each in sold.items():
        yield from (((sale, size), part) for size, part in each.sizes.items() if size)


def _check(rates: Rates, provider: str, price: Entry, left_out: Sequence[str]) -> None:
    if "request_per_1k" in rates and listed_provider(provider).searches == "request":
        raise RefusedError("not expressible: a fee on every request that depends on the size of its search")
    if not rates and left_out:
        raise RefusedError(f"not expressible: {', '.join(left_out)}")
    check_chat_rates(rates, needs_output=any(key == "output_mtok" for key in price))


def _ways_of_selling(model: Entry, provider: str) -> tuple[dict[Sale, _Sold], list[str]]:
    """Read the variants of a model's price, and name what no price file can hold; the first that holds counts."""
    sold: dict[Sale, _Sold] = {}
    left_out: list[str] = []
    for variant in model.get("price_variants") or ():
        constraint = variant.get("constraint") or _ALWAYS
        sale = _sale(variant["when"])
        if constraint["is"] != _ALWAYS["is"]:
            left_out.append("a way of selling at hours of the day")
        elif sale is None:
            left_out += [] if _is_standard(variant["when"]) else [f"rates for {variant['when']}"]
        elif sale not in sold:
            sizes, unread = _sizes(variant["prices"], provider)
            left_out += unread
            if sizes:
                sold[sale] = _Sold(sizes, constraint["start_date"])
    return sold, left_out


def _sizes(price: Entry, provider: str) -> tuple[_Sizes, list[str]]:
    """Sort the amounts of a price by prompt size; name those that no price file can hold."""
    found: _Sizes = {}
    unread = []
    for key, amount in price.items():
        if key in ("is", "args") or amount is None:
            continue
        meter = _METERS.get(key)
        if meter is None:
            unread.append(key)
        elif meter == "web_search_per_1k" and listed_provider(provider).searches == "grounding":
            unread.append(f"{key} (per query or per prompt)")
        else:
            for size, rate in _by_size(amount):
                found.setdefault(size, {})[meter] = rate
    return found, unread


def _by_size(amount: Any) -> Iterator[tuple[int, Decimal]]:
    if isinstance(amount, Decimal):
        yield 0, amount
        return
    yield 0, amount["base"]
    for tier in amount["tiers"]:
        yield tier["start"], tier["price"]


def _sale(when: Mapping[str, str]) -> Sale | None:
    if when == {"processing": "batch"}:
        return "tier", "batch"
    if when.keys() == {"service_tier"} and when["service_tier"] not in _STANDARD:
        return "tier", "priority" if when["service_tier"] == "fast" else when["service_tier"]
    return ("speed", when["speed"]) if when.keys() == {"speed"} else None


def _is_standard(when: Mapping[str, str]) -> bool:
    return when.keys() == {"service_tier"} and when["service_tier"] in _STANDARD
