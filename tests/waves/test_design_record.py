"""A design comes back from a run's config as it went in, and designs of later versions are refused, not guessed."""

from __future__ import annotations

import json

import pytest

from harness.errors import LedgerError
from harness.precision import PrecisionError, Stratum
from harness.waves.design_record import BankSource, CellDesign, RunDesign, design_of

STRATA = (
    Stratum(task="choice", name="hard", n_units=500, n_items=500, weight=0.5, prediction=0.25),
    Stratum(task="steps", n_units=20, n_items=80, repeats=3, weight=0.5),
)
CELL = CellDesign(
    suite="index",
    model="sim/reasoner@high",
    strata=STRATA,
    unit_sizes={"steps": (4,) * 20},
    bank=BankSource(cell_ids=(3, 9), last_score_id=77, sha256={"choice": "ab"}, models=("sim/a", "sim/b@low")),
)


@pytest.mark.parametrize(
    "design",
    [
        RunDesign(kind="score", half_width=0.01, cells=(CELL,)),
        RunDesign(kind="difference", half_width=0.02, level=0.9, against="sim/direct", cells=(CELL,)),
        RunDesign(kind="ladder", half_width=0.02, ladder=("sim/r@low", "sim/r@high"), cells=(CELL,)),
        RunDesign(kind="pilot", cells=(CELL,)),
    ],
    ids=lambda design: design.kind,
)
def test_a_design_survives_json(design: RunDesign) -> None:
    stored = json.loads(json.dumps({"design": design.to_json(), "limit": None}))
    assert design_of(stored, run_id="r") == design


def test_a_pilot_has_no_target_and_a_ladder_wants_differences() -> None:
    assert RunDesign(kind="pilot", cells=(CELL,)).target is None
    ladder = RunDesign(kind="ladder", half_width=0.02, cells=(CELL,)).target
    assert ladder is not None
    assert (ladder.kind, ladder.half_width, ladder.level) == ("difference", 0.02, 0.95)


def test_a_run_without_a_design_was_asked_as_a_whole() -> None:
    assert design_of({"limit": 5}, run_id="r") is None


@pytest.mark.parametrize("stored", [{"kind": "oracle"}, ["score"], "score"], ids=repr)
def test_a_design_of_a_later_version_is_refused(stored: object) -> None:
    with pytest.raises(LedgerError, match="run r was drawn by a design"):
        design_of({"design": stored}, run_id="r")


def test_strata_whose_weights_are_no_whole_are_no_design() -> None:
    with pytest.raises(PrecisionError):
        CellDesign(suite="index", model="sim/a", strata=STRATA[:1])
