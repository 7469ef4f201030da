"""Stored conversations are scored again: played once more for a verdict, or by their last text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import score_rows
from harness.pricing.price_files import load_price_book
from harness.runner.scoring.rescoring import Rescored, RescoreOptions, rescore
from tests.support.conversing import Says, bench_suite, converse, in_order, mover, parties


def again(ledger: Ledger, **options: Any) -> Rescored:
    return rescore(
        ledger, "run-1", book=load_price_book(), options=RescoreOptions(**options), notice=lambda _: None
    )  # fmt: skip


def test_turns_are_played_again_for_another_verdict(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        converse(bench_suite(tmp_path / "s", 3), asked, ledger, tmp_path)
        n_asked = len(asked.bodies)
        found = again(ledger)
        assert (sum(one.n_scored for one in found.cells.values()), dict(found.kept)) == (3, {})
        assert all(not (one.n_higher or one.n_lower or one.n_other_reason) for one in found.cells.values())
        assert len(list(score_rows(ledger, ["run-1"], newest=False))) == 6
        assert {row.value_millionths for row in score_rows(ledger, ["run-1"])} == {1_000_000}
        assert len(asked.bodies) == n_asked


def test_samples_at_their_limit_keep_their_score(tmp_path: Path) -> None:
    look = Says(calls=[("look", {"box": 1})])
    with Ledger.open(tmp_path / "l.db") as ledger, parties(in_order(look)) as asked:
        converse(bench_suite(tmp_path / "s", 2, solver="max_turns = 2"), asked, ledger, tmp_path)
        found = again(ledger)
        assert (found.cells, dict(found.kept)) == ({}, {"the sample ended at a limit": 2})


def test_a_conversation_that_was_not_kept_keeps_its_score(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        converse(bench_suite(tmp_path / "s"), asked, ledger, tmp_path, keep_transcripts=False)
        found = again(ledger)
        assert (found.cells, dict(found.kept)) == ({}, {"the answer was not stored": 1})


def test_another_scorer_reads_the_last_text(tmp_path: Path) -> None:
    done = in_order(Says(text="Now.", calls=[("look", {"box": 1})]), Says(text='{"goal": 1}'))
    suite = bench_suite(tmp_path / "s", scorer="text")
    with Ledger.open(tmp_path / "l.db") as ledger, parties(done) as asked:
        converse(suite, asked, ledger, tmp_path)
        (score,) = score_rows(ledger, ["run-1"])
        assert (score.answer, score.value_millionths) == ('{"goal": 1}', 0)
        found = again(ledger)
        assert sum(one.n_scored for one in found.cells.values()) == 1
