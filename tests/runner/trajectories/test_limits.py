"""What ends a sample before its model has answered: limits of turns, tokens, seconds and dollars; never an error."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import ScoreRow, attempt_rows, score_rows
from harness.ledger.reading.holdings import cell_counts
from harness.ledger.schema import tables
from harness.ledger.scopes import sample_scope
from harness.models import parse_model
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.spend_tables import notes
from harness.runner import RunResult
from harness.runner.budgets import capped_scopes
from harness.runner.endings import ending_lines
from tests.support.answering import priced
from tests.support.conversing import MODEL, Says, Script, bench_suite, converse, in_order, mover, parties
from tests.support.runs import number_suite, suite_file

CAP_OF_EXPECTED = Decimal("0.0105")
LOOK = Says(calls=[("look", {"box": 1})])


def ended(
    folder: Path, script: Script, suite: str, n: int = 1, **options: Any
) -> tuple[RunResult, ScoreRow, list[Any]]:
    """Run one sample; give how the run ended, the sample's score and its attempts."""
    with Ledger.open(folder / "l.db") as ledger, parties(script) as asked:
        result = converse(suite, asked, ledger, folder, **options)
        scores = list(score_rows(ledger, ["run-1"]))
        rows = list(attempt_rows(ledger, ["run-1"]))
    assert len(scores) == n
    return result, scores[0], rows


def test_a_model_that_never_stops_calling_ends_at_its_turns(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", solver="max_turns = 3")
    result, score, rows = ended(tmp_path, in_order(LOOK), suite)
    assert (result.status, result.exit_code, len(rows)) == ("complete", 0, 3)
    assert (score.value_millionths, score.rule, score.attempt_id) == (0, "limit:turns", rows[-1].attempt_id)


def test_a_suite_may_leave_samples_at_their_limit_unscored(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", solver='max_turns = 1, at_limit = "unscored"')
    result, score, _ = ended(tmp_path, in_order(LOOK), suite)
    assert (result.status, score.value_millionths, score.reason) == ("complete", None, "at_limit")


def test_output_tokens_of_a_sample_are_counted_over_its_turns(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", solver="max_output_tokens = 25")
    result, score, rows = ended(tmp_path, in_order(LOOK), suite)  # 10 tokens each
    assert (result.status, score.rule, len(rows)) == ("complete", "limit:tokens", 3)


def test_a_request_may_not_write_more_than_is_left_to_its_sample(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", solver="max_output_tokens = 25", cap=20)
    with Ledger.open(tmp_path / "l.db") as ledger, parties(in_order(LOOK)) as asked:
        converse(suite, asked, ledger, tmp_path)
        assert [body["max_tokens"] for body in asked.bodies] == [20, 15, 5]


def test_a_sample_ends_when_its_time_is_over(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", solver="max_seconds = 1e-9")
    result, score, rows = ended(tmp_path, mover, suite)
    assert (result.status, score.rule, score.value_millionths) == ("complete", "limit:seconds", 0)
    assert [(row.status, row.billed) for row in rows] == [("cancelled", "no")]


def usd(folder: Path, url: str = "", **options: Any) -> tuple[RunResult, ScoreRow, list[Any], dict[str, Any]]:
    with Ledger.open(url or folder / "l.db") as ledger, parties(in_order(LOOK)) as asked:
        result = converse(bench_suite(folder / "s"), asked, ledger, folder, **options)
        score = next(iter(score_rows(ledger, ["run-1"])))
        budgets = ledger.budgets(of_samples=True)
        assert not any(scope.startswith("sample:") for scope in ledger.budgets())
        return result, score, list(attempt_rows(ledger, ["run-1"])), budgets


def test_dollars_of_a_sample_hold_over_its_turns(tmp_path: Path) -> None:
    result, score, rows, budgets = usd(tmp_path, max_usd_per_sample=Decimal("0.01"))
    assert (result.status, result.exit_code) == ("complete", 0)
    assert (score.rule, score.value_millionths) == ("limit:usd", 0)
    own = next(budget for scope, budget in budgets.items() if scope.startswith("sample:run-1/"))
    assert own.cap_pico_usd == 10**10
    assert own.reserved_pico_usd == 0
    assert own.spent_pico_usd == sum(row.charged_pico_usd for row in rows) <= 10**10
    assert score.attempt_id == rows[-1].attempt_id
    assert rows[-1].status == "succeeded"


def test_dollars_of_a_sample_hold_in_expected_mode_too(tmp_path: Path) -> None:
    """After thirty cheap turns the next one was let through at what those had cost, and went beyond the cap."""

    def script(body: dict[str, Any]) -> Says:
        n_said = sum(message["role"] == "assistant" for message in body["messages"])
        return Says(calls=LOOK.calls, usage=(20, 10) if n_said < 32 else (6_000, 200))

    suite = bench_suite(tmp_path / "s", solver="max_turns = 40")
    with Ledger.open(tmp_path / "l.db") as ledger, parties(script) as asked:
        options: dict[str, Any] = {"budget_usd": Decimal(1), "budget_mode": "expected"}
        result = converse(suite, asked, ledger, tmp_path, max_usd_per_sample=CAP_OF_EXPECTED, **options)
        (score,) = score_rows(ledger, ["run-1"])
        spent = sum(row.charged_pico_usd or 0 for row in attempt_rows(ledger, ["run-1"]))
    assert (result.status, score.rule) == ("complete", "limit:usd")
    assert len(asked.bodies) >= 30
    assert spent <= CAP_OF_EXPECTED * 10**12


def test_a_conversation_whose_tools_make_its_first_request_too_dear_ends_so(ledger_url: str, tmp_path: Path) -> None:
    result, score, rows, _ = usd(tmp_path, ledger_url, max_usd_per_sample=Decimal("0.001"))
    assert (result.status, result.exit_code) == ("complete", 0)
    assert (score.rule, score.value_millionths) == ("limit:usd", 0)
    assert [(row.status, row.billed, row.error_message) for row in rows] == [("cancelled", "no", "not sent: usd")]
    with Ledger.open(ledger_url) as ledger:
        (told,) = [note for note in notes(spend_report(ledger, priced(tmp_path), ["run-1"])) if "requests" in note]
    assert "1 of 1 requests were cancelled or not sent" in told
    assert "failed" not in told


def test_no_budget_is_said_to_hold_conversations_whose_turns_nobody_knows(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        result = converse(bench_suite(tmp_path / "s"), asked, ledger, tmp_path, budget_usd=Decimal("0.0001"))
    said = "\n".join(ending_lines(result))
    assert "holds one request of each sample" in said
    assert "worst case" not in said


def test_going_on_with_samples_at_their_limit_asks_nothing(ledger_url: str, tmp_path: Path) -> None:
    with Ledger.open(ledger_url) as ledger, parties(in_order(LOOK)) as asked:
        for retry_failed in (False, False, True):
            converse(
                bench_suite(tmp_path / "s", solver="max_turns = 2"), asked, ledger, tmp_path, retry_failed=retry_failed
            )
        assert len(asked.bodies) == 2
        assert len(list(score_rows(ledger, ["run-1"], newest=False))) == 1


def test_one_request_per_sample_is_held_by_its_cap_retries_included(tmp_path: Path) -> None:
    """A failed request may have been billed: what it reserved counts, and the next try does not fit any more."""
    suite = number_suite(tmp_path / "s", 1, cap=1000)
    with Ledger.open(tmp_path / "l.db") as ledger, parties(lambda _: Says(status=500)) as asked:
        result = converse(suite, asked, ledger, tmp_path, max_usd_per_sample=Decimal("0.0035"))
        (score,) = score_rows(ledger, ["run-1"])
        assert (result.status, score.rule, score.value_millionths) == ("complete", "limit:usd", 0)
        assert len(asked.bodies) == 1


@pytest.mark.parametrize("kind", ["single", "tools"])
def test_a_cap_that_no_first_request_fits_is_refused_before_anything_is_sent(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    suite = number_suite(folder, 2, cap=1000) if kind == "single" else bench_suite(folder, 2, cap=1000)
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        with pytest.raises(InputError, match="2 of 2 samples") as caught:
            converse(suite, asked, ledger, tmp_path, max_usd_per_sample=Decimal("0.001"))
        assert "--max-usd-per-sample" in str(caught.value)
        assert not asked.bodies
        assert not ledger.runs()


def test_a_cap_under_which_the_user_could_never_speak_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", 2, kind="user_simulation", cap=100)
    user = parse_model(MODEL)
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        with pytest.raises(InputError, match=r"2 of 2 samples .* as its user, .*up to \$0.016384") as caught:
            converse(suite, asked, ledger, tmp_path, user_model=user, max_usd_per_sample=Decimal("0.0163"))
        assert "--max-usd-per-sample 0.016384" in str(caught.value)
        assert "--max-output-tokens" not in str(caught.value)
        assert not asked.bodies
        assert converse(suite, asked, ledger, tmp_path, user_model=user, max_usd_per_sample=Decimal("0.02"))


def test_a_judge_that_the_cap_of_a_sample_cannot_hold_ends_that_sample_alone(tmp_path: Path) -> None:
    rows = [{"id": f"q{n}", "question": f"What is {n}?", "answer": str(n)} for n in range(2)]
    prompt = '"{question} {reference} {reply} Verdict: <word>"'
    options = f', options = {{ prompt = {prompt}, model = "{MODEL}", max_output_tokens = 900 }}'
    suite = suite_file(tmp_path / "s", rows, scorer="judge", cap=100, options=options)
    with Ledger.open(tmp_path / "l.db") as ledger, parties(lambda _: Says(text="1")) as asked:
        result = converse(suite, asked, ledger, tmp_path, max_usd_per_sample=Decimal("0.0015"))
        assert (result.status, result.exit_code, len(asked.bodies)) == ("complete", 0, 2)
        assert [(row.rule, row.value_millionths) for row in score_rows(ledger, ["run-1"])] == [("limit:usd", 0)] * 2


def test_many_caps_of_samples_are_not_read_where_caps_are_asked_for(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.set_budget("run:mine", 1)
        values = [
            {"scope": sample_scope("mine", 1, number), "cap_pico_usd": 1, "spent_pico_usd": 0, "reserved_pico_usd": 0}
            for number in range(10_000)
        ]
        with ledger.changing() as connection:
            connection.execute(insert(tables.budgets), values)
        assert set(ledger.budgets()) == {"run:mine"}
        assert capped_scopes(ledger) == {"run:mine"}
        assert len(ledger.budgets(of_samples=True)) == 10_001
        assert len(ledger.budgets([sample_scope("mine", 1, 7), "run:mine"])) == 2


def test_a_conversation_under_way_is_no_answer_yet(tmp_path: Path) -> None:
    stops = [Says(calls=[("look", {"box": 1})]), Says(status=401)]
    with Ledger.open(tmp_path / "l.db") as ledger, parties(lambda _: stops.pop(0)) as asked:
        result = converse(bench_suite(tmp_path / "s"), asked, ledger, tmp_path)
        assert result.status == "partial"
        (counts,) = cell_counts(ledger, "run-1").values()
        assert (counts["n_answered"], counts["n_attempts"]) == (0, 2)
