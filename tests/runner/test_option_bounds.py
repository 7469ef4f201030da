"""Numbers that are none, or far past any use, end a command before anything is loaded, planned or sent."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from harness.errors import InputError
from harness.loaders import read_suite
from harness.models import parse_model
from harness.runner.options.option_bounds import MOST_PLANNED, refuse_out_of_bounds, refuse_too_many
from harness.runner.preparation import load_suites
from harness.runner.spec import RunSpec

SUITE = """name = "s"
version = "1"
title = "S"
[[tasks]]
name = "t"
prompt = "{question}"
scorer = SCORER
max_output_tokens = 100
MORE
[tasks.dataset]
source = "files"
path = "s"
revision = "1"
local = "s.jsonl"
fields = { question = "question", target = "answer" }
"""


def mistakes(folder: Path, *, scorer: str = '{ name = "number" }', more: str = "") -> list[str]:
    path = folder / "s.toml"
    path.write_text(SUITE.replace("SCORER", scorer).replace("MORE", more))
    return [finding.where for finding in read_suite(path)[1]]


def judge(verdicts: str, cap: str = "16") -> str:
    prompt = "{question} {reference} {reply}"
    options = f'prompt = "{prompt}", verdicts = {verdicts}, max_output_tokens = {cap}'
    return f'{{ name = "judge", options = {{ {options} }} }}'


@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [
        ("epochs", 9_999_999_999, "--epochs"),
        ("max_output_tokens", 10**30, "--max-output-tokens"),
        ("concurrency", 9_999_999_999, "--concurrency"),
        ("max_attempts", 9_999_999_999, "--max-attempts"),
        ("sample_seed", 10**400, "--sample-seed"),
        ("sample_seed", -(10**19), "--sample-seed"),
        ("timeout_s", math.nan, "--timeout-s"),
        ("timeout_s", math.inf, "--timeout-s"),
        ("temperature", math.nan, "--temperature"),
        ("requests_per_minute", math.inf, "--rpm"),
        ("tokens_per_minute", math.nan, "--tpm"),
    ],
)
def test_an_option_past_any_use_is_refused_by_its_flag(name: str, value: Any, flag: str) -> None:
    spec = RunSpec(suites=("starter",), models=(parse_model("sim/reasoner"),), **{name: value})
    with pytest.raises(InputError) as caught:
        refuse_out_of_bounds(spec)
    assert [finding.where for finding in caught.value.findings] == [flag]


def test_usual_options_are_within_bounds() -> None:
    refuse_out_of_bounds(RunSpec(suites=("starter",), models=(parse_model("sim/reasoner"),), epochs=64, timeout_s=7200))


def test_a_plan_that_no_machine_holds_is_refused_before_it_is_made() -> None:
    suites = load_suites(("starter",), data_dir=None)
    n_samples = sum(len(task.samples) for task in suites[0].tasks)
    refuse_too_many(suites, limit=9_999_999_999, epochs=MOST_PLANNED // n_samples)
    with pytest.raises(InputError, match="samples of each model"):
        refuse_too_many(suites, limit=None, epochs=MOST_PLANNED // n_samples + 1)


@pytest.mark.parametrize(
    "weight", ['"1e999"', '"1e-99999999"', '"1_0"', '"1/\u0661"', "true", "1e308", "inf", "nan", '"1/0"']
)
def test_a_weight_that_is_no_number_of_use_is_a_finding_and_no_crash(tmp_path: Path, weight: str) -> None:
    assert mistakes(tmp_path, more=f"weight = {weight}") == ["tasks[1].weight"]


@pytest.mark.parametrize("weight", ["1", "0.5", '"1/6"', '"0.25"', '" 1 / 3 "'])
def test_weights_are_numbers_or_fractions(tmp_path: Path, weight: str) -> None:
    assert mistakes(tmp_path, more=f"weight = {weight}") == []


@pytest.mark.parametrize(
    "verdicts",
    ["{ A = nan }", "{ A = inf }", "{ A = -1.0 }", "{ A = 2.0 }", '{ A = "1_0" }', "{ A = true }", "{}",
     "{ A = 1.0, a = 0.0 }", '{ "" = 1.0 }', '{ "A B" = 1.0 }'],
)  # fmt: skip
def test_a_verdict_that_is_no_score_is_refused_before_both_requests_are_paid(tmp_path: Path, verdicts: str) -> None:
    assert all("verdicts" in where for where in mistakes(tmp_path, scorer=judge(verdicts)))
    assert mistakes(tmp_path, scorer=judge(verdicts))


def test_output_caps_past_any_model_are_findings(tmp_path: Path) -> None:
    assert mistakes(tmp_path, more="max_output_tokens_reasoning = 99999999999999999999")
    assert mistakes(tmp_path, scorer=judge("{ A = 1.0 }", cap="99999999999999999999"))
    assert mistakes(tmp_path, scorer=judge("{ A = 1, B = 0.5 }")) == []
