"""Waves and pilots of a run that workers ask: the driver decides from the ledger, as one process would."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.documents.document import Document
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.models import ModelSpec, parse_model
from harness.pricing.price_files import load_price_book
from harness.rendering.formats import FORMATS
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.spend_page import spend_document
from harness.runner import RunResult
from harness.runner.session_setup import usual_planner
from harness.runner.wave_loop import Wave, WavePlanner
from tests.support.runs import chain_suite, number_suite, run
from tests.support.worker_threads import driven, work

pytestmark = pytest.mark.postgres

REASONER, DIRECT = "sim/reasoner", "sim/direct"


@pytest.fixture
def shared(postgres_url: str) -> Iterator[Ledger]:
    with Ledger.open(postgres_url) as ledger:
        yield ledger


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger


class Whole(NamedTuple):
    """A precision run of one process, and its suite."""

    suite: str
    ledger: Ledger
    result: RunResult


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("whole")
    suite = number_suite(folder, 200, epochs=2)
    with Ledger.open(folder / "ledger.db") as ledger:
        yield Whole(suite, ledger, run(suite, [REASONER], ledger, precision=0.07))


def drawn(ledger: Ledger, run_id: str = "run-1") -> list[tuple[int, int, int, str, int, float]]:
    """What was drawn: cell and planned sample by their places, wave, stratum, place and probability."""
    cells = [cell.cell_id for cell in ledger.cells(run_id)]
    first = min(one.planned_id or 0 for one in ledger.planned(run_id))
    return sorted(
        (
            cells.index(one.cell_id),
            one.planned_id - first,
            one.wave,
            one.stratum,
            one.draw_order,
            one.inclusion_probability,
        )
        for one in ledger.draws(run_id)
    )


def told(ledger: Ledger, run_id: str = "run-1") -> Any:
    """The report as JSON, without times and ids; forecasts are left out, as they tell what was known at an instant."""
    text = FORMATS["json"].text
    assert text is not None
    made: Document = spend_document(spend_report(ledger, load_price_book(), [run_id]))
    return without(json.loads(text(made)))


def without(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: without(one) for key, one in found.items() if not NOT_COMPARED.search(key)}
    return [without(one) for one in found] if isinstance(found, list) else found


NOT_COMPARED = re.compile("_at$|_s$|duration|latency|per_s|second|dates|forecasts")


def test_a_precision_run_draws_and_stops_as_one_process_does(postgres_url: str, shared: Ledger, whole: Whole) -> None:
    made = driven(whole.suite, [REASONER], postgres_url, kinds=("all", "all", "ask"), precision=0.07)
    assert (made.result.status, made.result.notes) == (whole.result.status, whole.result.notes)
    assert drawn(shared) == drawn(whole.ledger)
    assert len({one.wave for one in shared.draws("run-1")}) > 1
    assert len(list(attempt_rows(shared))) == len(shared.draws("run-1")), "nothing was asked twice or in vain"
    assert told(shared) == told(whole.ledger)
    assert {one.ended.why for one in made.workers} == {"nothing is left"}, "nobody ended between two waves"


def test_a_difference_to_a_stored_run_is_asked_as_by_one_process(
    postgres_url: str, shared: Ledger, alone: Ledger, tmp_path: Path
) -> None:
    suite = number_suite(tmp_path, 150)
    asked: dict[str, Any] = {"against": parse_model(REASONER), "difference": 0.08, "run_id": "run-2"}
    for ledger in (shared, alone):
        run(suite, [REASONER], ledger)
    made = driven(suite, [DIRECT], postgres_url, **asked)
    whole = run(suite, [DIRECT], alone, **asked)
    assert (made.result.status, made.result.notes) == (whole.status, whole.notes)
    assert drawn(shared, "run-2") == drawn(alone, "run-2")


def test_a_pilot_is_asked_first_and_the_rest_with_consent(
    postgres_url: str, shared: Ledger, alone: Ledger, tmp_path: Path
) -> None:
    suite = chain_suite(tmp_path, 60)
    made = driven(suite, [REASONER, DIRECT], postgres_url, pilot="10%")
    whole = run(suite, [REASONER, DIRECT], alone, pilot="10%")
    assert (made.result.status, whole.status) == ("complete", "complete")
    assert drawn(shared) == drawn(alone)
    assert told(shared) == told(alone)
    assert [one for one in made.notices if one.startswith("pilot")], "its size is told"
    pilot = {(one.cell_id, one.planned_id) for one in shared.draws("run-1")}
    rows = sorted(attempt_rows(shared), key=lambda one: one.attempt_id)
    assert {(one.cell_id, one.planned_id) for one in rows[: len(pilot)]} == pilot


class Dies:
    """Plans some waves of another planner, then breaks the driver."""

    def __init__(self, planner: WavePlanner, n_waves: int) -> None:
        self._planner = planner
        self._n_left = n_waves

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:
        self._n_left -= 1
        if self._n_left < 0:
            raise RuntimeError("the driver dies here")
        return self._planner.next_wave(stuck)

    def n_to_come(self, model: ModelSpec) -> int:
        return self._planner.n_to_come(model)


def test_a_driver_that_ends_between_waves_is_followed_by_one_that_decides_the_same(
    postgres_url: str, shared: Ledger, whole: Whole
) -> None:
    with pytest.raises(RuntimeError, match="dies here"):
        driven(whole.suite, [REASONER], postgres_url, planner=lambda plan: Dies(usual_planner(plan), 1), precision=0.07)
    shared.finish_run("run-1", "running")  # as a driver leaves it that was killed
    assert "nobody drives this run" in work(postgres_url).ended.why
    n_first = len(list(attempt_rows(shared)))
    made = driven(whole.suite, [REASONER], postgres_url, retry_failed=True, precision=0.07)
    assert (made.result.status, made.result.notes) == (whole.result.status, whole.result.notes)
    assert drawn(shared) == drawn(whole.ledger)
    assert 0 < n_first < len(list(attempt_rows(shared))) == len(shared.draws("run-1"))


def test_a_budget_ends_a_precision_run_in_a_wave_and_more_money_goes_on(
    postgres_url: str, shared: Ledger, whole: Whole
) -> None:
    first = driven(whole.suite, [REASONER], postgres_url, precision=0.07, budget_usd=Decimal("0.5"))
    assert (first.result.exit_code, first.result.status) == (3, "partial")
    assert "a budget ended it first" in first.result.notes[-1]
    made = driven(whole.suite, [REASONER], postgres_url, retry_failed=True, precision=0.07, budget_usd=Decimal(50))
    assert (made.result.exit_code, made.result.notes) == (0, whole.result.notes)
    assert drawn(shared) == drawn(whole.ledger)
