"""How reports say amounts, counts and what is missing; text for people, never parsed again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, TypeAlias

from harness.reports.facts.report_facts import Spend
from harness.stats import Estimate

NOT_KNOWN = "–"
Say: TypeAlias = Callable[[Any], str]
"""How a column of a table writes its values."""


def worded(rows: Iterable[Sequence[object]], says: Sequence[Say]) -> list[tuple[str, ...]]:
    """Write the values of a table, each as its column says it."""
    return [tuple(say(value) for say, value in zip(says, row, strict=True)) for row in rows]


def count(number: int) -> str:
    """Write a count in full: 12,345."""
    return f"{number:,}"


def dollars(usd: Decimal | float | None, *, sign: bool = False) -> str:
    """Write dollars: cents from one cent up, three significant digits below, an en dash for not known."""
    if usd is None:
        return NOT_KNOWN
    amount = Decimal(str(usd)) if isinstance(usd, float) else usd
    prefix = "-$" if amount < 0 else ("+$" if sign and amount > 0 else "$")
    size = abs(amount)
    if size == 0 or size >= Decimal("0.995"):
        return f"{prefix}{size:,.2f}"
    return f"{prefix}{size.quantize(Decimal(1).scaleb(size.adjusted() - 2), rounding=ROUND_HALF_EVEN):f}"


def spent(spend: Spend | None, *, usd: Decimal | None = None) -> str:
    """Write a total; one with unpriced or unknown parts is a lower bound and says so with `>=`.

    Where cached tokens count as fresh ones it is an upper bound, `<=`; and neither where both are so, `about`.
    """
    if spend is None:
        return NOT_KNOWN
    text = dollars(spend.cost.total if usd is None else usd)
    if spend.n_uncached_logs:
        return f"about {text}" if spend.is_lower_bound else f"<= {text}"
    return f">= {text}" if spend.is_lower_bound else text


def whole(spend: Spend | None) -> str:
    """Write a total, or in a word why nothing of it is known."""
    if spend is None or not spend.is_unpriced:
        return spent(spend)
    return "unpriced" if spend.n_unpriced_attempts else "unknown"


def coverage(spend: Spend) -> str:
    """Say how many attempts a total covers, and what is missing."""
    missing = []
    if not spend.is_lower_bound:
        missing.append(f"all {spend.n_attempts:,} attempts priced")
    if spend.n_unpriced_attempts:
        missing.append(f"{spend.n_unpriced_attempts:,} of {spend.n_attempts:,} attempts unpriced")
    if spend.n_unknown_usage:
        bound = (
            f"at most {dollars(spend.possibly_billed_usd)} more"
            if spend.possibly_billed_usd is not None
            else "no upper bound"
        )
        missing.append(f"{spend.n_unknown_usage:,} of {spend.n_attempts:,} attempts with unknown usage, {bound}")
    if spend.n_incomplete_usage:
        missing.append(f"{spend.n_incomplete_usage:,} of {spend.n_attempts:,} attempts used more than is priced")
    if spend.n_lossy_logs:
        missing.append("the log says that more was spent than it holds")
    if spend.n_uncached_logs:
        missing.append("the log does not tell cached tokens from fresh ones, which cost more")
    return "; ".join(missing)


def tokens(count: int | float | None) -> str:
    """Write a token count in three significant digits: 940, 12.3k, 44.9M."""
    if count is None:
        return NOT_KNOWN
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(count) >= size * 0.9995:
            scaled = count / size
            digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
            return f"{scaled:.{digits}f}{suffix}"
    return f"{count:.0f}"


def seconds(time_s: float | None) -> str:
    """Write seconds in three digits at most: 0.042, 1.7, 83."""
    if time_s is None:
        return NOT_KNOWN
    return f"{time_s:,.0f}" if time_s >= 9.95 else f"{time_s:.1f}" if time_s >= 0.995 else f"{time_s:.2g}"


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share between 0 and 1 as a number of percent, without the sign."""
    return NOT_KNOWN if share is None else f"{100 * share:.{digits}f}"


def score(estimate: Estimate) -> str:
    """Write a score in percent with its interval: `62.3 [59.1, 65.4]`."""
    if estimate.value is None:
        return NOT_KNOWN
    if estimate.ci_low is None or estimate.ci_high is None:
        return percent(estimate.value)
    return f"{percent(estimate.value)} [{percent(estimate.ci_low, 0)}-{percent(estimate.ci_high, 0)}]"


def ratio(estimate: Estimate) -> str:
    """Write a ratio with its interval in three digits: `8.1x [7.2-9.02]`, `1,305x [1,030-1,600]`."""
    return _ratio(estimate, lambda value: f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}")


def short_ratio(estimate: Estimate) -> str:
    """Write a ratio for a sentence, in two digits or whole: `71x [60-85]`, `1.3x [1.0-1.5]`."""
    return _ratio(
        estimate, lambda value: f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"
    )


def _ratio(estimate: Estimate, digits: Callable[[float], str]) -> str:
    if estimate.value is None:
        return NOT_KNOWN
    if estimate.ci_low is None or estimate.ci_high is None:
        return f"{digits(estimate.value)}x"
    return f"{digits(estimate.value)}x [{digits(estimate.ci_low)}-{digits(estimate.ci_high)}]"


def points(estimate: Estimate) -> str:
    """Write a score difference in percentage points: `+3.2 [-0.4, +6.8]`."""
    value, low, high = estimate.value, estimate.ci_low, estimate.ci_high
    if value is None or low is None or high is None:
        return NOT_KNOWN
    return f"{100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
