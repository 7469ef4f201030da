"""What conversations took and cost, worked by hand: turns, calls, time, dollars by role, limits, and begun anew."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from harness.ledger import Ledger, UsageFacts
from harness.pricing.price_files import load_price_book
from harness.rendering.console import print_table
from harness.rendering.json_text import to_json
from harness.reports.compare.comparison import Thresholds, comparison_object, comparison_table
from harness.reports.compare.run_comparison import compare_runs
from harness.reports.compare.typed_comparison import comparison_rows
from harness.reports.exports.eee_export import evaluations
from harness.reports.exports.sample_export import sample_stream
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.samples.kept_runs import KeptRuns
from harness.reports.report_parts import Shown, report_document, tables_on
from harness.reports.spend.report import SpendReport
from harness.reports.spend.spend_tables import spend_table
from harness.reports.trajectories.trajectory_tables import role_spend_table
from tests.support.report_ledgers import Try, add_run, many, used
from tests.support.trajectory_ledgers import Conversation, Spoken, add_conversations

MODEL = "openai/gpt-4.1"
"""$2, $0.50 cached, $8 per million tokens."""
NOT_BILLED = UsageFacts(usage_source="missing")
ASKS = Spoken(calls=[("lookup", '{"bag": 7}')], results=["belt 4"], usage=used(1000, 50), took_s=2)
SOLVED = Conversation(
    spoken=(
        ASKS,
        Spoken(text="Which flight?", usage=used(200, 30, cached=1000), took_s=1),
        Spoken(by="user_simulator", text="LH 7", usage=used(100, 20), took_s=3),
        Spoken(calls=[("lookup", "{}"), ("send", "{}")], results=["-", "-"], usage=used(100, 40, cached=1200),
               took_s=2, pause_s=1),
        Spoken(text="It is on belt 4.", usage=used(50, 10, cached=1300), took_s=1),
    ),
)  # fmt: skip
AT_LIMIT = Conversation(
    spoken=(
        Spoken(calls=[("lookup", "{}")], results=["-"], usage=used(1000, 100), took_s=4),
        Spoken(status="failed", usage=NOT_BILLED, took_s=1),
        Spoken(calls=[("lookup", "{}")], usage=used(100, 20, cached=1000), took_s=2, turn=1),
        Spoken(by="judge", text="no", usage=used(200, 10), took_s=9),
    ),
    score=0.0,
    rule="limit:turns",
)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        asyncio.run(add_conversations(opened, "run-t", {MODEL: {("a", 0): SOLVED, ("b", 0): AT_LIMIT}}))
        yield opened


def _report(ledger: Ledger, **asked: object) -> SpendReport:
    return spend_report(ledger, load_price_book(), **asked)  # type: ignore[arg-type]


def _figures(ledger: Ledger, **asked: object) -> dict[str, object]:
    (row,) = json.loads(to_json(report_document(_report(ledger, **asked))))["rows"]
    found: dict[str, object] = row["trajectories"]
    return found


def test_figures_per_sample_are_those_worked_by_hand(ledger: Ledger) -> None:
    found = _figures(ledger)
    # model: 2450 x 2 + 4500 x 0.5 + 250 x 8 = 9150; user 100 x 2 + 20 x 8 = 360; judge 200 x 2 + 10 x 8 = 480 micro-USD
    expected = {
        "n_samples": 2, "turns_per_task": 3.0, "most_turns": 4,
        "n_tool_calls": 5, "tool_calls_per_task": 2.5, "most_tool_calls": 3, "user_tool_calls_per_task": 0.0,
        "cost_per_task_usd": "0.004995", "cost_per_solved_task_usd": "0.00999", "cost_is_lower_bound": False,
        "wall_seconds_per_task": 8.5, "most_wall_seconds": 10.0, "model_seconds_per_task": 6.0,
        "n_at_limit": 1, "limits": {"turns": 1},
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert found["cache_share"] == pytest.approx(4500 / 6950)


def test_tokens_and_dollars_are_split_by_role_and_by_meter(ledger: Ledger) -> None:
    roles = _figures(ledger)["roles"]
    assert isinstance(roles, dict)
    assert list(roles) == ["solve", "user_simulator", "judge"]
    solve = roles["solve"]
    assert (solve["input_tokens"], solve["cache_read_tokens"], solve["answer_tokens"]) == (2450, 4500, 250)
    assert (solve["cost_usd"]["input"], solve["cost_usd"]["cache_read"], solve["cost_usd"]["answer"]) == (
        "0.0049", "0.00225", "0.002",
    )  # fmt: skip
    assert [roles[name]["cost_usd"]["total"] for name in roles] == ["0.00915", "0.00036", "0.00048"]
    assert (solve["n_attempts"], roles["judge"]["n_attempts"]) == (7, 1)


def test_the_roles_of_a_row_sum_to_its_bill(ledger: Ledger) -> None:
    report = _report(ledger)
    table = role_spend_table(report)
    names = [column.name for column in table.columns]
    total = sum((row[names.index("cost_usd")] for row in table.rows), Decimal(0))
    (row,) = report.rows
    assert total == sum((spend.cost.total for spend in row.facts.spends.values()), Decimal(0)) == Decimal("0.00999")


def test_seconds_and_dollars_of_a_sample_are_not_those_of_a_request(ledger: Ledger) -> None:
    """The row's own figures: six answers of the model are two samples."""
    (row,) = json.loads(to_json(report_document(_report(ledger))))["rows"]
    assert row["seconds_per_task"] == 6.0
    assert row["n_solves"] == 2
    assert row["output_tokens_per_task"] == 125.0
    assert (row["cost_per_task_usd"], row["cost_per_correct_usd"]) == ("0.004575", "0.00915")


def test_what_was_begun_anew_counts_as_spent_and_not_as_turns(tmp_path: Path) -> None:
    anew = Conversation(spoken=(ASKS, ASKS, ASKS, Spoken(status=None, pause_s=1), Spoken(turn=0, calls=ASKS.calls,
                        results=["x"], pause_s=3600, took_s=2), Spoken(text="Here.", took_s=5)))  # fmt: skip
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: {("a", 0): anew}}))
        found = _figures(ledger)
    assert (found["turns_per_task"], found["n_tool_calls"], found["wall_seconds_per_task"]) == (2.0, 1, 7.0)
    # three times 1000 x 2 + 50 x 8, twice 100 x 2 + 10 x 8; what never settled is not known
    assert (found["cost_per_task_usd"], found["cost_is_lower_bound"]) == ("0.00776", True)


def test_tool_calls_are_not_zero_where_no_texts_were_kept(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: {("a", 0): SOLVED}}, keeps_texts=False))
        found = _figures(ledger)
    assert (found["n_tool_calls"], found["tool_calls_per_task"], found["turns_per_task"]) == (None, None, 4.0)


def test_a_limit_without_a_score_is_told_by_its_reason(tmp_path: Path) -> None:
    stopped = Conversation(spoken=(ASKS,), score=None, reason="at_limit", rule="limit:usd")
    unnamed = Conversation(spoken=(ASKS,), score=None, reason="at_limit")
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: {("a", 0): stopped, ("b", 0): unnamed}}))
        assert _figures(ledger)["limits"] == {"not stated": 1, "usd": 1}


def test_a_sample_whose_later_turn_failed_is_not_under_way(tmp_path: Path) -> None:
    lost = Conversation(spoken=(ASKS, Spoken(by="user_simulator", status="failed", usage=NOT_BILLED)), score=None)
    under_way = Conversation(spoken=(ASKS, Spoken(status=None)), score=None)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: {("a", 0): lost, ("b", 0): under_way}}))
        (row,) = _report(ledger).rows
    assert row.facts.n_unscored == {"failed": 1, "pending": 1}


def test_a_limit_before_the_first_answer_is_counted(tmp_path: Path) -> None:
    """The dollars of one sample did not suffice for its first request: its score stands at one that never left."""
    stopped = Conversation(spoken=(Spoken(status="cancelled", usage=NOT_BILLED),), score=0.0, rule="limit:usd")
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_conversations(ledger, "run-t", {MODEL: {("a", 0): stopped}}))
        found = _figures(ledger)
    assert (found["limits"], found["turns_per_task"], found["wall_seconds_per_task"]) == ({"usd": 1}, 0.0, None)


def test_repeats_and_runs_add_up(ledger: Ledger) -> None:
    asyncio.run(add_conversations(ledger, "run-u", {MODEL: {("a", 0): SOLVED, ("a", 1): AT_LIMIT}}))
    found = _figures(ledger)
    assert (found["n_samples"], found["turns_per_task"], found["limits"]) == (4, 3.0, {"turns": 2})
    assert (found["cost_per_task_usd"], found["wall_seconds_per_task"]) == ("0.004995", 8.5)


def test_kept_sums_give_the_same_figures(ledger: Ledger, tmp_path: Path) -> None:
    plain = report_document(_report(ledger))
    kept = [
        KeptRuns(folder=tmp_path / "kept", program=["this one"], fewest_attempts=1, is_read=is_read)
        for is_read in (False, True)
    ]
    assert [report_document(_report(ledger, kept=one)) for one in kept] == [plain, plain]
    assert len(list((tmp_path / "kept").iterdir())) == 2  # sums, and what became of samples: with limits, too


def test_what_if_and_other_prices_hold_over_all_requests(ledger: Ledger) -> None:
    """4500 cached tokens at $2 in place of $0.50, and everything at half price."""
    uncached, batched = _figures(ledger, what_if="no-cache"), _figures(ledger, what_if="batch")
    assert uncached["cost_per_task_usd"] == "0.00837"  # (9990 + 4500 x 1.5) / 2
    assert batched["cost_per_task_usd"] == "0.0024975"


def test_tables_of_a_terminal_fit_eighty_columns(ledger: Ledger) -> None:
    told = {table.name: table for table in tables_on("terminal", Shown(report=_report(ledger), width=80))}
    file = io.StringIO()
    for name in ("conversations", "roles"):
        print_table(told[name], file=file, width=80)
    written = file.getvalue()
    assert max(map(len, written.splitlines())) <= 80
    for said in (
        "3.0 (4)",
        "2.5 (3)",
        "$0.00500",
        "$0.00999",
        "8.5",
        "user",
        "65",
        "1 of 2 samples ended at a limit (1 turns)",
    ):
        assert said in written, written


def test_files_get_columns_only_where_some_sample_is_a_conversation(ledger: Ledger) -> None:
    columns = [column.name for column in spend_table(_report(ledger)).columns]
    asyncio.run(add_run(ledger, "run-s", {MODEL: many(3, 1.0, 50)}))
    single = spend_table(_report(ledger, run_ids=["run-s"]))
    assert columns[: len(single.columns)] == [column.name for column in single.columns]
    assert columns[len(single.columns) :][:3] == ["n_conversations", "turns_per_task", "most_turns"]
    mixed = _report(ledger)
    assert {row.facts.suite: row.facts.turns is None for row in mixed.rows} == {"starter": True, "tau": False}
    assert spend_table(mixed).rows[0][len(single.columns)] is None


def test_a_comparison_says_what_a_solved_sample_cost(ledger: Ledger) -> None:
    both = {("a", 0): SOLVED, ("b", 0): replace(AT_LIMIT, score=1.0)}
    asyncio.run(add_conversations(ledger, "run-u", {MODEL: both}))
    made = compare_runs(ledger, load_price_book(), "run-t", "run-u", Thresholds())
    (row,) = json.loads(to_json(comparison_object(made)))["rows"]
    assert (row["base_whole_cost_per_solved_usd"], row["head_whole_cost_per_solved_usd"]) == ("0.00999", "0.004995")
    told = (
        "all roles: $0.00500 a sample and $0.00999 a solved one before, $0.00500 a sample and $0.00500 a solved one now"
    )
    assert any(told in note for note in comparison_table(made).notes)
    table = comparison_rows(made)
    assert table.rows[0][-1] == Decimal("0.004995")
    assert table.columns[-1].name == "head_whole_cost_per_solved_usd"


def test_the_export_of_samples_has_what_each_conversation_took(ledger: Ledger, tmp_path: Path) -> None:
    asyncio.run(add_run(ledger, "run-s", {MODEL: many(1, 1.0, 50)}))
    stream = sample_stream(ledger, load_price_book())
    names = [column.name for column in stream.columns]
    rows = [dict(zip(names, row, strict=True)) for batch in stream.batches for row in zip(*batch, strict=True)]
    told = [[row[name] for name in ("sample_id", "n_turns", "n_tool_calls", "wall_s", "limit")] for row in rows]
    assert sorted(told, key=str) == [
        ["a", 4, 3, 10.0, None],
        ["b", 2, 2, 7.0, "turns"],
        ["q0000", None, None, None, None],
    ]
    assert sum((row["cost_usd"] for row in rows if row["n_turns"]), Decimal(0)) == Decimal("0.00915")
    assert "n_turns" not in {column.name for column in sample_stream(ledger, load_price_book(), ["run-s"]).columns}


def test_records_of_evaluations_have_the_calls_and_the_time_of_a_conversation(ledger: Ledger) -> None:
    (one,) = evaluations(ledger, load_price_book())
    solved, at_limit = (dict(found) for found in one.instances())
    assert (solved["evaluation"]["num_turns"], solved["performance"]["latency_ms"]) == (4, 10_000)
    assert [message["content"] for message in solved["messages"]][2:4] == ['calls lookup {"bag": 7}', "belt 4"]
    assert at_limit["performance"]["latency_ms"] == 7_000


def test_a_report_of_single_requests_says_nothing_of_conversations(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_run(ledger, "run-s", {MODEL: {("a", 0): [Try(), Try()]}}))
        report = _report(ledger)
    assert [row.keys() & {"trajectories"} for row in report_document(report)["rows"]] == [set()]
    assert {"conversations", "roles"}.isdisjoint(table.name for table in tables_on("page", Shown(report=report)))
    (row,) = report.rows
    assert (row.facts.timing.n_answers, row.facts.timing.n_tasks) == (2, 2)
