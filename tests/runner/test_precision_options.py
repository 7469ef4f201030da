"""What a person writes for a precision, and which options do not go with it."""

from __future__ import annotations

import pytest

from harness.errors import InputError
from harness.models import parse_model
from harness.precision.points import points_up
from harness.runner.options.arguments import spec_of
from harness.runner.options.command_line import run_words
from harness.runner.options.precision_options import (
    is_ladder,
    parse_confidence,
    parse_points,
    refuse_contradictions,
    target_of,
)
from harness.runner.precision.ladder_order import ladder_order
from harness.runner.spec import RunSpec


def spec(*models: str, **options: object) -> RunSpec:
    return spec_of("starter", list(models or ["sim/direct"]), options)


@pytest.mark.parametrize(
    ("text", "share"),
    [("1pt", 0.01), ("0.5pt", 0.005), ("1%", 0.01), ("2 pt", 0.02), ("+-1pt", 0.01), (".5pts", 0.005)],
)
def test_a_precision_is_points_of_a_score(text: str, share: float) -> None:
    assert parse_points(text, "--precision") == share


@pytest.mark.parametrize("text", ["1", "0.01", "0pt", "50pt", "-1pt", "nanpt", "1e-2pt", "pt", "", "1 point", "٣pt"])
def test_a_precision_without_its_unit_or_without_sense_is_refused(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_points(text, "--precision")
    assert refused.value.where == "--precision"


@pytest.mark.parametrize(("text", "share"), [("95%", 0.95), ("99.9 %", 0.999), ("50%", 0.5)])
def test_a_confidence_is_per_cent(text: str, share: float) -> None:
    assert parse_confidence(text) == share


@pytest.mark.parametrize("text", ["95", "0.95", "100%", "49%", "%", "nan%"])
def test_a_confidence_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_confidence(text)


def test_python_gives_shares_or_words() -> None:
    assert spec(precision=0.01, confidence=0.9) == spec(precision="1pt", confidence="90%")
    for wrong in ({"precision": 1}, {"precision": True}, {"confidence": 95}, {"difference": "2"}):
        with pytest.raises(InputError):
            spec(**wrong)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"precision": "1pt", "limit": 10}, "--limit"),
        ({"precision": "1pt", "epochs": 2}, "--epochs"),
        ({"difference": "1pt", "against": "sim/reasoner", "limit": 3}, "--limit"),
        ({"precision": "1pt", "difference": "1pt", "against": "sim/reasoner"}, "--precision"),
        ({"difference": "1pt", "against": "sim/direct"}, "--against"),
        ({"confidence": "90%"}, "--confidence"),
    ],
)
def test_options_that_contradict_a_precision_are_refused_with_the_reason(
    options: dict[str, object], where: str
) -> None:
    with pytest.raises(InputError) as refused:
        refuse_contradictions(spec(**options))
    assert [finding.where for finding in refused.value.findings] == [where]


@pytest.mark.parametrize("half", [{"difference": "1pt"}, {"against": "sim/reasoner"}])
def test_half_of_a_difference_is_not_told_to_leave_something_out(half: dict[str, object]) -> None:
    with pytest.raises(InputError, match="name both: --difference 2pt --against MODEL"):
        refuse_contradictions(spec(**half))


def test_settings_of_one_model_are_a_ladder_and_other_models_are_not() -> None:
    assert is_ladder(spec("sim/reasoner@low", "sim/reasoner@high", precision="2pt"))
    assert not is_ladder(spec("sim/reasoner@low", "sim/direct", precision="2pt"))
    assert not is_ladder(spec("sim/reasoner@low", "sim/reasoner@high"))
    target = target_of(spec("sim/reasoner@low", "sim/reasoner@high", precision="2pt"))
    assert target is not None
    assert target.kind == "difference"


@pytest.mark.parametrize(
    ("typed", "order"),
    [
        (["high", "low", "medium"], ["low", "medium", "high"]),
        (["thinking=16000", "thinking=1024", "none"], ["none", "thinking=1024", "thinking=16000"]),
        (["effort=high", "effort=low"], ["effort=low", "effort=high"]),
        (["mine", "low"], ["mine", "low"]),
    ],
)
def test_a_ladder_goes_from_the_least_effort_to_the_most(typed: list[str], order: list[str]) -> None:
    found = ladder_order([parse_model(f"x/m@{setting}") for setting in typed])
    assert [model.setting for model in found] == order


def test_a_plan_without_a_precision_keeps_the_digest_that_older_versions_gave_it() -> None:
    """The new options were part of the digest, so that no run of an older version could be resumed."""
    assert list(spec().deciding()) == [
        "suites", "models", "epochs", "limit", "sample_seed", "temperature", "max_output_tokens", "service_tier",
        "judge", "batch",
    ]  # fmt: skip
    assert {"precision", "bank"} <= set(spec(precision="1pt", bank=False).deciding())


def test_a_precision_is_written_as_it_was_typed() -> None:
    stored = spec(precision="0.5pt", confidence="90%", bank=False).to_json()
    assert run_words(stored)[4:] == ["--precision", "0.5pt", "--confidence", "90%", "--no-bank"]
    assert RunSpec.from_json(stored) == spec(precision="0.5pt", confidence="90%", bank=False)
    against = spec(difference="2pt", against="sim/reasoner")
    assert RunSpec.from_json(against.to_json()) == against


@pytest.mark.parametrize(("share", "text"), [(0.02341, "2.4"), (0.0005, "0.05"), (0.123, "13"), (0.02, "2")])
def test_what_can_be_had_is_rounded_up_so_that_asking_for_it_works(share: float, text: str) -> None:
    assert points_up(share) == text
