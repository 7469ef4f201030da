"""Violations planted in a copy of the package, and import-linter's verdict on it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_VERDICT = re.compile(r"^(?P<contract>\S.*) (?P<verdict>KEPT|BROKEN)\b", re.MULTILINE)
_WIDE = {"COLUMNS": "300", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Plant:
    """A line put at the end of a module (a new one, where there is none) and the contract that it must break."""

    module: str
    line: str
    contract: str

    def __str__(self) -> str:
        return f"{self.module}: {self.line.strip().splitlines()[-1].strip()}"


ONE_WAY = "imports run one way, and every module has a floor"
NO_IO = "the core does no I/O"
FACTS = "facts are worked on without I/O"
SQL = "SQL lives in the ledger"
FAMILIES = "usage families do not know each other"
SCHEMA = "the schema belongs to the ledger"
WRITERS = "the ledger is written by runs"
DOOR = "the HTTP client has one door"
TRANSPORT = "what litellm sends through is for its adapter alone"
PLANTS = (
    Plant("harness/pricing/book.py", "import sqlite3", NO_IO),
    Plant("harness/usage/values.py", "def planted():\n    import socket", NO_IO),
    Plant("harness/costs/cost.py", "from harness.ledger import Ledger", NO_IO),
    Plant("harness/documents/chart.py", "import rich", NO_IO),
    Plant("harness/reports/prices/price_tables.py", "import harness.cli", ONE_WAY),
    Plant("harness/reproduction/feasible.py", "import harness.cli", ONE_WAY),
    Plant("harness/nightly/config.py", "import harness.cli", ONE_WAY),
    Plant("harness/stats/means.py", "from harness.ledger import Ledger", ONE_WAY),
    Plant("harness/odds_and_ends.py", "import harness.money", ONE_WAY),
    Plant("harness/reports/spend/report.py", "from harness.ledger import Ledger", FACTS),
    Plant("harness/waves/frame.py", "from harness.ledger import Ledger", FACTS),
    Plant("harness/waves/states.py", "import harness.runner.plan", ONE_WAY),
    Plant("harness/view/page_addresses.py", "import harness.ledger.ledger", NO_IO),
    Plant("harness/view/page_values.py", "import jinja2", "templates are filled by renderers and the view"),
    Plant("harness/scorers/text.py", "import nltk", "libraries of language have one door"),
    Plant("harness/rendering/html/vega_bundle.py", "import starlette", "only the view serves pages"),
    Plant("harness/reports/spend/report.py", "from sqlalchemy import text", SQL),
    Plant("harness/reports/spend/spend_tables.py", "import harness.ledger.writing.append", WRITERS),
    Plant("harness/reports/exports/sample_export.py", "import harness.ledger.schema.tables", SCHEMA),
    Plant("harness/runner/plan.py", "import harness.providers.http.client", "connections belong to providers"),
    Plant("harness/providers/openai_compatible.py", "import harness.providers.http.client", DOOR),
    Plant("harness/providers/batch_api/endpoint.py", "import harness.providers.http.network", DOOR),
    Plant("harness/providers/simulated.py", "import harness.providers.http.recording", TRANSPORT),
    Plant("harness/providers/simulated.py", "import harness.providers.litellm", "adapters do not know each other"),
    Plant("harness/usage/families/gemini.py", "import harness.usage.families.openai_family", FAMILIES),
    Plant("harness/scorers/grid.py", "import harness.scorers.text", "scorers do not know each other"),
    Plant("harness/runner/spec.py", "from harness import __version__", "nobody inside comes in by the front door"),
    Plant("harness/loaders/samples.py", "def planted():\n    import av", "videos are decoded in one module"),
    Plant("harness/runner/plan.py", "import pandas", "data frames are made at the edge"),
)
"""Each is a mistake that somebody could make on a busy day."""


def copy_package(checkout: Path, folder: Path) -> Path:
    """Copy the package and its contracts; gives the folder that holds the copy."""
    shutil.copytree(checkout / "harness", folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(checkout / "pyproject.toml", folder)
    return folder


@contextmanager
def planted(plant: Plant, folder: Path) -> Iterator[None]:
    """Plant a violation in a copy, and take it out again."""
    path = folder / plant.module
    held = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(f"{held or ''}\n{plant.line}\n", encoding="utf-8")
    try:
        yield
    finally:
        if held is None:
            path.unlink()
        else:
            path.write_text(held, encoding="utf-8")


def verdicts(folder: Path, plants: Sequence[Plant]) -> list[dict[str, bool]]:
    """Ask import-linter about the copy in a folder as it is, and then with each plant by itself.

    One process asks for all of them, and modules that stay as they were are read once: starting and reading take
    longer than judging.

    Returns:
        For the copy and for each plant: contract -> whether it is kept.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", "from tests.support.planting import print_verdicts; print_verdicts()"],
        cwd=folder,
        env={**os.environ, **_WIDE, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        input=json.dumps([asdict(plant) for plant in plants]),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"import-linter gave no verdict:\n{done.stdout}{done.stderr}")
    found: list[dict[str, bool]] = json.loads(done.stdout)
    return found


def print_verdicts() -> None:
    """Read plants as JSON, and print the verdicts on the copy in the current folder."""
    plants = [Plant(**plant) for plant in json.load(sys.stdin)]
    found = [_verdict()]
    for plant in plants:
        with planted(plant, Path.cwd()):
            found.append(_verdict())
    print(json.dumps(found))


def _verdict() -> dict[str, bool]:
    from importlinter.cli import lint_imports

    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = lint_imports(cache_dir=str(Path.cwd() / "modules-as-read"))
    found = {match["contract"]: match["verdict"] == "KEPT" for match in _VERDICT.finditer(said.getvalue())}
    if not found or all(found.values()) is not (code == 0):
        raise RuntimeError(f"import-linter gave no verdict:\n{said.getvalue()}")
    return found
