"""What the tests of usage readers ask of a payload, and the OpenAI payload that several of them start from."""

from __future__ import annotations

from typing import Any

from harness.usage import Usage, meters, read_usage

OPENAI = {
    "prompt_tokens": 3072,
    "completion_tokens": 1900,
    "total_tokens": 4972,
    "prompt_tokens_details": {"cached_tokens": 2048},
    "completion_tokens_details": {"reasoning_tokens": 1600},
}


def flag_names(usage: Usage) -> list[str]:
    """Names of the flags, in order."""
    return [flag.name for flag in usage.flags]


def tokens(kind: str, raw: dict[str, Any]) -> dict[str, int]:
    """Meters of a payload, by name."""
    return {meter.value: quantity for meter, quantity in meters(read_usage(kind, raw)).items()}
