"""Rows of an account -> buckets on one grid of time: tokens, requests and dollars by model, tier and slot. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from harness.accounts.account_rows import NOT_BATCH, AccountRow, AccountTokens
from harness.instants import DAY_US
from harness.money import EXACT, add
from harness.pricing.rates import BATCH, STANDARD, named_tier
from harness.reconciliation.sides import NO_TOKENS, ZERO, Place, Quantities

CREDITS = frozenset({"credit", "tax", "adjustment", "purchase"})
"""Charges that no request makes."""
NameOf = Callable[[str, int], str]
"""The price book's name of a model at an instant."""


@dataclass(slots=True)
class Bucket:
    """What an account says of one place.

    Attributes:
        told: kinds of tokens that the account tells apart; the others are inside the input.
        n_requests: None = not counted.
        n_lines: of costs.
        list_usd: before discounts; None = not said.
    """

    tokens: Quantities = NO_TOKENS
    told: frozenset[str] = frozenset()
    n_requests: int | None = None
    billed_usd: Decimal = ZERO
    list_usd: Decimal | None = None
    n_lines: int = 0
    credits_usd: Decimal = ZERO


@dataclass(slots=True)
class Grid:
    """Slots of equal length, from the first row on."""

    start_us: int
    end_us: int
    width_us: int

    def slot(self, at_us: int) -> int:
        """Number the slot that an instant is in, from 0."""
        return (at_us - self.start_us) // self.width_us

    def middle_us(self, slot: int) -> int:
        """Give an instant inside a slot."""
        return self.start_us + slot * self.width_us + self.width_us // 2

    @property
    def last_slot(self) -> int:
        """The slot that ends the account."""
        return self.slot(self.end_us - 1)


@dataclass(slots=True)
class AccountSide:
    """The buckets of an account.

    Attributes:
        tells_model, tells_tier: whether its usage tells these apart.
        tells_only_batch: of the tiers, it tells batches from everything else.
        bills_model, bills_tier, bills_fees: whether its costs tell models, tiers and fees apart.
        used: by place; empty = the account states no tokens.
        charged: by place as its costs tell them apart; empty = it states no dollars.
        decimals: most decimal places of its amounts.
        covers_tokens: every priced row of tokens is in `used`.
    """

    grid: Grid
    tells_model: bool
    tells_tier: bool
    tells_only_batch: bool = False
    bills_model: bool = False
    bills_tier: bool = False
    bills_fees: bool = False
    used: dict[Place, Bucket] = field(default_factory=dict)
    charged: dict[Place, Bucket] = field(default_factory=dict)
    decimals: int = 0
    own_key_usd: Decimal = ZERO

    def tier_of(self, tier: str | None) -> str | None:
        """Name a tier as this account tells tiers apart; None = it does not."""
        if not self.tells_tier or tier is None:
            return None
        named = named_tier(tier)
        return STANDARD if self.tells_only_batch and named != BATCH else named

    @property
    def billed_usd(self) -> Decimal:
        """All that is owed."""
        return add(bucket.billed_usd for bucket in self.charged.values())


def grid_of(rows: Iterable[AccountRow], start_us: int, end_us: int) -> Grid:
    """Make the grid that all rows fit: as wide as the widest row, a day for requests."""
    widths = Counter(row.end_us - row.start_us for row in rows)
    width_us = max(widths, default=0) or DAY_US
    first = start_us - start_us % width_us if width_us <= DAY_US else start_us
    return Grid(first, max(end_us, first + 1), width_us)


def account_side(usage: Iterable[AccountRow], costs: Iterable[AccountRow], grid: Grid, name_of: NameOf) -> AccountSide:
    """Sum rows into buckets.

    Args:
        usage: rows that state tokens; when there are none, tokens of the costs are taken.
        costs: rows that state dollars.
    """
    used, charged = list(usage), list(costs)
    counted = used or [row for row in charged if row.tokens is not None]
    side = AccountSide(
        grid=grid,
        tells_model=any(row.model is not None for row in counted),
        tells_tier=any(row.tier is not None for row in counted),
        tells_only_batch=any(row.tier == NOT_BATCH for row in counted),
    )
    _sum_used(side, counted, name_of)
    _sum_charged(side, charged, name_of)
    return side


def _sum_used(side: AccountSide, counted: Iterable[AccountRow], name_of: NameOf) -> None:
    for row in counted:
        if row.tokens is not None and not (side.tells_model and row.model is None and row.tokens.total == 0):
            _use(side.used.setdefault(_place(row, side, name_of), Bucket()), row, row.tokens)


def _sum_charged(side: AccountSide, charged: Sequence[AccountRow], name_of: NameOf) -> None:
    """Sum dollars; where costs tell models apart, one without a model is a fee."""
    by_model = any(row.model is not None for row in charged)
    for row in charged:
        model = None if row.model is None else name_of(row.model, row.start_us)
        tier = "fees" if by_model and model is None else side.tier_of(row.tier)
        place = Place(model, tier, side.grid.slot(row.start_us))
        _charge(side.charged.setdefault(place, Bucket()), row)
        side.decimals = max(side.decimals, _decimals(row.billed_usd or ZERO))
        side.own_key_usd = EXACT.add(side.own_key_usd, row.own_key_usd or ZERO)
    side.bills_model = any(place.model is not None for place in side.charged)
    side.bills_tier = any(place.tier not in (None, "fees") for place in side.charged)
    side.bills_fees = any(place.tier == "fees" for place in side.charged)


def _decimals(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0


def _place(row: AccountRow, side: AccountSide, name_of: NameOf) -> Place:
    model = None if row.model is None else name_of(row.model, row.start_us)
    return Place(model, side.tier_of(row.tier or STANDARD), side.grid.slot(row.start_us))


def _use(bucket: Bucket, row: AccountRow, tokens: AccountTokens) -> None:
    names = ("input", "cache_read", "cache_write", "cache_write_1h", "output")
    counts = [getattr(tokens, name) for name in names]
    bucket.tokens = bucket.tokens.plus(Quantities(*(count or 0 for count in counts)))
    bucket.told |= {name for name, count in zip(names, counts, strict=True) if count is not None}
    if row.n_requests is not None:
        bucket.n_requests = (bucket.n_requests or 0) + row.n_requests


def _charge(bucket: Bucket, row: AccountRow) -> None:
    amount = row.billed_usd or ZERO
    bucket.billed_usd = EXACT.add(bucket.billed_usd, amount)
    if row.list_usd is not None:
        bucket.list_usd = EXACT.add(bucket.list_usd or ZERO, row.list_usd)
    if row.meter in CREDITS:
        bucket.credits_usd = EXACT.add(bucket.credits_usd, amount)
    else:
        bucket.n_lines += 1


def as_told(tokens: Quantities, told: frozenset[str]) -> Quantities:
    """Put tokens that an account does not tell apart where it counts them: into the input."""
    kept = {name: count for name, count in tokens._asdict().items() if name in told or name in ("input", "output")}
    inside = sum(count for name, count in tokens._asdict().items() if name not in kept)
    return Quantities(**{**kept, "input": kept["input"] + inside})
