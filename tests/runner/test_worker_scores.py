"""Workers that leave programs to others, and those that score what others have asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.leases.chain_leases import standing, take
from harness.ledger.leases.lease_records import ChainState, Leased, WorkerEnd, WorkerKind, WorkerRecord, WorkerState
from harness.ledger.leases.worker_rows import enlist, expire, worker_of
from harness.ledger.reading.attempt_rows import attempt_rows, score_rows, transcript_rows
from harness.ledger.records import AttemptStart, Purpose, ScoreRecord, Transcript
from harness.models import parse_model
from harness.money import to_pico_ceiling
from harness.runner.scoring.checks import ScoringChecks
from harness.runner.workers.later_scores import refuse_to_score
from harness.runner.workers.nobody_scores import SAID_AFTER_S, NobodyScores
from tests.support.answering import answering, chat, priced
from tests.support.ledger_rows import NOON_US, outcome
from tests.support.runs import run, suite_file
from tests.support.stand_ins import scicode
from tests.support.worker_threads import driven

pytestmark = pytest.mark.postgres

PROGRAMS: dict[str, Any] = {"limit": 2, "epochs": 1, "unsafe_exec": True}


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Ledger]:
    with Ledger.open(postgres_url) as ledger:
        yield ledger


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


def values(ledger: Ledger) -> dict[tuple[str, int, str], tuple[int | None, str | None]]:
    return {(one.sample_id, one.epoch, one.model): (one.value_millionths, one.reason) for one in score_rows(ledger)}


def prompts(ledger: Ledger, run_id: str = "run-1") -> dict[int, object]:
    """What was sent for each sample, by its place in the plan."""
    first = min(one.planned_id or 0 for one in ledger.planned(run_id))
    return {(one.planned_id or 0) - first: one.messages for one in transcript_rows(ledger, run_id)}


def n_scores(ledger: Ledger) -> int:
    """Scores that were ever stored."""
    return sum(1 for _ in score_rows(ledger, newest=False))


def test_programs_that_one_worker_left_are_scored_by_another_as_by_one_process(
    postgres_url: str, shared: Ledger, sqlite: Ledger, tmp_path: Path
) -> None:
    """Chains of several samples: each step sees the answers of earlier ones, although nobody has scored them."""
    scicode(tmp_path)
    made = driven("scicode", ["sim/reasoner"], postgres_url, kinds=("ask", "score"), data_dir=tmp_path, **PROGRAMS)
    run("scicode", ["sim/reasoner"], sqlite, data_dir=tmp_path, **PROGRAMS)
    asked, scored = made.workers
    assert made.result.exit_code == 0
    assert (asked.n_asked, asked.n_scored, scored.n_asked, scored.n_scored) == (2, 0, 0, 2)
    assert values(shared) == values(sqlite)
    assert n_scores(shared) == len(list(attempt_rows(shared))) > 6, "no answer was scored twice"
    assert prompts(shared) == prompts(sqlite)


def test_one_who_asks_ends_when_nothing_is_left_to_ask_and_anybody_scores_the_rest(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    scicode(tmp_path)
    counts: list[dict[ChainState, int]] = []
    made = driven(
        "scicode",
        ["sim/direct"],
        postgres_url,
        kinds=("ask",),
        later=("all",),
        between=lambda: counts.extend(dict(one) for one in standing(shared, "run-1").values()),
        data_dir=tmp_path,
        **PROGRAMS,
    )
    assert counts == [{"answered": 2}]
    assert [one.ended.why for one in made.workers] == ["nothing is left", "nothing is left"]
    assert [(one.n_asked, one.n_scored) for one in made.workers] == [(2, 0), (0, 2)]
    assert made.result.status == "complete"


def test_what_a_dead_worker_has_scored_stays_and_another_scores_the_rest(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    scicode(tmp_path)

    async def store(dead: WorkerRecord, score: ScoreRecord) -> None:
        async with shared.writer(dead) as writer:
            await writer.add_score(score)

    def die_in_the_middle() -> None:
        dead = worker_of(shared, enlist(shared, "run-1", name="dead", kind="score", lease_s=-1.0))
        (chain,) = take(shared, dead, {cell.cell_id or 0: 1 for cell in shared.cells("run-1")}, to_score=True)
        answered = shared.outcomes("run-1")[chain.cell_id, chain.planned_id].attempt_id
        assert answered is not None
        stored = ScoreRecord(
            attempt_id=answered,
            planned_id=chain.planned_id,
            cell_id=chain.cell_id,
            scorer="program",
            scorer_version="0",
            scored_at_us=1,
            value_millionths=500_000,
        )
        asyncio.run(store(dead, stored))
        assert expire(shared, "run-1") == [dead.worker_id]

    made = driven(
        "scicode",
        ["sim/direct"],
        postgres_url,
        kinds=("ask",),
        later=("score", "score"),
        between=die_in_the_middle,
        data_dir=tmp_path,
        **PROGRAMS,
    )
    assert made.result.status == "complete"
    assert sum(one.n_scored for one in made.workers) == 2
    assert n_scores(shared) == len(list(attempt_rows(shared))), "nothing that was stored was scored again"
    assert (500_000, None) in values(shared).values()


def test_a_worker_that_scores_needs_no_key_and_sends_nothing(
    postgres_url: str, shared: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scicode(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key-0123456789")
    with answering(lambda _: (200, chat("def f(): return 1"))) as server:

        def away() -> None:
            monkeypatch.delenv("OPENAI_API_KEY")
            server.bodies.clear()

        made = driven(
            "scicode",
            ["openai/gpt-4o-mini"],
            postgres_url,
            kinds=("ask",),
            later=("score",),
            between=away,
            base_url=(f"openai={server.url}",),
            data_dir=tmp_path,
            **PROGRAMS,
        )
        assert server.bodies == []
    assert (made.result.status, made.workers[1].n_scored) == ("complete", 2)
    assert {value for value, _ in values(shared).values()} == {0}


def test_scoring_asks_nothing_again_that_failed(postgres_url: str, shared: Ledger, tmp_path: Path) -> None:
    """A chain in which a step failed is scored as it was answered, also where failed samples have new tries."""
    scicode(tmp_path)
    refusal = b'{"error": {"message": "no", "type": "invalid_request_error"}}'
    with answering(lambda number: (400, refusal) if number == 1 else (200, chat("def f(): return 1"))) as server:
        made = driven(
            "scicode",
            ["openai-compatible/m"],
            postgres_url,
            kinds=("ask",),
            later=("score",),
            base_url=server.url,
            retry_failed=True,
            data_dir=tmp_path,
            concurrency=1,
            **PROGRAMS,
        )
        n_asked = len(server.bodies)
    rows = list(attempt_rows(shared))
    assert len(rows) == n_asked
    assert sum(one.status == "failed" for one in rows) == 1
    assert made.result.models[0].n_failed == 1
    assert n_scores(shared) == len(rows) - 1


async def test_a_machine_that_runs_no_programs_scores_nothing_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be the quickest to take answers, and leave them unscored for good."""
    monkeypatch.setenv("PATH", "/nowhere")
    async with ScoringChecks(unsafe_exec=False, notice=lambda _: None) as checks:
        with pytest.raises(InputError, match="programs cannot be run here"):
            await refuse_to_score(checks)


def test_without_transcripts_one_who_asks_scores_by_itself_and_says_so_once(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    scicode(tmp_path)
    options = PROGRAMS | {"keep_transcripts": False, "data_dir": tmp_path}
    made = driven("scicode", ["sim/direct"], postgres_url, kinds=("ask",), **options)
    assert (made.result.status, n_scores(shared)) == ("complete", len(list(attempt_rows(shared))))
    (said,) = made.worker_notices[0]
    assert "scores what it asks by itself" in said


JUDGED = ', options = { prompt = "Question: {question} Reference: {reference} Reply: {reply}" }'


def judged_suite(folder: Path, count: int) -> str:
    rows = [{"id": f"q{i}", "question": f"Capital {i}?", "answer": "Paris"} for i in range(count)]
    return suite_file(folder, rows, scorer="judge", options=JUDGED)


def test_judges_of_all_workers_share_one_budget(postgres_url: str, shared: Ledger, tmp_path: Path) -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 500, "total_tokens": 600}
    with answering(lambda _: (200, chat("Verdict: CORRECT", usage=usage))) as server:
        made = driven(
            judged_suite(tmp_path, 40),
            ["sim/direct"],
            postgres_url,
            kinds=("ask", "all"),
            book=priced(tmp_path),
            judge=parse_model("openai-compatible/m"),
            base_url=server.url,
            budget_usd=Decimal("0.02"),
            budget_mode="strict",
        )
    judged = [one for one in attempt_rows(shared) if one.purpose == "judge"]
    budget = shared.budget("run:run-1")
    assert budget is not None
    assert budget.spent_pico_usd + budget.reserved_pico_usd <= to_pico_ceiling(Decimal("0.02"))
    assert len({one.request_id for one in judged}) == len(judged) == len(server.bodies)
    assert (made.result.exit_code, made.result.status) == (3, "partial")
    assert n_scores(shared) == len(judged) < 40


def test_a_judge_is_asked_again_under_a_new_number_after_a_worker_died_in_the_middle(
    postgres_url: str, shared: Ledger, tmp_path: Path
) -> None:
    def start(leased: Leased, purpose: Purpose) -> AttemptStart:
        part = ".judge" if purpose == "judge" else ""
        return AttemptStart(
            request_id=f"run-1.c{leased.cell_id}.p{leased.planned_id}{part}.e0.t1",
            cell_id=leased.cell_id,
            planned_id=leased.planned_id,
            model_requested="m",
            started_at_us=NOON_US,
            purpose=purpose,
            provider="openai-compatible" if purpose == "judge" else None,
        )

    async def ask(dead: WorkerRecord, leased: Leased) -> None:
        async with shared.writer(dead) as writer:
            said = Transcript(messages=[], answer="Paris")
            await writer.settle(outcome(await writer.send(start(leased, "solve"))), transcript=said)
            await writer.send(start(leased, "judge"))

    def die_in_the_middle() -> None:
        dead = worker_of(shared, enlist(shared, "run-1", name="dead", kind="all", lease_s=-1.0))
        (leased,) = take(shared, dead, {cell.cell_id or 0: 1 for cell in shared.cells("run-1")})
        asyncio.run(ask(dead, leased))
        expire(shared, "run-1")

    with answering(lambda _: (200, chat("Verdict: CORRECT"))) as server:
        made = driven(
            judged_suite(tmp_path, 4),
            ["sim/direct"],
            postgres_url,
            kinds=(),
            later=("all", "all"),
            between=die_in_the_middle,
            judge=parse_model("openai-compatible/m"),
            base_url=server.url,
        )
    assert (made.result.status, n_scores(shared)) == ("complete", 4)
    rows = list(attempt_rows(shared))
    assert sum(one.purpose == "solve" for one in rows) == 4, "what was answered was not asked again"
    judged = sorted((one.try_number, one.status) for one in rows if one.purpose == "judge")
    assert judged == [(1, "sent"), (1, "succeeded"), (1, "succeeded"), (1, "succeeded"), (2, "succeeded")]


def test_answers_that_nobody_scores_are_not_waited_for_in_silence() -> None:
    now_s, n_waiting = 0.0, 3
    watched = NobodyScores("run-1", lambda: n_waiting, lambda: now_s)
    asking, scoring = record(kind="ask"), record(kind="score")
    assert watched.look([asking]) is None
    now_s = SAID_AFTER_S
    said = watched.look([asking])
    assert said is not None
    assert said.startswith("3 answered chains wait")
    assert "benchtab worker run-1 --only score" in said
    assert watched.look([asking]) is None, "not at every look"
    assert watched.look([asking, scoring]) is None
    now_s *= 10
    assert watched.look([asking]) is None, "somebody was there a moment ago"
    now_s += SAID_AFTER_S
    assert watched.look([record(kind="all", state="ended")]) == said


def record(*, kind: WorkerKind, state: WorkerState = "working") -> WorkerRecord:
    return WorkerRecord(
        worker_id=1,
        run_id="run-1",
        name="here",
        kind=kind,
        state=state,
        started_at_us=0,
        heartbeat_at_us=0,
        expires_at_us=0,
        ended_at_us=None,
        places=0,
        in_flight=0,
        n_asked=0,
        n_scored=0,
        detail=None if state == "working" else WorkerEnd(why="").to_json(),
    )
