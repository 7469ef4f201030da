"""Exports are exact, stable and safe to open: pandas, DuckDB and a spreadsheet read the same totals as the report."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness.cli.books import export as command
from harness.documents.table import Column, Table
from harness.errors import InputError
from harness.ledger import NO_USAGE, Ledger
from harness.pricing import Price, PriceBook
from harness.rendering.csv_text import write_csv
from harness.rendering.export_files import export_table, export_tables
from harness.reports.exports.attempt_exports import EXPORTED
from harness.reports.exports.sample_export import SAMPLES
from harness.reports.facts.assembly import spend_report
from harness.usage.values import Meter
from tests.support.report_ledgers import AT, Try, add_run, many, used

BOOK = PriceBook(
    rows=(
        Price(
            provider="sim",
            model="reasoner",
            rates={Meter.INPUT: Decimal("2.1"), Meter.CACHE_READ: Decimal("0.53"), Meter.OUTPUT: Decimal("8.7")},
        ),
        Price(provider="sim", model="direct", rates={Meter.INPUT: Decimal("0.4"), Meter.OUTPUT: Decimal("1.6")}),
    )
)


async def fill(ledger: Ledger) -> None:
    odd = {
        ("cached", 0): [Try(usage=used(600, 900, 700, cached=400))],
        ("lost", 0): [Try(status="timed_out", usage=NO_USAGE, score=None, reserved_pico_usd=10**9), Try()],
        ("stated", 0): [Try(usage=replace(used(10, 20), stated_cost_usd=Decimal("0.00001")))],
        ("open", 0): [Try(status=None)],
    }
    await add_run(ledger, "r1", {"sim/reasoner@high": {**many(40, 0.8, 900, reasoning=80), **odd},
                                 "sim/direct": many(40, 0.6, 90)})  # fmt: skip
    await add_run(ledger, "r2", {"acme/unpriced": many(5, 0.5, 10)})


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A ledger that all tests here read and none changes."""
    if request.param == "sqlite":
        url = str(tmp_path_factory.mktemp("exported") / "ledger.db")
    else:
        url = request.getfixturevalue("new_postgres_url")()
    with Ledger.open(url) as opened:
        asyncio.run(fill(opened))
    return url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url, create=False) as opened:
        yield opened


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


async def test_charges_add_up_to_the_report_in_pandas_and_duckdb(ledger: Ledger, tmp_path: Path) -> None:
    """The last digit included: decimal sums, no floats on the way."""
    import duckdb
    import pandas as pd

    path = tmp_path / "charges.parquet"
    export_table(ledger, BOOK, "charges", path)
    report = {row.facts.name: row.facts.solve for row in spend_report(ledger, BOOK).rows}
    frame = pd.read_parquet(path)
    for name in ("sim/reasoner@high", "sim/direct"):
        model = name.partition("/")[2].partition("@")[0]
        assert sum(frame.loc[frame.model == model, "usd"]) == report[name].cost.total
        query = f"SELECT sum(usd), sum(quantity) FROM '{path}' WHERE model = '{model}'"
        total, quantity = duckdb.connect().execute(query).fetchall()[0]
        tokens = report[name].tokens
        assert total == report[name].cost.total
        assert quantity == tokens.input_tokens + tokens.cache_read_tokens + tokens.output_tokens
    assert frame.loc[frame.model == "unpriced", "usd"].isna().all()


async def test_attempts_keep_every_row_and_what_is_unknown(ledger: Ledger, tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "attempts.parquet"
    n = export_table(ledger, BOOK, "attempts", path)
    frame = pd.read_parquet(path, dtype_backend="pyarrow")
    assert len(frame) == n == 40 + 5 + 40 + 5
    lost = frame[frame.sample_id == "lost"].iloc[0]
    assert lost.status == "timed_out"
    assert pd.isna(lost.input_tokens)
    assert lost.reserved_usd == Decimal("0.001")
    assert frame.started_at.iloc[0] == AT
    assert str(frame.dtypes["started_at"]) == "timestamp[us, tz=UTC][pyarrow]"


async def test_parquet_columns_are_typed_and_carry_their_units(ledger: Ledger, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "charges.parquet"
    export_table(ledger, BOOK, "charges", path)
    schema = pq.read_schema(path)
    assert schema.field("usd").type == pa.decimal128(38, 18)
    assert schema.field("usd").metadata[b"unit"] == b"USD"
    assert schema.field("simulated").type == pa.bool_()


async def test_the_report_export_equals_the_report(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    export_table(ledger, BOOK, "report", path)
    rows = {row["model"]: row for row in read_csv(path)}
    assert Decimal(rows["reasoner"]["cost_usd"]) == spend_report(ledger, BOOK).rows[0].facts.solve.cost.total
    assert rows["unpriced"]["cost_usd"] == ""


@pytest.mark.parametrize("table", export_tables())
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".xlsx"])
async def test_equal_ledgers_give_equal_bytes(ledger: Ledger, tmp_path: Path, table: str, ending: str) -> None:
    first, second = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    assert export_table(ledger, BOOK, table, first) == export_table(ledger, BOOK, table, second) > 0
    assert first.read_bytes() == second.read_bytes()


async def test_answers_that_look_like_formulas_are_guarded_in_csv(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    export_table(ledger, BOOK, "scores", path)
    assert {row["answer"] for row in read_csv(path)} == {"'=B"}
    out = io.StringIO()
    columns = (Column(name="text"), Column(name="usd", kind="usd"))
    write_csv(Table(name="t", title="", columns=columns, rows=[("@SUM(A1)", Decimal(-1)), ("-1+1", Decimal(2))]), out)
    assert out.getvalue() == "text,usd\n'@SUM(A1),-1\n'-1+1,2\n"


async def test_only_the_runs_asked_for(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    assert export_table(ledger, BOOK, "runs", path, ["r2"]) == 1
    assert read_csv(path)[0]["run_id"] == "r2"
    assert read_csv(path)[0]["created_at"] == "2026-11-01T12:00:00Z"
    assert export_table(ledger, BOOK, "attempts", tmp_path / "a.csv", ["r2"]) == 5


def test_every_exported_column_is_documented() -> None:
    for columns in (*EXPORTED.values(), SAMPLES):
        assert all(column.description.endswith(".") for column in columns)
        assert len({column.name for column in columns}) == len(columns)


async def test_the_command_refuses_what_it_cannot_write(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    command.register(app)
    db = ["--db", ledger_url]
    good = CliRunner().invoke(app, ["export", "runs", "-o", str(tmp_path / "out" / "runs.csv"), *db])
    assert good.exit_code == 0
    assert (tmp_path / "out" / "runs.csv").exists()
    for arguments, message in (
        (["nothing", "-o", "x.csv"], "no table"),
        (["runs", "-o", "x.xls"], "format of 'x.xls'"),
        (["runs", "-o", "x.csv", "--floats"], "no types of numbers"),
    ):
        with pytest.raises(InputError, match=message):
            CliRunner().invoke(app, ["export", *arguments, *db], catch_exceptions=False)
