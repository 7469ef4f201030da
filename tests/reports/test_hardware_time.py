"""One's own hardware: its hour is declared, and every moment of it is shared by the requests that ran then."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from harness.cli.app import command_line
from harness.errors import InputError
from harness.pricing.price_files import load_price_book
from harness.reports.facts.hardware_time import Busy, busy_usd, shares_us

PRICE = """provider = "sim"
[[price]]
model = "direct"
effective_from = "open"
hardware_per_hour = "3599.9"
power_kw = "0.5"
usd_per_kwh = "0.2"
source = "rent of the machine"
checked_on = 2026-11-01
confidence = "declared"
"""


def busy(*stretches: tuple[int, int]) -> list[Busy]:
    return [Busy(start_us=start, end_us=end) for start, end in stretches]


def test_requests_that_run_together_share_the_time() -> None:
    # alone for 10, two for 20, three for 30, alone for 5, after a pause alone for 7
    shares = shares_us(busy((0, 60), (10, 60), (30, 65), (100, 107)))
    assert shares == [10 + 10 + 10, 10 + 10, 10 + 5, 7]


def test_a_request_without_length_costs_nothing() -> None:
    assert shares_us(busy((5, 5), (0, 10))) == [0, 10]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted), max_size=12))
def test_shares_sum_to_the_time_in_which_anything_ran(pairs: list[list[int]]) -> None:
    moments = {moment for start, end in pairs for moment in range(start, end)}
    assert sum(shares_us([Busy(start_us=start, end_us=end) for start, end in pairs]), Fraction(0)) == len(moments)


def test_an_hour_of_one_request_costs_the_declared_amount() -> None:
    assert busy_usd(busy((0, 3_600_000_000)), Decimal("2.5")) == [Decimal("2.5")]


def test_a_run_on_ones_own_hardware_costs_its_busy_time(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(PRICE)
    ledger = tmp_path / "ledger.db"
    where = ["--db", str(ledger), "--pricing", str(tmp_path)]
    runner = CliRunner()
    assert runner.invoke(command_line(), ["run", "starter", "-m", "sim/direct", "--limit", "2", *where]).exit_code == 0
    facts = json.loads(runner.invoke(command_line(), ["report", "--json", *where]).stdout)
    with sqlite3.connect(ledger) as stored:
        times = stored.execute("SELECT started_at_us, finished_at_us FROM attempts").fetchall()
    moments = sorted(times)
    total, until = 0, 0
    for start, end in moments:
        total, until = total + max(0, end - max(start, until)), max(until, end)
    # 3,599.9 + 0.5 kW * 0.2 = 3,600 USD an hour: a dollar a second
    spent = sum(Decimal(row["cost_usd"]["total"]) for row in facts["rows"])
    assert abs(spent - Decimal(total).scaleb(-6)) <= len(times) * Decimal("1e-12")
    assert spent > 0
    assert any("3600 USD an hour of its hardware, as declared" in warning for warning in facts["warnings"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('usd_per_kwh = "0.2"\n', "", "power_kw and usd_per_kwh go together"),
        ('hardware_per_hour = "3599.9"\n', "", "power needs hardware_per_hour"),
        ('"declared"', '"high"', 'which you declare: write confidence = "declared"'),
        ("power_kw", 'input = "1"\npower_kw', "no other rate"),
    ],
)
def test_an_hour_that_is_half_declared_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(PRICE.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_price_book(tmp_path)
    assert message in str(caught.value.findings[0].message)
