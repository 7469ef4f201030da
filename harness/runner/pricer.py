"""What an attempt may cost and what it did cost, for the budget and the live display.

The ledger keeps tokens, reports derive money; this module only moves reservations to spending while a run goes on.
Data flows price book + usage payload -> `Spent` (whole picodollars, rounded up).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from harness.costs.cost import Cost, price_request
from harness.costs.served import Served
from harness.costs.worst_case import cannot_hold, no_cap, no_price, worst_case_usd
from harness.errors import UnpricedModelError
from harness.instants import from_us
from harness.ledger.records import UsageFacts
from harness.ledger.writing.usage_facts import usage_facts
from harness.models import ModelSpec
from harness.money import EXACT, from_pico, to_pico_ceiling
from harness.pricing.book import PriceBook
from harness.runner.requests.attempt_ends import UNKNOWN, Spent
from harness.usage.bounds import COST_IN_DOUBT, MOST_USD, sensible
from harness.usage.kinds import likely_kind, read_usage
from harness.usage.meters import meters
from harness.usage.values import Flag, Meter, Usage

_HOUR_US = 3_600_000_000
_SECOND_US = 1_000_000
_TOKEN_STEP = 64
_TERMS_REMEMBERED = 64
_MOST_PICO = to_pico_ceiling(MOST_USD)
_LARGEST_RESERVATION_PICO = 10**16
"""Ten thousand dollars: far above any request, and sums of it fit into what the ledger can hold."""


class Pricer:
    """Prices the attempts of one model.

    Args:
        thinking: whether thinking was asked for, where the payload cannot say; None = not known.
        mode: `batch` for batch requests, None otherwise.
    """

    def __init__(
        self,
        book: PriceBook,
        spec: ModelSpec,
        *,
        service_tier: str | None = None,
        mode: str | None = None,
        thinking: bool | None = None,
    ) -> None:
        self._book = book
        self._spec = spec
        self._service_tier = service_tier
        self.mode = mode
        self._thinking = thinking
        self._worst: dict[tuple[int, int, int], int | None] = {}
        self._rates: dict[tuple[object, ...], list[tuple[Meter, int]] | None] = {}
        self._least_tier: int | None = None

    def reservation_pico(self, input_tokens_bound: int, max_output_tokens: int | None, now_us: int) -> int | None:
        """Worst case of a request sent now; None when it has no bound (no price, or no output cap)."""
        if max_output_tokens is None:
            return None
        stepped = -(-input_tokens_bound // _TOKEN_STEP) * _TOKEN_STEP
        hour_us = now_us - now_us % _HOUR_US
        key = (stepped, max_output_tokens, hour_us)
        if key not in self._worst:
            self._worst[key] = self._bound_pico(stepped, max_output_tokens, from_us(hour_us))
        return self._worst[key]

    def cannot_hold(self, now_us: int, *, of: str, where: str) -> UnpricedModelError:
        """Make the error for a request without a bound that the budget `where` is to hold; `of` says what asks."""
        asked = self._asked(from_us(now_us - now_us % _HOUR_US))
        return cannot_hold([no_price(self._book, asked) or no_cap(asked, of=of)], where=where)

    def _asked(self, at: datetime) -> Served:
        return Served(
            provider=self._spec.provider,
            model=self._spec.model,
            at=at,
            service_tier=self._service_tier,
            mode=self.mode,
            speed="standard",  # a fast mode is never asked for
        )

    def _bound_pico(self, input_tokens: int, output_tokens: int, at: datetime) -> int | None:
        usd = worst_case_usd(self._book, self._asked(at), input_tokens=input_tokens, max_output_tokens=output_tokens)
        return None if usd is None else min(to_pico_ceiling(usd), _LARGEST_RESERVATION_PICO)

    def settle(
        self,
        usage_kind: str | None,
        raw_usage: Mapping[str, object] | None,
        *,
        finished_at_us: int,
        service_tier: str | None,
        model_served: str | None,
    ) -> tuple[UsageFacts, Spent]:
        """Read a usage payload into ledger facts and what it cost; whatever it holds, there are facts to be stored.

        Counts and amounts that no request can have are flagged and not known; then the bill is not known either.
        `usage_kind` None = nobody named the reader: the one that the payload looks like is taken.
        """
        try:
            return self._settled(usage_kind, raw_usage, finished_at_us, service_tier, model_served)
        except Exception as error:  # noqa: BLE001 - the attempt boundary: a paid answer is recorded whatever it states
            detail = f"{type(error).__name__}: {error}"[:200]
            facts = UsageFacts(raw_usage=raw_usage, usage_kind=usage_kind, flags=(("unreadable_usage", detail),))
            return facts, UNKNOWN

    def _settled(
        self,
        named_kind: str | None,
        raw_usage: Mapping[str, object] | None,
        finished_at_us: int,
        service_tier: str | None,
        model_served: str | None,
    ) -> tuple[UsageFacts, Spent]:
        usage_kind = named_kind or likely_kind(self._spec.provider, raw_usage or {})
        usage = sensible(read_usage(usage_kind, raw_usage))
        quantities = meters(usage)
        charged_pico, usd = self._priced(usage, quantities, finished_at_us, service_tier, model_served)
        if charged_pico is not None and charged_pico > _MOST_PICO:
            flag = Flag(name="charge_beyond_sense", detail=f"the prices in force make {usd:.3g} USD of one request")
            usage = dataclasses.replace(usage, flags=(*usage.flags, flag))
            charged_pico, usd = None, None
        elif usage.flags and any(flag.name in COST_IN_DOUBT for flag in usage.flags):
            charged_pico, usd = None, None
        facts = usage_facts(
            usage,
            quantities,
            raw_usage=raw_usage,
            usage_kind=usage_kind,
            thinking_asked=self._thinking,
        )
        spent = Spent(
            charged_pico=charged_pico, usd=usd, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens
        )
        return facts, spent

    def _priced(
        self,
        usage: Usage,
        quantities: Mapping[Meter, int],
        finished_at_us: int,
        service_tier: str | None,
        model_served: str | None,
    ) -> tuple[int, Decimal] | tuple[None, None]:
        """Price one usage in picodollars, rounded up, and exactly; None = unpriced.

        Rates, or that there are none, are remembered within a second, which no price change divides.
        """
        terms = (
            finished_at_us // _SECOND_US,
            model_served,
            service_tier,
            usage.service_tier,
            usage.speed,
            usage.inference_geo,
            usage.thinking,
            frozenset(quantities),
        )
        small = _is_plain(usage) and (usage.input_tokens or 0) < self._least_tier_tokens()
        if small and terms in self._rates:
            rates = self._rates[terms]
            if rates is None:
                return None, None
            charged_pico = sum([pico_each * quantities[meter] for meter, pico_each in rates])
            return charged_pico, from_pico(charged_pico)
        served = Served(
            provider=self._spec.provider,
            model=self._spec.model,
            at=from_us(finished_at_us),
            model_served=model_served,
            service_tier=service_tier,
            mode=self.mode,
            thinking=self._thinking,
        )
        cost = price_request(self._book, usage, served)
        if small:
            self._remember(terms, cost, n_meters=len(quantities))
        return (None, None) if cost.usd is None else (to_pico_ceiling(cost.usd), cost.usd)

    def _remember(self, terms: tuple[object, ...], cost: Cost, *, n_meters: int) -> None:
        """Keep rates that are whole picodollars and have no condition on the quantities, or that there is no price."""
        if len(self._rates) >= _TERMS_REMEMBERED:
            self._rates.clear()
        if cost.price is None:
            self._rates[terms] = None
        elif cost.usd is not None and len(cost.lines) == n_meters:
            rates = [(line.meter, line.usd_per_unit.scaleb(12, EXACT)) for line in cost.lines]
            if all(rate == int(rate) for _, rate in rates):
                self._rates[terms] = [(meter, int(rate)) for meter, rate in rates]

    def _least_tier_tokens(self) -> int:
        """Prompt sizes below this never meet a context tier of any price of the provider."""
        if self._least_tier is None:
            self._least_tier = self._book.least_tier_tokens(self._spec.provider) or 1 << 62
        return self._least_tier


def _is_plain(usage: Usage) -> bool:
    """Whether nothing but its counts decides what a usage costs."""
    return (
        usage.stated_cost_usd is None
        and not usage.other_models
        and usage.context_tokens is None
        and usage.input_tokens is not None
        and usage.output_tokens is not None
    )
