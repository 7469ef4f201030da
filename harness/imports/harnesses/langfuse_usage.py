"""Usage of a Langfuse observation: `usageDetails`, a map of kinds that exclude each other and sum to `total`.

Pure. Data flows a row -> its map, or the older `usage` -> `ImportedUsage`. Names of kinds depend on who wrote the row.
"""

from __future__ import annotations

import re
from dataclasses import replace

from harness.declared import JsonObject
from harness.imports.containers.json_values import a_count, an_object
from harness.imports.harnesses.model_usage import Meaning, read_model_usage
from harness.imports.log_records import ImportedUsage

NAME = "langfuse"
_MEANING = Meaning(cached_inside=False, reasoning_inside=False)
_INPUT = frozenset({"input", "input_tokens", "prompt_tokens", "prompt", "promptTokens"})
_OUTPUT = frozenset({"output", "output_tokens", "completion_tokens", "completion", "completionTokens"})
_TOTAL = frozenset({"total", "total_tokens", "totalTokens"})
_WRITTEN = re.compile(r"cach\w*(creat|writ)|(creat|writ)\w*cach", re.IGNORECASE)
_READ = re.compile(r"cach", re.IGNORECASE)
_REASONING = re.compile(r"reason|think|thought", re.IGNORECASE)


def usage_of(row: JsonObject, where: str) -> ImportedUsage | None:
    """Read what an observation used; None = it does not say.

    Args:
        row: under the names of the API.
        where: file and place, for messages.
    """
    raw = _stated(row)
    if not raw:
        return None
    counts: dict[str, object] = {}
    for name, count in raw.items():
        kind = _kind(name)
        counts[kind] = (a_count(counts.get(kind)) or 0) + (a_count(count) or 0)
    found = read_model_usage(NAME, counts, where=where, meaning=_MEANING)
    return None if found is None else replace(found, raw=raw)


def _stated(row: JsonObject) -> JsonObject:
    """Give the counts of `usageDetails`, without them those of the older `usage`, unless all are 0; empty = none."""
    details = {name: count for name, count in an_object(row.get("usageDetails")).items() if a_count(count) is not None}
    if details:
        return details
    old = an_object(row.get("usage"))
    stated = {name: old[name] for name in ("input", "output", "total") if a_count(old.get(name)) is not None}
    return stated if any(a_count(count) for count in stated.values()) else {}


def _kind(name: str) -> str:
    """Give a kind the name that `read_model_usage` knows; others keep theirs, and make the bill partial."""
    if name in _INPUT:
        return "input_tokens"
    if name in _OUTPUT:
        return "output_tokens"
    if name in _TOTAL:
        return "total_tokens"
    if _WRITTEN.search(name):
        return "input_tokens_cache_write"
    if _READ.search(name):
        return "input_tokens_cache_read"
    return "reasoning_tokens" if _REASONING.search(name) else name
