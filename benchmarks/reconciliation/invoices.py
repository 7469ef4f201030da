"""Invoices of simulated calls, in the forms of real accounts; every amount is worked out here, from published rates."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from benchmarks.reconciliation.books import N_DAYS, START_US, Call, usd_of
from harness.instants import DAY_US

Amount = Callable[[Decimal], Decimal]
"""What a line of the bill makes of its list price: a discount, a rounding, or nothing."""
Json = dict[str, object]
Groups = Mapping[tuple[str, str], Sequence[Call]]
_OPENAI_METERS = {"input": "input", "cache_read": "cached input", "output": "output"}
_ANTHROPIC_METERS = {
    "input": "uncached_input_tokens", "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation.ephemeral_5m_input_tokens",
    "cache_write_1h": "cache_creation.ephemeral_1h_input_tokens", "output": "output_tokens",
}  # fmt: skip


def write_invoice(folder: Path, form: str, calls: Sequence[Call], amount: Amount) -> tuple[list[Path], Decimal]:
    """Write the files of an account; gives them and what they bill together."""
    return _FORMS[form](folder, calls, amount)


def _groups(calls: Iterable[Call], day: int) -> Groups:
    found: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        if (call.at_us - START_US) // DAY_US == day:
            found[call.model, call.tier].append(call)
    return dict(sorted(found.items()))


def _count(calls: Iterable[Call], meter: str) -> int:
    return sum(call.tokens.get(meter, 0) for call in calls)


def _start(day: int) -> datetime:
    return datetime.fromtimestamp(START_US / 1_000_000, UTC) + timedelta(days=day)


def _save(path: Path, document: Json) -> Path:
    path.write_text(json.dumps(document))
    return path


def _openai(folder: Path, calls: Sequence[Call], amount: Amount) -> tuple[list[Path], Decimal]:
    usage, costs, billed = [], [], Decimal(0)
    for day in range(N_DAYS):
        stretch = {"start_time": int(_start(day).timestamp()), "end_time": int(_start(day + 1).timestamp())}
        used: list[Json] = []
        charged: list[Json] = []
        for (model, tier), group in _groups(calls, day).items():
            used.append({
                "object": "organization.usage.completions.result", "model": f"{model}", "batch": tier == "batch",
                "service_tier": None if tier == "batch" else tier, "num_model_requests": len(group),
                "input_tokens": _count(group, "input") + _count(group, "cache_read"),
                "input_cached_tokens": _count(group, "cache_read"), "output_tokens": _count(group, "output"),
            })  # fmt: skip
            for meter, word in _OPENAI_METERS.items():
                usd = amount(sum((usd_of(call, meter) for call in group), Decimal(0)))
                billed += usd
                name = model if tier == "standard" else f"{model} {tier}"
                charged.append({"object": "organization.costs.result", "line_item": f"{name}, {word}",
                                "amount": {"value": float(usd), "currency": "usd"}})  # fmt: skip
        usage.append({"object": "bucket", **stretch, "results": used})
        costs.append({"object": "bucket", **stretch, "results": charged})
    half = N_DAYS // 2
    pages = [
        _save(folder / "usage_1.json", {"data": usage[:half], "has_more": True, "next_page": "p2"}),
        _save(folder / "usage_2.json", {"data": usage[half:], "has_more": False, "next_page": None}),
        _save(folder / "costs.json", {"data": costs, "has_more": False, "next_page": None}),
    ]
    return pages, billed


def _openai_days(folder: Path, calls: Sequence[Call], amount: Amount) -> tuple[list[Path], Decimal]:
    """Usage by model and tier, costs by day alone."""
    pages, _ = _openai(folder, calls, amount)
    costs = json.loads(pages[2].read_text())
    billed = Decimal(0)
    for bucket in costs["data"]:
        usd = sum((Decimal(str(each["amount"]["value"])) for each in bucket["results"]), Decimal(0))
        billed += usd
        bucket["results"] = [{"object": "organization.costs.result", "line_item": None,
                              "amount": {"value": float(usd), "currency": "usd"}}] if usd else []  # fmt: skip
    pages[2].write_text(json.dumps(costs))
    return pages, billed


def _anthropic(folder: Path, calls: Sequence[Call], amount: Amount) -> tuple[list[Path], Decimal]:
    usage, costs, billed = [], [], Decimal(0)
    for day in range(N_DAYS):
        stretch = {
            "starting_at": f"{_start(day):%Y-%m-%dT00:00:00Z}",
            "ending_at": f"{_start(day + 1):%Y-%m-%dT00:00:00Z}",
        }
        used: list[Json] = []
        charged: list[Json] = []
        for (model, tier), group in _groups(calls, day).items():
            used.append({"model": model, "service_tier": tier, "context_window": "0-200k", **_anthropic_usage(group)})
            for meter, word in _ANTHROPIC_METERS.items():
                usd = amount(sum((usd_of(call, meter) for call in group), Decimal(0)))
                billed += usd
                charged.append({"currency": "USD", "amount": f"{usd * 100:f}", "model": model, "service_tier": tier,
                                "cost_type": "tokens", "token_type": word, "context_window": "0-200k"})  # fmt: skip
        usage.append({**stretch, "results": used})
        costs.append({**stretch, "results": charged})
    end = {"has_more": False, "next_page": None}
    return [
        _save(folder / "usage.json", {"data": usage, **end}),
        _save(folder / "costs.json", {"data": costs, **end}),
    ], billed


def _anthropic_usage(group: Sequence[Call]) -> Json:
    return {
        "uncached_input_tokens": _count(group, "input"),
        "cache_read_input_tokens": _count(group, "cache_read"),
        "cache_creation": {"ephemeral_5m_input_tokens": _count(group, "cache_write"),
                           "ephemeral_1h_input_tokens": _count(group, "cache_write_1h")},
        "output_tokens": _count(group, "output"),
    }  # fmt: skip


def _analytics(folder: Path, calls: Sequence[Call], amount: Amount) -> tuple[list[Path], Decimal]:
    """Items of the newer endpoints: amounts beside list amounts."""
    usage, costs, billed = [], [], Decimal(0)
    for day in range(N_DAYS):
        stretch = {
            "starting_at": f"{_start(day):%Y-%m-%dT00:00:00Z}",
            "ending_at": f"{_start(day + 1):%Y-%m-%dT00:00:00Z}",
        }
        for (model, tier), group in _groups(calls, day).items():
            told = {"model": model, "service_tier": tier}
            usage.append({**stretch, "group": told, "usage": {**_anthropic_usage(group), "requests": len(group)}})
            listed = sum((usd_of(call) for call in group), Decimal(0))
            billed += amount(listed)
            costs.append({**stretch, "group": told, "cost": {
                "amount": f"{amount(listed) * 100:f}", "list_amount": f"{listed * 100:f}", "currency": "USD",
                "requests": len(group)}})  # fmt: skip
    end = {"has_more": False, "next_page": None}
    return [
        _save(folder / "usage.json", {"data": usage, **end}),
        _save(folder / "costs.json", {"data": costs, **end}),
    ], billed


def _openrouter(folder: Path, calls: Sequence[Call], amount: Amount) -> tuple[list[Path], Decimal]:
    path, billed = folder / "activity.csv", Decimal(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["generation_id", "created_at", "cost_total", "tokens_prompt", "tokens_completion",
                         "tokens_reasoning", "tokens_cached", "model_permaslug", "variant", "cancelled",
                         "api_key_name"])  # fmt: skip
        for call in calls:
            usd = amount(usd_of(call))
            billed += usd
            at = datetime.fromtimestamp(call.at_us / 1_000_000, UTC)
            writer.writerow([call.request_id, f"{at:%Y-%m-%d %H:%M:%S.%f}", f"{usd:f}",
                             call.tokens["input"] + call.tokens["cache_read"], call.tokens["output"], 0,
                             call.tokens["cache_read"], call.model, "standard", "false",
                             'a "key", with quotes'])  # fmt: skip
    return [path], billed


def _focus(folder: Path, calls: Sequence[Call], amount: Amount) -> tuple[list[Path], Decimal]:
    """Rows as a vendor might write them: quantities and dollars by meter and day, NULL for what is missing."""
    path, billed = folder / "focus.csv", Decimal(0)
    names = ["BilledCost", "BillingCurrency", "ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd",
             "ConsumedQuantity", "ConsumedUnit", "ProviderName", "SkuId", "SkuMeter", "x_ServiceTier",
             "SubAccountId"]  # fmt: skip
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for day in range(N_DAYS):
            for (model, tier), group in _groups(calls, day).items():
                for meter in ("input", "cache_read", "output"):
                    usd = amount(sum((usd_of(call, meter) for call in group), Decimal(0)))
                    billed += usd
                    writer.writerow([f"{usd:f}", "USD", "Usage", _start(day).isoformat(), _start(day + 1).isoformat(),
                                     f"{_count(group, meter)}.000", "Tokens", "OpenAI", model, meter, tier,
                                     "NULL"])  # fmt: skip
    return [path], billed


_FORMS: Mapping[str, Callable[[Path, Sequence[Call], Amount], tuple[list[Path], Decimal]]] = {
    "openai": _openai,
    "openai days": _openai_days,
    "anthropic": _anthropic,
    "analytics": _analytics,
    "openrouter": _openrouter,
    "focus": _focus,
}
FORMS = tuple(_FORMS)


def provider_of(form: str) -> str:
    """Name the provider whose account a form is of."""
    return {"analytics": "anthropic", "focus": "openai", "openai days": "openai"}.get(form, form)
