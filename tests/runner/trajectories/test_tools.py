"""A model calls the tools of an environment until it answers: every request is an attempt, its end state is scored."""

from __future__ import annotations

from pathlib import Path

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import score_rows
from harness.ledger.reading.underway.party_requests import turns_of_sample
from tests.support.conversing import bench_suite, converse, mover, parties


def test_a_model_that_calls_tools_is_asked_until_it_answers(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger, parties(mover) as asked:
        result = converse(bench_suite(tmp_path / "s", 3), asked, ledger, tmp_path)
        assert (result.status, result.exit_code) == ("complete", 0)
        assert len(asked.bodies) == 6
        scores = list(score_rows(ledger, ["run-1"]))
        assert [row.value_millionths for row in scores] == [1_000_000] * 3
        assert {row.rule for row in scores} == {"ended:answered"}
        cell = ledger.cells("run-1")[0].cell_id
        for planned in ledger.planned("run-1"):
            assert cell is not None
            assert planned.planned_id is not None
            turns = turns_of_sample(ledger, cell, planned.planned_id)
            assert [(turn.turn, turn.status) for turn in turns] == [(0, "succeeded"), (1, "succeeded")]
            assert any(row.attempt_id == turns[-1].attempt_id for row in scores)
