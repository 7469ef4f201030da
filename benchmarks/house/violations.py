"""Violations that the import contracts let pass: each is planted in a copy of the checkout that holds them."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from benchmarks.house.checkout import Checkout, Measured
from tests.support.planting import PLANTS, Plant, copy_package, verdicts

FORMERLY = {
    "harness/costs/cost.py": "harness/costs.py",
    "harness/documents/chart.py": "harness/charts.py",
    "harness/pricing/book.py": "harness/pricing.py",
    "harness/providers/batch_api/endpoint.py": "harness/providers/batch.py",
    "harness/reports/exports/sample_export.py": "harness/reports/exports.py",
    "harness/reports/prices/price_tables.py": "harness/price_tables.py",
    "harness/reports/spend/report.py": "harness/reports/spend.py",
    "harness/reports/spend/spend_tables.py": "harness/reports/spend_tables.py",
    "harness/usage/families/gemini.py": "harness/usage/gemini.py",
    "harness.ledger.schema.tables": "harness.ledger.tables",
    "harness.ledger.writing.append": "harness.ledger.append",
    "harness.providers.http.client": "harness.providers.http_client",
    "harness.providers.http.network": "harness.providers.connections",
    "harness.providers.http.recording": "harness.providers.recording_transport",
    "harness.usage.families.openai_family": "harness.usage.openai_family",
}
"""Where the modules of the plants were in version 0.1.0."""


def violations_that_pass(checkout: Checkout) -> Measured:
    """Planted violations after which every contract is still kept."""
    return _passing(checkout.root)


@lru_cache
def _passing(root: Path) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        copy = copy_package(root, Path(folder))
        _, *found = verdicts(copy, [_placed(plant, root) for plant in PLANTS])
        kept = [str(plant) for plant, contracts in zip(PLANTS, found, strict=True) if all(contracts.values())]
    return Measured(len(kept), tuple(kept))


def _placed(plant: Plant, root: Path) -> Plant:
    """The plant where this checkout has its modules; at the nearest door, where that is not known."""
    line = plant.line
    for name, former in FORMERLY.items():
        if not (root / f"{name.replace('.', '/')}.py").exists():
            line = line.replace(name, former)
    module = plant.module if (root / plant.module).exists() else FORMERLY.get(plant.module, plant.module)
    if not (root / module).parent.exists():
        rooms = (parent for parent in Path(module).parents if (root / parent / "__init__.py").exists())
        module = (next(rooms) / "__init__.py").as_posix()
    return replace(plant, module=module, line=line)
