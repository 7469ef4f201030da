"""What one place knows stays in one place, and no module needs itself."""

from __future__ import annotations

from pathlib import Path

from benchmarks.house.checkout import Checkout
from benchmarks.house.imports import modules_in_cycles
from benchmarks.house.knowledge import knows_providers, names_column, sql_outside_ledger

HOUSE = Checkout(Path(__file__).resolve().parents[2])


def test_no_modules_import_each_other_round_a_circle() -> None:
    assert modules_in_cycles(HOUSE).things == ()


def test_one_table_names_the_providers() -> None:
    (table,) = knows_providers(HOUSE).things
    assert table.startswith("harness/providers/catalogue.py: ")


def test_a_token_column_is_named_in_few_files() -> None:
    named = names_column(HOUSE)
    assert named.value <= 8, named.things


def test_all_sql_is_in_the_ledger() -> None:
    assert sql_outside_ledger(HOUSE).things == ()
