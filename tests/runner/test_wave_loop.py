"""Runs in waves: a wave is answered and scored by every model before the next one is decided."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from harness.errors import NoMoreWaves
from harness.ledger import Ledger
from harness.models import ModelSpec, parse_model
from harness.runner import RunSpec
from harness.runner.plan import Chain
from harness.runner.session_setup import StoredPlan
from harness.runner.wave_loop import Wave, WavePlanner
from tests.support.batch_traits import BOTH, WAITS, address, run_on_thread
from tests.support.loopback_batches import Batches
from tests.support.runs import Watcher, number_suite, run

MODELS = ["sim/reasoner", "sim/direct"]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "ledger.db") as opened:
        yield opened


class Portions:
    """Gives so many chains of each model with every wave, and notes how many answers were scored by then."""

    def __init__(
        self, plan: StoredPlan, sizes: Mapping[str, Sequence[int]], *, ends: NoMoreWaves | None = None
    ) -> None:
        self._plan = plan
        self._left = {name: list(more) for name, more in sizes.items()}
        self._at = dict.fromkeys(sizes, 0)
        self._ends = ends
        self.scored: list[int] = []
        self.stuck: list[list[str]] = []

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:
        self.stuck.append(sorted(map(str, stuck)))
        self.scored.append(sum(one.scored for one in self._plan.ledger.outcomes("run-1").values()))
        if not any(self._left.values()):
            if self._ends is not None:
                raise self._ends
            return None
        return {parse_model(name): self._taken(name) for name in self._left}

    def _taken(self, name: str) -> Sequence[Chain]:
        first, size = self._at[name], self._left[name].pop(0) if self._left[name] else 0
        self._at[name] += size
        return self._plan.prepared.chains[first : first + size]

    def n_to_come(self, model: ModelSpec) -> int:
        return len(self._plan.prepared.chains) - self._at[str(model)]


def in_portions(
    sizes: Mapping[str, Sequence[int]], made: list[Portions], *, ends: NoMoreWaves | None = None
) -> Callable[[StoredPlan], WavePlanner]:
    def planner(plan: StoredPlan) -> WavePlanner:
        made.append(Portions(plan, sizes, ends=ends))
        return made[-1]

    return planner


def test_the_next_wave_is_decided_when_every_model_has_answered_and_been_scored(ledger: Ledger, tmp_path: Path) -> None:
    made: list[Portions] = []
    watcher = Watcher()
    planner = in_portions({"sim/reasoner": [5, 10, 15], "sim/direct": [20, 10]}, made)
    result = run(number_suite(tmp_path, 30), MODELS, ledger, watcher=watcher, planner=planner)
    assert made[0].scored == [0, 25, 45, 60]
    assert (result.status, result.exit_code, watcher.sent, watcher.finished) == ("complete", 0, 60, 60)
    assert watcher.planned == dict.fromkeys(map(parse_model, MODELS), 30)


def test_what_no_wave_gave_is_left_when_the_planner_ends_the_run(ledger: Ledger, tmp_path: Path) -> None:
    suite = number_suite(tmp_path, 30)
    ends = NoMoreWaves("that is enough", exit_code=3, fix="go on")
    stopped = run(suite, MODELS, ledger, planner=in_portions({"sim/reasoner": [5], "sim/direct": [7]}, [], ends=ends))
    assert (stopped.status, stopped.exit_code) == ("partial", 3)
    assert [model.n_left for model in stopped.models] == [25, 23]
    assert [model.stopped_by for model in stopped.models] == [ends, ends]
    watcher = Watcher()
    assert run(suite, MODELS, ledger, watcher=watcher).status == "complete"
    assert watcher.sent == 60 - 12


def test_a_budget_that_ends_a_wave_leaves_the_other_model_its_waves(ledger: Ledger, tmp_path: Path) -> None:
    ledger.set_budget("model:sim/reasoner", 10**9)
    made: list[Portions] = []
    planner = in_portions({"sim/reasoner": [10, 10], "sim/direct": [10, 10]}, made)
    result = run(number_suite(tmp_path, 30, cap=4000), MODELS, ledger, planner=planner)
    assert (result.status, result.exit_code) == ("partial", 3)
    reasoner, direct = result.models
    assert (direct.n_left, direct.stopped_by) == (10, None)
    assert reasoner.n_left >= 10
    assert made[0].scored[-1] == 20 + 30 - reasoner.n_left
    assert made[0].stuck[-1] == ["sim/reasoner"]


@BOTH
async def test_a_wave_is_a_batch(books: Batches, model: str, ledger: Ledger, tmp_path: Path) -> None:
    made: list[Portions] = []
    spec = RunSpec(
        suites=(number_suite(tmp_path, 12),),
        models=(parse_model(model),),
        base_url=f"{model.partition('/')[0]}={address(books, model)}",
        batch=True,
    )
    planner = in_portions({model: [4, 7, 1]}, made)
    result = await run_on_thread(spec, ledger, "run-1", Watcher(), WAITS, planner=planner)
    assert (result.status, [model.n_left for model in result.models]) == ("complete", [0])
    assert made[0].scored == [0, 4, 11, 12]
    assert [len(batch["lines"]) for batch in books.batches.values()] == [4, 7, 1]
