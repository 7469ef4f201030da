"""The import contracts hold what they say: each has been seen to fail."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.planting import PLANTS, Plant, copy_package, verdicts

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


def protecting(home: Plant) -> set[str]:
    """Contracts that an import of the same library breaks."""
    return {other.contract for other in HOMES if other.line == home.line}


def rounds() -> list[list[Plant]]:
    """Put together what is planted at once: of each contract at most one library, so that nothing else can break it."""
    made: list[list[Plant]] = []
    for home in HOMES:
        for together in made:
            if not any(protecting(home) & protecting(other) for other in together):
                together.append(home)
                break
        else:
            made.append([home])
    return made


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Plant | None, Mapping[str, bool]]:
    """What import-linter says of a copy of the package (None), and of the copy with each plant.

    An import breaks the contracts about its library and no other: what is protected apart is planted at once.
    """
    copy = copy_package(ROOT, tmp_path_factory.mktemp("house"))
    at_once = [
        Plant(together[0].module, "\n".join(home.line for home in together), "one each") for together in rounds()
    ]
    first, *found = verdicts(copy, [*PLANTS, *at_once])
    judged: dict[Plant | None, Mapping[str, bool]] = {None: first}
    judged.update(zip(PLANTS, found, strict=False))
    for together, verdict in zip(rounds(), found[len(PLANTS) :], strict=True):
        judged.update(dict.fromkeys(together, verdict))
    return judged


def test_the_package_as_it_is_keeps_every_contract(judged: Mapping[Plant | None, Mapping[str, bool]]) -> None:
    assert judged[None] == {contract["name"]: True for contract in CONTRACTS}


@pytest.mark.parametrize("plant", [*PLANTS, *HOMES], ids=str)
def test_a_planted_violation_breaks_its_contract(
    judged: Mapping[Plant | None, Mapping[str, bool]], plant: Plant
) -> None:
    assert judged[plant][plant.contract] is False


def test_every_contract_has_been_seen_to_fail() -> None:
    assert {contract["name"] for contract in CONTRACTS} == {plant.contract for plant in (*PLANTS, *HOMES)}


def test_no_contract_makes_an_exception() -> None:
    exceptions = {"ignore_imports", "exhaustive_ignores", "skip_descendants"}
    assert [contract["name"] for contract in CONTRACTS if exceptions & contract.keys()] == []
