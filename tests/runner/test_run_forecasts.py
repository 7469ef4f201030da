"""Forecasts of a run's bill while it goes: when they are made, what they rest on, and who decides after a pilot."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from harness.errors import InputError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.models import parse_model
from harness.money import to_pico_ceiling
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.runner import RunResult
from harness.runner.forecast.bill_forecaster import BillForecaster
from harness.runner.forecast.bills import (
    Amounts,
    BillForecast,
    Charge,
    TaskCharges,
    bill_in_the_end,
    with_unsure_counts,
)
from harness.runner.forecast.pilot_size import PilotTask, parse_pilot, pilot_units, wanted_answers
from harness.runner.forecast.renewals import Renewals
from harness.runner.forecast.stored_history import stored_history
from harness.runner.preparation import prepare_run
from harness.runner.spec import RunSpec
from tests.support import runs
from tests.support.runs import Watcher, number_suite

REASONER, DIRECT = "sim/reasoner", "sim/direct"


def whole(ledger: Ledger, run_id: str = "run-1") -> list[BillForecast]:
    return [BillForecast.from_record(one) for one in ledger.forecasts([run_id]) if one.cell_id is None]


def asked(ledger: Ledger, run_id: str = "run-1") -> list[tuple[str, str | None]]:
    return [(row.model, row.sample_id) for row in attempt_rows(ledger, [run_id])]


def charges(*picos: float, cut: int = 0, **changes: object) -> TaskCharges:
    seen = [[Charge(pico, number < cut)] for number, pico in enumerate(picos)]
    return TaskCharges(**{"seen": seen, "n_new": 90, "worst": 1000.0, **changes})  # type: ignore[arg-type]


# arithmetic


def test_a_bill_is_what_was_spent_and_what_each_tasks_answers_cost_so_far() -> None:
    first, second = charges(*[10.0, 30.0] * 5), charges(*[100.0] * 10, n_new=5)
    found = bill_in_the_end([[first], [second]])
    assert found is not None
    assert found.expected == 200 + 90 * 20 + 1000 + 5 * 100
    assert found.low is not None
    assert found.high is not None
    assert found.ceiling is not None
    assert 200 + 1000 <= found.low < found.expected < found.high < found.ceiling


def test_a_task_that_nobody_answered_yet_is_expected_to_cost_what_is_known_of_it_and_leaves_no_interval() -> None:
    unseen = TaskCharges(seen=[], n_new=10, expected=7.0, worst=20.0)
    found = bill_in_the_end([[unseen]])
    assert found is not None
    assert (found.expected, found.low, found.high, found.ceiling) == (70, None, None, 200)
    assert bill_in_the_end([[TaskCharges(seen=[], n_new=10)]]) is None


def test_small_tasks_are_put_together_until_they_have_a_spread() -> None:
    small = [charges(10.0, 20.0, 30.0, n_new=30), charges(10.0, 20.0, 30.0, 20.0, 25.0, n_new=30)]
    found = bill_in_the_end([small])
    assert found is not None
    assert found.low is not None
    alone = bill_in_the_end([small[:1]])
    assert alone is not None
    assert alone.low is None


def test_cut_answers_lift_the_ceiling_and_never_above_every_answer_at_its_worst() -> None:
    values = [float(value) for value in range(10, 70)]
    none, some = bill_in_the_end([[charges(*values)]]), bill_in_the_end([[charges(*values, cut=3)]])
    most = bill_in_the_end([[charges(*values[:8], cut=7)]])
    assert none is not None
    assert some is not None
    assert most is not None
    assert none.ceiling is not None
    assert some.ceiling is not None
    assert none.high is not None
    assert none.high < none.ceiling < some.ceiling
    assert most.ceiling == sum(values[:8]) + 90 * 1000


def test_not_knowing_how_many_will_be_asked_makes_a_forecast_less_certain() -> None:
    known = Amounts(100.0, 96.0, 103.0, 120.0)
    unsure = with_unsure_counts(known, 20.0, n_waves=1)
    assert unsure.expected == 100
    assert unsure.low == pytest.approx(100 - (4**2 + 28**2) ** 0.5)  # .35 of the 80 that are to come
    assert unsure.high == pytest.approx(100 + (3**2 + 28**2) ** 0.5)
    assert unsure.ceiling == 148
    late = with_unsure_counts(known, 98.0, n_waves=7)
    assert late.low == 98  # never below what is spent
    assert late.high == pytest.approx(100 + (3**2 + 5**2) ** 0.5)
    nothing = Amounts(100.0, None, None, None)
    assert with_unsure_counts(nothing, 20.0, n_waves=2) == nothing


# sizes of pilots


@pytest.mark.parametrize(("text", "stored"), [("2%", "2%"), (" 2.5 % ", "2.5%"), ("200", "200")])
def test_a_pilot_is_a_share_or_a_number(text: str, stored: str) -> None:
    assert parse_pilot(text) == stored


@pytest.mark.parametrize("text", ["0", "0%", "100%", "2.5", "-3", "two", "", "%", "1e9%"])
def test_other_sizes_of_a_pilot_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="not the size of a pilot"):
        parse_pilot(text)


def test_a_pilot_goes_where_bills_are_uncertain_with_eight_of_every_task() -> None:
    cheap = PilotTask(n_units=4000, unit_items=1, n_answers=4000, cost=1)
    dear = PilotTask(n_units=1000, unit_items=1, n_answers=1000, cost=16)
    small = PilotTask(n_units=5, unit_items=1, n_answers=50, cost=100)
    assert pilot_units([cheap, dear], 200) == [100, 100]  # 4000 * sqrt(1) = 1000 * sqrt(16)
    assert pilot_units([cheap, dear, small], 10) == [8, 8, 5]
    assert pilot_units([cheap, small], 10_000) == [4000, 5]
    assert wanted_answers("2%", 1001) == 21
    assert wanted_answers("50", 20) == 20


# whole runs


def test_a_run_forecasts_its_bill_at_its_start_and_at_shares_of_its_answers(ledger: Ledger, tmp_path: Path) -> None:
    watcher, suite = Watcher(), number_suite(tmp_path, 90)
    runs.run(suite, [REASONER, DIRECT], ledger, watcher=watcher)
    made = whole(ledger)
    assert [(one.stage, round(one.share, 2)) for one in made] == [("start", 0), ("share", 0.26), ("share", 0.5)]
    assert sorted(watcher.forecasts, key=lambda one: one.share) == made
    assert {one.cell_id for one in ledger.forecasts()} == {None, 1, 2}
    bill = sum(row.charged_pico_usd or 0 for row in attempt_rows(ledger))
    last = made[-1]
    assert last.sources == ("this run",)
    assert last.low is not None
    assert last.high is not None
    assert last.ceiling is not None
    assert last.low <= bill <= last.high <= last.ceiling


def test_a_share_counts_the_first_of_the_draw_and_not_the_first_that_came_back(ledger: Ledger, tmp_path: Path) -> None:
    runs.run(number_suite(tmp_path, 80), [REASONER], ledger, concurrency=40)
    first = {one.planned_id for one in ledger.planned("run-1") if one.draw_order < 20}
    cost = {row.planned_id: row.charged_pico_usd or 0 for row in attempt_rows(ledger)}
    quarter = next(one for one in whole(ledger) if one.share == 0.25)
    assert quarter.expected == pytest.approx(80 * sum(cost[number or 0] for number in first) / 20, abs=1)


def test_a_second_run_is_forecast_from_the_answers_to_the_first(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 30)
    runs.run(suite, [DIRECT], ledger)
    runs.run(suite, [DIRECT], ledger, run_id="again")
    first, again = whole(ledger)[0], whole(ledger, "again")[0]
    assert (first.sources, first.low) == (("default",), None)
    assert again.sources == ("own answers",)
    assert again.low is not None


def test_a_forecast_at_the_start_never_rests_on_first_answers_of_its_own_run(ledger: Ledger, tmp_path: Path) -> None:
    """It is made beside the first requests: whether it had an interval depended on who was quicker."""
    suite = number_suite(tmp_path, 10)
    runs.run(suite, [DIRECT], ledger)
    runs.run(suite, [DIRECT], ledger, run_id="again")
    spec = RunSpec(suites=(suite,), models=(parse_model(DIRECT),))
    prepared = prepare_run(spec, run_id="again", book=load_price_book(), now=datetime.now(UTC))
    (every,), (but_own,) = (
        stored_history(prepared, ledger, but_run=but_run).values() for but_run in (None, prepared.run_id)
    )
    assert (len(every.answers), len(but_own.answers)) == (20, 10)


def test_a_resumed_run_makes_no_forecast_twice(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 60)
    runs.run(suite, [REASONER], ledger, budget_usd=Decimal("0.3"))
    before = whole(ledger)
    runs.run(suite, [REASONER], ledger, budget_usd=Decimal(5))
    made = whole(ledger)
    assert made[: len(before)] == before
    assert [one.stage for one in made].count("start") == 1
    assert len({one.share for one in made}) == len(made) == 2


def test_a_model_without_a_price_has_no_forecast_and_is_named_in_that_of_others(ledger: Ledger, tmp_path: Path) -> None:
    suite, shipped = number_suite(tmp_path, 60), load_price_book()
    runs.run(suite, [DIRECT], ledger, run_id="unpriced", book=PriceBook())
    assert ledger.forecasts() == []
    direct = PriceBook(
        rows=tuple(price for price in shipped.rows if (price.provider, price.name) == ("sim", "sim/direct"))
    )
    runs.run(suite, [REASONER, DIRECT], ledger, book=direct)
    assert {one.unpriced for one in whole(ledger)} == {(REASONER,)}
    assert len({one.cell_id for one in ledger.forecasts()}) == 2


# pilots


def piloted(ledger: Ledger, suite: str, watcher: Watcher, **options: object) -> RunResult:
    return runs.run(suite, [REASONER, DIRECT], ledger, watcher=watcher, **{"pilot": "10%", **options})  # type: ignore[arg-type]


def test_a_pilot_comes_first_for_all_models_and_its_forecast_is_told_before_the_rest(
    ledger: Ledger, tmp_path: Path
) -> None:
    watcher = Watcher()
    result = piloted(ledger, number_suite(tmp_path, 120), watcher)
    order = asked(ledger)
    assert (result.exit_code, len(order), len(set(order))) == (0, 240, 240)
    drawn = {one.planned_id for one in ledger.draws("run-1")}
    samples = {one.sample_id for one in ledger.planned("run-1") if one.planned_id in drawn}
    assert len(samples) == 12
    assert {sample for _, sample in order[:24]} == samples
    said = "\n".join(watcher.notices)
    assert "pilot: 12 of 120 answers of each model; then the bill is forecast" in said
    assert "pilot done: 10.0% of the answers" in said
    assert "going on: there is no --budget-usd that it has to fit" in said
    assert [one.stage for one in whole(ledger)] == ["start", "pilot", "share", "share"]


def test_a_pilot_takes_eight_samples_of_every_task_and_says_so(ledger: Ledger, tmp_path: Path) -> None:
    watcher = Watcher()
    piloted(ledger, number_suite(tmp_path, 40), watcher, pilot="2%")
    assert any("pilot: 8 of 40 answers of each model, as a forecast needs 8 samples of every task" in said
               for said in watcher.notices)  # fmt: skip


def test_a_forecast_that_does_not_fit_the_budget_ends_the_run_with_its_pilot_kept(
    ledger: Ledger, tmp_path: Path
) -> None:
    suite, watcher = number_suite(tmp_path, 120), Watcher()
    result = piloted(ledger, suite, watcher, budget_usd=Decimal("0.5"))
    assert (result.exit_code, result.status, len(asked(ledger))) == (3, "partial", 24)
    assert {model.n_left for model in result.models} == {108}
    assert "does not fit the budget of $0.5" in str(result.models[0].stopped_by)
    assert result.resume_command is not None
    needed = Decimal(result.resume_command.split()[-1])
    pilot = whole(ledger)[-1]
    assert pilot.high is not None
    assert to_pico_ceiling(needed) >= pilot.high

    again = piloted(ledger, suite, watcher, budget_usd=Decimal("0.5"))
    assert (again.exit_code, len(asked(ledger))) == (3, 24)
    done = piloted(ledger, suite, watcher, budget_usd=Decimal(5))
    order = asked(ledger)
    assert (done.exit_code, len(order), len(set(order))) == (0, 240, 240)
    assert [one.stage for one in whole(ledger)].count("pilot") == 1


def test_a_pilot_that_a_budget_cut_short_is_not_called_done(ledger: Ledger, tmp_path: Path) -> None:
    """It was said that no model had a price, a person was asked to go on, and nobody when the pilot was whole."""
    suite, watcher = number_suite(tmp_path, 120), Watcher()
    cut = piloted(ledger, suite, watcher, budget_usd=Decimal("0.002"), can_ask=True)
    n_asked = len(asked(ledger))
    assert (cut.exit_code, n_asked < 24, watcher.questions) == (3, True, [])
    assert not any("pilot done" in said for said in watcher.notices)
    assert "pilot" not in [one.stage for one in whole(ledger)]
    piloted(ledger, suite, watcher, budget_usd=Decimal(5), can_ask=True)
    assert len(watcher.questions) == 1
    assert len(asked(ledger)) == len(set(asked(ledger))) == 240


@pytest.mark.parametrize(("consents", "code", "n_asked"), [(True, 0, 240), (False, 3, 24)])
def test_at_a_terminal_a_person_decides_and_whoever_comes_back_is_not_asked_again(
    consents: bool, code: int, n_asked: int, ledger: Ledger, tmp_path: Path
) -> None:
    suite, watcher = number_suite(tmp_path, 120), Watcher()
    watcher.consents = consents
    result = piloted(ledger, suite, watcher, can_ask=True)
    assert (result.exit_code, len(asked(ledger))) == (code, n_asked)
    (question,) = watcher.questions
    assert question.startswith("go on with the rest for about $")
    piloted(ledger, suite, watcher, can_ask=True)
    assert (len(watcher.questions), len(asked(ledger))) == (1, 240)


def test_a_pilot_that_is_everything_asks_nothing(ledger: Ledger, tmp_path: Path) -> None:
    watcher = Watcher()
    result = piloted(ledger, number_suite(tmp_path, 6), watcher, can_ask=True)
    assert (result.exit_code, len(asked(ledger)), watcher.questions) == (0, 12, [])


def test_a_pilot_draws_first_samples_of_each_task_with_their_probability(ledger: Ledger, tmp_path: Path) -> None:
    piloted(ledger, number_suite(tmp_path, 40, epochs=2), Watcher(), pilot="20")
    draws = ledger.draws("run-1")
    planned = {one.planned_id: one for one in ledger.planned("run-1")}
    assert {(one.wave, one.stratum, one.inclusion_probability) for one in draws} == {(0, "questions", 0.5)}
    assert {planned[one.planned_id].epoch for one in draws} == {0}
    first = sorted(one.draw_order for one in planned.values() if one.epoch == 0)[:20]
    assert sorted({planned[one.planned_id].draw_order for one in draws}) == first


# runs in waves


def test_a_run_for_a_precision_is_forecast_after_each_wave_from_what_it_will_probably_ask(
    ledger: Ledger, tmp_path: Path
) -> None:
    watcher = Watcher()
    result = runs.run(number_suite(tmp_path, 400), [REASONER], ledger, watcher=watcher, precision=0.05)
    made = whole(ledger)
    n_waves = len({draw.wave for draw in ledger.draws("run-1")})
    assert result.exit_code == 0
    assert n_waves > 1
    assert [(one.stage, one.wave) for one in made] == [
        ("start", 0), ("pilot", 1), *(("wave", number) for number in range(2, n_waves))
    ]  # fmt: skip
    everything = made[0].ceiling
    assert everything is None  # of a part nobody knows how much it will be
    bill = sum(row.charged_pico_usd or 0 for row in attempt_rows(ledger))
    for one in made[1:]:
        assert one.low is not None
        assert one.high is not None
        assert one.low <= bill <= one.high


class SlowFirst:
    """Forecasts like `BillForecaster`; the first one waits for a second to begin, for as long as it may not."""

    def __init__(self) -> None:
        self.made_of: list[int] = []
        self._another = threading.Event()

    def has_seen(self, n_first: int) -> bool:
        if n_first > 20:
            self._another.set()
        return any(n >= n_first for n in self.made_of)

    def renewed(self, _: str, *, first: int) -> None:
        if first == 20:
            self._another.wait(0.2)
        self.made_of.append(first)


async def test_shares_reached_at_the_same_moment_are_forecast_one_after_the_other() -> None:
    """The forecast of a larger share was stored first at times, and the smaller one was then left out."""
    forecaster = SlowFirst()
    renewals = Renewals(cast(BillForecaster, forecaster), Watcher())
    renewals.at_share(20)
    renewals.at_share(100)
    await renewals.finish()
    assert forecaster.made_of == [20, 100]
