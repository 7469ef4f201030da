"""`benchtab forecasts`, and the line under a report: what was forecast beside what it then cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli.app import command_line
from harness.errors import HarnessError
from harness.ledger import Ledger
from harness.ledger.records import ForecastRecord, RunRecord
from harness.money import from_pico
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.forecasts.forecast_tables import forecast_lines, record_table
from harness.reports.forecasts.kept_forecasts import Calibration, KeptForecast, telling
from harness.reports.spend.spend_page import report_page
from harness.runner.forecast.bill_words import bill_words, forecast_words, stage_words
from harness.runner.forecast.bills import BillForecast, Stage
from harness.stats.totals_to_come import is_below_promise
from tests.support import runs
from tests.support.ledger_rows import RUN
from tests.support.runs import number_suite

USD = 10**12


def forecast(expected: float, low: float | None = None, high: float | None = None, **changes: Any) -> BillForecast:
    pico = [None if usd is None else round(usd * USD) for usd in (low, high)]
    values = {"stage": "share", "share": 0.1, "n_seen": 10, "sources": ("this run",), "spent": 0, "ceiling": None}
    return BillForecast(**{"expected": round(expected * USD), "low": pico[0], "high": pico[1], **values, **changes})


def kept(
    bill: float, made: BillForecast, *, status: str = "complete", run_id: str = "r", **changes: Any
) -> KeptForecast:
    run: RunRecord = replace(RUN, run_id=run_id, status=status)  # type: ignore[arg-type]
    values = {"made_at_us": 0, "cell": None, "is_lower_bound": False, "is_simulated": False}
    return KeptForecast(**{"run": run, "forecast": made, "spent_now": round(bill * USD), **values, **changes})


def invoke(words: Sequence[str], db: Path) -> str:
    found = CliRunner().invoke(command_line(), [*words, "--db", str(db)])
    assert found.exit_code == 0, found.output
    return found.output


# words


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (forecast(41.2, 37.1, 45.9), "$41 [37-46]"),
        (forecast(2.191, 1.64, 3.05), "$2.19 [1.64-3.05]"),
        (forecast(0.0316, 0.0291, 0.0341), "$0.032 [0.029-0.034]"),
        (forecast(1234.5, 1100, 1400), "$1,234 [1,100-1,400]"),
        (forecast(41.2), "$41"),
        (forecast(0.00214), "$0.0021"),
        (forecast(0, 0, 0), "$0.00 [0.00-0.00]"),
    ],
)
def test_a_forecast_is_written_no_finer_than_its_interval(made: BillForecast, said: str) -> None:
    assert forecast_words(made) == said


def test_bills_and_moments_are_written_for_people() -> None:
    assert [bill_words(round(usd * USD)) for usd in (43.12, 0.0316, 0)] == ["$43.12", "$0.0316", "$0.00"]
    stages: list[tuple[Stage, str]] = [
        ("start", "at the start"),
        ("share", "after 10 % of the answers"),
        ("pilot", "after the pilot (10 % of the answers)"),
        ("wave", "after wave 3"),
    ]
    for stage, said in stages:
        assert stage_words(forecast(1, stage=stage, wave=3)) == said


def test_a_report_tells_forecast_and_bill_of_the_newest_runs() -> None:
    made = forecast(41, 37, 46, stage="pilot", share=0.02)
    assert forecast_lines([kept(43.12, made)]) == (
        "forecast $41 [37-46] after the pilot (2 % of the answers), was $43.12",
    )
    assert forecast_lines([kept(12, made, status="partial")])[0].endswith("$12.00 spent so far")
    assert forecast_lines([kept(12, made, is_lower_bound=True)])[0].endswith("at least $12.00 in the end")
    assert forecast_lines([kept(12, replace(made, unpriced=("a/b",)))])[0].endswith("(without a/b: no price)")
    many = forecast_lines([kept(43, made, run_id=f"r{number}") for number in range(5)])
    assert [line.split(":")[0] for line in many] == ["r4", "r3", "r2", "2 more runs"]
    assert forecast_lines([]) == ()


# how good they were


def test_the_forecast_that_tells_of_a_run_is_its_pilots_else_the_first_with_an_interval() -> None:
    start, tenth, half = forecast(9, stage="start"), forecast(9, 8, 10), forecast(9, 8, 10, share=0.5)
    pilot = forecast(9, 8, 10, stage="pilot")
    assert [one.forecast for one in telling([kept(9, start), kept(9, tenth), kept(9, half)])] == [tenth]
    assert [one.forecast for one in telling([kept(9, start), kept(9, tenth), kept(9, pilot)])] == [pilot]
    assert telling([kept(9, tenth, cell=("suite", "a/b"))]) == []


def test_calibration_counts_ended_runs_whose_bill_is_known() -> None:
    made = forecast(10, 9, 11, ceiling=12 * USD)
    found = Calibration.of(
        [
            kept(10.5, made),
            kept(13, made, run_id="dear"),
            kept(5, forecast(10), run_id="no interval"),
            kept(1, made, status="partial", run_id="not ended"),
            kept(1, made, is_lower_bound=True, run_id="not known"),
        ]
    )
    assert (found.n_forecasts, found.n_intervals, found.n_held) == (3, 2, 1)
    assert (found.n_ceilings, found.n_exceeded) == (2, 1)
    assert found.median_miss == pytest.approx(3 / 13)
    assert Calibration.of([]).median_miss is None


def test_a_record_says_so_when_fewer_intervals_held_than_were_promised() -> None:
    made = forecast(10, 9, 11)
    bad = [kept(10 if number < 4 else 20, made, run_id=f"r{number}") for number in range(10)]
    good = [kept(10, made, run_id=f"r{number}") for number in range(10)]
    assert any("fewer intervals held than the 90% that were promised" in note for note in record_table(bad).notes)
    assert not any("fewer" in note for note in record_table(good).notes)
    assert record_table(bad).rows[0][3] == "4 of 10 (40%)"
    assert "few" in str(record_table(bad[:3]).rows[0][3])
    # P(at most 7 of 10 | .9) = .0702, of 6: .0128
    assert [is_below_promise(held, 10, 0.9) for held in (6, 7, 10)] == [True, False, False]


# through the command line


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    with Ledger.open(path) as ledger:
        runs.run(number_suite(tmp_path, 90), ["sim/reasoner", "sim/direct"], ledger, pilot="10%")
    return path


def test_the_command_lists_forecasts_beside_bills_and_states_how_many_held(db: Path) -> None:
    said = invoke(["forecasts"], db)
    assert "after the pilot" in said
    assert "1 of 1" in said or "0 of 1" in said
    assert "simulated" in said
    found = json.loads(invoke(["forecasts", "run-1", "--json"], db))
    whole = [one for one in found["forecasts"] if one["model"] is None]
    assert [one["stage"] for one in whole] == ["start", "pilot", "share", "share"]
    assert {one["model"] for one in found["forecasts"]} == {None, "sim/reasoner", "sim/direct"}
    pilot = whole[1]
    assert pilot["held"] == (float(pilot["low_usd"]) <= float(pilot["bill_usd"]) <= float(pilot["high_usd"]))
    assert found["calibration"]["simulated"]["n_intervals"] == 1
    assert found["calibration"]["real"]["n_forecasts"] == 0


def test_a_report_shows_them_in_text_json_and_page_but_not_beside_other_prices(db: Path) -> None:
    assert "Forecast and bill" in invoke(["report"], db)
    document = json.loads(invoke(["report", "--json"], db))
    assert document["forecasts"][0]["run_id"] == "run-1"
    asked = json.loads(invoke(["report", "--json", "--what-if", "batch"], db))
    assert asked["forecasts"] == []
    with Ledger.open(db) as ledger:
        page = report_page(spend_report(ledger, load_price_book()))
    assert any(line.startswith("forecast $") for line in page.verdict)


def test_a_ledger_without_forecasts_and_a_run_that_is_not_there(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "empty.db"):
        pass
    assert "no forecasts are stored" in invoke(["forecasts"], tmp_path / "empty.db")
    found = CliRunner().invoke(command_line(), ["forecasts", "nobody", "--db", str(tmp_path / "empty.db")])
    assert isinstance(found.exception, HarnessError)
    assert "there is no run nobody" in str(found.exception)


def test_forecasts_of_the_future_are_read_although_their_basis_says_other_things() -> None:
    stored = ForecastRecord(
        run_id="r", made_at_us=0, wave=2, basis={"new": 1}, level=0.9, spent_pico_usd=1, expected_pico_usd=3,
        low_pico_usd=2, high_pico_usd=4,
    )  # fmt: skip
    read = BillForecast.from_record(stored)
    assert (read.stage, read.low, read.high, from_pico(read.expected)) == ("wave", 2, 4, from_pico(3))
