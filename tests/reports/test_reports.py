"""The spend report says what is known, marks what is not, and adds up exactly."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from decimal import Decimal

from harness.rendering.console import print_table
from harness.rendering.csv_text import write_csv
from harness.rendering.json_text import to_json
from harness.rendering.markdown import to_markdown
from harness.reports.facts.report_facts import CostSums, Spend, TaskOutcomes, TokenSums
from harness.reports.spend import wording
from harness.reports.spend.report import make_row, report_object, suite_score
from harness.reports.spend.spend_tables import notes, prices_table, spend_table, summary_table, totals_table
from tests.support.golden_files import assert_golden
from tests.support.spend_cases import direct, outcomes, reasoner, report, unpriced

CONTRACT = {
    "model", "provider", "setting", "reasoning", "simulated", "suite", "n_samples", "n_attempts", "n_failed_attempts",
    "n_unscored", "n_truncated", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens", "answer_tokens", "cost_usd", "cost_is_lower_bound", "n_unpriced_attempts",
    "possibly_billed_usd", "judge_cost_usd", "score", "score_ci_low", "score_ci_high", "cost_per_task_usd",
    "cost_per_correct_usd", "output_tokens_per_task",
}  # fmt: skip


def test_a_row_has_every_field_of_the_contract() -> None:
    document = json.loads(to_json(report_object(report())))
    assert set(document) >= {"as_of", "price_book_sha256", "runs", "rows", "groups"}
    assert set(document["groups"]) == {"reasoning", "non_reasoning"}
    for row in document["rows"]:
        assert set(row) >= CONTRACT
        assert set(row["cost_usd"]) == {
            "input", "cache_read", "cache_write", "reasoning", "answer", "output", "fees", "total",
        }  # fmt: skip


def test_amounts_are_exact_strings() -> None:
    row = next(row for row in report_object(report())["rows"] if row["model"] == "o1")
    assert row["cost_usd"] == {
        "input": "45",
        "cache_read": "7.5",
        "cache_write": "0",
        "reasoning": "540",
        "answer": "60",
        "output": "600",
        "fees": "0",
        "total": "652.5",
    }
    assert row["cost_per_task_usd"] == "3.2625"  # 652.5 / 200
    assert row["cost_per_correct_usd"] == "4.078125"  # 652.5 / 160
    assert row["answer_tokens"] == 1_000_000


def test_not_itemised_is_not_shown_as_zero_reasoning_tokens() -> None:
    row = next(row for row in report_object(report())["rows"] if row["model"] == "direct")
    assert row["reasoning_tokens"] is None
    assert row["answer_tokens"] is None
    assert row["cost_usd"]["reasoning"] is None
    assert row["cost_usd"]["output"] == "0.000125"


def test_one_row_that_is_not_itemised_leaves_the_sum_not_itemised() -> None:
    known, unknown = TokenSums(output_tokens=5, reasoning_tokens=3), TokenSums(output_tokens=2, reasoning_tokens=None)
    assert known.plus(unknown).reasoning_tokens is None
    assert known.plus(unknown).output_tokens == 7
    assert CostSums(reasoning=Decimal(1)).plus(CostSums(reasoning=None)).reasoning is None


def test_unpriced_does_not_become_zero_dollars_and_look_cheapest() -> None:
    made = report(unpriced())
    row = report_object(made)["rows"][0]
    assert row["cost_is_lower_bound"] is True
    assert row["n_unpriced_attempts"] == 200
    assert row["cost_usd"]["total"] is None
    assert row["cost_per_task_usd"] is None
    assert row["cost_per_correct_usd"] is None
    full = spend_table(made)
    assert dict(zip([c.name for c in full.columns], full.rows[0], strict=True))["cost_usd"] is None
    table = summary_table(made)
    assert dict(zip([c.name for c in table.columns], table.rows[0], strict=True))["cost"] == "unpriced"


def test_a_partly_priced_total_does_not_look_complete() -> None:
    groups = report_object(report())["groups"]
    assert groups["reasoning"]["cost_is_lower_bound"] is False
    assert groups["non_reasoning"]["cost_is_lower_bound"] is True
    assert groups["non_reasoning"]["n_unpriced_attempts"] == 200
    totals = totals_table(report())
    assert totals.rows[1][5] == ">= $0.500"
    assert "200 of 415 attempts unpriced" in totals.rows[1][-1]
    assert "3 of 415 attempts with unknown usage, at most $0.0123 more" in totals.rows[1][-1]


def test_an_unknown_bill_without_a_bound_has_no_upper_bound() -> None:
    known, unbounded = Spend(n_unknown_usage=1, possibly_billed_usd=Decimal(2)), Spend(possibly_billed_usd=None)
    assert known.plus(unbounded).possibly_billed_usd is None
    assert "no upper bound" in wording.coverage(known.plus(unbounded))


def test_cost_per_correct_at_zero_correct_is_null() -> None:
    nothing = replace(reasoner(), tasks=(outcomes([0] * 10, cost_usd=652.5),))
    row = report_object(report(nothing))["rows"][0]
    assert row["cost_per_correct_usd"] is None
    assert row["score"] == 0
    assert row["score_ci_high"] > 0.2


def test_judge_spend_has_its_own_column_and_is_not_in_the_cost() -> None:
    row = next(row for row in report_object(report())["rows"] if row["model"] == "direct")
    assert row["judge_cost_usd"] == "0.2"
    assert row["cost_usd"]["total"] == "0.500125"


def test_failures_are_unscored_and_not_wrong_answers() -> None:
    task = outcomes([1, 1, 0], cost_usd=1.0)
    failed = replace(task, score_sums=[1.0, 0.0, 0.0], score_counts=[1, 0, 1])
    assert suite_score([failed]).value == 0.5
    assert suite_score([failed]).n == 2


def test_group_totals_are_sums_of_their_rows() -> None:
    document = report_object(report())
    for name, reasoning in (("reasoning", True), ("non_reasoning", False)):
        rows = [row for row in document["rows"] if row["reasoning"] is reasoning]
        total = sum(Decimal(row["cost_usd"]["total"]) for row in rows if row["cost_usd"]["total"] is not None)
        assert Decimal(document["groups"][name]["cost_usd"]["total"]) == total
        assert document["groups"][name]["output_tokens"] == sum(row["output_tokens"] for row in rows)


def test_a_model_of_unknown_kind_is_grouped_by_its_reasoning_tokens() -> None:
    assert replace(reasoner(), reasoning=None).reasons is True
    assert replace(direct(), reasoning=None).reasons is False


def test_simulated_rows_are_marked_in_every_table_and_note() -> None:
    made = report(direct())
    assert "simulated" in summary_table(made).rows[0][0]
    assert any(note.startswith("simulated:") for note in notes(made))
    full = spend_table(made)
    assert dict(zip([c.name for c in full.columns], full.rows[0], strict=True))["simulated"] is True


def test_weights_make_an_index_and_missing_weights_a_mean_over_samples() -> None:
    def weighted(weight: float | None, correct: list[int]) -> TaskOutcomes:
        return replace(outcomes(correct, cost_usd=1.0), weight=weight)

    assert suite_score([weighted(0.75, [1] * 10), weighted(0.25, [0] * 30)]).value == 0.75
    assert suite_score([weighted(None, [1] * 10), weighted(None, [0] * 30)]).value == 0.25


def test_repeats_do_not_multiply_the_number_of_samples() -> None:
    row = make_row(replace(reasoner(), tasks=(outcomes([4] * 10 + [0] * 10, cost_usd=1.0, repeats=4),)))
    assert row.n_samples == 20
    assert row.n_solves == 80
    assert row.score.n == 20


def test_small_dollars_keep_their_digits_and_large_ones_their_commas() -> None:
    assert wording.dollars(Decimal("2767.05")) == "$2,767.05"
    assert wording.dollars(Decimal("0.00001234567")) == "$0.0000123"
    assert wording.dollars(Decimal("0.22755")) == "$0.228"
    assert wording.dollars(None) == "–"
    assert wording.dollars(Decimal(0)) == "$0.00"


def test_token_counts_are_short() -> None:
    assert [wording.tokens(n) for n in (0, 940, 12_345, 44_880_000, None)] == ["0", "940", "12.3k", "44.9M", "–"]


def terminal(width: int) -> str:
    out = io.StringIO()
    for table in (summary_table(report()), totals_table(report())):
        print_table(table, file=out, width=width)
    return out.getvalue()


def test_the_terminal_report_fits_100_columns() -> None:
    text = terminal(100)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "…" not in text
    assert_golden("report_100.txt", text)


def test_the_terminal_report_at_120_columns() -> None:
    assert_golden("report_120.txt", terminal(120))


def test_the_markdown_report() -> None:
    assert_golden("report.md", to_markdown([summary_table(report()), totals_table(report()), prices_table(report())]))


def test_the_csv_report() -> None:
    out = io.StringIO()
    write_csv(spend_table(report()), out)
    assert_golden("report.csv", out.getvalue())


def test_the_json_report() -> None:
    assert_golden("report.json", to_json(report_object(report())) + "\n")
