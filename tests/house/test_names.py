"""Rooms stay rooms: few modules loose in the hallway, no room too full, and no name that stands on two doors."""

from __future__ import annotations

from pathlib import Path

from benchmarks.house.checkout import Checkout
from benchmarks.house.rooms import largest_floor, largest_folder, loose_modules, repeated_names

HOUSE = Checkout(Path(__file__).resolve().parents[2])
VAGUE = {"common", "handler", "handlers", "helper", "helpers", "manager", "misc", "util", "utils"}


def test_few_modules_lie_loose_in_the_package() -> None:
    loose = loose_modules(HOUSE)
    assert loose.value <= 11, loose.things


def test_no_folder_holds_more_files_than_a_reader_can_hold() -> None:
    largest = largest_folder(HOUSE)
    assert largest.value <= 18, largest.things[:3]


def test_no_floor_of_the_ledger_or_the_reports_holds_more_than_ten_files() -> None:
    largest = largest_floor(HOUSE)
    assert largest.value <= 10, largest.things[:3]


def test_a_file_name_is_used_once() -> None:
    assert repeated_names(HOUSE).things == ()


def test_a_file_is_named_after_what_it_holds() -> None:
    assert [source.name for source in HOUSE.sources if VAGUE & set(source.stem.split("_"))] == []


def test_no_module_passes_500_lines() -> None:
    long = [(source.name, n) for source in HOUSE.sources if (n := source.text.count("\n")) > 500]
    assert long == []


def test_tests_have_rooms_of_the_package() -> None:
    """A folder of tests has the name of a room; `docs`, `house` and what the tests stand on have their own."""
    tests = {path.name for path in (HOUSE.root / "tests").iterdir() if (path / "__init__.py").exists()}
    rooms = {path.name for path in (HOUSE.root / "harness").iterdir() if (path / "__init__.py").exists()}
    assert tests - rooms <= {"docs", "house", "support"}
