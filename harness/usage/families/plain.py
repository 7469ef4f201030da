"""A short cut for the plain case: OpenAI-shaped chat usage in which every number is where it should be and adds up.

Nearly every answer is of this kind, and the general reader's checks cost more than sending the request. Data flows
one payload -> `Usage`, equal to what `read_openai_chat` makes of it; None whenever anything is unusual.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from harness.usage.payload import LARGEST_COUNT
from harness.usage.values import Usage

_TOP = frozenset({"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details",
                  "completion_tokens_details"})  # fmt: skip
_INPUT = frozenset({"cached_tokens", "audio_tokens", "text_tokens"})
_OUTPUT = frozenset({"reasoning_tokens", "audio_tokens", "text_tokens", "accepted_prediction_tokens",
                     "rejected_prediction_tokens"})  # fmt: skip
_NO_DETAILS: Mapping[str, object] = {}


def read_plain_chat(raw: object) -> Usage | None:
    """Read counts that need no judgement; None = take the general reader."""
    if type(raw) is not dict or not raw.keys() <= _TOP:
        return None
    prompt, completion = raw.get("prompt_tokens"), raw.get("completion_tokens")
    if type(prompt) is not int or type(completion) is not int or not 0 < prompt <= LARGEST_COUNT:
        return None
    total = raw.get("total_tokens")
    if type(total) is not int or total != prompt + completion or not 0 <= completion <= total <= LARGEST_COUNT:
        return None
    inputs, outputs = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    inputs = _NO_DETAILS if inputs is None else inputs
    outputs = _NO_DETAILS if outputs is None else outputs
    if (type(inputs) is not dict and inputs is not _NO_DETAILS) or not inputs.keys() <= _INPUT:
        return None
    if (type(outputs) is not dict and outputs is not _NO_DETAILS) or not outputs.keys() <= _OUTPUT:
        return None
    cached, reasoning = inputs.get("cached_tokens"), outputs.get("reasoning_tokens")
    if not (_is_part(cached, prompt) and _is_part(reasoning, completion)):
        return None
    heard, spoken = inputs.get("audio_tokens"), outputs.get("audio_tokens")
    if not (_is_part(heard, 0) and _is_part(spoken, 0)):
        return None
    return Usage(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read_tokens=cached,
        input_audio_tokens=heard,
        reasoning_tokens=reasoning,
        output_audio_tokens=spoken,
        thinking=True if reasoning else None,
    )


def _is_part(count: object, whole: int) -> TypeGuard[int | None]:
    """Whether a count is not stated, or is a whole number within its total."""
    return count is None or (type(count) is int and 0 <= count <= whole)
