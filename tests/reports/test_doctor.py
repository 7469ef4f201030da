"""`benchtab doctor`: what is set up, what is not, what to do; names of keys only, and nothing sent."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import harness
from harness.models import parse_model
from harness.reports.readiness import Check, examine
from harness.runner.endings import RunResult, ending_lines
from harness.runner.forecast.remaining import Rest
from tests.support.runs import number_suite

KEY = "sk-a-key-that-must-not-be-seen-0123456789"


def found(
    ledger: str, *models: str, pricing: Path | None = None, environment: dict[str, str] | None = None
) -> dict[str, Check]:
    specs = [parse_model(name) for name in models]
    checks = examine(ledger=ledger, pricing=pricing, models=specs, environment=environment or {})
    return {check.name: check for check in checks}


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHTAB_CACHE", str(tmp_path / "cache"))


def test_a_key_that_is_there_is_named_and_never_shown(tmp_path: Path) -> None:
    checks = found(str(tmp_path / "l.db"), "openai/o1", environment={"OPENAI_API_KEY": KEY})
    assert checks["key of openai"].state == "ok"
    assert checks["keys"].found == "set: OPENAI_API_KEY"
    assert KEY not in repr(checks)


@pytest.mark.parametrize(
    ("model", "state", "fix"),
    [
        ("openai/o1", "missing", "export OPENAI_API_KEY=..."),
        ("google/gemini-2.5-pro", "missing", "export GEMINI_API_KEY=..."),
        ("openai-compatible/mine", "note", ""),
        ("sim/direct", "ok", ""),
        ("some-provider/mine", "note", ""),
    ],
)
def test_a_key_that_is_not_there_is_missing_only_where_one_is_needed(
    model: str, state: str, fix: str, tmp_path: Path
) -> None:
    check = found(str(tmp_path / "l.db"), model)[f"key of {model.partition('/')[0]}"]
    assert (check.state, check.fix) == (state, fix)


def test_a_proxy_that_is_set_and_not_used_is_told(tmp_path: Path) -> None:
    check = found(str(tmp_path / "l.db"), environment={"https_proxy": "http://proxy.example:3128"})["proxy"]
    assert (check.state, check.fix) == ("note", "export BENCHTAB_PROXY=env to use it")


def test_the_ledger_is_looked_at_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "l.db"
    assert found(str(path))["ledger"].state == "note"
    assert not path.exists()
    path.write_text("no ledger")
    assert found(str(path))["ledger"].state == "missing"


def test_a_wrong_price_file_is_missing_with_its_mistakes(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("[[price]]\nmodel = 1\n")
    check = found(str(tmp_path / "l.db"), pricing=tmp_path)["prices"]
    assert check.state == "missing"
    assert "mine.toml" in check.found


def test_a_budget_that_ends_a_run_is_told_what_the_rest_needs_and_that_is_enough(tmp_path: Path) -> None:
    """The hint doubled the budget blindly: the next session ended after as little."""
    path = tmp_path / "l.db"
    suite = number_suite(tmp_path / "suite", 30)
    done = harness.run(suite, "sim/reasoner", db=path, run_id="r", budget_usd="0.25", concurrency=1)
    assert done.exit_code == 3
    assert done.rest is not None
    assert done.rest.estimate_usd is not None
    assert 0 < done.rest.estimate_usd < done.rest.cap_usd
    assert done.resume_command is not None
    assert f"--budget-usd {done.rest.cap_usd:f}" in done.resume_command
    assert any("the rest costs about $" in line for line in ending_lines(done))
    again = harness.run(suite, "sim/reasoner", db=path, run_id="r", budget_usd=done.rest.cap_usd, concurrency=1)
    assert again.status == "complete" or again.models[0].n_left < done.models[0].n_left / 4


def test_a_rest_of_fractions_of_a_cent_is_not_said_to_cost_nothing() -> None:
    """It was said to cost about $0.0000."""
    rest = Rest(estimate_usd=Decimal("0.0000123"), next_usd=Decimal("0.00001"), cap_usd=Decimal("0.00003"))
    done = RunResult(run_id="r", status="partial", models=(), warnings=(), exit_code=3, resume_command=None, rest=rest)
    (line,) = ending_lines(done)
    assert line.startswith("the rest costs about $0.0000123 at the cost so far")


def test_a_budget_too_small_for_one_request_is_told_so_with_one_that_is_not(tmp_path: Path) -> None:
    """It said "used up" while all was left, and advised twice as much, which could not pay one request either."""
    suite = number_suite(tmp_path / "suite", 2)
    done = harness.run(suite, "sim/reasoner", db=tmp_path / "l.db", run_id="r", budget_usd="0.001")
    assert done.rest is not None
    assert done.rest.estimate_usd is None
    assert done.rest.cap_usd > done.rest.next_usd > 0
    assert any("is too small" in line for line in ending_lines(done))
    again = harness.run(suite, "sim/reasoner", db=tmp_path / "l.db", run_id="r", budget_usd=done.rest.cap_usd)
    assert again.status == "complete"
