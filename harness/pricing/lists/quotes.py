"""What another project's price list says about a model, brought into the words of our price files.

Pure. Data flows a list's entry -> `Quote` or `Refusal` (price_litellm, price_genai) -> harness.pricing.lists.importing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from harness.money import plain

Entry: TypeAlias = Mapping[str, Any]
"""What a list says of a model, as it says it: JSON values, amounts as Decimal; its reader checks what it takes."""

Rates = Mapping[str, Decimal]
Sale = tuple[str, str]
"""How a request is sold, as a key and a word of a price file: ("tier", "batch"), ("speed", "fast")."""

_ROUNDING = Decimal("1.02")
_MOST_DECIMALS = 8
"""A published rate has fewer decimals than a float's noise; 0.0028 USD per million is the finest seen."""


class RefusedError(ValueError):
    """A rule says that an entry is not imported; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """One model's price in a list.

    Attributes:
        listed_as: the entry's name in the list.
        since: the day from which it holds, where the list says so.
        until: the day on which it ends, where the list announces another price: whether that comes is not known.
        announced: whether it is such a price of a later day.
        rates: by key of a price file: USD per million tokens, or the fee's own unit.
        sales: rates that replace those when a request is sold in another way.
        sizes: rates that replace those for prompts of more than so many tokens ("from 200000 on" is 199999 here).
        sized_sales: both.
        sold_since: the day from which a way of selling holds, where that is later.
        factors: factor on every token rate while a condition holds: ("geo", "us") -> 1.1.
        page: the provider's page that the list names.
        left_out: what the entry says and a price file cannot; such parts stay unpriced.
    """

    provider: str
    model: str
    listed_as: str
    since: date | None = None
    until: date | None = None
    announced: bool = False
    rates: Rates = field(default_factory=dict)
    sales: Mapping[Sale, Rates] = field(default_factory=dict)
    sizes: Mapping[int, Rates] = field(default_factory=dict)
    sized_sales: Mapping[tuple[Sale, int], Rates] = field(default_factory=dict)
    sold_since: Mapping[Sale, date] = field(default_factory=dict)
    factors: Mapping[Sale, Decimal] = field(default_factory=dict)
    page: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def name(self) -> tuple[str, str]:
        """Provider and model."""
        return self.provider, self.model

    def whens(self) -> list[dict[str, object]]:
        """Write the conditions as [[price.when]] tables, in an order in which each one's rates survive.

        A way of selling that the entry does not price above a context tier is kept only where it is one factor of the
        list price: nobody knows what it costs there otherwise. Batch rates that are no one share are left out.
        """
        plain_sales, factored, sized_sales = [], [], []
        for sale, rates in self.sales.items():
            if not self._is_even(sale, rates):
                continue
            above = {size: self.sized_sales.get((sale, size), {}) for size in sorted(self.sizes)}
            if all(rates.keys() <= longer.keys() for longer in above.values()):
                plain_sales.append(_when(rates, **self._sold(sale)))
                sized_sales += [_when(longer, **self._sold(sale), over=size) for size, longer in above.items()]
            elif when := self._factor(sale, rates):
                factored.append(when)
        sizes = [_when(self.sizes[size], over=size) for size in sorted(self.sizes)]
        regions: list[dict[str, object]] = [
            {kind: [word], "multiply": plain(factor)} for (kind, word), factor in self.factors.items()
        ]
        return [*plain_sales, *sizes, *sized_sales, *factored, *regions]

    def dropped_sales(self) -> tuple[str, ...]:
        """Name the ways of selling that `whens` leaves out."""
        whens = self.whens()
        return tuple(word for kind, word in self.sales if not any(when.get(kind) == [word] for when in whens))

    def _is_even(self, sale: Sale, rates: Rates) -> bool:
        """Whether batches cost one share of the list price, but for parts that cost the same and published rounding.

        A list in which input costs another share than output still has the batch price of an older model there.
        """
        shares = {rate / self.rates[key] for key, rate in rates.items() if self.rates.get(key)} - {Decimal(1)}
        return sale != ("tier", "batch") or not shares or max(shares) <= min(shares) * _ROUNDING

    def _sold(self, sale: Sale) -> dict[str, object]:
        start = self.sold_since.get(sale)
        return {sale[0]: [sale[1]], **({} if start is None else {"effective_from": start.isoformat()})}

    def _factor(self, sale: Sale, rates: Rates) -> dict[str, object] | None:
        """Write a way of selling as one factor of the list price; None where it is no published one for all parts."""
        shares = {key: rate / self.rates[key] for key, rate in rates.items() if self.rates.get(key)}
        changed = set(shares.values()) - {Decimal(1)}
        if len(changed) != 1 or shares.keys() != rates.keys():
            return None
        (factor,) = changed
        if factor.as_tuple().exponent not in range(-4, 1):
            return None
        spared = [key for key in self.rates if shares.get(key, Decimal(1)) == 1 and not is_fee(key)]
        return {**self._sold(sale), "multiply": plain(factor), **({"spare": spared} if spared else {})}


def is_fee(key: str) -> bool:
    """Tell whether a rate is charged for something else than tokens."""
    return key.endswith(("_per_1k", "_each"))


def _when(rates: Rates, **conditions: object) -> dict[str, object]:
    return {**conditions, **{key: plain(rate) for key, rate in rates.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An entry that is not imported, and the rule that says so."""

    listed_as: str
    provider: str
    model: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """What a version of a project's list says.

    Attributes:
        project: `litellm` or `genai-prices`.
        stated_on: the day on which it is known to have said so.
        facts: what it says about models apart from prices, by provider and model.
        ids: the entries' own names, by provider and model, refused ones too.
    """

    project: str
    version: str
    stated_on: date
    quotes: tuple[Quote, ...]
    refusals: tuple[Refusal, ...]
    facts: Mapping[tuple[str, str], Entry] = field(default_factory=dict)
    ids: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`litellm 1.106.2`."""
        return f"{self.project} {self.version}"


def published(rates: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Keep the rates above zero, as published: a free part is never taken from a list.

    Raises:
        RefusedError: a rate carries a float's noise or is negative.
    """
    kept = {}
    for key, rate in rates.items():
        if rate < 0:
            raise RefusedError("a negative rate")
        if rate == 0:
            continue
        short = rate.normalize()
        exponent = short.as_tuple().exponent
        if isinstance(exponent, int) and exponent < -_MOST_DECIMALS:
            raise RefusedError(f"not a published figure: {key} {plain(rate)}")
        kept[key] = short
    return kept


def without_repeated(rates: Rates) -> dict[str, Decimal]:
    """Leave out parts that cost what their whole costs: a price file has them once."""
    wholes = {"reasoning": "output", "input_image": "input"}
    return {key: rate for key, rate in rates.items() if key not in wholes or rate != rates.get(wholes[key])}


def check_chat_rates(rates: Rates, *, needs_output: bool) -> None:
    """Refuse what has no price or is free: an unknown price looks like zero in a list.

    Raises:
        RefusedError: with the rule.
    """
    if not any(key in rates for key in ("input", "input_audio", "input_image")):
        raise RefusedError("zero rate" if "output" not in rates else "no input rate")
    if needs_output and not any(key in rates for key in ("output", "output_audio", "output_image")):
        raise RefusedError("no output rate, or zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedRate:
    """One rate of a quote under a name of its own; `sale` is the way of selling that it is for."""

    key: str
    rate: Decimal
    sale: Sale | None = None


def rate_keys(quote: Quote) -> Iterator[QuotedRate]:
    """List every rate of a quote, so that two quotes can be compared."""
    yield from _named(quote.rates, "", None)
    for sale, rates in sorted(quote.sales.items()):
        yield from _named(rates, f" ({' '.join(sale)})", sale)
    for size, rates in sorted(quote.sizes.items()):
        yield from _named(rates, f" (over {size})", None)
    for (sale, size), rates in sorted(quote.sized_sales.items()):
        yield from _named(rates, f" ({' '.join(sale)}, over {size})", sale)


def _named(rates: Rates, suffix: str, sale: Sale | None) -> Iterator[QuotedRate]:
    for key, rate in sorted(rates.items()):
        yield QuotedRate(key=key + suffix, rate=rate, sale=sale)
