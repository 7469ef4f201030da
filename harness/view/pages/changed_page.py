"""The page of samples that changed sides between two runs or models, each openable on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.documents.stream import RowStream
from harness.documents.table import Column, Table
from harness.ledger import Ledger
from harness.ledger.reading.viewed.paired_plans import planned_names
from harness.view.answers.changed_sides import (
    KEYS,
    SIDES,
    Changed,
    changed_sides,
    compared_cells,
    direction_words,
)
from harness.view.answers.run_indexes import NotYet
from harness.view.answers.sample_choice import model_name
from harness.view.compare_choice import CompareChoice, chosen_runs, compare_choice
from harness.view.page_addresses import COMPARE, sample_address
from harness.view.page_values import Asked, Grid, NotThere, Shown
from harness.view.pages.compare_page import pair_name
from harness.view.pages.samples_page import being_read
from harness.view.paging import paging

_COLUMNS = (
    Column(name="sample", whole=True),
    Column(name="before"),
    Column(name="now"),
    Column(name="task"),
    Column(name="model"),
    Column(name="suite"),
    Column(name="repeat", kind="integer", description="Repeat of the sample, from 0."),
)
_AT_A_TIME = 5_000


class Side(NamedTuple):
    """A changed sample: places of its names and sides, and where it is looked at on either side."""

    pair: Changed
    base_planned: int
    head_planned: int
    before: int
    now: int


def changed_page(asked: Asked) -> Shown:
    """List changed samples: `?direction=right-wrong`, `?task=`, `?suite=` and `?model=` (of now) choose some."""
    choice = compare_choice(asked)
    if choice.missing:
        raise NotThere(choice.missing, where=asked.path, fix=f"start at {COMPARE}")
    chosen_runs(asked, choice)
    runs = (choice.base, choice.head)
    pairs = compared_cells(asked.sources.ledger, runs, choice.models)
    try:
        found = changed_sides(asked.sources, runs, pairs, is_patient=bool(asked.one("format")))
    except NotYet as error:
        return being_read(choice.head, "Samples that changed sides", error)
    sides = list(_chosen(asked, found))
    pages = paging(asked, len(sides))
    return Shown(
        template="changed.html.j2",
        title="Samples that changed sides",
        values={
            "choice": choice,
            "back": choice.address(COMPARE),
            "grid": _grid(asked, choice, sides[pages.rows]),
            "pages": pages,
            "options": _options(found),
        },
        downloads={"changed": lambda: _stream(asked.sources.ledger, sides)},
    )


def _chosen(asked: Asked, found: Sequence[Changed]) -> Iterator[Side]:
    for one in found:
        head = one.cells[1]
        if asked.one("suite") not in ("", head.suite) or asked.one("model") not in ("", model_name(head)):
            continue
        for at in np.flatnonzero(one.chosen(asked.one("direction"), asked.one("task"))).tolist():
            yield Side(one, int(one.base_planned[at]), int(one.head_planned[at]), int(one.before[at]), int(one.now[at]))


def _rows(ledger: Ledger, sides: Sequence[Side]) -> list[tuple[Any, ...]]:
    names = planned_names(ledger, [one.base_planned for one in sides])
    rows = []
    for one in sides:
        name = names[one.base_planned]
        said = (SIDES[one.before], SIDES[one.now])
        rows.append((name.sample_id, *said, name.task, pair_name(one.pair), name.suite, name.epoch))
    return rows


def _grid(asked: Asked, choice: CompareChoice, sides: Sequence[Side]) -> Grid:
    rows = _rows(asked.sources.ledger, sides)
    table = Table(name="changed", title="Samples that changed sides", columns=_COLUMNS, rows=rows)
    before = [sample_address(choice.base, one.pair.cells[0].cell_id or 0, one.base_planned) for one in sides]
    now = [sample_address(choice.head, one.pair.cells[1].cell_id or 0, one.head_planned) for one in sides]
    marks = ["right" if one.now > one.before else "wrong" for one in sides]
    return Grid(table=table, links={"before": before, "now": now}, marks=marks)


def _stream(ledger: Ledger, sides: Sequence[Side]) -> RowStream:
    def batches() -> Iterator[Sequence[Sequence[Any]]]:
        for start in range(0, len(sides), _AT_A_TIME):
            yield list(zip(*_rows(ledger, sides[start : start + _AT_A_TIME]), strict=True))

    return RowStream(name="changed", columns=_COLUMNS, batches=batches())


def _options(found: Sequence[Changed]) -> dict[str, dict[str, str]]:
    """What the filters offer: value and words of each, by name."""
    directions = {key: direction_words(key) for one in found for key in one.directions()}
    suites = dict.fromkeys(one.cells[1].suite for one in found)
    tasks = {task: task for one in found for task in _tasks(one)}
    return {
        "suite": {suite: suite for suite in suites} if len(suites) > 1 else {},
        "model": {model_name(one.cells[1]): pair_name(one) for one in found},
        "direction": dict(
            sorted(directions.items(), key=lambda entry: [KEYS.index(k) for k in entry[0].split("-")][::-1])
        ),
        "task": tasks,
    }


def _tasks(one: Changed) -> list[str]:
    return [one.tasks[place] for place in np.unique(one.task).tolist()]
