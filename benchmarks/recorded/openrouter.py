"""165 recorded OpenRouter responses: our list price beside the cost that each response states, halves too.

Data flows responses.jsonl -> usage -> cost by the price book -> `Bill` rows -> `table`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from harness.costs import Cost, cost_of
from harness.documents.table import Column, Table
from harness.money import add, plain
from harness.pricing import PriceBook
from harness.usage import Meter, parse_json, read_usage

TOLERANCE_USD = Decimal("1e-9")
INPUT_METERS = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """One response: what it states and what our book says; None = not stated, not priced."""

    sample_id: str
    model: str
    has_usage: bool
    cost: Cost
    stated_usd: Decimal | None
    stated_input_usd: Decimal | None
    stated_output_usd: Decimal | None

    @property
    def input_usd(self) -> Decimal:
        """Our charge for everything read."""
        return add(line.usd for line in self.cost.lines if line.meter in INPUT_METERS)

    @property
    def output_usd(self) -> Decimal:
        """Our charge for everything written."""
        return add(line.usd for line in self.cost.lines if line.meter not in INPUT_METERS)

    @property
    def agrees(self) -> bool:
        """True when the whole and both halves equal the stated ones within the tolerance."""
        return self.cost.list_usd is not None and all(
            stated is not None and abs(stated - ours) <= TOLERANCE_USD
            for stated, ours in (
                (self.stated_usd, self.cost.list_usd),
                (self.stated_input_usd, self.input_usd),
                (self.stated_output_usd, self.output_usd),
            )
        )


def price_responses(path: Path, book: PriceBook) -> list[Priced]:
    """Price every recorded response at the instant it was created."""
    priced = []
    for line in path.read_bytes().splitlines():
        record = parse_json(line)
        raw = record["response_usage"]
        finished = datetime.fromisoformat(record["finished_at_utc"])
        created = record["response_created"]
        at = finished if created is None else datetime.fromtimestamp(created, UTC)
        usage = read_usage("openrouter.chat", raw or None)
        details = raw.get("cost_details", {})
        priced.append(
            Priced(
                sample_id=record["sample_id"],
                model=record["model_id"],
                has_usage=bool(raw),
                cost=cost_of(book, usage, provider="openrouter", model=record["model_id"], at=at),
                stated_usd=usage.stated_cost_usd,
                stated_input_usd=details.get("upstream_inference_prompt_cost"),
                stated_output_usd=details.get("upstream_inference_completions_cost"),
            )
        )
    return priced


def table(responses: Sequence[Priced]) -> Table:
    """Sum by model: stated and ours, agreeing and unknown responses."""
    rows = [_row(model, [item for item in responses if item.model == model]) for model in _models(responses)]
    agreeing, unknown = sum(item.agrees for item in responses), sum(not item.has_usage for item in responses)
    return Table(
        name="openrouter",
        title=f"{len(responses)} recorded OpenRouter responses: {agreeing} equal the stated cost to 1e-9 USD, "
        f"halves too; {unknown} without usage are unknown",
        columns=(
            Column(name="model"),
            Column(name="responses", kind="integer"),
            Column(name="agreeing", kind="integer"),
            Column(name="unknown", kind="integer"),
            Column(name="stated_usd", title="stated USD"),
            Column(name="list_usd", title="ours USD"),
        ),
        rows=rows,
        notes=("stated: `cost` of the response; ours: tokens times the price book, without looking at `cost`",),
    )


def _models(responses: Iterable[Priced]) -> list[str]:
    return sorted({item.model for item in responses})


def _row(model: str, items: Sequence[Priced]) -> tuple[str, int, int, int, str, str]:
    return (
        model,
        len(items),
        sum(item.agrees for item in items),
        sum(not item.has_usage for item in items),
        plain(add(item.stated_usd or Decimal(0) for item in items)),
        plain(add(item.cost.list_usd or Decimal(0) for item in items)),
    )
