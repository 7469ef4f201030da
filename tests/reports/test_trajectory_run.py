"""A run of conversations as the runner writes it is reported as one: turns, calls, roles and dollars."""

from __future__ import annotations

from pathlib import Path

from harness.ledger import Ledger
from harness.models import parse_model
from harness.reports.facts.assembly import spend_report
from harness.reports.report_parts import report_document
from tests.support.answering import priced
from tests.support.conversing import bench_suite, converse, mover, parties


def test_a_run_with_a_simulated_user_is_reported_by_samples_and_roles(tmp_path: Path) -> None:
    """Each request has 20 tokens in and 10 out; at $1 and $2 a million tokens that is 40 micro-USD."""
    with Ledger.open(tmp_path / "ledger.db") as ledger, parties(mover) as asked:
        suite = bench_suite(tmp_path / "suite", 2, kind="user_simulation")
        result = converse(suite, asked, ledger, tmp_path, user_model=parse_model("openai-compatible/u"))
        assert result.exit_code == 0
        (row,) = report_document(spend_report(ledger, priced(tmp_path)))["rows"]
    found = row["trajectories"]
    assert (found["n_samples"], found["turns_per_task"], found["n_tool_calls"], found["limits"]) == (2, 2.0, 2, {})
    assert {name: one["n_attempts"] for name, one in found["roles"].items()} == {"solve": 4, "user_simulator": 4}
    assert found["roles"]["solve"]["cost_usd"]["total"] == "0.00016"
    assert (found["cost_per_task_usd"], found["cost_per_solved_task_usd"]) == ("0.00016", "0.00016")
