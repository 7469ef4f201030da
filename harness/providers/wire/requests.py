"""Writes conversations in OpenAI's two forms and reads answers back as JSON; fractions in a usage object stay exact.

Data flows Message -> dict -> body bytes, and answer bytes -> parsed document. Pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import orjson

from harness.messages import ImagePart, Message, sent_parts
from harness.providers.wire.bodies import has_fraction, parse_tolerantly
from harness.providers.wire.called_tools import chat_calls
from harness.suites.prompts import text_of


def chat_message(message: Message) -> dict[str, object]:
    """Write a message in OpenAI's chat form; images become data URLs."""
    said = message.content
    content = said if isinstance(said, str) else [_chat_part(part) for part in sent_parts(said)]
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": content}
    written: dict[str, object] = {"role": message.role, "content": content}
    if message.tool_calls:
        written |= {"content": content or None, "tool_calls": chat_calls(message.tool_calls)}
    if message.signed:
        written["thinking_blocks"] = list(message.signed)  # litellm's name for what Anthropic wants back
    return written


def _chat_part(part: str | ImagePart) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": _data_url(part)}}


def _data_url(part: ImagePart) -> str:
    return f"data:{part.media_type};base64,{image_base64(part)}"


def image_base64(part: ImagePart) -> str:
    """Write an image's bytes as base64 text."""
    return base64.b64encode(part.data).decode("ascii")


def responses_items(message: Message) -> list[dict[str, object]]:
    """Write a message as input items of OpenAI's responses interface; calls and results are items of their own."""
    if message.role == "tool":
        output = text_of(message.content)
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": output}]
    content = (
        message.content
        if isinstance(message.content, str)
        else [_responses_part(part) for part in sent_parts(message.content)]
    )
    said: list[dict[str, object]] = [{"role": message.role, "content": content}] if content else []
    calls: list[dict[str, object]] = [
        {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
        for call in message.tool_calls
    ]
    return [*map(dict, message.signed), *said, *calls]


def _responses_part(part: str | ImagePart) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    return {"type": "input_image", "image_url": _data_url(part)}


def dump_body(body: Mapping[str, object]) -> bytes:
    """Write a body as JSON."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # a lone surrogate in a data set: JSON can escape it, UTF-8 cannot hold it
        return json.dumps(body).encode("ascii")


def parse_answer(body: bytes) -> Any:
    """Parse an answer quickly; where its usage holds fractions they become exact Decimals.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return parse_tolerantly(body)
    if isinstance(document, dict):
        usage = document.get("usage")
        if has_fraction(usage if isinstance(usage, dict) else document):
            return parse_tolerantly(body)
    return document
