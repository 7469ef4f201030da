"""The Aider polyglot leaderboard: recorded cost beside our list price for the recorded tokens, with a reason each.

Data flows polyglot_leaderboard.yml -> rows with tokens and cost -> list price of the day -> `explain` -> `table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from harness.costs import cost_of
from harness.documents.table import Column, Table
from harness.money import plain
from harness.pricing import PriceBook
from harness.usage import Meter, Usage

Verdict = Literal["exact", "explained", "not determined", "unpriced"]

RECORDED_PLACES = Decimal("0.0001")
"""The leaderboard rounds costs to four places."""

PROVIDERS = {"gemini": "google", "deepseek": "deepseek", "openai": "openai", "openrouter": "openrouter"}
RATES_FROM_THIS_TABLE = ("moonshotai/kimi-k2", "openai/gpt-oss-120b")
"""Models whose price row was itself derived from this leaderboard: agreement there proves arithmetic, not the price."""

THINKING_USD_PER_MTOK, VISIBLE_USD_PER_MTOK = Decimal("3.5"), Decimal("0.6")
"""Gemini 2.5 flash preview: litellm charged thoughts at 3.50 and visible output at 0.60."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One leaderboard row: recorded cost, our list price of its tokens, and why they differ."""

    run: str
    model: str
    provider: str
    priced_as: str
    input_tokens: int
    output_tokens: int
    recorded_usd: Decimal
    list_usd: Decimal | None
    verdict: Verdict
    reason: str


def price_leaderboard(path: Path, book: PriceBook) -> list[Row]:
    """Price every row that has tokens and a cost."""
    import yaml  # type: ignore[import-untyped]  # comes with the data set library; only needed here

    records = yaml.safe_load(path.read_text())
    wanted = ("prompt_tokens", "completion_tokens", "total_cost")
    return [_row(record, book) for record in records if all(record.get(name) for name in wanted)]


def _row(record: Mapping[str, Any], book: PriceBook) -> Row:
    provider, model = _model(record["command"])
    usage = Usage(input_tokens=record["prompt_tokens"], output_tokens=record["completion_tokens"], context_tokens=0)
    at = datetime.combine(record["date"], time(12), UTC)
    # Gemini's thinking rate holds for the whole output; litellm did not charge so, see `explain`
    cost = cost_of(book, usage, provider=provider, model=model, at=at, thinking=False)
    recorded = Decimal(str(record["total_cost"]))
    price = cost.price
    rates = {} if price is None else dict(price.rates)
    verdict, reason = explain(
        recorded, cost.list_usd, usage, rates, model=model, second_model=record.get("editor_model")
    )
    return Row(
        run=record["dirname"],
        model=record["model"],
        provider=provider,
        priced_as=model,
        input_tokens=record["prompt_tokens"],
        output_tokens=record["completion_tokens"],
        recorded_usd=recorded,
        list_usd=cost.list_usd,
        verdict=verdict,
        reason=reason,
    )


def _model(command: str) -> tuple[str, str]:
    """Split `aider --model provider/name ...` as litellm would."""
    words = command.split()
    name = words[words.index("--model") + 1]
    first, slash, rest = name.partition("/")
    if slash and first in PROVIDERS:
        return PROVIDERS[first], rest
    return ("anthropic" if name.startswith("claude") else "openai"), name


def explain(
    recorded: Decimal,
    listed: Decimal | None,
    usage: Usage,
    rates: Mapping[Meter, Decimal],
    *,
    model: str,
    second_model: str | None,
) -> tuple[Verdict, str]:
    """Find why a recorded cost differs from the list price of the recorded tokens.

    A reason is given only where the numbers allow it: cached input must lie between 0 and the whole input, thinking
    tokens between 0 and the whole output.
    """
    input_tokens, output_tokens = usage.input_tokens or 0, usage.output_tokens or 0
    if listed is None:
        return "unpriced", (
            "no price is known for that host at that date; "
            f"{input_tokens} input tokens are far below those of other rows for the same 225 tasks: tokens are partial"
        )
    if listed.quantize(RECORDED_PLACES) == recorded:
        derived = model in RATES_FROM_THIS_TABLE
        return "exact", "the price row was derived from this leaderboard" if derived else ""
    if second_model is not None:
        return "explained", f"two models: the tokens of {second_model} are in the same sum at another price"
    if recorded > listed and "flash" in model:
        return _explain_thinking(recorded, listed, output_tokens)
    if recorded > listed:
        gap = plain((recorded - listed).quantize(RECORDED_PLACES))
        return (
            "not determined",
            f"{gap} USD more than the tokens cost: some calls are in the cost and not in the tokens",
        )
    if model.startswith("claude"):
        gap = plain((listed - recorded).quantize(RECORDED_PLACES))
        return "not determined", (
            f"{gap} USD less than the tokens cost; Anthropic caches on request only, and the Opus runs of the same "
            "days are exact without any cache"
        )
    cached_rate = rates.get(Meter.CACHE_READ)
    if cached_rate is None:
        return "not determined", "cheaper than list, and the model has no cached rate"
    cached = (listed - recorded) * 1_000_000 / (rates[Meter.INPUT] - cached_rate)
    share = cached / input_tokens
    if share > 1:
        return "not determined", "cheaper than if the whole input had been cached"
    return (
        "explained",
        f"cached input is not itemised: {cached:,.0f} cached tokens ({share:.1%}) would give the recorded cost",
    )


def _explain_thinking(recorded: Decimal, listed: Decimal, output_tokens: int) -> tuple[Verdict, str]:
    thoughts = (recorded - listed) * 1_000_000 / (THINKING_USD_PER_MTOK - VISIBLE_USD_PER_MTOK)
    share = thoughts / output_tokens
    if share > 1:
        return "not determined", "dearer than if the whole output had been thoughts"
    whole = listed + output_tokens * (THINKING_USD_PER_MTOK - VISIBLE_USD_PER_MTOK) / 1_000_000
    return "explained", (
        f"litellm charged thoughts at 3.50 and the rest at 0.60: {thoughts:,.0f} thoughts ({share:.1%}) give the "
        f"recorded cost; by Google's rule the whole output costs 3.50, {plain(whole.quantize(RECORDED_PLACES))} USD"
    )


def table(rows: Sequence[Row]) -> Table:
    """List the rows with both amounts, the verdict and the reason."""
    counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in Verdict.__args__}  # type: ignore[attr-defined]
    return Table(
        name="aider",
        title=f"{len(rows)} leaderboard rows with tokens and cost: "
        + ", ".join(f"{number} {verdict}" for verdict, number in counts.items()),
        columns=(
            Column(name="model"),
            Column(name="recorded_usd", title="recorded USD"),
            Column(name="list_usd", title="list USD of its tokens"),
            Column(name="verdict"),
            Column(name="reason"),
        ),
        rows=[
            (
                row.model,
                plain(row.recorded_usd),
                None if row.list_usd is None else plain(row.list_usd),
                row.verdict,
                row.reason,
            )
            for row in rows
        ],
        notes=(
            "exact: equal when rounded to the leaderboard's four places; explained: one quantity that the leaderboard "
            "does not itemise would, within its bounds, give the recorded cost",
        ),
    )
