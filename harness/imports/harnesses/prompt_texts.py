"""Prompts that a tool keeps as one text: a chat written as a JSON array of messages, or a bare prompt.

Pure. Data flows a text -> chat messages.
"""

from __future__ import annotations

from harness.declared import JsonObject
from harness.imports.containers.json_values import a_list, parse


def messages_of(text: str) -> list[JsonObject]:
    """Read a prompt; what is no array of messages is one message of the user."""
    try:
        parsed = parse(text.encode("utf-8", "replace")) if text.lstrip().startswith("[") else None
    except ValueError:
        parsed = None
    chat = [one for one in a_list(parsed) if isinstance(one, dict) and "role" in one]
    return chat or [{"role": "user", "content": text}]
