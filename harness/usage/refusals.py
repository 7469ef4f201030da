"""Refusals that are not billed although their usage counts tokens.

Claude's classifiers decline a request before any output: the answer has `stop_reason: refusal`, a usage, and no bill;
after some output the request is billed (platform.claude.com, refusals and fallback; the same on Bedrock and Vertex AI,
2026-06). Data flows stop reason and usage -> whether there is a bill.
"""

from __future__ import annotations

from harness.usage.kinds import KINDS
from harness.usage.values import Usage

REFUSAL = "refusal"
EMPTY_OUTPUT_TOKENS = 1
"""Bedrock counts one output token where nothing was written."""


def is_unbilled_refusal(kind: str, stop_reason: str | None, usage: Usage) -> bool:
    """Tell whether an answer was declined before any output, which costs nothing.

    Args:
        kind: the usage's reader; only Claude's refusals are free.
        stop_reason: as the response names it; other providers call their own refusals otherwise.
    """
    if not KINDS[kind].free_refusals or (stop_reason or "").lower() != REFUSAL or usage.output_tokens is None:
        return False
    return usage.output_tokens <= EMPTY_OUTPUT_TOKENS and not usage.other_models
