"""Instants and durations of logs: what is none is unknown, never a crash and never another day."""

from __future__ import annotations

import pytest

from harness.imports.log_instants import ended_us, instant_us


@pytest.mark.parametrize("value", [1e308, float("nan"), float("inf"), -1.0, 10**30, True, None, "", "2026-99-99", "x"])
def test_what_is_no_instant_is_unknown(value: object) -> None:
    assert instant_us(value) is None


def test_an_end_is_known_where_beginning_and_duration_are() -> None:
    assert ended_us(1_000_000, 1.5) == 2_500_000
    for started, duration in ((None, 1.0), (1, None), (1, -1.0), (1, 1e308), (1, float("nan"))):
        assert ended_us(started, duration) is None
