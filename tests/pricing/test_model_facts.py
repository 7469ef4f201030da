"""Model facts are data in layers: the user's tables, ours, imported lines; a new reasoning model needs no code."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from harness.errors import InputError
from harness.models import parse_model
from harness.pricing.lists.fact_importing import fact_tables, write_facts
from harness.pricing.lists.litellm_map import read_litellm
from harness.pricing.model_facts import facts_about, lay_over
from harness.providers.settings import reasons
from harness.resources import shipped
from tests.pricing.test_price_import import entry
from tests.providers.test_provider_settings import mapped


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "models").mkdir()
    yield tmp_path
    lay_over(None)


def test_a_table_of_the_user_makes_a_new_model_known(own: Path) -> None:
    table = 'provider = "openai"\n[[model]]\nnames = ["o9"]\nreasons = true\nefforts = ["low"]\nfixed_sampling = true\n'
    (own / "models" / "mine.toml").write_text(table)
    assert reasons(parse_model("openai/o9")) is None
    lay_over(own)
    assert reasons(parse_model("openai/o9")) is True
    assert mapped("openai/o9@low").parameters == {"reasoning_effort": "low", "max_completion_tokens": 32_000}
    with pytest.raises(InputError, match="it has the efforts low"):
        mapped("openai/o9@high")


def test_mistakes_in_a_users_tables_are_all_named(own: Path) -> None:
    (own / "models" / "mine.toml").write_text('[[model]]\nreason = true\n[[model]]\nnames = ["m"]\nbudget = 5\n')
    with pytest.raises(InputError) as caught:
        lay_over(own)
    assert [finding.message for finding in caught.value.findings] == [
        'names no model: names = ["..."]',
        "unknown key 'reason'",
        "budget is the smallest and the largest number of thinking tokens: [1024, 128000]",
    ]


def test_a_shipped_table_wins_over_an_imported_line_and_takes_its_limits() -> None:
    facts = facts_about("anthropic", "claude-opus-4-5-20251101")
    assert facts is not None
    assert (facts.efforts_reason, facts.max_input_tokens) == (False, 200_000)


def test_an_imported_line_says_what_a_new_model_takes() -> None:
    assert mapped("moonshot/kimi-k3@max").parameters == {"reasoning_effort": "max", "max_tokens": 32_000}
    with pytest.raises(InputError, match="it has the efforts low, high, max"):
        mapped("moonshot/kimi-k3@medium")


def test_a_model_of_which_only_the_size_is_listed_is_left_to_its_provider() -> None:
    assert reasons(parse_model("moonshot/moonshot-v1-128k")) is None
    assert mapped("xai/grok-4.7@low").parameters["reasoning_effort"] == "low"


def test_claude_at_a_gateway_takes_the_gateways_parameters() -> None:
    sent = mapped("openrouter/anthropic/claude-sonnet-4.5@thinking=2000", max_output_tokens=None, seed=7).parameters
    assert sent == {"seed": 7, "reasoning": {"max_tokens": 2000}, "usage": {"include": True}}
    assert mapped("openai-compatible/claude-opus-5@high").parameters["reasoning_effort"] == "high"
    assert mapped("vertex_ai/claude-opus-4-6@high").parameters["output_config"] == {"effort": "high"}


def test_what_the_map_says_becomes_tables() -> None:
    listed = read_litellm(
        {
            "always": entry(supports_reasoning=True, thinking_always_on=True, reasoning_effort_levels=["low", "max"]),
            "asked": entry(
                supports_reasoning=True, default_reasoning_effort="none", supports_none_reasoning_effort=True
            ),
            "never": entry(supports_reasoning=False, max_input_tokens=Decimal(8000)),
            "nobody-says": entry(max_output_tokens=100),
            "pictures": entry(mode="image_generation", supports_reasoning=True, input_cost_per_image_token="1e-6"),
        },
        "2",
        date(2026, 10, 21),
    )
    tables = {table["names"][0]: table for table in fact_tables(listed)["p"]}
    assert tables["always"] == {"names": ["always"], "reasons": True, "efforts": ["low", "max"]}
    assert (tables["asked"]["reasons"], tables["asked"]["efforts"][0]) == (False, "none")
    assert tables["never"] == {"names": ["never"], "reasons": False, "max_input_tokens": 8000}
    assert tables["nobody-says"] == {"names": ["nobody-says"], "settings_known": False, "max_output_tokens": 100}
    assert "pictures" not in tables


def test_writing_facts_twice_changes_nothing(tmp_path: Path) -> None:
    listed = read_litellm({"m": entry(supports_reasoning=True)}, "2", date(2026, 10, 21))
    write_facts(tmp_path, listed)
    before = (tmp_path / "p.toml").read_text()
    write_facts(tmp_path, listed)
    assert (tmp_path / "p.toml").read_text() == before


def test_every_shipped_line_of_facts_is_found_by_its_name() -> None:
    for path in sorted((shipped("pricing") / "imported" / "models").glob("*.toml")):
        content = tomllib.loads(path.read_text("utf-8"))
        for table in content["model"][:: max(1, len(content["model"]) // 5)]:
            assert facts_about(content["provider"], table["names"][0]) is not None
