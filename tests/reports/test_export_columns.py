"""Exports read in columns are the exports read row by row: the same bytes, and every dollar exact."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.costs.cost import price_request
from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.errors import InputError, LedgerError
from harness.ledger import NO_USAGE, Ledger
from harness.ledger.reading.arrow.arrow_rows import Kind, TableQuery, arrow_rows
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.money import plain
from harness.pricing import Price, PriceBook
from harness.rendering.export_files import export_table
from harness.rendering.stream_files import write_stream_csv, write_stream_parquet
from harness.reports.exports.attempt_exports import export_stream
from harness.reports.facts.charger import served_row, usage_of_row
from harness.usage.values import Meter
from tests.support.report_ledgers import Try, add_run, many, used

STATED = Decimal("0.0000123456789012345678901")
BOOK = PriceBook(
    rows=(
        Price(
            provider="sim",
            model="reasoner",
            rates={Meter.INPUT: Decimal("2.1"), Meter.CACHE_READ: Decimal("0.53"), Meter.OUTPUT: Decimal("8.7")},
        ),
        # per token 21 decimals: more than a column of decimals holds
        Price(provider="sim", model="direct", rates={Meter.INPUT: Decimal("0.4"), Meter.OUTPUT: Decimal(1) / 2**15}),
    )
)
ODD = {
    ("cached", 0): [Try(usage=used(600, 900, 700, cached=400))],
    ("huge", 0): [Try(usage=used(9_000_000_000_000, 10))],
    ("lost", 0): [Try(status="timed_out", usage=NO_USAGE, score=None, reserved_pico_usd=10**9), Try()],
    ("stated", 0): [Try(usage=replace(used(10, 20), stated_cost_usd=STATED))],
    ("undecided", 0): [Try(score=None, reason="no_answer"), Try(score=None, reason="undecided")],
    ("judged", 0): [Try(), Try(purpose="judge", usage=used(30, 4))],
    ("open", 0): [Try(status=None)],
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that all tests here read, under a name that an address must write otherwise."""
    path = tmp_path_factory.mktemp("columns") / "50% of #1?.db"
    with Ledger.open(path) as opened:
        cells = {"sim/reasoner@high": {**many(20, 0.8, 900, reasoning=80), **ODD}, "sim/direct": many(20, 0.6, 90)}
        asyncio.run(add_run(opened, "r1", cells))
        asyncio.run(add_run(opened, "r2", {"acme/unpriced": {**many(5, 0.5, 10), ("stated", 0): ODD["stated", 0]}}))
        asyncio.run(add_run(opened, "r3", {"acme/unpriced": {("stated", 0): ODD["stated", 0]}}))
    return path


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger.open(path, create=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("table", "runs"),
    [
        ("attempts", None),
        ("attempts", ["r2"]),
        ("scores", None),
        ("charges", None),
        ("charges", ["r3"]),
        ("runs", None),
    ],
)
def test_a_process_of_its_own_reads_the_same_bytes(
    ledger: Ledger, tmp_path: Path, table: str, runs: list[str] | None
) -> None:
    written = []
    for least in (1, 10**9):
        path = tmp_path / f"{least}.csv"
        assert write_stream_csv(export_stream(ledger, table, book=BOOK, run_ids=runs, least=least), path) > 0
        written.append(path.read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("table", ["attempts", "scores", "charges", "runs"])
def test_columns_are_written_as_cells_one_by_one_are(ledger: Ledger, tmp_path: Path, table: str) -> None:
    assert same_csv(lambda: export_stream(ledger, table, book=BOOK), tmp_path)


def same_csv(stream: Any, folder: Path) -> bytes:
    """Write a stream from its columns and from its values; gives the bytes, which must be the same."""
    columns, cells = folder / "columns.csv", folder / "cells.csv"
    count = write_stream_csv(stream(), columns)
    assert count == write_stream_csv(replace(stream(), arrow=None), cells)
    assert columns.read_bytes() == cells.read_bytes()
    return columns.read_bytes()


TEXTS = (
    "plain", "", None, "=1+1", "-5", " =x", "\xa0=x", "＝x", "\u200b@x", "\u2212x", "\tx", "\nx", "\rx", "x\ry", "x\ny",
    'say "so"', "a,b", '"', "é", "{}", '{"a":1}', "0", "+", "\x7fx", "\x00=x", "ａ", " x ", "'=1", "-", "\ufeff=a",
)  # fmt: skip
AMOUNTS = (0, 1, -1, 10**18, 10**17, 123_456_789, 9 * 10**18, 10**20 + 1, -(10**19), 2**63 - 1, 2**63, 2**64, None)
INSTANTS = (0, 1, 999_999, 1_000_000, 1_793_534_400_000_000, 1_793_534_400_120_000, -1, None)


def test_odd_values_are_written_as_cells_one_by_one_are(tmp_path: Path) -> None:
    columns = (
        Column(name="text"),
        Column(name="json", kind="json"),
        Column(name="usd", kind="usd"),
        Column(name="usd_text", kind="usd"),
        Column(name="at", kind="timestamp"),
        Column(name="flag", kind="boolean"),
        Column(name="ratio", kind="ratio"),
        Column(name="number,", kind="integer"),
    )
    n = len(TEXTS)
    dollars = [None if units is None else Decimal(units).scaleb(-18) for units in AMOUNTS]
    written = [None if usd is None else plain(usd) for usd in dollars]
    arrays = [
        pa.array(TEXTS),
        pa.array(TEXTS[::-1]),
        pa.array((dollars * 3)[:n], type=pa.decimal128(38, 18)),
        pa.array((written * 3)[:n]),
        pa.array((list(INSTANTS) * 9)[:n], type=pa.timestamp("us", tz="UTC")),
        pa.array(([True, False, None] * 99)[:n]),
        pa.array(([0.1, 1.0, 0.0, 1e-7, 1 / 3, None] * 99)[:n]),
        pa.array(([0, -7, 2**62, None] * 99)[:n]),
    ]
    whole = pa.record_batch(arrays, names=[column.name for column in columns])
    rows = [whole.slice(place, 1) for place in range(n)]
    for batches in ([whole], [whole.slice(0, 3), whole.slice(3)], rows, []):
        found = same_csv(lambda made=batches: RowStream.of_arrow("odd", columns, iter(made)), tmp_path)
        assert found.startswith(b'text,json,usd,usd_text,at,flag,ratio,"number,"\n')


def test_every_line_is_what_its_attempt_costs_on_its_own(ledger: Ledger) -> None:
    """Also where a product has more than 64 bits, a rate more than 18 decimals, or a provider states the cost."""
    stream = export_stream(ledger, "charges", book=BOOK)
    names = ["attempt_id", "meter", "quantity", "usd_per_unit", "usd", "price_model"]
    places = [[column.name for column in stream.columns].index(name) for name in names]
    found = [tuple(row[place] for place in places) for batch in stream.batches for row in zip(*batch, strict=True)]
    wanted = []
    for row in attempt_rows(ledger):
        if row.status == "sent":
            continue
        cost = price_request(BOOK, usage_of_row(row), served_row(row))
        if row.stated_cost_usd is not None and cost.list_usd is None:
            wanted.append((row.attempt_id, "stated", 1, STATED, STATED, None))
            continue
        charged = {line.meter: (line.usd_per_unit, line.usd, cost.price and cost.price.name) for line in cost.lines}
        wanted += [
            (row.attempt_id, meter.value, quantity, *charged.get(meter, (None, None, None)))
            for meter, quantity in row.quantities()
            if quantity
        ]
    assert sorted(found, key=repr) == sorted(wanted, key=repr)
    assert [row[0] for row in found] == sorted(row[0] for row in found)
    assert ("stated", STATED) in {(row[1], row[4]) for row in found}
    assert max(row[4] for row in found if row[4] is not None) == 9_000_000_000_000 * Decimal("0.0000021")


def test_parquet_columns_of_every_table_have_the_types_of_their_columns(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    write_stream_parquet(export_stream(ledger, "scores", book=BOOK), path)
    scores = pq.read_table(path)
    assert scores.schema.field("scored_at").type == pa.timestamp("us", tz="UTC")
    assert scores.schema.field("is_newest").type == pa.bool_()
    by_reason = dict(zip(scores["reason"].to_pylist(), scores["counted_score"].to_pylist(), strict=True))
    assert (by_reason["no_answer"], by_reason["undecided"]) == (0.0, None)


@pytest.mark.parametrize("table", ["attempts", "charges"])
def test_dollars_of_more_decimals_than_parquet_has_are_told_and_not_rounded(
    ledger: Ledger, tmp_path: Path, table: str
) -> None:
    path = tmp_path / f"{table}.parquet"
    with pytest.raises(InputError, match="more than 18 after it") as told:
        export_table(ledger, BOOK, table, path)
    assert not path.exists()
    assert "usd" in str(told.value)
    assert ".csv" in str(told.value)
    export_table(ledger, BOOK, table, path.with_suffix(".csv"))
    assert f"{STATED:f}" in path.with_suffix(".csv").read_text()
    export_table(ledger, BOOK, table, path, floats=True)
    dollars = [name for name in pq.read_schema(path).names if name.endswith("usd")]
    assert float(STATED) in pq.read_table(path, columns=dollars).to_pandas().to_numpy()


def counted(last: int, column: str, kind: Kind = "text") -> TableQuery:
    """Numbers from 1, and something of each."""
    numbers = f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {last}) SELECT i FROM n) AS n"
    return TableQuery(table=numbers, columns=(("i", "i", "integer"), ("word", column, kind)))


def test_a_column_that_is_empty_for_long_has_its_type_all_the_same(ledger: Ledger) -> None:
    query = counted(45_000, "CASE WHEN i > 41000 THEN 'late' END")
    batches = list(arrow_rows(ledger, query, least=1))
    assert len(batches) > 2
    assert pa.Table.from_batches(batches).equals(pa.Table.from_batches(arrow_rows(ledger, query, least=10**9)))
    assert batches[-1].column("word").to_pylist()[-1] == "late"


def test_a_process_that_fails_midway_is_an_error_and_not_a_short_file(ledger: Ledger) -> None:
    query = counted(45_000, "CASE WHEN i > 41000 THEN 'a text' ELSE 1 END", "integer")
    with pytest.raises(LedgerError, match="ended early"):
        list(arrow_rows(ledger, query, least=1))


def test_who_stops_early_leaves_no_process_behind(ledger: Ledger) -> None:
    rows = arrow_rows(ledger, counted(200_000, "'word'"), least=1)
    process = rows.gi_frame.f_locals["self"].process  # type: ignore[attr-defined]
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert process.returncode is not None


def test_what_is_read_at_one_moment_is_not_read_by_another_process(ledger: Ledger, path: Path) -> None:
    assert ledger.file is not None
    assert ledger.file.path == str(path)
    with ledger.at_one_moment() as still:
        assert still.file is None
