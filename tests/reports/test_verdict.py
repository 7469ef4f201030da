"""Whether reasoning was worth it is said in words, on the samples that both rows have, or why it cannot be said."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from harness.documents.chart import Scatter
from harness.rendering.json_text import to_json
from harness.reports.compare.pairs import (
    MOST_BASES,
    all_pairs,
    by_cost_per_task,
    on_common_samples,
    pair,
    reasoning_pairs,
)
from harness.reports.compare.verdict import ladder_table, pairs_table, verdict
from harness.reports.facts.report_facts import CellFacts, CostSums, Spend, TaskOutcomes
from harness.reports.report_parts import report_document
from harness.reports.spend.notes import notes
from harness.reports.spend.report import SpendReport, make_row
from harness.reports.spend.spend_charts import report_charts
from harness.reports.spend.spend_page import report_page
from tests.support.spend_cases import direct, outcomes, reasoner, report, unpriced


def cell(correct: list[int], usd_per_task: float, **changes: object) -> CellFacts:
    """A reasoning model whose every sample costs the same; a longer list begins with the samples of a shorter."""
    n = len(correct)
    task = replace(outcomes(correct, cost_usd=1.0), costs_usd=[usd_per_task] * n, output_tokens=[100] * n)
    total = Decimal(str(usd_per_task)) * n
    solve = Spend(n_attempts=n, n_priced_attempts=n, cost=CostSums(output=total, charged=total))
    return replace(reasoner(), solve=solve, tasks=(task,), setting=None, **changes)  # type: ignore[arg-type]


def plain_model(correct: list[int], usd_per_task: float) -> CellFacts:
    return cell(correct, usd_per_task, model="gpt-4o", reasoning=False)


HALF, MOST = [1, 0] * 50, [1] * 90 + [0] * 10


def test_the_verdict_names_cost_and_score_with_their_intervals() -> None:
    (told,) = verdict(report(cell(MOST, 0.71), plain_model(HALF, 0.01)))
    assert told.startswith(
        "openai/o1 costs 71x [71-71] of openai/gpt-4o, $0.710 against $0.0100 a task, and scores +40.0 ["
    )
    assert told.endswith("points (100 common samples)")


def test_a_difference_that_covers_zero_is_not_called_better() -> None:
    (told,) = verdict(report(cell([1, 1, 0, 1] * 5, 0.2), plain_model([1, 0, 1, 1] * 5, 0.1)))
    assert "; the score difference is not resolved: +0.0 [" in told


def test_a_model_that_scores_less_for_more_is_told_with_but() -> None:
    (told,) = verdict(report(cell(HALF, 0.2), plain_model(MOST, 0.1)))
    assert ", but scores -40.0 [" in told


def test_a_run_that_a_budget_stopped_is_compared_on_the_common_samples() -> None:
    whole, stopped = plain_model(MOST + HALF, 0.01), cell([1] * 50, 0.10)
    (found,) = reasoning_pairs(report(whole, stopped).rows)
    assert found.n_common == 50
    assert list(found.usd_per_task) == pytest.approx([0.01, 0.10])
    assert found.cost_ratio.value == pytest.approx(10.0)
    (told,) = verdict(report(whole, stopped))
    assert told.endswith("(50 common samples of 50 and 200)")
    assert any(
        "some rows have samples that the other lacks" in note for note in pairs_table(report(whole, stopped)).notes
    )


def test_ladders_go_by_cost_per_task_and_not_by_totals_of_unequal_counts() -> None:
    """230 answers of the default cost more in total than 30 of @high, and less for each."""
    default, high = cell([1] * 200, 0.0145), replace(cell([1] * 30, 0.0264), setting="high")
    made = report(default, high)
    assert [row.facts.setting for row in by_cost_per_task(made.rows)] == [None, "high"]
    (step,) = ladder_table(made).rows
    assert step[2] == "default to high"
    assert step[3] == "+$0.357"  # 30 x (0.0264 - 0.0145)


def test_charts_place_rows_by_cost_per_task_on_common_samples() -> None:
    made = report(plain_model(MOST + HALF, 0.01), cell([1] * 50, 0.10))
    chart = next(chart for chart in report_charts(made) if chart.name.startswith("score-against-cost"))
    assert isinstance(chart, Scatter)
    assert chart.title == "Score against cost per task (on 50 common samples)"
    assert sorted(point.x for point in chart.points) == [pytest.approx(0.01), pytest.approx(0.10)]
    assert {point.y for point in chart.points} == {100.0}
    assert "nothing scores more for less than: openai/gpt-4o" in chart.description


def test_rows_without_common_samples_get_no_front() -> None:
    other = cell(MOST, 0.1)
    moved = replace(other, tasks=[replace(other.tasks[0], sample_ids=[f"z{n}" for n in range(100)])])
    made = report(plain_model(HALF, 0.01), moved)
    chart = next(chart for chart in report_charts(made) if chart.name.startswith("score-against-cost"))
    assert isinstance(chart, Scatter)
    assert (chart.front, chart.hull) == ((), ())
    assert "different samples" in chart.title
    (told,) = verdict(made)
    assert "not compared (no sample is in both rows (other data, seed or limit))" in told


def test_unpriced_rows_are_not_compared_as_if_they_cost_nothing() -> None:
    low, high = replace(unpriced(), reasoning=True, setting="low"), replace(unpriced(), reasoning=True, setting="high")
    unknown = [replace(one, tasks=[replace(one.tasks[0], costs_usd=[None] * 200)]) for one in (low, high)]
    (step,) = ladder_table(report(*unknown)).rows
    assert step[3] == "–"
    (told,) = verdict(report(*unknown))
    assert "cost not compared (the bill of acme/mystery-9@" in told
    assert "$0.00" not in told


def test_a_lower_bound_makes_the_ratio_a_bound() -> None:
    part = plain_model(HALF, 0.01)
    bounded = replace(part, solve=replace(part.solve, n_unknown_usage=1))
    assert "costs at most 71x" in verdict(report(cell(MOST, 0.71), bounded))[0]


def test_reused_answers_do_not_make_a_model_look_cheap() -> None:
    once = cell(MOST, 0.71)
    reused = replace(once, solve=replace(once.solve, n_reused=50))
    (told,) = verdict(report(reused, plain_model(HALF, 0.01)))
    assert "cost not compared (answers of openai/o1 were reused from earlier runs and billed there)" in told


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ([reasoner()], "nothing to compare: only one row"),
        ([direct(), unpriced()], "nothing to compare: there are only models that do not reason"),
        ([reasoner(), replace(reasoner(), model="o3")], "nothing to compare: there are only reasoning models"),
        ([reasoner(), replace(direct(), suite="other")], "nothing to compare: every suite has one row only"),
    ],
)
def test_when_nothing_can_be_compared_it_says_why(cells: list[CellFacts], why: str) -> None:
    (told,) = verdict(report(*cells))
    assert told.startswith(why)


def test_many_pairs_are_cut_to_the_best_and_the_rest_is_counted() -> None:
    many = [cell([1] * (50 + n) + [0] * (50 - n), 0.1, model=f"r{n}") for n in range(6)]
    told = verdict(report(*many, plain_model(HALF, 0.01), replace(plain_model(MOST, 0.02), model="best")))
    assert len(told) == 4
    assert all("of openai/best" in one for one in told[:3])
    assert told[3] == "9 more pairs in the tables of pairs and effort"
    crowd = [cell(MOST, 0.1, model=f"r{n}") for n in range(MOST_BASES)]
    pairs = reasoning_pairs(report(*crowd, plain_model(HALF, 0.01), replace(plain_model(MOST, 0.02), model="b")).rows)
    assert len(pairs) == 2 * MOST_BASES


def test_the_document_has_the_verdict_and_its_pairs_and_every_earlier_key() -> None:
    made = report(cell(MOST, 0.71), plain_model(HALF, 0.01))
    document = json.loads(to_json(report_document(made)))
    assert document["verdict"] == list(verdict(made))
    (found,) = document["pairs"]
    assert (found["kind"], found["outcome"], found["n_common_samples"]) == ("reasoning", "better", 100)
    assert Decimal(found["head_cost_per_task_usd"]) == Decimal("0.71")
    assert found["cost_ratio"]["value"] == pytest.approx(71.0)
    assert {"as_of", "what_if", "price_book_sha256", "runs", "rows", "groups", "warnings"} <= set(document)


def test_the_page_says_the_verdict_first() -> None:
    page = report_page(report(cell(MOST, 0.71), plain_model(HALF, 0.01)))
    assert page.verdict[0].startswith("openai/o1 costs 71x")


def test_pairing_matches_samples_in_any_order() -> None:
    left, right = make_row(cell([1, 0, 1], 0.1)), cell([1, 0, 0], 0.3)
    task = right.tasks[0]
    turned = TaskOutcomes(
        task=task.task, weight=None, sample_ids=["q2", "q9", "q0"], score_sums=[0.0, 1.0, 1.0], score_counts=[1, 1, 0],
        n_solves=[1, 2, 1], inclusion_probabilities=[1.0] * 3, costs_usd=[0.3, 0.3, None], output_tokens=[5, 5, 5],
    )  # fmt: skip
    found = pair(left, make_row(replace(right, tasks=[turned])))
    assert found.n_common == 2
    assert found.scores == ([1.0], [0.0])  # q0 is not scored on the right
    assert found.costs == ([0.1], [0.3])  # nor is its cost known


def test_few_common_samples_of_many_are_no_common_ground() -> None:
    rows = [make_row(cell([1] * 100, 0.1)), make_row(cell([1] * 5, 0.1))]
    shared = on_common_samples(rows)
    assert shared is not None
    assert shared.n_samples == 5
    ids = [f"q{n}" for n in range(95, 195)]
    moved = make_row(replace(cell([1] * 100, 0.1), tasks=[replace(cell([1] * 100, 0.1).tasks[0], sample_ids=ids)]))
    assert on_common_samples([rows[0], moved]) is None


def test_one_bullet_per_kind_names_its_rows() -> None:
    low = replace(direct(), setting="low")
    found = [note for note in notes(report(direct(), low)) if "hold no answer" in note or "without an answer" in note]
    assert found == [
        "replies without an answer count as wrong: direct (simulated), starter: 2 of 200 (2 truncated); "
        "direct@low (simulated), starter: 2 of 200 (2 truncated)"
    ]


def test_scores_weighted_by_size_are_said_to_be() -> None:
    parts = [
        replace(outcomes([1] * 10, cost_usd=1.0), task=name, inclusion_probabilities=[probability] * 10)
        for name, probability in (("a", 0.5), ("b", 0.1))
    ]
    assert any("weighted by size" in note for note in notes(report(replace(reasoner(), tasks=parts))))
    even = [replace(part, inclusion_probabilities=[1.0] * 10) for part in parts]
    assert not any("weighted by size" in note for note in notes(report(replace(reasoner(), tasks=even))))


def test_every_suite_has_its_own_pairs() -> None:
    made: SpendReport = report(cell(MOST, 0.71), plain_model(HALF, 0.01), replace(cell(MOST, 0.5), suite="zeta"))
    assert {suite: len(pairs) for suite, pairs in all_pairs(made).items()} == {"starter 1": 1, "zeta 1": 0}
    assert verdict(made)[0].startswith("starter 1: openai/o1 costs 71x")
