"""What waves drew and what bills were expected: stored whole, read back, never changed, in both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from harness.errors import LedgerError
from harness.ledger import DrawRecord, ForecastRecord, Ledger
from harness.ledger.connections import writing
from harness.ledger.reading.forecast_rows import sample_charges
from tests.support.ledger_rows import NOON_US, Filled, fill, outcome, start


def drawn(filled: Filled, number: int, *, wave: int = 0) -> DrawRecord:
    return DrawRecord(
        cell_id=filled.cells[0],
        planned_id=filled.planned[number],
        wave=wave,
        stratum="choice",
        draw_order=number,
        inclusion_probability=0.5,
    )


def forecast(filled: Filled, **changes: object) -> ForecastRecord:
    made = ForecastRecord(
        run_id=filled.run_id,
        made_at_us=NOON_US,
        wave=1,
        basis={"from": "pilot", "n_answers": 40},
        level=0.9,
        spent_pico_usd=1_000,
        expected_pico_usd=41_000,
        low_pico_usd=37_000,
        high_pico_usd=46_000,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # names and values of fields


def test_a_wave_is_stored_whole_and_in_order(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        filled = fill(ledger)
        fill(ledger, run_id="other")
        waves = [drawn(filled, 2), drawn(filled, 0), drawn(filled, 3, wave=1)]
        ledger.add_draws(waves[:2])
        ledger.add_draws(waves[2:])
        assert ledger.draws(filled.run_id) == waves
        assert ledger.draws("other") == []
        with pytest.raises(LedgerError):
            ledger.add_draws([drawn(filled, 1), replace(drawn(filled, 1), planned_id=999_999)])
        assert ledger.draws(filled.run_id) == waves, "the half of a wave is none"


def test_a_sample_keeps_its_first_draw(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        filled = fill(ledger)
        ledger.add_draws([drawn(filled, 0)])
        ledger.add_draws([drawn(filled, 0, wave=1), drawn(filled, 1, wave=1)])
        assert [(draw.draw_order, draw.wave) for draw in ledger.draws(filled.run_id)] == [(0, 0), (1, 1)]


def test_forecasts_are_read_in_the_order_they_were_made(ledger_url: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        filled, other = fill(ledger), fill(ledger, run_id="other")
        whole, cell = forecast(filled, ceiling_pico_usd=60_000), forecast(filled, cell_id=filled.cells[1])
        ledger.add_forecasts([whole, cell])
        ledger.add_forecasts([forecast(other, wave=2)])
        assert ledger.forecasts([filled.run_id]) == [whole, cell]
        assert [one.run_id for one in ledger.forecasts()] == [filled.run_id, filled.run_id, "other"]
        with pytest.raises(LedgerError):
            ledger.add_forecasts([forecast(filled, low_pico_usd=42_000)])


@pytest.mark.parametrize("table", ["draws", "forecasts"])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "UPDATE {} SET wave = 9"])
def test_draws_and_forecasts_cannot_be_rewritten(ledger_url: str, table: str, change: str) -> None:
    with Ledger.open(ledger_url) as ledger:
        filled = fill(ledger)
        ledger.add_draws([drawn(filled, 0)])
        ledger.add_forecasts([forecast(filled)])
        with pytest.raises(Exception, match="append-only"), writing(ledger.engine).begin() as connection:
            connection.execute(text(change.format(table)))


async def test_a_stored_answer_that_was_taken_tells_nothing_of_what_an_answer_costs(ledger_url: str) -> None:
    """A pilot of reused answers forecast a bill of $0.00 with an interval."""
    with Ledger.open(ledger_url) as ledger:
        filled = fill(ledger)
        async with ledger.writer() as writer:
            taken = await writer.reuse(
                start(filled, 0), outcome(0, status="reused", charged_pico_usd=0, billed="no"), None
            )
            asked = await writer.send(start(filled, 1))
            await writer.settle(outcome(asked))
        charges = {one.planned_id: one.pico_usd for one in sample_charges(ledger, filled.run_id, first=4)}
        assert (taken, charges) == (1, {filled.planned[0]: None, filled.planned[1]: 5})
