"""What a run with conversations refuses or names before anything is sent, and where many processes ask one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError, UnpricedModelError, WorkerLost
from harness.ledger import Ledger
from harness.ledger.leases.lease_records import WorkerEnd
from harness.ledger.leases.worker_rows import end, workers
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows
from harness.models import parse_model
from tests.support.answering import priced
from tests.support.conversing import MODEL, USER, Body, Says, bench_suite, converse, mover, parties
from tests.support.runs import number_suite
from tests.support.worker_threads import driven

USER_SPEC = parse_model(USER)


def refused(folder: Path, suite: str, **options: Any) -> str:
    with Ledger.open(folder / "l.db") as ledger, parties(mover) as asked:
        with pytest.raises(InputError) as caught:
            converse(suite, asked, ledger, folder, **options)
        assert not asked.bodies
        assert not ledger.runs()
    return str(caught.value)


def test_nobody_who_plays_the_user_is_refused_with_the_option(tmp_path: Path) -> None:
    said = refused(tmp_path, bench_suite(tmp_path / "s", kind="user_simulation"))
    assert "nobody plays its user" in said
    assert "add --user-model provider/model, for example openai/gpt-4.1" in said


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"batch": True}, "--batch"),
        ({"precision": 0.01}, "--precision"),
        ({"difference": 0.01, "against": parse_model("openai/gpt-4o")}, "--difference"),
    ],
)
def test_what_no_conversation_can_be_asked_with_is_refused(options: dict[str, Any], named: str, tmp_path: Path) -> None:
    assert named in refused(tmp_path, bench_suite(tmp_path / "s"), **options)


def test_batches_are_not_held_by_caps_of_samples_and_say_so(tmp_path: Path) -> None:
    said = refused(tmp_path, number_suite(tmp_path / "s", 2), batch=True, max_usd_per_sample=Decimal(1))
    assert "--max-usd-per-sample" in said


def test_options_that_an_environment_does_not_know_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    typo = bench_suite(tmp_path / "s", solver="options = { report_word = 3 }")
    assert "report_word" in refused(tmp_path, typo)


def test_an_environment_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    suite = Path(bench_suite(tmp_path / "s"))
    suite.write_text(suite.read_text().replace('environment = "workbench"', 'environment = "workbnch"'))
    assert "similar: workbench" in refused(tmp_path, str(suite))


def test_a_task_without_an_environment_is_refused(tmp_path: Path) -> None:
    suite = Path(bench_suite(tmp_path / "s"))
    text = suite.read_text()
    suite.write_text(text.replace(', environment = "workbench"', ""))
    assert "needs `environment`" in refused(tmp_path, str(suite))
    suite.write_text(text.replace('"tools", environment = "workbench"', '"single_turn"'))
    assert "scorer `environment` needs a solver" in refused(tmp_path, str(suite))


@pytest.mark.parametrize(
    ("user", "said"), [("sim/nobody", "no simulated model"), ("openai/gpt-4.1@loud", "not a reasoning setting: @loud")]
)
def test_a_wrong_user_model_is_told_at_its_own_option(user: str, said: str, tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", kind="user_simulation")
    error = refused(tmp_path, suite, user_model=parse_model(user))
    assert said in error
    assert "at: --user-model" in error


@pytest.mark.parametrize("options", [{"budget_usd": Decimal(1)}, {"max_usd_per_sample": Decimal(1)}])
def test_a_cap_cannot_hold_a_user_without_a_price(options: dict[str, Any], tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", kind="user_simulation")
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        with pytest.raises(UnpricedModelError, match="openai-compatible/u"):
            converse(suite, asked, ledger, tmp_path, user_model=USER_SPEC, **options)
        assert not asked.bodies


def test_stored_answers_are_not_taken_for_conversations(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        suite = bench_suite(tmp_path / "s")
        converse(suite, asked, ledger, tmp_path)
        again = converse(suite, asked, ledger, tmp_path, run_id="run-2", reuse=True)
        assert len(asked.bodies) == 4
        assert any("--reuse: conversations are always asked" in warning for warning in again.warnings)


def test_another_user_is_another_run(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", kind="user_simulation")
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        converse(suite, asked, ledger, tmp_path, user_model=USER_SPEC)
        with pytest.raises(InputError, match="--user-model"):
            converse(suite, asked, ledger, tmp_path, user_model=parse_model(MODEL))


@pytest.mark.postgres
def test_a_worker_goes_on_where_one_that_counts_as_dead_has_left(postgres_url: str, tmp_path: Path) -> None:
    """What it had in flight may be billed; the next worker plays the answered turns again and asks the open one."""
    lost: list[bool] = []

    def script(body: Body) -> Says:
        if any(message["role"] == "tool" for message in body["messages"]) and not lost:
            lost.append(True)
            with Ledger.open(postgres_url) as ledger:
                (first,) = workers(ledger, "run-1")
                end(ledger, first.worker_id, WorkerEnd(why="lost"))
        return mover(body)

    suite, book = bench_suite(tmp_path / "s"), priced(tmp_path)
    with parties(script) as asked:
        options: dict[str, Any] = {"base_url": (asked.url,), "max_usd_per_sample": Decimal(1)}
        with pytest.raises(WorkerLost):
            driven(suite, [MODEL], postgres_url, book=book, kinds=["all"], **options)
        found = driven(suite, [MODEL], postgres_url, book=book, kinds=["all"], **options)
    assert found.result.status == "complete"
    with Ledger.open(postgres_url) as ledger:
        rows = [f"{row.request_id.split('.e0.')[1]} {row.status}" for row in attempt_rows(ledger, ["run-1"])]
        assert rows == ["n0.t1 succeeded", "n1.t1 sent", "n1.t2 succeeded"]
        (score,) = score_rows(ledger, ["run-1"])
        assert score.value_millionths == 1_000_000


@pytest.mark.postgres
def test_workers_share_the_conversations_of_a_run(postgres_url: str, tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", 12, kind="user_simulation")
    with parties(mover) as asked:
        found = driven(suite, [MODEL], postgres_url, book=priced(tmp_path), base_url=(asked.url,), user_model=USER_SPEC)
    assert found.result.status == "complete"
    assert len(asked.bodies) == 12 * 4
    with Ledger.open(postgres_url) as ledger:
        assert [row.value_millionths for row in score_rows(ledger, ["run-1"])] == [1_000_000] * 12
