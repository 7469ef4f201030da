"""Budgets over runs: days, months and models; expected costs with their bound; the server's own books under a cap."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks import budgets as proof
from harness.errors import InputError, UnpricedModelError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.money import from_pico, to_pico_ceiling
from harness.runner.budgets import check_scope, parse_cap
from harness.runner.requests.expected_costs import ENOUGH, ExpectedCosts
from tests.support.answering import answering, chat, priced
from tests.support.runs import Watcher, number_suite, run, suite_file


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


def _scopes() -> tuple[str, str, str]:
    now = datetime.now(UTC)
    return (f"day:{now:%Y-%m-%d}", f"month:{now:%Y-%m}", "model:sim/reasoner")


@pytest.mark.parametrize("which", [0, 1, 2], ids=["day", "month", "model"])
def test_a_cap_over_the_ledger_stops_every_run_that_meets_it(which: int, sqlite: Ledger, tmp_path: Path) -> None:
    scope, suite = _scopes()[which], number_suite(tmp_path, 60)
    sqlite.set_budget(scope, to_pico_ceiling(Decimal("0.3")))
    first = run(suite, ["sim/reasoner"], sqlite, run_id="first")
    second = run(suite, ["sim/reasoner"], sqlite, run_id="second")
    budget = sqlite.budget(scope)
    assert budget is not None
    assert (first.exit_code, second.exit_code) == (3, 3)
    assert budget.spent_pico_usd + budget.reserved_pico_usd <= to_pico_ceiling(Decimal("0.3"))
    stopped = first.models[0].stopped_by
    assert stopped is not None
    assert stopped.where == scope
    assert budget.left_pico_usd is not None
    assert "of $0.3 is left" in str(stopped)
    assert f"benchtab budgets set {scope}" in str(stopped)
    assert first.resume_command == "benchtab run --resume first", "raising the run's own budget would not help"


def test_a_full_model_does_not_stop_the_others(sqlite: Ledger, tmp_path: Path) -> None:
    sqlite.set_budget("model:sim/reasoner", 0)
    result = run(number_suite(tmp_path, 10), ["sim/reasoner", "sim/direct"], sqlite)
    assert [model.n_left for model in result.models] == [10, 0]
    assert result.exit_code == 3


def test_a_day_budget_refuses_an_unpriced_model_before_anything_is_sent(sqlite: Ledger, tmp_path: Path) -> None:
    sqlite.set_budget(_scopes()[0], 10**12)
    with pytest.raises(UnpricedModelError, match="openai/o9-imaginary"):
        run(number_suite(tmp_path, 3), ["openai/o9-imaginary"], sqlite)
    assert sqlite.runs() == []


def test_an_unpriced_judge_sends_nothing_under_a_budget(sqlite: Ledger, tmp_path: Path) -> None:
    from harness.models import parse_model

    rows = [{"id": "q", "question": "Capital?", "answer": "Paris"}]
    prompt = "{question} Reference: {reference} Reply: {reply}"
    suite = suite_file(tmp_path, rows, scorer="judge", options=f', options = {{ prompt = "{prompt}" }}')
    judge = parse_model("openai-compatible/no-such-judge")
    with pytest.raises(UnpricedModelError, match="no-such-judge"):
        run(suite, ["sim/direct"], sqlite, budget_usd=Decimal(5), judge=judge, base_url="http://127.0.0.1:9/v1")
    assert [row.purpose for row in attempt_rows(sqlite)] == ["solve"]


def test_scopes_and_caps_with_slips_are_refused() -> None:
    for good in ("day:2026-11-22", "month:2026-11", "model:openai/o1", "run:mine"):
        assert check_scope(good) == good
    assert check_scope("model:openai/o1@high") == "model:openai/o1", "a budget holds a model with all its settings"
    for bad in ("day:2026-13-01", "day:22.11.2026", "month:2026-00", "model:o1", "week:3", "run:", ""):
        with pytest.raises(InputError):
            check_scope(bad)
    assert parse_cap("$0.25") == Decimal("0.25")
    for bad in ("-1", "five", "NaN", "Infinity"):
        with pytest.raises(InputError):
            parse_cap(bad)


# expected costs


def test_the_worst_case_is_reserved_until_enough_charges_are_known() -> None:
    costs = ExpectedCosts()
    for number in range(ENOUGH):
        assert costs.reservation_pico(1, "solve", 1_000) == 1_000
        costs.sent(number, worst_pico=1_000, reserved_pico=1_000)
        costs.settled(number, 1, "solve", 10 + number)
    assert costs.reservation_pico(1, "solve", 1_000) == 36, "27 of 30 charges are at most 36"
    assert costs.reservation_pico(1, "solve", 20) == 20, "never above the worst case"
    assert costs.reservation_pico(2, "solve", 1_000) == 1_000, "another cell is not known yet"
    assert costs.reservation_pico(1, "judge", 1_000) == 1_000
    assert costs.most_exposed_pico == 0


def test_the_bound_of_expected_mode_holds_whatever_is_charged() -> None:
    draw, costs = random.Random(2), ExpectedCosts()
    cap, spent, reserved = 100_000, 0, 0
    flying: dict[int, tuple[int, int]] = {}
    for number in range(5_000):
        worst = draw.randrange(500, 1_000)
        amount = costs.reservation_pico(1, "solve", worst)
        if spent + reserved + amount <= cap and len(flying) < 40:
            costs.sent(number, worst_pico=worst, reserved_pico=amount)
            flying[number] = (worst, amount)
            reserved += amount
        elif flying:
            one = draw.choice(list(flying))
            worst, amount = flying.pop(one)
            unknown = draw.random() < 0.1
            charged = worst if draw.random() < 0.05 else draw.randrange(1, 100)
            costs.settled(one, 1, "solve", None if unknown else charged)
            reserved -= amount
            spent += amount if unknown else charged
    assert costs.most_exposed_pico > 0
    assert cap - 1_000 < spent <= cap + costs.most_exposed_pico


def test_expected_mode_sends_more_at_once_and_says_what_it_may_overshoot(sqlite: Ledger, tmp_path: Path) -> None:
    suite, watcher = number_suite(tmp_path, 300), Watcher()
    options: dict[str, Any] = {"budget_usd": Decimal("1.5"), "concurrency": 64}
    strict = run(suite, ["sim/reasoner"], sqlite, run_id="strict", **options)
    expected = run(
        suite, ["sim/reasoner"], sqlite, run_id="expected", watcher=watcher, budget_mode="expected", **options
    )
    assert (strict.exit_code, expected.exit_code) == (3, 3)
    assert strict.notes == ()
    assert "at most (worst case - quantile)" in watcher.notices[0]
    assert "spending stays below each cap plus $" in expected.notes[0]
    overshoot = Decimal(expected.notes[0].split("plus $")[1].split(",")[0])
    spent = {name: sqlite.budget(f"run:{name}") for name in ("strict", "expected")}
    assert spent["strict"] is not None
    assert spent["expected"] is not None
    assert from_pico(spent["strict"].spent_pico_usd) <= Decimal("1.5")
    assert from_pico(spent["expected"].spent_pico_usd) <= Decimal("1.5") + overshoot
    assert expected.models[0].n_left <= strict.models[0].n_left


# the server's own books


def test_what_the_server_billed_never_exceeds_a_strict_cap(tmp_path: Path) -> None:
    """$5.135 under a $5 cap, and $16 under $1 with 8 in flight, were seen elsewhere: reserve first, settle after."""
    capped = proof.spend(tmp_path, runs=4, samples=50, seed=4)
    assert {one.exit_code for one in capped} <= {0, 3}
    assert any(one.exit_code == 3 for one in capped)
    assert all(0 < one.server_pico <= one.ledger_pico <= one.cap_pico or one.server_pico == 0 for one in capped)


@pytest.mark.postgres
def test_processes_on_one_postgresql_ledger_hold_one_budget(postgres_url: str, tmp_path: Path) -> None:
    assert proof.share(tmp_path, postgres_url, processes=2, samples=25, cap_usd="0.4")


def test_simulated_dollars_never_fill_a_real_cap(sqlite: Ledger, tmp_path: Path) -> None:
    """An afternoon with the built-in models used up the month's budget of the nightly job, all of it made up."""
    day, month, _ = _scopes()
    for scope in (day, month):
        sqlite.set_budget(scope, to_pico_ceiling(Decimal("0.3")))
    assert run(number_suite(tmp_path / "a", 60), ["sim/reasoner"], sqlite, run_id="simulated").exit_code == 3
    with answering(lambda _: (200, chat())) as asked:
        real = run(
            number_suite(tmp_path / "b", 20), ["openai-compatible/m"], sqlite, run_id="real", book=priced(tmp_path),
            base_url=asked.url,
        )  # fmt: skip
    assert real.status == "complete"
    budget = sqlite.budget(day)
    assert budget is not None
    assert budget.spent_pico_usd == 20 * (20 * 1 + 10 * 2) * 10**6
    assert run(number_suite(tmp_path / "c", 60), ["sim/reasoner"], sqlite, run_id="again").exit_code == 3


def test_a_cap_that_no_ledger_can_count_is_refused() -> None:
    for bad in ("1e30", "10000000", "1_0", "\u0665", "nan", "-1", "", "9" * 5000):
        with pytest.raises(InputError):
            parse_cap(bad)
    for good, usd in (("5", "5"), ("$0.25", "0.25"), ("0", "0")):
        assert parse_cap(good) == Decimal(usd)


def test_bills_that_stay_unknown_count_at_their_worst_case_in_expected_mode(sqlite: Ledger, tmp_path: Path) -> None:
    """$1.76 was spent under a cap of $0.02: each dropped answer counted at the usual charge only."""

    def answer(number: int) -> tuple[int, bytes]:
        return (200, chat()) if number < 40 else (200, b'{"id": "cut')

    with answering(answer) as asked:
        ended = run(
            number_suite(tmp_path, 400, cap=5_000), ["openai-compatible/m"], sqlite, book=priced(tmp_path),
            base_url=asked.url, budget_usd=Decimal("0.1"), budget_mode="expected", concurrency=2, max_attempts=1,
        )  # fmt: skip
    budget = sqlite.budget("run:run-1")
    assert ended.exit_code == 3
    # 40 known bills of $0.00004; each unknown one may be over $0.01: a cap of $0.1 has room for nine, and a few are
    # in flight or recorded ahead when it is full
    assert 40 < len(asked.bodies) <= 60
    assert budget is not None
    assert budget.spent_pico_usd >= (len(asked.bodies) - 40) * 10**10
