"""From summed usage to `Spend`: each group of attempts is charged once, at its own price or at the one asked about.

Pure. Data flows `UsageSum` or `AttemptRow` + price book + `Pricing` -> Spend and per-meter rates.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from harness.costs.cost import Cost, price_request
from harness.costs.served import Served
from harness.costs.stretches import RateStretches, ServedSpan
from harness.instants import from_us
from harness.ledger.columns import TokenCounts
from harness.ledger.encoding import read_json
from harness.ledger.reading.attempt_rows import AttemptRow
from harness.ledger.reading.sums import InvoicedSum, UsageGroup, UsageSum
from harness.money import EXACT, add, from_pico
from harness.pricing.book import PriceBook
from harness.pricing.rows import TOKEN_METERS
from harness.reports.facts.report_facts import ZERO, CostSums, Spend, TokenSums
from harness.reports.prices.price_standing import Charged
from harness.reports.questions import AS_IT_WAS, Pricing
from harness.usage import KINDS, read_usage
from harness.usage.bounds import sensible
from harness.usage.context_sizes import SLOT_US, last_of_bucket
from harness.usage.values import Flag, Meter, Usage

UNANSWERED = ("failed", "timed_out", "cancelled")


PARTS: Mapping[Meter, str] = {
    Meter.INPUT: "input",
    Meter.INPUT_AUDIO: "input",
    Meter.INPUT_IMAGE: "input",
    Meter.CACHE_READ: "cache_read",
    Meter.CACHE_READ_AUDIO: "cache_read",
    Meter.CACHE_WRITE_5M: "cache_write",
    Meter.CACHE_WRITE_1H: "cache_write",
    Meter.OUTPUT: "output",
    Meter.OUTPUT_AUDIO: "output",
    Meter.OUTPUT_IMAGE: "output",
    Meter.REASONING: "output",
}
"""Which part of a cost a meter belongs to; every other meter is a fee."""


@dataclass(slots=True)
class Charger:
    """Charges groups and remembers which price rows it used, for how many attempts, and what it had to assume."""

    book: PriceBook
    pricing: Pricing = AS_IT_WAS
    used: dict[Hashable, Charged] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    stretches: RateStretches = field(init=False)
    as_it_was: bool = field(init=False)

    def __post_init__(self) -> None:
        self.stretches = RateStretches(self.book)
        self.as_it_was = self.pricing.as_it_was

    def asked(self, served: Served) -> Served:
        """Say how requests would have been served under the prices that are asked about."""
        return served if self.as_it_was else self.pricing.served(served)

    def span(self, group: UsageGroup, served: Served) -> ServedSpan:
        """Say between which times and prompt sizes the attempts of a group lie, under the prices asked about."""
        bucket = group.context_bucket
        return ServedSpan(
            served=self.asked(served),
            span_us=SLOT_US if self.pricing.as_of is None else 0,
            least_context_tokens=bucket or 0,
            most_context_tokens=None if bucket is None else last_of_bucket(bucket),
        )

    def charge_sum(self, sums: UsageSum, served: Served) -> tuple[Spend, dict[Meter, float] | None]:
        """Charge a sum over attempts that share everything a price depends on; with their rates, None = unpriced."""
        n_charged = sums.n_attempts - sums.n_usage_missing
        cost = self._cost(sums.usage(context_tokens=sums.group.context_bucket), served, n_charged)
        charged = cost_sums(cost, itemised=not sums.n_not_itemised)
        is_unpriced, failed = cost.status == "unpriced", sums.status in UNANSWERED
        spend = Spend(
            n_attempts=sums.n_attempts,
            n_failed_attempts=sums.n_attempts if failed else 0,
            n_truncated=sums.n_truncated,
            n_priced_attempts=0 if is_unpriced else n_charged,
            n_unpriced_attempts=n_charged if is_unpriced else 0,
            tokens=self._shown(sums, None if sums.n_not_itemised else sums.reasoning_tokens),
            cost=charged,
            wasted_usd=charged.total if failed or sums.n_truncated else ZERO,
        )
        return spend, None if is_unpriced else _usd_per_token(cost, no_cache=self.pricing.no_cache)

    def charge_row(self, row: AttemptRow) -> Spend:
        """Charge one attempt that sums cannot carry: it has fees, other models, or a cost that the payload states."""
        cost = self._cost(usage_of_row(row), served_row(row), 1)
        charged = self._charged_row(row, cost)
        is_known = cost.list_usd is not None or charged.stated > 0 or cost.usd is not None
        failed, truncated = row.status in UNANSWERED, row.finish_reason == "length"
        return Spend(
            n_attempts=1,
            n_failed_attempts=int(failed),
            n_truncated=int(truncated),
            n_priced_attempts=int(is_known),
            n_unpriced_attempts=int(not is_known and row.input_tokens is not None),
            n_incomplete_usage=int(cost.is_lower_bound),
            tokens=self._shown(row, 0 if row.output_tokens is None else row.reasoning_tokens),
            cost=charged,
            wasted_usd=charged.total if failed or truncated else ZERO,
        )

    def _charged_row(self, row: AttemptRow, cost: Cost) -> CostSums:
        """Put what the provider states beside the list price; where there is no list price, it stands alone."""
        charged = cost_sums(cost, itemised=row.reasoning_tokens is not None or not row.output_tokens)
        if row.stated_cost_usd is None or not self.pricing.of(row.provider_asked, row.model_requested).as_it_was:
            return charged
        usd = cost.usd if cost.usd is not None else row.stated_cost_usd
        if cost.list_usd is None:
            return CostSums(stated=usd, charged=usd, reasoning=None)
        return replace(charged, charged=usd)

    def prices_used(self) -> list[Charged]:
        """List the price rows used so far, by name and date."""
        return sorted(self.used.values(), key=lambda used: (used.price.provider, used.price.model, used.since))

    def _cost(self, usage: Usage, served: Served, n_attempts: int) -> Cost:
        """Price usage as it is asked about, and remember for how many attempts that was done."""
        asked = self.asked(served)
        cost = price_request(self.book, usage if self.as_it_was else self.pricing.usage(usage, served), asked)
        if cost.price is not None and n_attempts:
            row = cost.price
            key = row.provider, row.model, row.effective_from, row.corrected_on, row.layer
            before = self.used.get(key)
            self.used[key] = Charged(
                price=cost.price,
                n_attempts=n_attempts + (before.n_attempts if before else 0),
                last_at=max(asked.at, before.last_at) if before else asked.at,
            )
        for warning in cost.warnings if n_attempts else ():
            self.warnings[warning] = self.warnings.get(warning, 0) + n_attempts
        return cost

    def _shown(self, counts: TokenCounts[int] | TokenCounts[int | None], reasoning_tokens: int | None) -> TokenSums:
        """Show the tokens that were charged: without a cache all input is new."""
        is_whole = self.pricing.no_cache
        return TokenSums(
            input_tokens=counts.all_input_tokens if is_whole else counts.input_tokens or 0,
            cache_read_tokens=0 if is_whole else counts.cache_read_tokens or 0,
            cache_write_tokens=0 if is_whole else counts.cache_write_tokens,
            output_tokens=counts.output_tokens or 0,
            reasoning_tokens=reasoning_tokens,
        )


def served_row(row: AttemptRow) -> Served:
    """Say how one attempt was served, as far as its payload does not."""
    return Served(
        provider=row.provider_asked,
        model=row.model_requested,
        at=from_us(row.finished_at_us or row.started_at_us),
        model_served=row.model_served,
        service_tier=row.service_tier,
        mode=row.mode,
        thinking=row.thinking,
    )


def cost_sums(cost: Cost, *, itemised: bool) -> CostSums:
    """Sort a bill's lines into the parts of a report; `charged` is the total at list price."""
    parts: dict[str, Decimal] = {}
    reasoning = ZERO
    for line in cost.lines:
        part = PARTS.get(line.meter, "fees")
        parts[part] = EXACT.add(parts.get(part, ZERO), line.usd)
        if line.meter is Meter.REASONING:
            reasoning = EXACT.add(reasoning, line.usd)
    charged = cost.usd if cost.usd is not None else add(parts.values())
    return CostSums(reasoning=reasoning if itemised else None, charged=charged, **parts)


def _usd_per_token(cost: Cost, *, no_cache: bool = False) -> dict[Meter, float]:
    """Give the rates of a bill as floats, for per-sample statistics only; without a cache all input costs the same."""
    rates = {line.meter: float(line.usd_per_unit) for line in cost.lines if line.meter in TOKEN_METERS}
    if no_cache:
        rates.update(dict.fromkeys(_CACHED, rates.get(Meter.INPUT, 0.0)))
    return rates


_CACHED = (Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H)


def usage_of_row(row: AttemptRow) -> Usage:
    """Read the payload again; a row without one (a stated cost only) has its columns."""
    if row.raw_usage is not None and row.usage_kind is not None and row.usage_kind in KINDS:
        return sensible(read_usage(row.usage_kind, read_json(row.raw_usage)))
    return replace(
        row.usage(),
        flags=tuple(Flag(name=name, detail=detail) for name, detail in read_json(row.usage_flags) or ()),
        input_tokens=None if row.input_tokens is None else row.all_input_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
        stated_cost_usd=row.stated_cost_usd,
    )


def invoiced_spend(settled: InvoicedSum) -> Spend:
    """Count attempts whose bill an account told: it is what was charged, and of its parts nothing is known.

    Those that were settled without a usage are counted with the sums already; those never settled are not.
    """
    usd = from_pico(settled.billed_pico_usd)
    return Spend(
        n_attempts=settled.n_sent,
        n_priced_attempts=settled.n_attempts,
        cost=CostSums(stated=usd, charged=usd),
    )
