"""Texts of models and servers are shown, never obeyed: terminal, Markdown, CSV, SVG, HTML and JUnit."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.documents.chart import Bars, Series
from harness.documents.table import Column, Table
from harness.rendering.cells import guarded, readable
from harness.rendering.chart_files import write_charts
from harness.rendering.console import print_table
from harness.rendering.csv_text import write_csv
from harness.rendering.json_text import to_json
from harness.rendering.markdown import to_markdown
from harness.rendering.printable import as_xml, on_one_line, printable

HOSTILE = {
    "clipboard": "m\x1b]52;c;ZXZpbA==\x07",
    "colour": "m\x1b[31mred\x1b[0m",
    "one byte control sequence": "m\x9b31m",
    "backspace": "cheap\x08\x08\x08\x08\x08dear",
    "carriage return": "dear\rfine",
    "reversed": "m\u202egnp.exe",
    "isolate": "m\u2066x\u2069",
    "line separator": "a\u2028b",
    "tag characters": "m\U000e0041",
    "lone surrogate": "m\ud83d",
    "null": "m\x00",
}
RAW = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\U000e0041]"
)


def table(text: str) -> Table:
    return Table(
        name="t",
        title=f"title {text}",
        columns=(Column(name="model"), Column(name="n", kind="integer"), Column(name="said", kind="json")),
        rows=[(text, 1, {"text": text}), ("plain", 2, None)],
        notes=(f"note {text}",),
    )


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_renderer_passes_on_a_character_that_steers_or_hides(text: str) -> None:
    terminal = io.StringIO()
    print_table(table(text), file=terminal, width=100)
    written = [terminal.getvalue(), to_markdown([table(text)]), as_xml(text), printable(text)]
    assert [RAW.findall(one) for one in written] == [[], [], [], []]
    assert printable(text) != text
    ET.fromstring(f"<svg>{as_xml(text)}</svg>")  # noqa: S314


def test_ordinary_text_of_every_language_stays_as_it_is() -> None:
    for text in ("naïve café", "日本語", "עברית", "हिन्दी", "👩\u200d🔬", "می\u200cخواهم", "a\tb\nc"):
        assert printable(text) == text
    assert on_one_line("a\tb\nc") == "a\\tb\\nc"


def test_a_json_document_shows_marks_of_direction_as_escapes_and_stays_the_same_document() -> None:
    document = {"model": "m\u202e\x9b", "tag": "\U000e0041", "plain": "日本"}
    written = to_json(document)
    assert not RAW.search(written.replace("\n", ""))
    assert json.loads(written) == document
    assert "日本" in written


@pytest.mark.parametrize(
    "text",
    [
        "![t](http://x.example/p.png)",
        "[a](https://x.example)",
        "[a][b]",
        "[b]: https://x.example",
        "www.x.example",
        "HTTPS://x.example",
        "<img src=https://x.example>",
        "`code` **bold** ~~gone~~",
        "ping @octocat about #12",
    ],
)
def test_markdown_of_a_server_becomes_no_link_image_or_mention(text: str) -> None:
    (row,) = [line for line in to_markdown([table(text)]).splitlines() if line.startswith("| ") and "| 1 |" in line]
    cell = row.split(" | ")[0]
    assert not re.search(r"\][(\[:]", cell)
    assert not re.search(r"(?i)https?://|www\.|<(?!!-- -->)|(?<!\\)[`*~]|(?<![\w&])[@#]\w", cell)


def test_source_addresses_of_price_files_stay_links_and_intervals_stay_readable() -> None:
    columns = (Column(name="source", kind="link"), Column(name="score"))
    made = to_markdown([Table(name="t", title="", columns=columns, rows=[("https://x.example/p", "93.6 [88-97]")])])
    assert "| https://x.example/p | 93.6 [88-97] |" in made


@pytest.mark.parametrize(
    "text", ["=1+1", "\n=1+1", "\r=1", "\t=1", "＝1+1", "＠SUM(A1)", " =1", "\u200b=1", "-2+3", "−1"]
)
def test_a_cell_that_a_spreadsheet_would_run_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["plain", "a=b", "2 + 3", "<think>", "「=」"])
def test_ordinary_cells_are_not_guarded(text: str) -> None:
    assert guarded(text) == text


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "\r", "a,b\r=1+1", 'quo"te\r'])
def test_a_bare_carriage_return_stays_inside_its_cell(text: str) -> None:
    out = io.StringIO(newline="")
    write_csv(Table(name="t", title="", columns=(Column(name="a"), Column(name="b")), rows=[(text, "x")]), out)
    header, row = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert (header, row) == (["a", "b"], [guarded(text), "x"])
    assert re.search(r"[^\r]\n\Z", out.getvalue())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_charts_with_control_characters_in_a_name_are_written(text: str, tmp_path: Path) -> None:
    series = Series(name=text, role="reasoning", values=(1.0,))
    chart = Bars(
        name="cost", title=text, unit="usd", categories=(text,), series=(series,), totals=("$1",), description=text
    )
    assert write_charts([chart], tmp_path) == 1
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_every_command_speaks_through_one_door() -> None:
    import harness.cli

    folder = Path(harness.cli.__file__).parent
    raw = {path.name for path in folder.rglob("*.py") if re.search(r"typer\.echo\(|(?<!\w)print\(", path.read_text())}
    assert raw == {"output.py"}


@pytest.mark.parametrize(
    ("usd", "said"),
    [("0", "$0.00"), ("0.0009041", "$0.000904"), ("0.00000001", "$0.00000001"), ("1234.5", "$1,234.50")],
)
def test_what_was_spent_is_never_written_as_nothing(usd: str, said: str) -> None:
    assert readable(Decimal(usd), Column(name="spent_usd", kind="usd")) == said
