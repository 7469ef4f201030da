"""Instants are read by one rule and written by one; what text without a time zone means, its caller says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest

from harness.errors import InputError
from harness.instants import Zoneless, ZonelessInstantError, asked_instant, exact_utc_text, parse_instant, utc_text

NOON = datetime(2025, 6, 10, 12, tzinfo=UTC)
RULES: tuple[Zoneless, ...] = get_args(Zoneless)


@pytest.mark.parametrize("zoneless", RULES)
@pytest.mark.parametrize("text", ["2025-06-10T12:00:00Z", "2025-06-10T14:00:00+02:00", "2025-06-10 12:00:00.000+00:00"])
def test_an_instant_with_a_zone_means_the_same_to_every_caller(text: str, zoneless: Zoneless) -> None:
    moment = parse_instant(text, zoneless=zoneless)
    assert (moment, moment.tzinfo) == (NOON, UTC)


def test_what_has_no_zone_is_utc_only_where_the_caller_says_so() -> None:
    assert parse_instant("2025-06-10T12:00:00", zoneless="utc") == NOON
    assert parse_instant("2025-06-10", zoneless="utc") == NOON - timedelta(hours=12)
    assert parse_instant("2025-06-10", zoneless="days") == NOON - timedelta(hours=12)
    for text, zoneless in (
        ("2025-06-10T12:00:00", "days"),
        ("2025-06-10T12:00:00", "refused"),
        ("2025-06-10", "refused"),
    ):
        with pytest.raises(ZonelessInstantError, match="has no time zone"):
            parse_instant(text, zoneless=zoneless)  # type: ignore[arg-type]  # the pairs' second word


@pytest.mark.parametrize("zoneless", RULES)
@pytest.mark.parametrize("text", ["", "yesterday", "2025-13-01", "2025-06-10T25:00:00Z", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_instant_is_refused_and_never_an_overflow(text: str, zoneless: Zoneless) -> None:
    with pytest.raises(ValueError, match="not a date or an instant") as caught:
        parse_instant(text, zoneless=zoneless)
    assert not isinstance(caught.value, ZonelessInstantError)


def test_a_wrong_instant_that_was_typed_is_told_with_its_option_and_a_remedy() -> None:
    with pytest.raises(InputError, match="no time zone") as caught:
        asked_instant("2025-06-10T12:00:00", where="--at", zoneless="days")
    assert (caught.value.where, caught.value.fix) == ("--at", "write 2025-06-10 or 2025-06-10T16:00:00Z")


def test_instants_are_written_in_utc_with_their_fraction_where_it_counts() -> None:
    berlin = datetime(2025, 6, 10, 14, 0, 0, 250_000, tzinfo=timezone(timedelta(hours=2)))
    assert (utc_text(berlin), exact_utc_text(berlin)) == ("2025-06-10T12:00:00Z", "2025-06-10T12:00:00.250000Z")
    assert exact_utc_text(NOON) == utc_text(NOON) == "2025-06-10T12:00:00Z"
    assert utc_text(None) is None
