"""The page of two runs, or two models, compared: differences with intervals, what moved the cost, who changed sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.documents.table import Column, Table
from harness.rendering.export_files import stream_of
from harness.reports.compare.comparison import Comparison, Verdict, comparison_table
from harness.reports.compare.run_comparison import compare_models, compare_runs
from harness.reports.compare.run_differences import run_differences
from harness.reports.compare.typed_comparison import comparison_rows, moves_table
from harness.view.answers.changed_sides import Changed, changed_sides, compared_cells, direction_words
from harness.view.answers.kept_comparisons import kept_comparison
from harness.view.answers.run_indexes import NotYet
from harness.view.answers.sample_choice import model_name
from harness.view.charts.comparison_charts import comparison_charts
from harness.view.compare_choice import SAMPLES, CompareChoice, chosen_runs, chosen_thresholds, compare_choice
from harness.view.page_values import Asked, Grid, Shown

MOST_OFFERED = 200
"""Runs that the form offers; any other can be typed."""
_MARKS: dict[Verdict, str] = {"pass": "right", "regression": "wrong", "inconclusive": "none", "not asked": "none"}
_SIDES = (
    Column(name="suite"),
    Column(name="model"),
    Column(name="direction", title="before, and now"),
    Column(name="n", kind="integer", title="samples"),
    Column(name="of", kind="integer", title="of common ones"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SidesPart:
    """How many samples changed sides: a table whose rows lead to them, or how much is read by now."""

    grid: Grid | None
    warnings: Sequence[str]
    everything: str
    percent: int | None = None


def compare_page(asked: Asked) -> Shown:
    """Compare what the address chooses; without two of something it asks for them."""
    choice = compare_choice(asked)
    form = _form(asked, choice)
    if choice.missing:
        return Shown(template="compare.html.j2", title="Compare", values={**form, "made": None})
    runs = chosen_runs(asked, choice)
    if asked.one("format") and asked.one("table") == "sides":
        table = sides_table(asked, choice, is_patient=True)[0]
        return Shown(
            template="compare.html.j2", title="Compare", values={}, downloads={"sides": lambda: stream_of(table)}
        )
    made = _comparison(asked, choice)
    table, moved = comparison_table(made), moves_table(made)
    values = {
        **form,
        "made": made,
        "warnings": list(run_differences(*runs)),
        "grid": Grid(table=table, marks=[_MARKS[row.verdict] for row in made.rows]),
        "moves": Grid(table=moved),
        "charts": comparison_charts(made),
        "sides": _sides_part(asked, choice),
        "swapped": replace(choice, base=choice.head, head=choice.base, models=_swapped(choice)).address(asked.path),
    }
    return Shown(
        template="compare.html.j2",
        title=table.title,
        values=values,
        downloads={"comparison": lambda: stream_of(comparison_rows(made)),
                   "sides": lambda: stream_of(sides_table(asked, choice, is_patient=True)[0])},
    )  # fmt: skip


def _swapped(choice: CompareChoice) -> tuple[str, str] | None:
    return None if choice.models is None else (choice.models[1], choice.models[0])


def _form(asked: Asked, choice: CompareChoice) -> dict[str, Any]:
    ledger = asked.sources.ledger
    runs = ledger.runs()[::-1]
    of = {run.run_id: run for run in runs}
    models = [
        sorted({model_name(cell) for cell in ledger.cells(name)}) if name in of else []
        for name in (choice.base, choice.head or choice.base)
    ]
    given = [*asked.many("models"), "", ""]
    return {
        "choice": choice,
        "offered": [run.run_id for run in runs[:MOST_OFFERED]],
        "models_of": list(zip(("Model before", "Model now"), models, given[:2], strict=True)),
    }


def _comparison(asked: Asked, choice: CompareChoice) -> Comparison:
    ledger, book, thresholds = asked.sources.ledger, asked.sources.book, chosen_thresholds(asked)
    runs = (choice.base, choice.head)

    def make() -> Comparison:
        if choice.models is None:
            return compare_runs(ledger, book, *runs, thresholds)
        return compare_models(ledger, book, runs, choice.models, thresholds)

    return kept_comparison(asked.sources, runs, (choice.models, thresholds), make)


def sides_table(asked: Asked, choice: CompareChoice, *, is_patient: bool) -> tuple[Table, list[str], list[str]]:
    """Count samples that changed sides, by direction; with what leads to those of each row, and warnings.

    Raises:
        NotYet: the samples of a run are still being read.
    """
    runs = (choice.base, choice.head)
    found = changed_sides(
        asked.sources, runs, compared_cells(asked.sources.ledger, runs, choice.models), is_patient=is_patient
    )
    rows, links = [], []
    for one in found:
        base, head = one.cells
        for key, count in one.directions().items():
            rows.append((base.suite, pair_name(one), direction_words(key), count, one.n_common))
            links.append(choice.address(SAMPLES, suite=base.suite, model=model_name(head), direction=key))
    warnings = [
        f"different data: {one.n_other_text:,} of {one.n_common:,} common samples of {pair_name(one)} have another text"
        " or reference"
        for one in found
        if one.n_other_text
    ]
    table = Table(name="sides", title="Samples that changed sides", columns=_SIDES, rows=rows)
    return table, links, warnings


def pair_name(one: Changed) -> str:
    """Name what is compared: the model, or both where they differ."""
    base, head = map(model_name, one.cells)
    return head if base == head else f"{base}, now {head}"


def _sides_part(asked: Asked, choice: CompareChoice) -> SidesPart:
    everything = choice.address(SAMPLES)
    try:
        table, links, warnings = sides_table(asked, choice, is_patient=False)
    except NotYet as error:
        return SidesPart(grid=None, warnings=(), everything=everything, percent=error.percent)
    return SidesPart(grid=Grid(table=table, links={"direction": links}), warnings=warnings, everything=everything)
