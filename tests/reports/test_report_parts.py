"""A part of a report, and an output format, are added in one place and are then everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.documents.chart import Bars, Series
from harness.documents.document import Document
from harness.documents.stream import RowStream
from harness.documents.table import Column, Sentences, Table
from harness.nightly.night_result import Night
from harness.nightly.outputs import night_document
from harness.rendering.formats import EVERY_FORM, FORMATS, PEOPLE, Format, text_formats
from harness.reports import REPORTS, ReportPart
from harness.reports.report_parts import Piece, Shown
from harness.runner import RunResult
from tests.support.plugged import plugged
from tests.support.spend_cases import report

COLUMNS = (Column(name="model"), Column(name="wasted", kind="usd"))


def waste(shown: Shown) -> Table:
    rows = [(row.facts.model, row.facts.solve.wasted_usd) for row in shown.report.rows]
    return Table(name="waste", title="Money down the drain", columns=COLUMNS, rows=rows)


WASTE = ReportPart(
    name="waste", make=waste, on={"terminal", "markdown", "page", "page details", "json", "export", "night"}
)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    asked(tmp_path, "run", "starter", "-m", "sim/reasoner", "-m", "sim/direct", "--limit", "4", "--run-id", "first")
    return tmp_path


def asked(folder: Path, *words: str) -> str:
    made: Any = CliRunner().invoke(app, [*words, "--db", str(folder / "ledger.db")])
    assert made.exit_code == 0, made.output
    return str(made.stdout)


def exported(folder: Path, table: str, name: str) -> str:
    asked(folder, "export", table, "-o", str(folder / name))
    return (folder / name).read_text(encoding="utf-8")


def test_a_part_that_is_added_in_one_place_is_in_every_output(stored: Path) -> None:
    with plugged(REPORTS, "waste", WASTE):
        for form in ("table", "md", "html"):
            assert "Money down the drain" in asked(stored, "report", "--format", form)
        rows = json.loads(asked(stored, "report", "--json"))["tables"]["waste"]
        assert [row["model"] for row in rows] == ["reasoner", "direct"]
        assert exported(stored, "waste", "waste.csv").startswith("model,wasted\nreasoner,")
        assert "Money down the drain" in asked(stored, "score", "first")
    assert "Money down the drain" not in asked(stored, "report")
    assert "tables" not in json.loads(asked(stored, "report", "--json"))


def test_a_part_that_is_added_is_on_the_page_and_in_the_summary_of_a_night() -> None:
    result = RunResult(run_id="n", status="complete", models=(), warnings=(), exit_code=0, resume_command=None)
    night = Night(name="job", result=result, report=report(), base=None, comparison=None, budgets=(),
                  verdict="no baseline", exit_code=0)  # fmt: skip
    with plugged(REPORTS, "waste", WASTE):
        for form in ("md", "html", "json"):
            write = FORMATS[form].text
            assert write is not None
            assert "waste" in write(night_document(night)) or "Money down the drain" in write(night_document(night))


def test_a_part_may_be_sentences_and_charts_as_well() -> None:
    chart = Bars(name="drain", title="Drain", unit="usd", categories=("a",), totals=("$1",), description="Drain",
                 series=(Series(name="wasted", role="fees", values=(1.0,)),))  # fmt: skip

    def make(_: Shown) -> Iterator[Piece]:
        yield Sentences(title="Waste", lines=("nothing was wasted",))
        yield chart

    with plugged(REPORTS, "waste", ReportPart(name="waste", make=make, on={"page"})):
        from harness.reports.spend.spend_page import report_page

        page = report_page(report())
    assert page.verdict[-1] == "nothing was wasted"
    assert page.charts[-1] == chart


def test_totals_close_the_tables_of_a_terminal_whatever_is_added() -> None:
    from harness.reports.spend.spend_page import spend_document

    with plugged(REPORTS, "waste", WASTE):
        titles = [each.title for each in spend_document(report()).terminal(None)]
    assert titles[-2:] == ["Money down the drain", "Totals"]


@pytest.mark.parametrize("part", REPORTS.values(), ids=lambda part: part.name)
def test_every_part_makes_rows_of_its_columns(part: ReportPart) -> None:
    for piece in part.pieces(Shown(report=report())):
        if isinstance(piece, Table):
            assert piece.name == part.name
            assert all(len(row) == len(piece.columns) for row in piece.rows)


def _shouted(document: Document) -> str:
    return "\n".join(f"{each.title.upper()}!" for each in document.terminal(None))


def _tabs(rows: RowStream, output: Path) -> int:
    batches = list(rows.batches)
    output.write_text("\t".join(column.name for column in rows.columns), encoding="utf-8")
    return sum(len(batch[0]) for batch in batches)


def test_a_format_for_people_that_is_added_in_one_place_is_in_every_command(stored: Path) -> None:
    with plugged(FORMATS, "loud", Format(form="terminal", endings=(".loud",), text=_shouted)):
        assert "TOTALS!" in asked(stored, "report", "--format", "loud")
        assert "SCORES BEFORE AND AFTER!\n" in asked(stored, "score", "first", "--format", "loud")
        assert asked(stored, "compare", "first", "first", "--format", "loud").startswith("FIRST")
        asked(stored, "report", "-o", str(stored / "a.loud"))
        assert "TOTALS!" in (stored / "a.loud").read_text(encoding="utf-8")


def test_a_format_for_programs_that_is_added_in_one_place_is_in_report_and_export(stored: Path) -> None:
    with plugged(FORMATS, "tsv", Format(form="rows", endings=(".tsv",), file=_tabs)):
        asked(stored, "report", "-o", str(stored / "report.tsv"))
        assert (stored / "report.tsv").read_text(encoding="utf-8").startswith("suite\tsuite_version\tprovider")
        assert exported(stored, "scores", "scores.tsv").startswith("score_id\trun_id\t")


@pytest.mark.parametrize("command", ["report", "compare", "score"])
def test_help_lists_the_formats_of_a_command(command: str) -> None:
    words = re.sub(r"\s+", " ", CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output)
    offered = text_formats(EVERY_FORM if command == "report" else PEOPLE)
    assert f"{', '.join(offered[:-1])} or {offered[-1]}." in words
