"""What goes wrong with one sample stays with it, and a judge that does not judge is not a run that ended well."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BudgetReached
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import RunResult
from harness.runner.endings import ending_lines
from harness.runner.scoring.rescoring import RescoreOptions, rescore
from tests.support.loopback import CHAT_ANSWER, Loopback, Reply, serve
from tests.support.runs import Watcher, run, suite_file, suite_with_a_broken_row

PROMPT = "{question}\\nReference: {reference}\\nReply: {reply}\\nVerdict: CORRECT or INCORRECT"
JUDGE = parse_model("openai-compatible/judge")
JUDGE_CAP = 16_384
REFUSED = Reply(status=400, body={"error": {"message": "no such parameter"}})
BAD_KEY = Reply(status=401, body={"error": {"message": "bad key"}})


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


# a question that cannot be made


def test_a_sample_whose_question_cannot_be_made_fails_alone_and_the_ledger_says_why(
    ledger: Ledger, tmp_path: Path
) -> None:
    """It ended the run, and every session after it."""
    suite = suite_with_a_broken_row(tmp_path, 40)
    result = run(suite, ["sim/direct"], ledger)
    assert (result.status, result.models[0].n_failed) == ("complete", 1)
    rows = list(attempt_rows(ledger))
    assert Counter(row.status for row in rows) == {"succeeded": 39, "failed": 1}
    (failed,) = (row for row in rows if row.status == "failed")
    assert (failed.error_class, failed.billed, failed.charged_pico_usd) == ("internal", "no", 0)
    assert "the request could not be made: AttributeError" in str(failed.error_message)
    assert any("could not be made" in line for line in ending_lines(result))
    budget = ledger.budget("run:run-1")
    assert budget is not None
    assert budget.reserved_pico_usd == 0


def test_a_sample_whose_question_cannot_be_made_is_not_tried_again_before_somebody_asks(
    ledger: Ledger, tmp_path: Path
) -> None:
    suite = suite_with_a_broken_row(tmp_path, 40)
    for retry_failed in (False, False, True):
        run(suite, ["sim/direct"], ledger, retry_failed=retry_failed)
    tries = [row.try_number for row in attempt_rows(ledger) if row.status == "failed"]
    assert tries == [1, 2]


def test_a_suite_of_which_nothing_can_be_asked_stops_the_model(ledger: Ledger, tmp_path: Path) -> None:
    suite = Path(suite_with_a_broken_row(tmp_path, 30))
    rows = [json.loads(line) | {"signed": 7} for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    watcher = Watcher()
    result = run(str(suite), ["sim/direct"], ledger, watcher=watcher, concurrency=1)
    assert (result.exit_code, result.status, watcher.sent) == (1, "partial", 0)
    assert "could not be made" in str(result.models[0].stopped_by)


# a judge that does not judge


def judged_suite(folder: Path, count: int = 4) -> str:
    rows = [{"id": f"q{i}", "question": f"Capital {i}?", "answer": "Paris"} for i in range(count)]
    options = f', options = {{ prompt = "{PROMPT}", max_output_tokens = {JUDGE_CAP} }}'
    return suite_file(folder, rows, scorer="judge", options=options)


def verdict(words: str) -> Reply:
    message = {"role": "assistant", "content": words}
    return Reply(body={**CHAT_ANSWER, "choices": [{"index": 0, "finish_reason": "stop", "message": message}]})


async def judged(server: Loopback, suite: str, ledger: Ledger, **options: Any) -> RunResult:
    """Ask a simulated model and have it judged by the server."""
    address = f"{JUDGE}={server.url}/v1"
    return await asyncio.to_thread(
        lambda: run(suite, ["sim/direct"], ledger, judge=JUDGE, base_url=address, max_attempts=2, **options)
    )


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (REFUSED, "no such parameter"),
        (Reply(status=500, body={"error": {"message": "oops"}}), "(no verdict: HTTP 500: oops)"),
        (verdict("I would rather not say."), "the judge said"),
    ],
    ids=["refused", "broken", "undecided"],
)
async def test_a_judge_that_gives_no_verdict_on_any_answer_is_not_a_complete_run(
    reply: Reply, said: str, ledger: Ledger, tmp_path: Path
) -> None:
    """The run ended with exit code 0 and no score at all."""
    suite = judged_suite(tmp_path)
    async with serve() as server:
        server.always = reply
        result = await judged(server, suite, ledger)
        assert (result.exit_code, result.status, result.models[0].n_unjudged) == (1, "failed", 4)
        lines = "\n".join(ending_lines(result))
        assert said in lines
        assert "benchtab score run-1" in lines
        again = await judged(server, suite, ledger)
        assert (again.exit_code, again.status) == (1, "failed")
        server.always = verdict("Verdict: CORRECT")
        options = RescoreOptions(judge=JUDGE, base_url=f"{JUDGE}={server.url}/v1")
        await asyncio.to_thread(
            lambda: rescore(ledger, "run-1", book=load_price_book(), options=options, notice=lambda _: None)
        )
        assert (await judged(server, suite, ledger)).status == "complete"


async def test_few_answers_without_a_verdict_are_within_what_may_fail(ledger: Ledger, tmp_path: Path) -> None:
    suite = judged_suite(tmp_path)
    async with serve() as server:
        server.answer_with(REFUSED)
        server.always = verdict("Verdict: CORRECT")
        result = await judged(server, suite, ledger, max_failed=0.3)
    assert (result.exit_code, result.status, result.models[0].n_unjudged) == (0, "complete", 1)


async def test_a_judge_whose_key_is_refused_stops_the_model_and_its_answers_are_judged_later(
    ledger: Ledger, tmp_path: Path
) -> None:
    suite = judged_suite(tmp_path, 30)
    async with serve() as server:
        server.always = BAD_KEY
        stopped = await judged(server, suite, ledger, concurrency=1)
        assert (stopped.exit_code, stopped.status) == (1, "partial")
        assert "bad key" in str(stopped.models[0].stopped_by)
        assert list(score_rows(ledger)) == []
        paid = [row for row in attempt_rows(ledger) if row.purpose == "solve"]
        assert 0 < len(paid) < 30
        server.always = verdict("Verdict: CORRECT")
        resumed = await judged(server, suite, ledger)
    assert resumed.status == "complete"
    assert sum(row.purpose == "solve" for row in attempt_rows(ledger)) == 30
    assert [row.value_millionths for row in score_rows(ledger)] == [1_000_000] * 30


async def test_a_judge_that_cannot_be_asked_stops_every_model_that_it_is_to_judge(
    ledger: Ledger, tmp_path: Path
) -> None:
    """The second model was asked to its end, and paid for, with nobody to judge it."""
    suite, models = judged_suite(tmp_path, 30), ["sim/direct", "sim/reasoner"]
    async with serve() as server:
        server.always = BAD_KEY
        address = f"{JUDGE}={server.url}/v1"
        stopped = await asyncio.to_thread(
            lambda: run(suite, models, ledger, judge=JUDGE, base_url=address, concurrency=1)
        )
    assert ["bad key" in str(model.stopped_by) for model in stopped.models] == [True, True]
    asked = Counter(row.model_requested for row in attempt_rows(ledger) if row.purpose == "solve")
    assert max(asked.values()) < 10
    assert len(server.seen) == 1


def test_a_judge_without_room_in_its_budget_leaves_answers_for_a_later_session(ledger: Ledger, tmp_path: Path) -> None:
    """They were scored as undecided for good, with exit code 0."""
    suite, judge = judged_suite(tmp_path, 10), parse_model("sim/direct")
    ledger.set_budget("model:sim/direct", 1)
    stopped = run(suite, ["sim/reasoner"], ledger, judge=judge, concurrency=1)
    assert (stopped.exit_code, stopped.status) == (3, "partial")
    assert isinstance(stopped.models[0].stopped_by, BudgetReached)
    assert list(score_rows(ledger)) == []
    ledger.set_budget("model:sim/direct", 10**13)
    resumed = run(suite, ["sim/reasoner"], ledger, judge=judge)
    assert (resumed.exit_code, resumed.status) == (0, "complete")
    assert sum(row.purpose == "solve" for row in attempt_rows(ledger)) == 10
    assert len(list(score_rows(ledger))) == 10


async def test_a_judge_is_reserved_at_the_tier_that_it_is_asked_for(ledger: Ledger, tmp_path: Path) -> None:
    """Its requests name no tier; with --service-tier flex half of their worst case was reserved."""
    prices = tmp_path / "prices"
    prices.mkdir()
    (prices / "own.toml").write_text(
        """
provider = "openai-compatible"
[[price]]
model = "judge"
effective_from = "2020-01-01"
input = "10"
output = "20"
when = [{ tier = ["flex"], multiply = "0.5" }]
source = "a test"
checked_on = 2026-01-01
confidence = "high"
""",
        encoding="utf-8",
    )
    async with serve() as server:
        server.always = verdict("Verdict: CORRECT")
        await judged(server, judged_suite(tmp_path, 1), ledger, service_tier="flex", book=load_price_book(prices))
    (row,) = (row for row in attempt_rows(ledger) if row.purpose == "judge")
    stepped = -(-row.reserved_input_tokens // 64) * 64
    assert row.reserved_pico_usd == stepped * 10_000_000 + JUDGE_CAP * 20_000_000


async def test_a_verdict_that_was_paid_before_a_kill_is_not_asked_for_again(tmp_path: Path) -> None:
    """A process that died between a judge's reply and its score left the reply behind, and its judge was paid twice."""
    suite, path = judged_suite(tmp_path), tmp_path / "killed.db"
    async with serve() as server:
        server.always = verdict("Verdict: CORRECT")
        with Ledger.open(path) as ledger:
            await judged(server, suite, ledger)
        _forget_scores(path)
        with Ledger.open(path) as ledger:
            assert list(score_rows(ledger)) == []
            resumed = await judged(server, suite, ledger)
            assert resumed.status == "complete"
            assert [row.value_millionths for row in score_rows(ledger)] == [1_000_000] * 4
            assert sum(row.purpose == "judge" for row in attempt_rows(ledger)) == 4


def _forget_scores(path: Path) -> None:
    """Leave a ledger as it is before the first score is written."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM scores")
        connection.execute("UPDATE runs SET status = 'running', finished_at_us = NULL")
