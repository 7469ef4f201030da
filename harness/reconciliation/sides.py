"""Values of a comparison: an attempt as the ledger holds it, tokens, and lines that add up. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, NamedTuple

from harness.money import EXACT

ZERO = Decimal(0)
NOISE_USD = Decimal("1e-9")
"""Floats of an interface are this exact; no price is smaller."""
DISCOUNT_STEP = Decimal("0.005")
"""Discounts are agreed in half per cents."""
LineName = Literal[
    "agreed", "late", "only_here", "foreign", "possibly_billed", "tier", "discount", "surcharge", "rounding", "credits",
    "unexplained",
]  # fmt: skip
LINE_NAMES: dict[LineName, str] = {
    "agreed": "agreed",
    "late": "agreed, in another time bucket (late rows, edges)",
    "only_here": "only here: in the ledger, not on the bill",
    "foreign": "only there: foreign traffic on the key",
    "possibly_billed": "only there: requests that were possibly billed, now known",
    "tier": "price: another service tier",
    "discount": "price: discount",
    "surcharge": "price: surcharge",
    "rounding": "price: rounding",
    "credits": "credits, taxes and adjustments",
    "unexplained": "unexplained",
}
"""In the order of the table."""


class Quantities(NamedTuple):
    """Disjoint tokens; differences may be below zero."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0

    def plus(self, other: Quantities, sign: int = 1) -> Quantities:
        """Add, or with sign -1 take away."""
        return Quantities(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))

    def negative(self) -> Quantities:
        """Turn every sign."""
        return Quantities(*(-each for each in self))

    @property
    def is_zero(self) -> bool:
        """Whether there is nothing."""
        return not any(self)

    @property
    def is_surplus(self) -> bool:
        """Whether nothing is below zero."""
        return min(self) >= 0


NO_TOKENS = Quantities()


class Place(NamedTuple):
    """Where requests are compared: None = not told apart by the account."""

    model: str | None
    tier: str | None
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAttempt:
    """An attempt of the ledger, as far as a bill could know of it.

    Attributes:
        request_id: the provider's id; None = it was never told.
        model, tier: as served, else as asked for, by the name of the price book.
        at_us: when it completed, else when it was sent.
        usd: what its tokens cost at list price, or what the provider stated; None = unpriced.
        fees_usd: what it cost besides.
        is_open: it may be billed, and nobody knows how much.
        most_input_tokens, most_output_tokens: what it can have used at most; 0 = not known.
    """

    attempt_id: int
    request_id: str | None
    model: str
    tier: str
    started_us: int
    at_us: int
    tokens: Quantities = NO_TOKENS
    usd: Decimal | None = ZERO
    fees_usd: Decimal = ZERO
    is_open: bool = False
    most_input_tokens: int = 0
    most_output_tokens: int = 0


Held = Callable[[], Iterable[HeldAttempt]]
"""Gives the attempts in question, as often as it is called, in the order sent."""
PriceOf = Callable[[str, str, int, Quantities], Decimal | None]
"""Prices tokens of a model at a tier at an instant (microseconds) at list price; None = no price is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One finding: what it is worth here and there.

    Attributes:
        n_here, n_there: requests; None = the account does not count them.
        attempt_ids: the attempts concerned, where they can be told.
        note: how it was found.
    """

    name: LineName
    place: Place
    here_usd: Decimal = ZERO
    there_usd: Decimal = ZERO
    n_here: int = 0
    n_there: int | None = 0
    attempt_ids: tuple[int, ...] = ()
    note: str = ""

    @property
    def difference_usd(self) -> Decimal:
        """What the bill is above the ledger."""
        return EXACT.subtract(self.there_usd, self.here_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An attempt whose bill is known now.

    Attributes:
        usd: None = it was billed, and its share cannot be told.
    """

    attempt_id: int
    usd: Decimal | None
    tokens: Quantities | None
    source: str


@dataclass(slots=True)
class Findings:
    """What a comparison found so far."""

    lines: list[Line] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
