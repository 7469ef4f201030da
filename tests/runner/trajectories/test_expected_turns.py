"""What conversations are expected to cost: a default of turns before anything is known, then what earlier runs cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.models import parse_model
from harness.money import from_pico
from harness.runner import RunSpec
from harness.runner.forecast.cost_estimates import CostEstimate
from harness.runner.forecast.dry_run import dry_run
from harness.runner.trajectories.expected_turns import USUAL_TURNS
from tests.support.answering import priced
from tests.support.conversing import MODEL, Says, bench_suite, converse, in_order, mover, parties

NOW = datetime(2026, 11, 28, tzinfo=UTC)
URL = "http://127.0.0.1:9/v1"


def estimated(folder: Path, suite: str, ledger: Ledger | None = None, **options: Any) -> CostEstimate:
    spec = RunSpec(suites=(suite,), models=(parse_model(MODEL),), base_url=(URL,), **options)
    made = dry_run(spec, ledger=ledger, book=priced(folder), now=NOW, run_id=None, retry_failed=False)
    return made.estimates[0]


def test_a_conversation_is_never_estimated_as_one_request(tmp_path: Path) -> None:
    one = estimated(tmp_path, bench_suite(tmp_path / "s", 3))
    assert one.n_requests == 3 * USUAL_TURNS
    assert one.output.sources == {"boxes": "default turns"}
    assert (one.low_usd, one.high_usd, one.upper_bound_usd) == (None, None, None)
    assert one.estimated_usd is not None
    assert one.ceiling_usd is not None
    assert 0 < one.estimated_usd < one.ceiling_usd


def test_a_suite_of_few_turns_is_not_estimated_at_more(tmp_path: Path) -> None:
    assert estimated(tmp_path, bench_suite(tmp_path / "s", 3, solver="max_turns = 2")).n_requests == 6


def test_a_cap_of_each_sample_bounds_what_all_of_them_cost(tmp_path: Path) -> None:
    one = estimated(tmp_path, bench_suite(tmp_path / "s", 3), max_usd_per_sample=Decimal("0.004"))
    assert (one.estimated_usd, one.ceiling_usd, one.upper_bound_usd) == (Decimal("0.012"),) * 3


def test_earlier_runs_tell_what_a_conversation_costs_over_all_its_parties(ledger_url: str, tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", 9, kind="user_simulation", solver=f'user_model = "{MODEL}"')

    def script(body: Any) -> Says:
        return mover({**body, "model": "u"} if "unlock" in str(body.get("tools")) else body)

    with Ledger.open(ledger_url) as ledger, parties(script) as asked:
        converse(suite, asked, ledger, tmp_path)
        rows = list(attempt_rows(ledger, ["run-1"]))
        charged = from_pico(sum(row.charged_pico_usd or 0 for row in rows))
        one = estimated(tmp_path, suite, ledger)
    assert (one.n_requests, one.output.sources, one.output.n_answers) == (36, {"boxes": "earlier runs"}, 9)
    assert one.estimated_usd == charged > 0
    assert one.low_usd is not None
    assert any(f"{MODEL} plays the user" in note for note in one.notes)


def test_conversations_with_another_user_are_no_measure_of_what_these_cost(tmp_path: Path) -> None:
    suite = bench_suite(tmp_path / "s", 2, kind="user_simulation")

    def script(body: Any) -> Says:
        return mover({**body, "model": "u"} if "unlock" in str(body.get("tools")) else body)

    with Ledger.open(tmp_path / "l.db") as ledger, parties(script) as asked:
        converse(suite, asked, ledger, tmp_path, user_model=parse_model(MODEL))
        same, other = (
            estimated(tmp_path, suite, ledger, user_model=parse_model(user)) for user in (MODEL, "openai/gpt-4.1")
        )
    assert same.output.sources == {"boxes": "earlier runs"}
    assert other.output.sources == {"boxes": "default turns"}


def test_turns_do_not_count_as_lengths_of_answers(tmp_path: Path) -> None:
    """What a task of single requests would be forecast from must not be turns of a conversation with its name."""
    look = Says(calls=[("look", {"box": 1})], usage=(20, 190))
    with Ledger.open(tmp_path / "l.db") as ledger, parties(in_order(look, Says(text="Done."))) as asked:
        converse(bench_suite(tmp_path / "s", 2), asked, ledger, tmp_path)
        path = Path(bench_suite(tmp_path / "s", 2, scorer="text"))
        path.write_text(path.read_text().replace('name = "tools", environment = "workbench"', 'name = "single_turn"'))
        one = estimated(tmp_path, str(path), ledger)
    assert one.output.sources == {"boxes": "default"}
