"""`benchtab report` and `compare` write what a file's ending says, and answer every question or refuse it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import app
from harness.errors import InputError
from harness.ledger import Ledger
from harness.rendering.formats import chosen_format
from harness.reports.questions import parse_pricing
from tests.support.report_ledgers import add_run, many, open_ledger


async def stored(folder: Path) -> Ledger:
    ledger = open_ledger(folder)
    cells = {"sim/reasoner": many(60, 0.9, 900, reasoning=80), "sim/direct": many(60, 0.6, 90)}
    await add_run(ledger, "first", cells)
    return ledger


def asked(folder: Path, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--db", str(folder / "ledger.db")])


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.html", "<!doctype html>"), ("a.md", "### Was it worth it?"), ("a.json", "{"), ("a.csv", "suite,"),
     ("a.txt", "Was it worth it?")],
)  # fmt: skip
async def test_a_file_is_written_as_its_ending_says(tmp_path: Path, name: str, start: str) -> None:
    await stored(tmp_path)
    assert asked(tmp_path, "report", "-o", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


async def test_a_workbook_holds_the_columns_and_dollars_of_the_report(tmp_path: Path) -> None:
    import openpyxl

    await stored(tmp_path)
    assert asked(tmp_path, "report", "-o", str(tmp_path / "a.xlsx")).exit_code == 0
    heading, *rows = openpyxl.load_workbook(tmp_path / "a.xlsx").active.values
    rows = [dict(zip(heading, row, strict=True)) for row in rows]
    told = json.loads(asked(tmp_path, "report", "--json").stdout)["rows"]
    assert [row["model"] for row in rows] == [row["model"] for row in told]
    assert [row["cost_usd"] for row in rows] == [float(row["cost_usd"]["total"]) for row in told]


@pytest.mark.parametrize(
    ("name", "form", "what"),
    [("a.xls", None, "no format is known"), ("a.xlsx", "csv", "'a.xlsx' says xlsx"), ("a", None, "no format is known"),
     ("a.html", "md", "'a.html' says html"), ("a.json", "table", "says json"), ("a.md", "pdf", "no format 'pdf'")],
)  # fmt: skip
def test_an_ending_that_says_nothing_or_something_else_is_an_error(name: str, form: str | None, what: str) -> None:
    with pytest.raises(InputError, match=what):
        chosen_format(form, Path(name))


def test_a_text_file_may_hold_any_format_that_is_asked_for() -> None:
    assert [chosen_format(form, Path("a.txt")) for form in ("csv", "md", None)] == ["csv", "md", "table"]


async def test_every_what_if_of_a_repeated_option_counts(tmp_path: Path) -> None:
    await stored(tmp_path)

    def totals(*words: str) -> dict[str, Decimal]:
        rows = json.loads(asked(tmp_path, "report", "--json", *words).stdout)["rows"]
        return {row["model"]: Decimal(row["cost_usd"]["total"]) for row in rows}

    o1 = totals("--what-if", "model=openai/o1")
    both = totals("--what-if", "batch", "--what-if", "model=openai/o1")
    assert both == {model: usd / 2 for model, usd in o1.items()}
    mapped = totals("--what-if", "sim/reasoner=openai/o1", "--what-if", "sim/direct=openai/gpt-4o")
    assert mapped["reasoner"] == o1["reasoner"]
    assert mapped["direct"] == totals("--what-if", "model=openai/gpt-4o")["direct"]
    one = totals("--what-if", "sim/reasoner=openai/o1")
    assert (one["reasoner"], one["direct"]) == (o1["reasoner"], totals()["direct"])


@pytest.mark.parametrize(
    ("question", "what"),
    [("model=openai/o11", "similar: openai/o1"), ("sim/direct=azur/gpt-4o", "the price book knows no azur/gpt-4o"),
     ("sim/dirct=openai/o1", "name one of: sim/direct, sim/reasoner"), ("cheaper", "not a question"),
     ("model=o1", "not a question"), ("model=openai/o1,model=openai/o3", "asked about twice"),
     ("sim/direct@low=openai/o1", "not a question")],
)  # fmt: skip
async def test_a_what_if_that_cannot_be_answered_is_an_error(tmp_path: Path, question: str, what: str) -> None:
    await stored(tmp_path)
    found = asked(tmp_path, "report", "--what-if", question)
    assert found.exit_code != 0
    assert what in str(found.exception)


def test_a_question_about_one_model_leaves_the_others_as_they_were() -> None:
    pricing = parse_pricing(None, "a/b=c/d")
    assert pricing.of("a", "b").model == ("c", "d")
    assert pricing.of("x", "y").as_it_was


async def test_two_models_of_one_run_are_compared_with_both_bills(tmp_path: Path) -> None:
    await stored(tmp_path)
    found = asked(tmp_path, "compare", "first", "--models", "direct", "sim/reasoner", "--json")
    document = json.loads(found.stdout)
    (row,) = document["rows"]
    assert document["models"] == ["direct (simulated)", "reasoner (simulated)"]
    assert row["cost_ratio"]["value"] > 5
    assert Decimal(row["head_cost_usd"]) > 5 * Decimal(row["base_cost_usd"])
    assert row["n_common_samples"] == row["n_base_samples"] == row["n_head_samples"] == 60
    assert (
        "reasoner (simulated) against direct (simulated) (first)"
        in asked(tmp_path, "compare", "first", "--models", "direct", "reasoner").stdout
    )


async def test_models_that_are_not_in_the_run_are_named_with_those_that_are(tmp_path: Path) -> None:
    await stored(tmp_path)
    found = asked(tmp_path, "compare", "first", "--models", "direct", "o1")
    assert "run first has no model 'o1'" in str(found.exception)
    assert "sim/direct, sim/reasoner" in str(found.exception)
    assert "one run to compare" in str(asked(tmp_path, "compare", "first").exception)


async def test_runs_without_common_rows_say_that_nothing_compares(tmp_path: Path) -> None:
    ledger = await stored(tmp_path)
    await add_run(ledger, "other", {"sim/direct": many(10, 0.5, 90)}, suite="elsewhere")
    found = asked(tmp_path, "compare", "first", "other")
    assert found.exit_code == 5
    assert "nothing to compare: no suite and model setting is in both runs" in found.stdout
    assert "only in first: reasoner (simulated), direct (simulated)" in found.stdout
    assert "samples" not in found.stdout.splitlines()[1]


async def test_a_report_shows_how_long_answers_took(tmp_path: Path) -> None:
    await stored(tmp_path)
    (row, _) = json.loads(asked(tmp_path, "report", "--json").stdout)["rows"]
    assert row["seconds_per_task"] == 1.0  # every attempt of these ledgers takes one second
    assert row["seconds_to_first_byte"] is None
    assert "s/task" in asked(tmp_path, "report").stdout
