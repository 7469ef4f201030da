"""Tables on narrow terminals: what does not fit is left out and named; numbers, ids and settings stay whole."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime

import pytest

from harness.documents.table import Column, Table
from harness.models import ModelSpec
from harness.rendering.console import output_width, print_table
from harness.rendering.narrow import fit
from harness.rendering.progress import ProgressDisplay
from harness.rendering.short_names import middle_out, short_name, short_names
from harness.reports.spend.spend_tables import summary_table, totals_table
from tests.support.spend_cases import direct, reasoner, report, unpriced

LONG = ("openai-compatible/sim-reasoner@low", "openai-compatible/sim-reasoner@high", "openai-compatible/sim-direct")


def printed(table: Table, width: int | None) -> str:
    out = io.StringIO()
    print_table(table, file=out, width=width)
    return out.getvalue()


def models(names: tuple[str, ...] = LONG) -> Table:
    columns = (
        Column(name="model"),
        Column(name="score", kind="decimal", title="score %"),
        Column(name="tokens", kind="integer", title="tok out", drops=2),
        Column(name="cost", kind="usd", title="cost"),
        Column(name="per_task", kind="usd", title="$/task", drops=1),
    )
    rows = [(name, "79.5 [73-85]", 848_000 + at, "$0.0316", "$0.000225") for at, name in enumerate(names)]
    return Table(name="models", title="Models", columns=columns, rows=rows)


@pytest.mark.parametrize("width", [40, 48, 60, 72, 80, 100])
def test_numbers_are_not_cut_at_any_width(width: int) -> None:
    text = printed(models(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "$0.0316" in text
    assert len(re.findall(r"79\.5 \[73-85\]", text)) == 3
    for number in ("848,000", "$0.000225"):
        heading = "tok out" if "," in number else "$/task"
        assert (number in text) != (heading in text.partition("not shown")[2].replace("\n", " "))


def test_columns_that_do_not_fit_are_named() -> None:
    text = " ".join(printed(models(), 50).split())
    assert "* not shown at 50 columns: tok out, $/task (a wider terminal, a pipe or --json has them)" in text
    assert "not shown" not in printed(models(), 200)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_setting_of_a_model_is_not_cut_off(width: int) -> None:
    text = printed(models(), width)
    assert len([line for line in text.splitlines() if "@low " in line]) == 1
    assert len([line for line in text.splitlines() if "@high " in line]) == 1


def test_the_report_of_long_names_is_whole_at_80_columns() -> None:
    text = printed(summary_table(report(reasoner(), direct(), unpriced())), 80)
    assert max(map(len, text.splitlines())) <= 80
    for value in ("openai/o1@high", "direct (simulated)", "80.0 [74-85]", "$652.50", ">= $0.500", "unpriced", "$4.08"):
        assert value in text


def test_totals_keep_the_names_of_their_groups_at_60_columns() -> None:
    text = printed(totals_table(report()), 60)
    assert max(map(len, text.splitlines())) <= 60
    assert "reasoning models" in text
    assert ">= $0.500" in text


def test_a_pipe_gets_every_column_and_one_line_per_row() -> None:
    names = tuple(f"openai-compatible/a-model-with-a-very-long-name-of-its-own-2025-04-16-{n}@high" for n in range(3))
    lines = printed(models(names), None).splitlines()
    for name in names:
        (line,) = [line for line in lines if name in line]
        assert line.endswith("$0.000225")


def test_ids_are_not_broken_over_lines() -> None:
    columns = (Column(name="run", whole=True), Column(name="models", drops=1), Column(name="budget", kind="usd"))
    run = "20261127T205425-starter-1838"
    table = Table(name="runs", title="Runs", columns=columns, rows=[(run, "a/b, " * 20, None)])
    for width in (40, 60, 80):
        assert run in printed(table, width)


def test_instants_are_not_broken_over_lines() -> None:
    columns = (Column(name="models"), Column(name="started", kind="timestamp"))
    table = Table(
        name="runs", title="", columns=columns, rows=[("a/b, " * 20, datetime(2026, 11, 27, 20, 54, tzinfo=UTC))]
    )
    assert "2026-11-27 20:54" in printed(table, 40)


def test_tables_without_an_order_lose_columns_from_the_right_and_keep_the_first() -> None:
    columns = (Column(name="model"), *(Column(name=f"n{at}", kind="integer") for at in range(12)))
    table = Table(name="t", title="", columns=columns, rows=[("a", *(10**6,) * 12)])
    fitted = fit(table, 40)
    assert [column.heading for column in fitted.columns] == ["model", "n0", "n1", "n2"]
    assert fitted.dropped == tuple(f"n{at}" for at in range(3, 12))


def test_a_column_without_values_leaves_first() -> None:
    columns = (Column(name="a"), Column(name="b", kind="usd", drops=1), Column(name="c", kind="integer", drops=2))
    table = Table(name="t", title="", columns=columns, rows=[("x" * 20, None, 1_000_000_000)])
    assert fit(table, 36).dropped == ("b",)


def test_a_word_wider_than_the_terminal_folds_and_loses_nothing() -> None:
    table = Table(name="t", title="", columns=(Column(name="a", whole=True),), rows=[("x" * 50,)])
    assert sum(line.count("x") for line in printed(table, 20).splitlines()) == 50


@pytest.mark.parametrize("variable", ["52", "200"])
def test_the_width_asked_for_by_columns_is_used(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("COLUMNS", variable)
    assert output_width(io.StringIO()) == int(variable)


@pytest.mark.parametrize("variable", ["", "0", "wide"])
def test_a_pipe_without_columns_has_no_width(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("COLUMNS", variable)
    assert output_width(io.StringIO()) is None


def test_providers_go_first_then_the_middle_and_never_the_setting() -> None:
    assert short_name("openai-compatible/sim-reasoner@low", 20) == "…/sim-reasoner@low"
    assert short_name("anthropic/claude-3-7-sonnet-20250219@thinking=16000", 32) == "claude-3…20250219@thinking=16000"
    assert short_name("reasoner@high (simulated)", 25) == "reasoner@high (simulated)"
    assert middle_out("abcdefghij", 5) == "ab…ij"


@pytest.mark.parametrize("width", [12, 16, 20, 24])
def test_different_models_do_not_become_one_name(width: int) -> None:
    names = ["openai/gpt-4o-mini", "azure-east/gpt-4o-mini", "openai/gpt-4o-mini@high"]
    made = short_names(names, width)
    assert len(set(made)) == 3
    assert all(len(name) <= max(width, 12) for name in made)


def test_live_progress_tells_settings_apart_at_60_columns() -> None:
    specs = [
        ModelSpec(provider="openai-compatible", model="sim-reasoner", setting=setting)
        for setting in ("low", None, "high")
    ]
    display = ProgressDisplay(dict.fromkeys(specs, 200), stream=io.StringIO())
    fitted = fit(display.table(), 60)
    assert len(set(fitted.columns[0].texts)) == 3
    assert fitted.columns[0].texts[0].endswith("@low")
    assert {"model", "done", "USD"} <= {column.heading for column in fitted.columns}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_live_progress_draws_on_a_terminal_of_60_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    specs = [
        ModelSpec(provider="openai-compatible", model="sim-reasoner", setting=setting) for setting in ("low", "high")
    ]
    with ProgressDisplay(dict.fromkeys(specs, 200), stream=stream) as display:
        display.sample_finished(specs[0], failed=False)
    drawn = stream.getvalue()
    assert "@low" in drawn
    assert "@high" in drawn
    assert "1/200" in drawn


def test_models_in_a_list_keep_their_settings_where_the_list_is_narrow() -> None:
    columns = (Column(name="run", whole=True), Column(name="models"))
    table = Table(name="runs", title="", columns=columns, rows=[("live", ", ".join(LONG))])
    text = printed(table, 30)
    assert "…/sim-reasoner@low," in text
    assert "…/sim-reasoner@high," in text
