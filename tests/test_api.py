"""The Python API: cheap to import, exact in data frames, usable in a notebook."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness.api import RunOptions
from harness.errors import InputError
from harness.ledger import Ledger
from harness.price_files import load_price_book
from harness.reports.assembly import spend_report
from harness.runner import RunSpec
from tests.runs import number_suite

HEAVY = ("pandas", "litellm", "datasets", "sqlalchemy", "pyarrow", "scipy", "numpy", "aiohttp", "pydantic")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("api")
    suite = number_suite(folder / "suite", 20)
    path = folder / "ledger.db"
    models = ["sim/reasoner@low", "sim/direct"]
    assert harness.run(suite, models, db=path, run_id="first").status == "complete"
    assert harness.Ledger(path).run([suite], models, run_id="second", limit=10, concurrency=2).exit_code == 0
    return str(path)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, harness; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_options_of_run_are_those_of_a_run_spec() -> None:
    fields = {field.name for field in dataclasses.fields(RunSpec)} - {"suites", "models"}
    assert set(RunOptions.__annotations__) == fields


def test_the_report_frame_has_the_reports_exact_dollars(db: str) -> None:
    frame = harness.report("first", db=db)
    with Ledger.open(db, create=False) as ledger:
        expected = spend_report(ledger, load_price_book(), ["first"])
    assert frame["cost_usd"].sum() == sum(row.facts.solve.cost.total for row in expected.rows)
    assert set(frame.model) == {"reasoner", "direct"}
    assert frame.cost_usd.dtype == pd.ArrowDtype(__import__("pyarrow").decimal128(38, 18))


def test_a_report_can_ask_what_if_and_as_of(db: str) -> None:
    plain = harness.report("first", db=db)
    batch = harness.report("first", db=db, what_if="batch", as_of="2026-11-22")
    assert batch.cost_usd.sum() * 2 == plain.cost_usd.sum()


def test_what_is_not_known_is_na_in_a_frame_and_never_zero(db: str) -> None:
    attempts = harness.Ledger(db).attempts("first")
    assert len(attempts) == 40
    assert attempts.error_class.isna().all()
    assert attempts.input_tokens.notna().all()


def test_the_ledger_gives_each_table_whole(db: str) -> None:
    ledger = harness.Ledger(db)
    assert list(ledger.runs().run_id) == ["first", "second"]
    assert len(ledger.scores("second")) == 20
    assert ledger.charges("first").usd.sum() == ledger.report("first").cost_usd.sum()
    with pytest.raises(InputError, match="no table 'nothing'"):
        ledger.table("nothing")


def test_comparing_gives_a_row_per_cell_and_the_verdict(db: str) -> None:
    frame = harness.compare("first", "second", db=db, max_cost_increase="10%")
    assert set(frame.model) == {"reasoner", "direct"}
    assert list(frame.cost_ratio_value) == [1.0, 1.0]
    assert frame.attrs["verdict"] == "pass"
    assert frame.attrs["exit_code"] == 0


def test_exporting_writes_what_pandas_reads_back(db: str, tmp_path: Path) -> None:
    path = tmp_path / "charges.parquet"
    assert harness.export("charges", path, "first", db=db) == len(pd.read_parquet(path)) > 0


def test_payloads_are_priced_exactly_and_a_bad_one_does_not_stop_the_others() -> None:
    good = {
        "id": "a",
        "provider": "openai",
        "model": "o1",
        "at": "2025-01-31T00:00:00Z",
        "usage_kind": "openai.chat",
        "usage": {"prompt_tokens": 100, "completion_tokens": 50},
    }
    frame = harness.price([good, {"id": "b"}])
    assert list(frame.status) == ["priced", "error"]
    assert frame.usd[0] == Decimal("0.0045")  # 100 * $15 + 50 * $60 per million
    assert frame.usd[1] is None
    assert harness.price(good).usd[0] == Decimal("0.0045")


async def test_a_run_works_inside_a_notebooks_event_loop(tmp_path: Path) -> None:
    """Jupyter runs cells in a loop, where another loop cannot be started in the same thread."""
    done = harness.run(number_suite(tmp_path / "suite", 3), "sim/direct", db=tmp_path / "ledger.db")
    assert done.status == "complete"


def test_the_environment_names_the_ledger_when_the_caller_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHTAB_DB", "elsewhere.db")
    assert harness.Ledger().db == "elsewhere.db"
    monkeypatch.delenv("BENCHTAB_DB")
    assert harness.Ledger().db == "results/ledger.db"


def test_the_command_line_and_the_api_give_the_same_report(db: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "report", "first", "--json", "--db", db],
        capture_output=True,
        text=True,
        check=True,
    )
    stated = {row["model"]: Decimal(row["cost_usd"]["total"]) for row in json.loads(done.stdout)["rows"]}
    frame = harness.report("first", db=db)
    assert dict(zip(frame.model, frame.cost_usd, strict=True)) == stated
