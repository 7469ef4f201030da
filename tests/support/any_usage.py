"""Any usage of any listed model at any instant: what the property tests of costs draw from."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from harness.usage import Meter, Usage
from tests.support.price_cases import NOON, SHIPPED, tokens, utc

COUNTS = st.integers(min_value=0, max_value=3_000_000)
NAMES = st.sampled_from(sorted({(price.provider, price.model) for price in SHIPPED.rows if price.model != "*"}))
MOMENTS = st.datetimes(min_value=utc("2024-06-01").replace(tzinfo=None), max_value=NOON.replace(tzinfo=None))
TIERS = st.sampled_from([None, "default", "flex", "priority", "batch"])


@st.composite
def usages(draw: st.DrawFn, *, with_fees: bool = True) -> Usage:
    """Draw counts that can occur: parts within their wholes."""
    plain_input, read, write_5m, write_1h, reasoning, answer = (draw(COUNTS) for _ in range(6))
    usage = tokens(
        plain_input + read + write_5m + write_1h,
        reasoning + answer,
        cache_read_tokens=read,
        cache_write_5m_tokens=write_5m,
        cache_write_1h_tokens=write_1h,
        reasoning_tokens=reasoning,
    )
    return replace(usage, fees={Meter.WEB_SEARCH: draw(st.integers(0, 50))}) if with_fees else usage
