"""FOCUS cost files of any vendor (finops.org, 1.0 to 1.2): a row is a charge, credits and corrections below zero.

`BilledCost` of all rows is what is owed; it is never mixed with effective or list costs. The specification names
neither models nor cached tokens: `SkuId` is taken as the model and `SkuMeter` as the meter where quantities are tokens,
or the columns that the user names. Elsewhere a row has dollars alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from harness.accounts.account_fields import amount, dollars_only, instant_us
from harness.accounts.account_rows import AccountRow, AccountTokens
from harness.imports.refusal import ImportRefused

NEEDED = frozenset({"BilledCost", "BillingCurrency", "ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd"})
"""What tells a FOCUS file from other CSV files."""
_METERS = {
    "input": "input",
    "cached input": "cache_read",
    "cached_input": "cache_read",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "cache_write_5m": "cache_write",
    "cache_write_1h": "cache_write_1h",
    "output": "output",
    "reasoning": "output",
}
_TIERS = ("batch", "flex", "priority")


@dataclass(frozen=True, slots=True, kw_only=True)
class FocusColumns:
    """Which columns hold what the specification has no name for."""

    model: str = "SkuId"
    meter: str = "SkuMeter"


def focus_row(row: Mapping[str, str | None], columns: FocusColumns) -> AccountRow:
    """Read a row; `NULL` and nothing mean not said."""
    fields = {name: None if value in ("", "NULL", None) else value for name, value in row.items()}
    dollars_only(fields.get("BillingCurrency"), "BillingCurrency")
    billed = amount(fields.get("BilledCost"), "BilledCost")
    if billed is None:
        raise ImportRefused("BilledCost is missing")
    category = fields.get("ChargeCategory") or "Usage"
    provider = (fields.get("ProviderName") or "").strip()
    is_usage = category == "Usage"
    model, tier, meter = _used(fields, columns, provider) if is_usage else (None, None, category.lower())
    return AccountRow(
        kind="cost",
        provider=provider.lower(),
        start_us=instant_us(fields.get("ChargePeriodStart"), "ChargePeriodStart"),
        end_us=instant_us(fields.get("ChargePeriodEnd"), "ChargePeriodEnd"),
        model=model,
        tier=tier,
        meter=meter,
        tokens=_tokens(fields, meter) if is_usage else None,
        billed_usd=billed,
        list_usd=amount(fields.get("ListCost"), "ListCost"),
        project=fields.get("SubAccountId"),
    )


def _used(
    fields: Mapping[str, str | None], columns: FocusColumns, provider: str
) -> tuple[str | None, str | None, str | None]:
    """Read model, tier and meter; a tier may stand before the meter."""
    model, tier = _model(fields, columns, provider)
    meter = fields.get(columns.meter)
    if model is not None and meter is not None and meter.partition(" ")[0] in _TIERS:
        tier, _, meter = meter.partition(" ")
    return model, tier, meter


def _model(fields: Mapping[str, str | None], columns: FocusColumns, provider: str) -> tuple[str | None, str | None]:
    if fields.get("ConsumedUnit") != "Tokens" and columns == FocusColumns():
        return None, None
    model, tier = fields.get(columns.model), _tier(fields)
    if model is None:
        return None, None
    name = model.removeprefix(f"{provider.lower()}/")
    for word in _TIERS:
        if name.endswith(f" {word}"):
            return name.removesuffix(f" {word}"), word
    return name, tier or "standard"


def _tier(fields: Mapping[str, str | None]) -> str | None:
    """Read our own column, or the tier among the details of the price."""
    if fields.get("x_ServiceTier"):
        return fields["x_ServiceTier"]
    try:
        details = json.loads(fields.get("SkuPriceDetails") or "{}")
    except ValueError:
        return None
    told = details.get("x_ServiceTier") if isinstance(details, dict) else None
    return told if isinstance(told, str) else None


def _tokens(fields: Mapping[str, str | None], meter: str | None) -> AccountTokens | None:
    """Read a quantity of tokens; that of a correction is below zero."""
    quantity = amount(fields.get("ConsumedQuantity"), "ConsumedQuantity")
    name = _METERS.get((meter or "").lower())
    if fields.get("ConsumedUnit") != "Tokens" or quantity is None or name is None:
        return None
    if quantity != int(quantity):
        raise ImportRefused(f"ConsumedQuantity is {quantity}: half a token")
    return AccountTokens(**{name: int(quantity)})
