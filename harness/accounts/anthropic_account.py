"""Anthropic's usage and cost reports: buckets of the older endpoints, items of the newer analytics ones.

Counts are disjoint, output includes thinking. Amounts are **cents** as decimal texts: "123.45" is $1.2345. The older
usage report counts no requests; costs of the priority tier are in no report. Sources: platform.claude.com (usage and
cost API), types `BetaAnalyticsUsageItem` and `BetaAnalyticsCostItem` of anthropic-python 2.14.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.accounts.account_fields import Fields, cents, count, dollars_only, instant_us, needed_count, text
from harness.accounts.account_rows import AccountRow, AccountTokens
from harness.imports.containers.json_values import a_list, an_object
from harness.imports.refusal import ImportRefused

PROVIDER = "anthropic"
_LONG = "200k-1M"
"""Context window whose tokens have a higher price."""


def usage_rows(bucket: Fields) -> Iterator[AccountRow]:
    """Read a bucket of `usage_report/messages`."""
    for each in a_list(bucket.get("results")):
        result = an_object(each)
        yield _usage(bucket, result, result)


def analytics_usage_rows(item: Fields) -> Iterator[AccountRow]:
    """Read an item of `analytics/usage`."""
    yield _usage(item, an_object(item.get("group")), an_object(item.get("usage")))


def _usage(bucket: Fields, group: Fields, used: Fields) -> AccountRow:
    written = an_object(used.get("cache_creation"))
    tools = an_object(used.get("server_tool_use"))
    tokens = AccountTokens(
        input=needed_count(used, "uncached_input_tokens"),
        cache_read=count(used, "cache_read_input_tokens"),
        cache_write=count(written, "ephemeral_5m_input_tokens"),
        cache_write_1h=count(written, "ephemeral_1h_input_tokens"),
        output=needed_count(used, "output_tokens"),
    )
    _check_total(used, tokens)
    return AccountRow(
        kind="usage",
        provider=PROVIDER,
        start_us=instant_us(bucket.get("starting_at"), "starting_at"),
        end_us=instant_us(bucket.get("ending_at"), "ending_at"),
        model=text(group, "model"),
        tier=_tier(group),
        tokens=tokens,
        n_requests=count(used, "requests"),
        n_web_searches=count(tools, "web_search_requests") or 0,
        project=text(group, "workspace_id"),
    )


def _check_total(used: Fields, tokens: AccountTokens) -> None:
    total = count(used, "total_tokens")
    parts = tokens.total
    if total is not None and total != parts:
        raise ImportRefused(f"total_tokens is {total}, its parts are {parts}")


def cost_rows(bucket: Fields) -> Iterator[AccountRow]:
    """Read a bucket of `cost_report`."""
    for each in a_list(bucket.get("results")):
        result = an_object(each)
        yield _cost(bucket, result, result)


def analytics_cost_rows(item: Fields) -> Iterator[AccountRow]:
    """Read an item of `analytics/cost`: `amount` is after discounts and before credits."""
    yield _cost(item, an_object(item.get("group")), an_object(item.get("cost")))


def _cost(bucket: Fields, group: Fields, paid: Fields) -> AccountRow:
    dollars_only(paid.get("currency"), "currency")
    kind, meter = text(group, "cost_type"), text(group, "token_type")
    return AccountRow(
        kind="cost",
        provider=PROVIDER,
        start_us=instant_us(bucket.get("starting_at"), "starting_at"),
        end_us=instant_us(bucket.get("ending_at"), "ending_at"),
        model=text(group, "model"),
        tier=_tier(group),
        meter=meter or (None if kind in (None, "tokens") else kind),
        n_requests=count(paid, "requests"),
        billed_usd=cents(paid.get("amount"), "amount"),
        list_usd=cents(paid.get("list_amount"), "list_amount"),
        project=text(group, "workspace_id"),
    )


def _tier(group: Fields) -> str | None:
    """Name the tier; tokens of the long context window have a price of their own and are kept apart."""
    tier = text(group, "service_tier")
    if text(group, "context_window") == _LONG:
        return f"{tier or 'standard'} {_LONG}"
    return tier
