"""Names that people mistype: what they may have meant is told, and never used."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from harness.errors import InputError, UnpricedModelError
from harness.models import ModelSpec, parse_model
from harness.nightly.config import read_config
from harness.pricing.model_names import read_model
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec
from harness.runner.forecast.dry_run import dry_run
from harness.runner.preparation import prepare_run
from tests.support.runs import number_suite

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_right_name_is_read_as_it_is() -> None:
    assert read_model("openai/o1@high") == ModelSpec(provider="openai", model="o1", setting="high")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("gpt-4o", "openai/gpt-4o"), ("gpt-4oo@high", "openai/gpt-4o@high"), ("Claude-Opus-4", "anthropic/claude-opus-4")],
)
def test_a_model_without_its_provider_is_answered_with_full_names(typed: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        read_model(typed)
    assert meant in (caught.value.fix or "")


@pytest.mark.parametrize("typed", ["", "nothing-like-any-model", "openai/", "/o1", "@high"])
def test_a_name_like_no_other_is_answered_with_how_to_write_one(typed: str) -> None:
    with pytest.raises(InputError, match="write provider/model"):
        read_model(typed)


def test_a_misspelt_model_is_warned_of_with_listed_names_and_stays_unpriced(tmp_path: Path) -> None:
    spec = RunSpec(suites=(number_suite(tmp_path, 1),), models=(parse_model("openai/gpt-4oo"),))
    prepared = prepare_run(spec, run_id="r", book=load_price_book(), now=NOW)
    (warning,) = prepared.warnings
    assert "no price for openai/gpt-4oo" in warning
    assert "openai/gpt-4o (input 2.5, output 10 USD/Mtok)" in warning
    assert "its cost will be unknown" in warning
    assert [str(model.spec) for model in prepared.models] == ["openai/gpt-4oo"]


def test_a_budget_for_a_misspelt_model_is_refused_with_listed_names(tmp_path: Path) -> None:
    spec = RunSpec(suites=(number_suite(tmp_path, 1),), models=(parse_model("openai/gpt-4oo"),), budget_usd=Decimal(5))
    with pytest.raises(UnpricedModelError, match=r"listed are openai/gpt-4o .*a budget in dollars cannot hold it"):
        dry_run(spec, ledger=None, book=load_price_book(), now=NOW, run_id=None, retry_failed=False)


def test_everything_misspelt_in_a_nightly_config_is_told_with_what_was_meant(tmp_path: Path) -> None:
    """A misspelt suite and a number in quotes passed unnoticed until the night."""
    file = tmp_path / "nightly.toml"
    file.write_text(
        """
        nmae = "x"
        [matrix]
        suites = ["startr", "./none.toml"]
        models = ["gpt-4o"]
        [run]
        limit = "30"
        concurency = 3
        timeout_s = "5"
        batch = "yes"
        [gate]
        on_inconclusive = "wran"
        """
    )
    with pytest.raises(InputError) as caught:
        read_config(file)
    said = {finding.where: finding.message for finding in caught.value.findings}
    assert said["nmae"] == "is not a known key; similar: name"
    assert said["run.concurency"].startswith("is not a known key; similar: concurrency")
    assert said["run.limit"] == "must be a whole number, without quotes (got '30')"
    assert said["run.timeout_s"] == "must be a number, without quotes (got '5')"
    assert said["run.batch"] == "must be true or false, without quotes (got 'yes')"
    assert "similar: starter" in said["matrix.suites[1]"]
    assert "there is no such suite file" in said["matrix.suites[2]"]
    assert "openai/gpt-4o" in said["matrix.models[1].model"]
    assert said["gate.on_inconclusive"] == "must be 'pass', 'warn' or 'fail' (got 'wran')"


def test_a_nightly_config_with_only_a_misspelt_suite_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "nightly.toml"
    file.write_text('[matrix]\nsuites = ["startr"]\nmodels = ["sim/direct"]\n[run]\ntimeout_s = 5\n')
    with pytest.raises(InputError, match="1 mistake"):
        read_config(file)
