"""Model facts of the lowest layer, from litellm's price map: who reasons, at which efforts, how much goes in and out.

Pure but for `write_facts`. Data flows `PriceList.facts` -> [[model]] tables, one a line -> pricing/imported/models.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from harness.pricing.lists.importing import toml_line
from harness.pricing.lists.listed_providers import listed_provider
from harness.pricing.lists.quotes import Entry, PriceList
from harness.pricing.model_facts import family_of

HEADER = """# What a price list says about models of {provider}, by `benchtab prices import`; one a line.
# It counts where no table of pricing/models names the model. To correct a line, write a table there.
provider = {provider}
source = {source}
checked_on = {checked_on}

model = [
"""
_LEGACY_BUDGET = [1024, 128_000]
_CHAT = {"chat", "responses"}


def fact_tables(listed: PriceList) -> dict[str, list[Entry]]:
    """Make the tables of every chat model that the list says something about, by provider."""
    tables: dict[str, list[Entry]] = {}
    for (provider, model), entry in sorted(listed.facts.items()):
        facts = _table(provider, model, entry) if entry.get("mode") in _CHAT else {}
        if facts:
            tables.setdefault(provider, []).append({"names": [model], **facts})
    return tables


def write_facts(folder: Path, listed: PriceList) -> None:
    """Write a file for each provider."""
    tables = fact_tables(listed)
    if tables:
        folder.mkdir(parents=True, exist_ok=True)
    for provider, rows in tables.items():
        lines = "".join(f"{toml_line(row)},\n" for row in rows)
        head = HEADER.format(
            provider=json.dumps(provider), source=json.dumps(listed.label), checked_on=listed.stated_on.isoformat()
        )
        text = head + lines + "]\n"
        (folder / f"{provider}.toml").write_text(text, "utf-8")


def _table(provider: str, model: str, entry: Entry) -> dict[str, object]:
    limits = _limits(entry)
    can_reason = entry.get("supports_reasoning")
    if not can_reason:
        return {"reasons": False, **limits} if can_reason is False else {"settings_known": False, **limits}
    efforts = _efforts(entry)
    unasked = _reasons_unasked(model, entry, efforts)
    table: dict[str, object] = {
        **({} if unasked is None else {"reasons": unasked}),
        **({"efforts": efforts} if efforts else {}),
        **({"can_disable": True} if "none" in efforts else {}),
    }
    table |= _extended_thinking(entry) if _thinks_when_asked(model) else _fixed(provider, entry)
    if not efforts and "budget" not in table:
        table["settings_known"] = False
    return {**table, **limits}


def _limits(entry: Entry) -> dict[str, object]:
    return {key: int(entry[key]) for key in ("max_input_tokens", "max_output_tokens") if _is_count(entry.get(key))}


def _fixed(provider: str, entry: Entry) -> dict[str, object]:
    """Say what a provider's reasoning models do not take, and whether one is served by one interface alone."""
    listed = listed_provider(provider)
    if not listed.reasoning_fixes_sampling:
        return {}
    alone = listed.responses_mode_alone and entry["mode"] == "responses"
    return {"fixed_sampling": True, **({"responses_api": True} if alone else {})}


def _thinks_when_asked(model: str) -> bool:
    family = family_of(model)
    return family is not None and family.extended_thinking


def _extended_thinking(entry: Entry) -> dict[str, object]:
    always = bool(entry.get("thinking_always_on"))
    table: dict[str, object] = {"fixed_sampling": True, "can_disable": not always}
    if entry.get("supports_adaptive_thinking"):
        table["adaptive"] = True
    if entry.get("supports_legacy_thinking") or not entry.get("supports_adaptive_thinking"):
        table["budget"] = _LEGACY_BUDGET
    return table


def _efforts(entry: Entry) -> list[str]:
    """List the efforts that the map names; empty when it names none."""
    if isinstance(levels := entry.get("reasoning_effort_levels"), list):
        return [str(level) for level in levels]
    named = {key: entry.get(f"supports_{key}_reasoning_effort") for key in ("none", "minimal", "low", "xhigh", "max")}
    if all(value is None for value in named.values()):
        return []
    usual = {"low": named["low"] is not False, "medium": True, "high": True}
    takes = {"none": named["none"], "minimal": named["minimal"], **usual, "xhigh": named["xhigh"], "max": named["max"]}
    return [key for key, does in takes.items() if does]


def _reasons_unasked(model: str, entry: Entry, efforts: list[str]) -> bool | None:
    """Say what the model does when nothing is asked; None where the map does not say."""
    if entry.get("thinking_always_on"):
        return True
    if (default := entry.get("default_reasoning_effort")) is not None:
        return bool(default != "none")
    if _thinks_when_asked(model):
        return False
    return None if "none" in efforts else True


def _is_count(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0
