"""What a task of an index costs: weighted exactly, of the same dollars as the bill, with and without repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.pricing import Price, PriceBook
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.charger import Charger
from harness.reports.indexes.index_costs import PARTS, PICO, IndexCosts, index_costs
from harness.usage.values import Meter
from tests.support.runs import run
from tests.support.small_index import small_index

RATES = {Meter.INPUT: Decimal(2), Meter.OUTPUT: Decimal(8)}
WEIGHTS = {"easy": Fraction(5, 8), "hard": Fraction(3, 8)}
"""Of the part that is measured."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder = tmp_path_factory.mktemp("costs")
    opened = Ledger.open(str(folder / "ledger.db"))
    run(small_index(folder, n_easy=9, n_hard=5), ["sim/reasoner"], opened)
    return opened


def book(*more: Price) -> PriceBook:
    return PriceBook(rows=(Price(provider="sim", model="reasoner", rates=RATES), *more))


def changing(ledger: Ledger) -> PriceBook:
    """A book whose price doubles while the run goes on."""
    times = sorted(row.finished_at_us or 0 for row in attempt_rows(ledger))
    (price,) = book().rows
    dearer = {meter: 2 * rate for meter, rate in RATES.items()}
    return book(replace(price, rates=dearer, effective_from=from_us(times[len(times) // 2])))


def by_hand(ledger: Ledger, prices: PriceBook) -> IndexCosts:
    """Every attempt charged by itself, then weighed."""
    spent: dict[tuple[str, str], Fraction] = {}
    solves: Counter[str] = Counter()
    for row in attempt_rows(ledger):
        spend = Charger(book=prices).charge_row(row)
        assert row.task is not None
        solves[row.task] += 1
        for part in PARTS:
            usd = spend.part(part)
            assert usd is not None
            spent[row.task, part] = spent.get((row.task, part), Fraction(0)) + Fraction(usd)
    repeats = {"easy": 2, "hard": 1}
    per_task = {part: sum(WEIGHTS[task] * spent[task, part] / solves[task] for task in WEIGHTS) for part in PARTS}
    one_pass = {part: sum(spent[task, part] / repeats[task] for task in WEIGHTS) for part in PARTS}
    return IndexCosts(per_task=rounded(per_task), one_pass=rounded(one_pass))


def rounded(amounts: Mapping[str, Fraction | int]) -> dict[str, Decimal | None]:
    return {part: (Decimal(usd.numerator) / Decimal(usd.denominator)).quantize(PICO) for part, usd in amounts.items()}


@pytest.mark.parametrize("moving", [False, True])
def test_costs_of_an_index_are_those_of_its_attempts_weighed_one_by_one(ledger: Ledger, *, moving: bool) -> None:
    prices = changing(ledger) if moving else book()
    (row,) = spend_report(ledger, prices).rows
    found = index_costs(row.facts)
    assert found == by_hand(ledger, prices)
    assert found is not None
    assert found.per_task["total"]
    total = found.one_pass["total"]
    assert total is not None
    assert 0 < total < row.facts.solve.cost.total
    assert sum(spend.cost.total for spend in row.facts.by_task.values()) == row.facts.solve.cost.total


def test_an_index_without_prices_has_no_cost_per_task(ledger: Ledger) -> None:
    (row,) = spend_report(ledger, PriceBook(rows=())).rows
    assert index_costs(row.facts) is None


def test_charging_tasks_apart_counts_no_price_twice(ledger: Ledger) -> None:
    made = spend_report(ledger, book())
    assert sum(used.n_attempts for used in made.prices) == made.rows[0].facts.solve.n_attempts


def test_a_suite_that_is_no_index_is_not_charged_by_task(tmp_path: Path) -> None:
    small_index(tmp_path)
    with Ledger.open(str(tmp_path / "ledger.db")) as opened:
        run(str(tmp_path / "easy.toml"), ["sim/reasoner"], opened)
        (row,) = spend_report(opened, book()).rows
    assert (dict(row.facts.by_task), row.facts.index, index_costs(row.facts)) == ({}, None, None)
