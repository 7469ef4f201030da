"""A suite of several tasks shows each of them, with its weight, beside the others' scores."""

from __future__ import annotations

from dataclasses import replace

from harness.reports.facts.report_facts import CellFacts
from harness.reports.spend.report import report_object
from harness.reports.spend.task_table import task_score_tables, tasks_table
from tests.support.spend_cases import direct, outcomes, reasoner, report


def split(cell: CellFacts, weights: tuple[float | None, float | None] = (None, None)) -> CellFacts:
    tasks = [
        replace(outcomes([1] * 8 + [0] * 2, cost_usd=1.0), task="sums", weight=weights[0]),
        replace(outcomes([1] * 3 + [0] * 7, cost_usd=2.0), task="words", weight=weights[1]),
    ]
    return replace(cell, tasks=tasks)


def test_each_task_has_its_line_with_the_models_side_by_side() -> None:
    (table,) = task_score_tables(report(split(reasoner()), split(direct())))
    assert [column.name for column in table.columns] == ["task", "n_samples", "score_0", "score_1"]
    assert [row[:2] for row in table.rows] == [("sums", "10"), ("words", "10")]
    assert table.rows[0][2].startswith("80.0 [")
    assert table.rows[1][3].startswith("30.0 [")


def test_weights_are_shown_where_a_suite_has_them() -> None:
    (table,) = task_score_tables(report(split(reasoner(), (0.75, 0.25))))
    assert [row[1] for row in table.rows] == ["0.75", "0.25"]


def test_a_suite_of_one_task_has_no_task_table() -> None:
    assert list(task_score_tables(report())) == []
    assert tasks_table(report()).rows == []


def test_models_that_do_not_fit_go_into_further_tables() -> None:
    assert len(list(task_score_tables(report(split(reasoner()), split(direct())), width=60))) == 2


def test_the_json_report_lists_the_tasks_of_a_row() -> None:
    (row,) = report_object(report(split(direct())))["rows"]
    assert [(task["task"], task["n_samples"], task["score"]) for task in row["tasks"]] == [
        ("sums", 10, 0.8),
        ("words", 10, 0.3),
    ]


def test_the_number_of_samples_is_each_models_own_and_not_the_last_ones() -> None:
    few = replace(reasoner(), tasks=[replace(outcomes([1] * size, cost_usd=1.0), task=name)
                                     for name, size in (("sums", 3), ("words", 10))])  # fmt: skip
    (table,) = task_score_tables(report(few, split(direct())))
    assert [column.name for column in table.columns] == ["task", "score_0", "score_1"]
    assert [cell.rpartition(" /")[2] for row in table.rows for cell in row[1:]] == ["3", "10", "10", "10"]
    assert "how many samples" in table.notes[0]
