"""The Python API: cheap to import, exact in data frames, usable in a notebook."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import harness
from harness.api import RunOptions
from harness.errors import InputError
from harness.ledger import Ledger
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.runner import RunSpec
from harness.runner.options.arguments import OTHER_NAMES, known_names, spec_of
from tests.support.runs import number_suite

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


def test_a_dry_run_says_how_much_a_precision_will_probably_ask(tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 900)
    frame = harness.dry_run(suite, "sim/direct", db=tmp_path / "none.db", precision="4pt")
    (task,) = frame.attrs["precision"]["mine", "sim/direct"]
    assert (task["n_all_samples"], task["n_all_attempts"]) == (900, 900)
    assert 100 < task["n_samples"] < 600
    assert Decimal(task["usd"]) < Decimal(task["whole_usd"]) / 2
    assert "precision" not in harness.dry_run(suite, "sim/direct", db=tmp_path / "none.db").attrs


def test_the_options_of_run_are_those_of_a_run_spec_and_the_command_lines_names() -> None:
    fields = {field.name for field in dataclasses.fields(RunSpec)} - {"suites", "models"}
    assert set(known_names()) == fields | set(OTHER_NAMES)
    assert set(RunOptions.__annotations__) == set(known_names())


@pytest.mark.parametrize("amount", [5, 5.0, "5", "$5", Decimal(5), np.int64(5), np.float64(5)])
def test_a_budget_is_an_amount_however_python_holds_it(amount: object) -> None:
    assert spec_of("starter", "sim/direct", {"budget_usd": amount}).budget_usd == 5


def test_a_fraction_of_a_dollar_is_taken_as_it_is_written_and_not_as_the_nearest_binary_one() -> None:
    assert spec_of("starter", "sim/direct", {"budget_usd": 0.1}).budget_usd == Decimal("0.1")


def test_natural_values_make_the_spec_that_the_command_line_would_make(tmp_path: Path) -> None:
    made = spec_of(
        Path("mine.toml"),
        [parse_model("sim/direct"), "sim/reasoner@low"],
        {
            "rpm": 60,
            "tpm": np.int32(9),
            "data": str(tmp_path),
            "no_transcripts": True,
            "max_failed": "10%",
            "judge": "sim/judge",
            "base_url": {"sim": "http://127.0.0.1:1/v1"},
            "limit": np.int64(3),
        },
    )
    assert made == RunSpec(
        suites=("mine.toml",),
        models=(parse_model("sim/direct"), parse_model("sim/reasoner@low")),
        requests_per_minute=60.0,
        tokens_per_minute=9.0,
        data_dir=tmp_path,
        keep_transcripts=False,
        max_failed=0.1,
        judge=parse_model("sim/judge"),
        base_url=("sim=http://127.0.0.1:1/v1",),
        limit=3,
    )


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("limt", 1, "similar: limit"),
        ("budget", 5, "similar: budget_usd"),
        ("limit", 0, "1 or more"),
        ("limit", True, "not a whole number"),
        ("limit", "ten", "not a whole number"),
        ("epochs", 1.5, "not a whole number"),
        ("concurrency", None, "not a whole number"),
        ("budget_usd", "five", "not an amount"),
        ("budget_usd", float("nan"), "not an amount"),
        ("budget_usd", -1, "above 0"),
        ("budget_usd", True, "not an amount"),
        ("budget_usd", [5], "not an amount"),
        ("budget_mode", "strikt", "write strict or expected"),
        ("data_dir", "no/such/folder", "does not exist"),
        ("data_dir", 5, "not a folder"),
        ("timeout_s", 0, "0.001 or more"),
        ("temperature", "hot", "not a number"),
        ("rpm", float("inf"), "0.1 or more"),
        ("max_failed", "half", "not a share"),
        ("base_url", 8000, "not a base URL"),
        ("judge", 1, "not a model name"),
        ("reuse", "yes", "True or False"),
        ("stream", 1, "True or False"),
        ("no_transcripts", "yes", "True or False"),
        ("service_tier", 1, "not a text"),
    ],
)
def test_a_wrong_option_of_the_api_is_an_input_error_that_names_it(name: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        spec_of("starter", "sim/direct", {name: value})
    assert [finding.where for finding in caught.value.findings] == [name]


def test_everything_wrong_with_a_call_is_said_at_once(db: str) -> None:
    with pytest.raises(InputError) as caught:
        harness.run([], 5, db=db, limit=0, rpm=1, requests_per_minute=1)  # type: ignore[arg-type]
    assert [one.where for one in caught.value.findings] == ["suites", "models", "limit", "requests_per_minute"]


WITHOUT_ZONE = dt.datetime.combine(dt.date(2026, 11, 22), dt.time())


@pytest.mark.parametrize("instant", ["2026-11-22", dt.date(2026, 11, 22), WITHOUT_ZONE, pd.Timestamp("2026-11-22")])
def test_prices_of_a_day_are_asked_for_as_scripts_hold_days(db: str, instant: dt.date | str) -> None:
    made = harness.report("first", db=db, as_of=instant)
    assert made.equals(harness.report("first", db=db, as_of=dt.datetime(2026, 11, 22, tzinfo=dt.UTC)))


def test_what_is_no_instant_and_no_run_is_told_so(db: str) -> None:
    with pytest.raises(InputError, match="not a date"):
        harness.report("first", db=db, as_of=2026)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not a run"):
        harness.report(1, db=db)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not usage payloads"):
        harness.price("usage.jsonl")  # type: ignore[arg-type]


def test_what_run_gives_back_names_its_run(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    done = harness.run(number_suite(tmp_path / "suite", 2), "sim/direct", db=path, budget_usd=5)
    assert len(harness.report(done, db=path)) == len(harness.report([done.run_id], db=path)) == 1
    assert len(harness.Ledger(path).attempts(done)) == 2


def test_a_dry_run_estimates_sends_nothing_and_makes_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    frame = harness.dry_run(number_suite(tmp_path / "suite", 4), "sim/direct", db=path, budget_usd="5", limit=3)
    assert list(frame.n_requests) == [3]
    assert 0 < frame.estimated_usd[0] <= frame.upper_bound_usd[0]
    assert frame.attrs["warnings"] == []
    assert not path.exists()


def test_a_dry_run_of_a_stored_run_estimates_what_is_left(db: str, tmp_path: Path) -> None:
    frame = harness.dry_run(number_suite(tmp_path / "suite", 20), "sim/direct", db=db, run_id="new")
    assert list(frame.n_requests) == [20]


def test_import_benchtab_is_the_same_package() -> None:
    code = f"import sys, benchtab; print([name for name in {HEAVY} if name in sys.modules], benchtab.__all__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[] {harness.__all__}"


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
