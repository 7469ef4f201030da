"""Excel files: texts stay texts, instants are dates in UTC, dollars are numbers, and what does not fit is said."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.errors import InputError
from harness.rendering.export_files import data_frame, with_floats, write_file
from harness.rendering.workbooks import LONGEST_TEXT, MOST_ROWS

COLUMNS = (
    Column(name="text"),
    Column(name="n", kind="integer"),
    Column(name="share", kind="ratio"),
    Column(name="usd", kind="usd"),
    Column(name="at", kind="timestamp"),
    Column(name="right", kind="boolean"),
)


def stream_of_rows(rows: Sequence[tuple[Any, ...]], columns: tuple[Column, ...] = COLUMNS) -> RowStream:
    return RowStream(name="samples", columns=columns, batches=iter([list(zip(*rows, strict=True))]))


def written(path: Path, rows: Sequence[tuple[Any, ...]], columns: tuple[Column, ...] = COLUMNS) -> Any:
    import openpyxl

    assert write_file(stream_of_rows(rows, columns), path) == len(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return openpyxl.load_workbook(path).active


def test_values_keep_their_kinds(tmp_path: Path) -> None:
    row = ("plain", 7, 0.5, Decimal("0.000000002625"), 1_793_534_400_123_000, True)
    sheet = written(tmp_path / "x.xlsx", [row, (None,) * 6])
    assert [cell.value for cell in sheet[1]] == ["text", "n", "share", "usd", "at (UTC)", "right"]
    text, n, share, usd, at, right = sheet[2]
    assert (text.value, n.value, share.value, right.value) == ("plain", 7, 0.5, True)
    assert usd.value == 2.625e-9
    assert usd.number_format.startswith("0.00####")
    assert at.value == datetime(2026, 11, 1, 12, 0, 0, 123_000)  # noqa: DTZ001  # Excel knows no zones
    assert [cell.value for cell in sheet[3]] == [None] * 6


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+1", "https://example.org", "007", "{=1}", "_x0041_"])
def test_texts_are_never_formulas_links_or_numbers(tmp_path: Path, text: str) -> None:
    cell = written(tmp_path / "x.xlsx", [(text,)], (Column(name="text"),))["A2"]
    assert cell.data_type == "s"
    assert cell.hyperlink is None
    assert cell.value in (text, "_x005F_x0041_")  # as Excel spells a text that looks like one of its escapes


def test_control_characters_and_carriage_returns_do_not_break_the_file(tmp_path: Path) -> None:
    sheet = written(tmp_path / "x.xlsx", [("a\r\nb",), ("a\rb",), ("\x1b[0m\x00\ufffe\ud800",)], (Column(name="text"),))
    assert [sheet[f"A{row}"].value for row in (2, 3, 4)] == ["a\nb", "a\\rb", "\\x1b[0m\\x00\\ufffe\\ud800"]


def test_carriage_returns_survive_csv(tmp_path: Path) -> None:
    rows = [("a\r\nb",), ("a\rb",), ("a\nb",)]
    write_file(stream_of_rows(rows, (Column(name="text"),)), tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        assert [tuple(row) for row in csv.reader(file)] == [("text",), *rows]


def test_a_text_too_long_for_a_cell_says_that_it_was_cut(tmp_path: Path) -> None:
    sheet = written(tmp_path / "x.xlsx", [("😀" * 20_000,), ("x" * LONGEST_TEXT,)], (Column(name="text"),))
    cut, whole = sheet["A2"].value, sheet["A3"].value
    assert cut.endswith("a .csv or .parquet file does)")
    assert len(cut.encode("utf-16-le")) // 2 <= LONGEST_TEXT
    assert cut.startswith("😀" * 10_000)
    assert whole == "x" * LONGEST_TEXT


def test_numbers_that_excel_would_round_stay_texts(tmp_path: Path) -> None:
    sheet = written(tmp_path / "x.xlsx", [(2**60,), (float("nan"),)], (Column(name="n", kind="decimal"),))
    assert (sheet["A2"].value, sheet["A3"].value) == (str(2**60), "nan")


def test_more_rows_than_a_sheet_are_refused_and_nothing_is_left_behind(tmp_path: Path) -> None:
    stream = RowStream(
        name="attempts", columns=(Column(name="n", kind="integer"),), batches=iter([[range(MOST_ROWS + 1)]])
    )
    with pytest.raises(InputError, match="more rows than the 1,048,575") as caught:
        write_file(stream, tmp_path / "x.xlsx")
    assert ".parquet" in str(caught.value.fix)
    assert list(tmp_path.iterdir()) == []


def test_equal_streams_give_equal_bytes_whatever_the_ending_s_case(tmp_path: Path) -> None:
    rows = [("a", 1, 0.5, Decimal(1), 0, False)]
    for name in ("a.xlsx", "b.XLSX"):
        write_file(stream_of_rows(rows), tmp_path / name)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.XLSX").read_bytes()


def test_dollars_as_floats_take_part_in_arithmetic() -> None:
    rows = [("a", 1, 0.5, Decimal("0.1"), 0, False), ("b", 1, 0.5, None, 0, True)]
    exact = data_frame(stream_of_rows(rows))
    with pytest.raises(TypeError):
        _ = exact.usd.iloc[0] * 1.2
    floats = data_frame(with_floats(stream_of_rows(rows)))
    assert (floats.usd * 1.2).iloc[0] == pytest.approx(0.12)
    assert floats.usd.isna().tolist() == [False, True]
    assert str(floats.dtypes["usd"]) == "double[pyarrow]"
    assert floats.usd.describe()["mean"] == pytest.approx(0.1)


def test_the_documented_way_takes_the_zone_off_for_to_excel(tmp_path: Path) -> None:
    frame = data_frame(stream_of_rows([("a", 1, 0.5, Decimal("0.1"), 0, False)]))
    with pytest.raises(ValueError, match="timezone"):
        frame.to_excel(tmp_path / "with.xlsx")
    frame["at"] = frame["at"].dt.tz_localize(None)
    frame.to_excel(tmp_path / "without.xlsx")
    assert (tmp_path / "without.xlsx").stat().st_size > 0
