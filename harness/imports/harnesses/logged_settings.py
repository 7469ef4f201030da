"""The reasoning setting of a run, from a tool's own generation settings, as people type it after `@`.

Pure. Data flows `{"reasoning_effort": "high"}` -> `high`, `{"reasoning_tokens": 4096}` -> `thinking=4096`.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.imports.containers.json_values import a_count, a_text, an_object

_EFFORTS = ("reasoning_effort", "effort", "reasoningEffort")
_BUDGETS = ("reasoning_tokens", "thinking_budget", "budget_tokens", "thinkingBudget", "max_reasoning_tokens")


def setting_of(config: Mapping[str, object]) -> str | None:
    """Name the reasoning setting; None = the model's default."""
    nested = {**an_object(config.get("reasoning")), **an_object(config.get("thinking"))}
    for name in _EFFORTS:
        if effort := a_text(config.get(name)) or a_text(nested.get("effort")):
            return effort
    for name in _BUDGETS:
        budget = a_count(config.get(name)) or a_count(nested.get(name))
        if budget:
            return f"thinking={budget}"
    return None
