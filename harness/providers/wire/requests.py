"""Writes conversations in OpenAI's two forms and reads answers back as JSON; fractions in a usage object stay exact.

Data flows Message -> dict -> body bytes, and answer bytes -> parsed document. Pure.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import orjson

from harness.messages import ImagePart, Message
from harness.providers.wire.bodies import has_fraction, parse_tolerantly


def chat_message(message: Message) -> dict[str, object]:
    """Write a message in OpenAI's chat form; images become data URLs."""
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    return {"role": message.role, "content": [_chat_part(part) for part in message.content]}


def _chat_part(part: str | ImagePart) -> dict[str, object]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    return {"type": "image_url", "image_url": {"url": _data_url(part)}}


def _data_url(part: ImagePart) -> str:
    return f"data:{part.media_type};base64,{image_base64(part)}"


def image_base64(part: ImagePart) -> str:
    """Write an image's bytes as base64 text."""
    return base64.b64encode(part.data).decode("ascii")


def responses_message(message: Message) -> dict[str, object]:
    """Write a message as an input item of OpenAI's responses interface."""
    if isinstance(message.content, str):
        return {"role": message.role, "content": message.content}
    return {"role": message.role, "content": [_responses_part(part) for part in message.content]}


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
