"""The import contracts hold what they say: each has been seen to fail."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.planting import PLANTS, Plant, copy_package, planted, verdicts

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
HOMES = [
    Plant("harness/messages.py", f"import {module}", contract["name"])
    for contract in CONTRACTS
    if contract["type"] == "protected"
    for module in contract["protected_modules"]
    if not module.startswith("harness.")
]
"""Every library that has one home, imported elsewhere."""

pytestmark = pytest.mark.xdist_group("contracts")  # one copy of the package serves them all


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(ROOT, tmp_path_factory.mktemp("house"))


def test_the_package_as_it_is_keeps_every_contract(copy: Path) -> None:
    kept = verdicts(copy)
    assert kept == {contract["name"]: True for contract in CONTRACTS}


@pytest.mark.parametrize("plant", [*PLANTS, *HOMES], ids=str)
def test_a_planted_violation_breaks_its_contract(copy: Path, plant: Plant) -> None:
    with planted(plant, copy):
        kept = verdicts(copy)
    assert kept[plant.contract] is False


def test_every_contract_has_been_seen_to_fail() -> None:
    assert {contract["name"] for contract in CONTRACTS} == {plant.contract for plant in (*PLANTS, *HOMES)}


def test_no_contract_makes_an_exception() -> None:
    exceptions = {"ignore_imports", "exhaustive_ignores", "skip_descendants"}
    assert [contract["name"] for contract in CONTRACTS if exceptions & contract.keys()] == []
