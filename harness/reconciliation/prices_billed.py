"""What a bill makes of tokens at list price: discount, tier, rounding, credits, and what nothing explains.

Pure. Data flows lines at list price + charges -> the same lines and new ones, whose `there_usd` sum to the bill.
Rounding is what a number of rounded lines can add up to; a discount is one share for everything that it holds for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from harness.money import EXACT, add, plain
from harness.reconciliation.account_side import AccountSide, Bucket
from harness.reconciliation.sides import DISCOUNT_STEP, NOISE_USD, ZERO, Findings, Line, LineName, Place, PriceOf

TIERS = ("batch", "flex", "priority", "standard")
_MAY_LACK_A_PRICE: frozenset[LineName] = frozenset({"foreign", "possibly_billed", "agreed"})


@dataclass(frozen=True, slots=True)
class _Gap:
    """What a bill is above the list price at one place of its costs."""

    place: Place
    usd: Decimal
    list_usd: Decimal
    n_lines: int


def explain_prices(findings: Findings, account: AccountSide, price_of: PriceOf) -> None:
    """Explain what was charged beside what it costs at list price; adds lines to the findings."""
    listed = _by_charge(findings.lines, account)
    gaps: list[_Gap] = []
    for place in sorted({*listed, *account.charged}, key=str):
        bucket = account.charged.get(place, Bucket())
        _add(findings, "credits", place, bucket.credits_usd, "")
        owed = EXACT.subtract(bucket.billed_usd, bucket.credits_usd)
        worth = listed.get(place, ZERO)
        if _is_somebody_elses(findings, place, EXACT.subtract(owed, worth), account):
            continue
        n_lines = _n_rounded(place, bucket, account)
        if bucket.list_usd is not None and n_lines:
            off = EXACT.subtract(owed, bucket.list_usd)
            if abs(off) > _tolerance(n_lines, account):
                note = f"the bill says {plain(bucket.list_usd)} before it"
                _add(findings, "discount" if off < 0 else "surcharge", place, off, note)
                owed = bucket.list_usd
        gap = EXACT.subtract(owed, worth)
        if gap and not _is_unpriced(findings, place, gap, account):
            gaps.append(_Gap(place, gap, worth, n_lines))
    _explain_gaps(findings, gaps, account, price_of)


def _by_charge(lines: Sequence[Line], account: AccountSide) -> Mapping[Place, Decimal]:
    """Sum lines at list price to the places that the costs tell apart."""
    found: dict[Place, Decimal] = defaultdict(Decimal)
    for line in lines:
        place = charge_place(line.place, account)
        found[place] = EXACT.add(found[place], line.there_usd)
    return found


def charge_place(place: Place, account: AccountSide) -> Place:
    """Give the place of the costs that a place of usage belongs to."""
    if place.tier == "fees":
        return place if account.bills_fees or account.bills_model else Place(None, None, place.slot)
    return Place(place.model if account.bills_model else None, place.tier if account.bills_tier else None, place.slot)


def _add(findings: Findings, name: LineName, place: Place, usd: Decimal, note: str) -> None:
    if usd:
        findings.lines.append(Line(name=name, place=place, there_usd=usd, note=note, n_there=None))


def _is_somebody_elses(findings: Findings, place: Place, gap: Decimal, account: AccountSide) -> bool:
    """Take what is foreign alone at a place as it was billed: why its price is what it is, is not our affair."""
    there = _lines_at(findings, place, account)
    if not there or place not in account.charged or any(findings.lines[at].name != "foreign" for at in there):
        return False
    largest = max(there, key=lambda at: findings.lines[at].there_usd)
    line = findings.lines[largest]
    if gap:
        billed = EXACT.add(line.there_usd, gap)
        findings.lines[largest] = replace(line, there_usd=billed, note=line.note or "as billed")
    return True


def _lines_at(findings: Findings, place: Place, account: AccountSide) -> list[int]:
    """Number the lines that belong to a place of the costs."""
    return [at for at, line in enumerate(findings.lines) if charge_place(line.place, account) == place]


def _is_unpriced(findings: Findings, place: Place, gap: Decimal, account: AccountSide) -> bool:
    """Give an amount to what has no list price at its place, where there is one such line: it is what that costs."""
    if place not in account.charged:
        return False
    there = _lines_at(findings, place, account)
    if not there:
        # nothing of the ledger is there, and no tokens were stated: somebody else's money
        findings.lines.append(Line(name="foreign", place=place, there_usd=gap, n_there=None, note="dollars alone"))
        return True
    lines = {at: findings.lines[at] for at in there}
    unpriced = [at for at, line in lines.items() if not line.there_usd and line.name in _MAY_LACK_A_PRICE]
    if len(unpriced) != 1 or gap < 0:
        return False
    (at,) = unpriced
    findings.lines[at] = replace(lines[at], there_usd=gap, note="no list price: as billed")
    return True


def _explain_gaps(findings: Findings, gaps: Sequence[_Gap], account: AccountSide, price_of: PriceOf) -> None:
    left = [gap for gap in gaps if not _is_rounding(findings, gap, account)]
    left = [gap for gap in left if not _is_tier(findings, gap, account, price_of)]
    share = _shared_discount(left, account)
    for gap in left:
        if share is not None and _holds(gap, share, account):
            _explain_discount(findings, gap, share)
        else:
            _add(findings, "unexplained", gap.place, gap.usd, "the price is another, and no known reason fits")


def _n_rounded(place: Place, bucket: Bucket, account: AccountSide) -> int:
    """Count what may have been rounded on its own: lines of the bill, and the kinds of tokens that one line sums."""
    if not bucket.n_lines:
        return 0
    return max(bucket.n_lines, sum(len(used.told) for _, used in _used_at(place, account)))


def _used_at(place: Place, account: AccountSide) -> list[tuple[Place, Bucket]]:
    """Give the usage that belongs to a place of the costs."""
    return [(each, used) for each, used in account.used.items() if charge_place(each, account) == place]


def _tolerance(n_lines: int, account: AccountSide) -> Decimal:
    """Say what rounding can come to: half a unit of the bill's last place, a line."""
    return max(NOISE_USD, Decimal(max(1, n_lines)) * Decimal(5).scaleb(-account.decimals - 1))


def _is_rounding(findings: Findings, gap: _Gap, account: AccountSide) -> bool:
    if not gap.n_lines or abs(gap.usd) > _tolerance(gap.n_lines, account):
        return False
    _add(findings, "rounding", gap.place, gap.usd, f"amounts have {account.decimals} decimal places")
    return True


def _is_tier(findings: Findings, gap: _Gap, account: AccountSide, price_of: PriceOf) -> bool:
    """Tell whether the bill is exactly the same tokens at another tier."""
    place = gap.place
    used = _used_at(place, account)
    if place.model is None or not gap.n_lines or len(used) != 1:
        return False
    ((at, bucket),) = used
    own, at_us = at.tier or place.tier or "standard", account.grid.middle_us(place.slot)
    prices = {tier: price_of(place.model, tier, at_us, bucket.tokens) for tier in TIERS if tier != own}
    tier = _tier_billed(gap, prices, account)
    if tier is None:
        return False
    _add(findings, "tier", place, gap.usd, f"billed at the price of {tier}")
    return True


def _tier_billed(gap: _Gap, prices: Mapping[str, Decimal | None], account: AccountSide) -> str | None:
    """Find the tier whose price is the bill and not the list price; None = there is none."""
    billed_usd, tolerance_usd = EXACT.add(gap.list_usd, gap.usd), _tolerance(gap.n_lines, account)
    for tier, usd in prices.items():
        if usd is None or usd == gap.list_usd:
            continue
        if abs(EXACT.subtract(billed_usd, usd)) <= tolerance_usd:
            return tier
    return None


def _shared_discount(gaps: Sequence[_Gap], account: AccountSide) -> Decimal | None:
    """Find the share of the list price that was charged for most of the dollars; None = there is none."""
    held = {share: _held_usd(gaps, share, account) for share in {_share(gap) for gap in gaps if gap.list_usd}}
    agreed = {share: usd for share, usd in held.items() if usd is not None}
    return max(agreed, key=lambda share: agreed[share], default=None)


def _held_usd(gaps: Sequence[_Gap], share: Decimal, account: AccountSide) -> Decimal | None:
    """Sum the list prices of which a share was charged; None = it is nobody's, or a single gap's and not in steps."""
    held = [gap for gap in gaps if _holds(gap, share, account)]
    is_agreed = len(held) > 1 or share % DISCOUNT_STEP == 0
    return add(gap.list_usd for gap in held) if held and is_agreed else None


def _share(gap: _Gap) -> Decimal:
    """Round what was charged of the list price to a tenth of a per cent."""
    return ((gap.list_usd + gap.usd) / gap.list_usd).quantize(Decimal("0.001"))


def _holds(gap: _Gap, share: Decimal, account: AccountSide) -> bool:
    if not gap.list_usd or share <= 0:
        return False
    return abs(EXACT.subtract(EXACT.add(gap.list_usd, gap.usd), EXACT.multiply(gap.list_usd, share))) <= _tolerance(
        gap.n_lines, account
    )


def _explain_discount(findings: Findings, gap: _Gap, share: Decimal) -> None:
    """Split a gap into the discount and what rounding left of it."""
    off = EXACT.multiply(gap.list_usd, EXACT.subtract(share, Decimal(1)))
    per_cent = plain((1 - share).copy_abs() * 100)
    _add(findings, "discount" if share < 1 else "surcharge", gap.place, off, f"{per_cent} % of the list price")
    _add(findings, "rounding", gap.place, EXACT.subtract(gap.usd, off), "of the discounted amount")


def unexplained_usd(lines: Iterable[Line]) -> Decimal:
    """Sum what nothing explains, each difference at its size: two of them never cancel out."""
    return add(max(abs(line.here_usd), abs(line.there_usd)) for line in lines if line.name == "unexplained")
