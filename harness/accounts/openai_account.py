"""OpenAI's organization interface: buckets of `/v1/organization/usage/completions` and `/v1/organization/costs`.

Input includes what was read from and written to a cache; output includes reasoning, which is not itemised. A field is
null unless the answer is grouped by it. Costs come by day, with their model only in the words of a line item.
Source: docstrings of `openai.types.admin.organization` (openai-python 3.57).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.accounts.account_fields import Fields, amount, count, dollars_only, instant_us, needed_count, text
from harness.accounts.account_rows import NOT_BATCH, AccountRow, AccountTokens
from harness.imports.containers.json_values import a_list, an_object
from harness.imports.refusal import ImportRefused
from harness.instants import DAY_US

PROVIDER = "openai"
_TIERS = ("batch", "flex", "priority", "scale")
_LINE = re.compile(r"(?P<model>[^,\s][^,]*?)(?: (?P<tier>batch|flex|priority|scale))?, (?P<meter>.+)")


def usage_rows(bucket: Fields) -> Iterator[AccountRow]:
    """Read a bucket of usage."""
    start_us, end_us = _stretch(bucket)
    for each in a_list(bucket.get("results")):
        result = an_object(each)
        yield AccountRow(
            kind="usage",
            provider=PROVIDER,
            start_us=start_us,
            end_us=end_us,
            model=text(result, "model"),
            tier="batch" if result.get("batch") is True else text(result, "service_tier") or _told(result),
            tokens=_tokens(result),
            n_requests=count(result, "num_model_requests"),
            project=text(result, "project_id"),
        )


def _told(result: Fields) -> str | None:
    """Name the tier of a result that says it was no batch, and no more; None = tiers are not told apart at all."""
    return NOT_BATCH if result.get("batch") is False else None


def _tokens(result: Fields) -> AccountTokens:
    whole, read = needed_count(result, "input_tokens"), count(result, "input_cached_tokens")
    written = count(result, "input_cache_write_tokens")
    uncached = whole - (read or 0) - (written or 0)
    if uncached < 0:
        raise ImportRefused(f"{read or 0} cached and {written or 0} written tokens are more than {whole} input tokens")
    told = count(result, "input_uncached_tokens")
    if told is not None and told != uncached:
        raise ImportRefused(f"input_uncached_tokens is {told}, the other counts say {uncached}")
    return AccountTokens(
        input=uncached, cache_read=read, cache_write=written, output=needed_count(result, "output_tokens")
    )


def cost_rows(bucket: Fields) -> Iterator[AccountRow]:
    """Read a bucket of costs."""
    start_us, end_us = _stretch(bucket)
    for each in a_list(bucket.get("results")):
        result = an_object(each)
        paid, item = an_object(result.get("amount")), text(result, "line_item")
        dollars_only(paid.get("currency"), "currency")
        found = None if item is None else _LINE.fullmatch(item)
        quantity = count(result, "quantity") if text(result, "quantity_unit") == "tokens" else None
        yield AccountRow(
            kind="cost",
            provider=PROVIDER,
            start_us=start_us,
            end_us=end_us,
            model=None if found is None else found["model"],
            tier=None if found is None else found["tier"] or "standard",
            meter=item if found is None else found["meter"],
            tokens=None if found is None or quantity is None else _of_line(found["meter"], quantity),
            billed_usd=amount(paid.get("value"), "amount"),
            project=text(result, "project_id"),
        )


_METERS = {
    "input": "input",
    "cached input": "cache_read",
    "cache read": "cache_read",
    "cache write": "cache_write",
    "cache writes": "cache_write",
    "output": "output",
}


def _of_line(meter: str, quantity: int) -> AccountTokens | None:
    name = _METERS.get(meter)
    return None if name is None else AccountTokens(**{name: quantity})


def _stretch(bucket: Fields) -> tuple[int, int]:
    start_us = instant_us(bucket.get("start_time"), "start_time")
    end = bucket.get("end_time")
    return start_us, start_us + DAY_US if end is None else instant_us(end, "end_time")
