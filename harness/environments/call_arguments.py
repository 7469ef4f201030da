"""Arguments of a call as a model wrote them, read as the JSON object that every tool wants. Pure."""

from __future__ import annotations

import json

from harness.declared import JsonObject
from harness.environments.environment import ToolResult
from harness.messages import ToolCall


def failed(what: str) -> ToolResult:
    """The result of a call that could not be carried out, as its caller sees it."""
    return ToolResult(text=f"Error: {what}", failed=True)


def arguments_of(call: ToolCall) -> JsonObject | ToolResult:
    """Read a call's arguments; no text at all means that there are none. Anything but an object is a failed result."""
    try:
        read = json.loads(call.arguments) if call.arguments.strip() else {}
    except (ValueError, RecursionError) as error:
        return failed(f"the arguments of {call.name} are not JSON: {error}")
    if not isinstance(read, dict):
        return failed(f"the arguments of {call.name} are {type(read).__name__}, not a JSON object")
    return read
