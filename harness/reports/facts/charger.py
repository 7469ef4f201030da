"""From summed usage to `Spend`: each group of attempts is charged once, at its own price or at the one asked about.

Pure. Data flows `UsageSum` or `AttemptRow` + price book + `Pricing` -> Spend and per-meter rates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from harness.costs.cost import Cost, cost_of
from harness.costs.served import Served
from harness.costs.stretches import RateStretches, ServedSpan
from harness.instants import from_us
from harness.ledger.encoding import read_json
from harness.ledger.reading.attempt_rows import AttemptRow
from harness.ledger.reading.sums import UsageGroup, UsageSum
from harness.money import add, plain
from harness.pricing.book import IMPORTED_LAYER, PriceBook
from harness.pricing.rows import TOKEN_METERS, Price
from harness.reports.facts.report_facts import ZERO, CostSums, Spend, TokenSums
from harness.reports.prices.price_standing import Charged
from harness.reports.questions import AS_IT_WAS, Pricing
from harness.reports.spend.report import PriceUsed
from harness.usage import read_usage
from harness.usage.bounds import sensible
from harness.usage.context_sizes import SLOT_US, last_of_bucket
from harness.usage.values import Meter, Usage

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
    used: dict[str, Charged] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    stretches: RateStretches = field(init=False)

    def __post_init__(self) -> None:
        self.stretches = RateStretches(self.book)

    def must_be_split(self, sums: UsageSum, *, provider: str, model: str) -> bool:
        """Tell whether the attempts of a sum can differ in their rates: a slot or bucket with a price change inside."""
        terms = self.terms(sums.group, provider=provider, model=model)
        if self.stretches.may_change_within(terms):
            return True
        # itemised reasoning proves that a model thought, attempt by attempt
        thought = sums.reasoning_tokens > 0 and sums.group.thinking is not True
        return thought and self.stretches.depend_on_thinking(terms)

    def terms(self, group: UsageGroup, *, provider: str, model: str) -> ServedSpan:
        """Say what the price of a group's attempts can depend on, under the prices that are asked about."""
        pricing = self.pricing.of(provider, model)
        at = from_us(group.slot_us) if pricing.as_of is None else pricing.as_of
        bucket = group.context_bucket
        mode = "batch" if pricing.batch else None
        if pricing.model is None:
            served = Served(
                provider=provider,
                model=model,
                at=at,
                model_served=group.model,
                service_tier=group.service_tier,
                mode=mode or group.mode,
                speed=group.speed,
                inference_geo=group.inference_geo,
                thinking=group.thinking,
            )
        else:
            provider, model = pricing.model
            served = Served(provider=provider, model=model, at=at, mode=mode, thinking=group.thinking)
        return ServedSpan(
            served=served,
            span_us=SLOT_US if pricing.as_of is None else 0,
            least_context_tokens=bucket or 0,
            most_context_tokens=None if bucket is None else last_of_bucket(bucket),
        )

    def charge_sum(self, sums: UsageSum, *, provider: str, model: str) -> tuple[Spend, Cost]:
        """Charge a sum over attempts that share everything a price depends on."""
        group = sums.group
        usage = Usage(
            input_tokens=sums.input_tokens
            + sums.cache_read_tokens
            + sums.cache_write_5m_tokens
            + sums.cache_write_1h_tokens,
            output_tokens=sums.output_tokens,
            cache_read_tokens=sums.cache_read_tokens,
            cache_write_5m_tokens=sums.cache_write_5m_tokens,
            cache_write_1h_tokens=sums.cache_write_1h_tokens,
            reasoning_tokens=sums.reasoning_tokens or None,
            context_tokens=group.context_bucket,
            speed=group.speed,
            inference_geo=group.inference_geo,
        )
        n_charged = sums.n_attempts - sums.n_usage_missing
        cost = self._cost(
            usage,
            provider=provider,
            model=model,
            served=group.model,
            at=from_us(group.slot_us),
            tier=group.service_tier,
            mode=group.mode,
            thinking=group.thinking,
            n_attempts=n_charged,
        )
        tokens = TokenSums(
            input_tokens=sums.input_tokens,
            cache_read_tokens=sums.cache_read_tokens,
            cache_write_tokens=sums.cache_write_5m_tokens + sums.cache_write_1h_tokens,
            output_tokens=sums.output_tokens,
            reasoning_tokens=None if sums.n_not_itemised else sums.reasoning_tokens,
        )
        charged = cost_sums(cost, itemised=not sums.n_not_itemised)
        failed, truncated = sums.status in UNANSWERED, sums.n_truncated > 0
        spend = Spend(
            n_attempts=sums.n_attempts,
            n_failed_attempts=sums.n_attempts if failed else 0,
            n_truncated=sums.n_truncated,
            n_priced_attempts=0 if cost.status == "unpriced" else n_charged,
            n_unpriced_attempts=n_charged if cost.status == "unpriced" else 0,
            tokens=self._shown(tokens),
            cost=charged,
            wasted_usd=charged.total if failed or truncated else ZERO,
        )
        return spend, cost

    def charge_row(self, row: AttemptRow) -> Spend:
        """Charge one attempt that sums cannot carry: it has fees, other models, or a cost that the payload states."""
        usage = usage_of_row(row)
        cost = self._cost(
            usage,
            provider=row.provider_asked,
            model=row.model_requested,
            served=row.model_served,
            at=from_us(row.finished_at_us or row.started_at_us),
            tier=row.service_tier,
            mode=row.mode,
            thinking=row.thinking,
            n_attempts=1,
        )
        itemised = row.reasoning_tokens is not None or not row.output_tokens
        charged = cost_sums(cost, itemised=itemised)
        if self.pricing.of(row.provider_asked, row.model_requested).as_it_was and row.stated_cost_usd is not None:
            charged = replace(charged, charged=cost.usd if cost.usd is not None else row.stated_cost_usd)
            if cost.list_usd is None:
                charged = CostSums(stated=charged.charged, charged=charged.charged, reasoning=None)
        is_known = cost.list_usd is not None or charged.stated > 0 or cost.usd is not None
        failed, truncated = row.status in UNANSWERED, row.finish_reason == "length"
        return Spend(
            n_attempts=1,
            n_failed_attempts=int(failed),
            n_truncated=int(truncated),
            n_priced_attempts=int(is_known),
            n_unpriced_attempts=int(not is_known and row.input_tokens is not None),
            n_incomplete_usage=int(cost.is_lower_bound),
            tokens=self._shown(_tokens_of(row)),
            cost=charged,
            wasted_usd=charged.total if failed or truncated else ZERO,
        )

    def prices_used(self) -> list[PriceUsed]:
        """List the price rows used so far, by name and date."""
        found = sorted(self.used.values(), key=lambda used: (used.price.provider, used.price.model, _start(used.price)))
        return [
            PriceUsed(
                provider=price.provider,
                model=price.model,
                effective_from=_start(price),
                rates="free" if price.free else rates_text(price),
                source=price.source,
                checked_on="" if price.checked_on is None else price.checked_on.isoformat(),
                n_attempts=used.n_attempts,
                is_imported=price.layer == IMPORTED_LAYER,
            )
            for used in found
            for price in (used.price,)
        ]

    def _cost(
        self,
        usage: Usage,
        *,
        provider: str,
        model: str,
        served: str | None,
        at: datetime,
        tier: str | None,
        mode: str | None,
        thinking: bool | None,
        n_attempts: int,
    ) -> Cost:
        pricing = self.pricing.of(provider, model)
        if pricing.no_cache:
            usage = replace(usage, cache_read_tokens=None, cache_write_5m_tokens=None, cache_write_1h_tokens=None)
        if pricing.model is not None:
            provider, model, served, tier, mode = *pricing.model, None, None, None
            usage = replace(usage, served_model=None, service_tier=None, speed=None, inference_geo=None)
        cost = cost_of(
            self.book,
            usage if pricing.as_it_was else replace(usage, stated_cost_usd=None),
            provider=provider,
            model=model,
            at=pricing.as_of or at,
            service_tier=tier,
            mode="batch" if pricing.batch else mode,
            thinking=thinking,
            served_model=served,
        )
        if cost.price is not None and n_attempts:
            moment = pricing.as_of or at
            before = self.used.get(cost.price.sha256)
            self.used[cost.price.sha256] = Charged(
                price=cost.price,
                n_attempts=n_attempts + (before.n_attempts if before else 0),
                last_at=max(moment, before.last_at) if before else moment,
            )
        for warning in cost.warnings if n_attempts else ():
            self.warnings[warning] = self.warnings.get(warning, 0) + n_attempts
        return cost

    def _shown(self, tokens: TokenSums) -> TokenSums:
        """Show the tokens that were charged: without a cache all input is new."""
        if not self.pricing.no_cache:
            return tokens
        whole = tokens.input_tokens + tokens.cache_read_tokens + tokens.cache_write_tokens
        return replace(tokens, input_tokens=whole, cache_read_tokens=0, cache_write_tokens=0)


def cost_sums(cost: Cost, *, itemised: bool) -> CostSums:
    """Sort a bill's lines into the parts of a report; `charged` is the total at list price."""
    parts: dict[str, list[Decimal]] = {}
    for line in cost.lines:
        parts.setdefault(PARTS.get(line.meter, "fees"), []).append(line.usd)
    reasoning = add(line.usd for line in cost.lines if line.meter is Meter.REASONING) if itemised else None
    sums = CostSums(reasoning=reasoning, **{name: add(amounts) for name, amounts in parts.items()})
    return replace(sums, charged=cost.usd if cost.usd is not None else sums.total)


def usd_per_token(cost: Cost, *, no_cache: bool = False) -> dict[Meter, float]:
    """Give the rates of a bill as floats, for per-sample statistics only; without a cache all input costs the same."""
    rates = {line.meter: float(line.usd_per_unit) for line in cost.lines if line.meter in TOKEN_METERS}
    if no_cache:
        rates.update(dict.fromkeys(_CACHED, rates.get(Meter.INPUT, 0.0)))
    return rates


_CACHED = (Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H)


def rates_text(price: Price) -> str:
    """Write a row's rates: `input 15, cache_read 7.5, output 60` (USD per million tokens)."""
    return ", ".join(f"{meter.value} {plain(rate)}" for meter, rate in price.rates.items())


def _start(price: Price) -> str:
    return "open" if price.effective_from is None else price.effective_from.strftime("%Y-%m-%d")


def usage_of_row(row: AttemptRow) -> Usage:
    """Read the payload again; a row without one (a stated cost only) has its columns."""
    if row.raw_usage is not None and row.usage_kind is not None:
        return sensible(read_usage(row.usage_kind, read_json(row.raw_usage)))
    tokens = _tokens_of(row)
    known = row.input_tokens is not None
    return Usage(
        input_tokens=tokens.input_tokens + tokens.cache_read_tokens + tokens.cache_write_tokens if known else None,
        output_tokens=row.output_tokens,
        cache_read_tokens=row.cache_read_tokens,
        cache_write_5m_tokens=row.cache_write_5m_tokens,
        cache_write_1h_tokens=row.cache_write_1h_tokens,
        reasoning_tokens=row.reasoning_tokens,
        stated_cost_usd=row.stated_cost_usd,
    )


def _tokens_of(row: AttemptRow) -> TokenSums:
    return TokenSums(
        input_tokens=row.input_tokens or 0,
        cache_read_tokens=row.cache_read_tokens or 0,
        cache_write_tokens=(row.cache_write_5m_tokens or 0) + (row.cache_write_1h_tokens or 0),
        output_tokens=row.output_tokens or 0,
        reasoning_tokens=0 if row.output_tokens is None else row.reasoning_tokens,
    )
