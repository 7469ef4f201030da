"""Reasoning settings: what is asked, what is sent, what is refused before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import InputError
from harness.messages import Message
from harness.models import parse_model
from harness.providers.base import Request
from harness.providers.parameters import Mapped
from harness.providers.settings import map_parameters, reasons


def mapped(name: str, **values: Any) -> Mapped:
    values = {"max_output_tokens": 32_000, **values}
    return map_parameters(
        Request(request_id="x", model=parse_model(name), messages=(Message(role="user", content="?"),), **values)
    )


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("openai/o3-mini@low", {"reasoning_effort": "low", "max_completion_tokens": 32_000}),
        ("openai/gpt-5@minimal", {"reasoning_effort": "minimal", "max_completion_tokens": 32_000}),
        ("openai/gpt-5.1@none", {"reasoning_effort": "none", "max_completion_tokens": 32_000}),
        ("openai/gpt-4o", {"max_tokens": 32_000}),
        ("openai/o1-pro@high", {"reasoning": {"effort": "high"}, "max_output_tokens": 32_000}),
        (
            "anthropic/claude-3-7-sonnet-20250219@thinking=16000",
            {"thinking": {"type": "enabled", "budget_tokens": 16_000}, "max_tokens": 32_000},
        ),
        ("anthropic/claude-3-7-sonnet@none", {"thinking": {"type": "disabled"}, "max_tokens": 32_000}),
        (
            "anthropic/claude-opus-4-6@high",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}, "max_tokens": 32_000},
        ),
        ("anthropic/claude-opus-4-5-20251101@low", {"output_config": {"effort": "low"}, "max_tokens": 32_000}),
        (
            "google/gemini-2.5-pro@thinking=2048",
            {
                "generationConfig": {
                    "max_output_tokens": 32_000,
                    "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True},
                }
            },
        ),
        (
            "google/gemini-2.5-flash@none",
            {"generationConfig": {"max_output_tokens": 32_000, "thinkingConfig": {"thinkingBudget": 0}}},
        ),
        ("xai/grok-3-mini@high", {"reasoning_effort": "high", "max_tokens": 32_000}),
        ("deepseek/deepseek-v4-pro@none", {"thinking": {"type": "disabled"}, "max_tokens": 32_000}),
        ("groq/openai/gpt-oss-120b@medium", {"reasoning_effort": "medium", "max_tokens": 32_000}),
        ("openai-compatible/anything@high", {"reasoning_effort": "high", "max_tokens": 32_000}),
        ("openai/sim-reasoner@low", {"reasoning_effort": "low", "max_tokens": 32_000}),
    ],
)
def test_a_setting_becomes_what_is_really_sent(name: str, sent: dict[str, Any]) -> None:
    assert mapped(name).parameters == sent


@pytest.mark.parametrize(
    "name",
    [
        "openai/o1@minimal",
        "openai/gpt-4o@high",
        "openai/o1-mini@low",
        "openai/o3@thinking=2000",
        "openai/gpt-5-pro@low",
        "anthropic/claude-3-7-sonnet@high",  # a budget would have to be invented
        "anthropic/claude-3-7-sonnet@thinking=10",
        "anthropic/claude-3-5-sonnet-20241022@thinking=2000",
        "anthropic/claude-fable-5@none",
        "anthropic/claude-not-yet-known@high",
        "google/gemini-2.5-pro@low",
        "google/gemini-2.5-pro@none",
        "google/gemini-2.5-pro@thinking=40000",
        "google/gemini-3-pro-preview@thinking=2000",
        "google/gemini-2.0-flash@high",
        "xai/grok-4@high",
        "deepseek/deepseek-reasoner@high",
        "deepseek/deepseek-reasoner@none",
        "groq/llama-3.3-70b-versatile@low",
        "openai-compatible/anything@thinking=2000",
        "openai/o1@lots",
        "openai/o1@thinking=-1",
        "openai/o1@thinking=",
    ],
)
def test_a_setting_that_a_model_cannot_take_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(InputError) as caught:
        mapped(name)
    assert caught.value.fix


def test_effort_labels_never_become_invented_budgets() -> None:
    with pytest.raises(InputError, match="a number of thinking tokens, not a label"):
        mapped("anthropic/claude-sonnet-4-5@low")


def test_a_thinking_budget_must_fit_under_the_output_cap() -> None:
    with pytest.raises(InputError, match="does not fit under an output cap of 8000"):
        mapped("anthropic/claude-3-7-sonnet@thinking=16000", max_output_tokens=8000)


def test_anthropic_needs_an_output_cap_that_is_not_made_up() -> None:
    with pytest.raises(InputError, match="needs an output cap"):
        mapped("anthropic/claude-3-7-sonnet", max_output_tokens=None)


@pytest.mark.parametrize(
    "name", ["openai/o1", "openai/gpt-5@high", "anthropic/claude-3-7-sonnet@thinking=2000", "openai/gpt-5.1@low"]
)
def test_a_temperature_that_is_not_taken_is_left_out_with_a_note(name: str) -> None:
    found = mapped(name, temperature=0.0)
    assert "temperature" not in found.parameters
    assert any(note.startswith("temperature=0.0 left out") for note in found.notes)


@pytest.mark.parametrize(
    "name", ["openai/gpt-4o", "openai/gpt-5.1", "openai/gpt-5.1@none", "anthropic/claude-3-7-sonnet"]
)
def test_a_temperature_that_is_taken_is_sent(name: str) -> None:
    found = mapped(name, temperature=0.0)
    assert found.parameters["temperature"] == 0.0
    assert not any("temperature" in note for note in found.notes)


def test_a_renamed_output_cap_is_noted() -> None:
    assert any("max_completion_tokens" in note for note in mapped("openai/o1").notes)
    assert mapped("openai/gpt-4o").notes == ()


def test_no_setting_sends_no_reasoning_parameter() -> None:
    for name in ("openai/o3-mini", "anthropic/claude-opus-4-6", "google/gemini-2.5-pro", "xai/grok-3-mini"):
        text = str(mapped(name).parameters)
        assert "reason" not in text
        assert "thinking" not in text
        assert "effort" not in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openai/o1", True),
        ("openai/o1-2024-12-17", True),
        ("openai/gpt-4o-2024-08-06", False),
        ("openai/o1-not-listed", None),
        ("openai/gpt-5.1", False),
        ("openai/gpt-5.1@low", True),
        ("openai/gpt-5.1@none", False),
        ("anthropic/claude-3-7-sonnet-20250219", False),
        ("anthropic/claude-3-7-sonnet-20250219@thinking=16000", True),
        ("anthropic/claude-opus-4-5-20251101@low", False),
        ("anthropic/claude-fable-5", True),
        ("google/gemini-2.5-pro", True),
        ("google/gemini-2.5-flash@thinking=0", False),
        ("together/deepseek-ai/DeepSeek-R1", True),
        ("openai-compatible/meta-llama/Llama-3.3-70B-Instruct", False),
        ("openai-compatible/mystery", None),
        ("openai-compatible/mystery@high", True),
        ("sim/reasoner", True),
        ("sim/direct", False),
        ("openai/sim-reasoner", True),
        ("openai-compatible/sim-direct", False),
    ],
)
def test_whether_a_model_reasons(name: str, expected: bool | None) -> None:
    assert reasons(parse_model(name)) is expected
