"""Reads parsed answers of the chat, responses and messages interfaces; the usage object passes through untouched.

Data flows parsed JSON -> what it states of itself, text, reasoning, refusal -> Response, or ProviderError. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from harness.messages import ToolCall
from harness.providers.base import Response
from harness.providers.failures import broken_answer, failure_inside
from harness.providers.wire.called_tools import calls_in_message, calls_in_output
from harness.providers.wire.finish_reasons import finish_reason, first_of
from harness.providers.wire.raw_answers import Document, RawAnswer, Received, stated_by, text_or_none

_TEXT_PARTS = ("text", "output_text", "input_text", "summary_text", "reasoning_text", "message")
_THINKING_PARTS = ("thinking", "reasoning", "reasoning_text", "thought")
_THOUGHTS = ("thinking", "reasoning", "text", "summary", "content")
_NAMES_OF_ERRORS = frozenset({"message", "detail", "code", "status", "status_code", "errors", "msg"})


def text_of(content: object) -> str:
    """Join the text of a message's content: a string, an object, a list of parts or nothing; thoughts are left out."""
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        return "".join(text_of(part) for part in content)
    if not isinstance(content, dict) or content.get("thought") is True:
        return ""
    if content.get("type", "text") not in _TEXT_PARTS:  # tuples: a type may be of any kind, also one without a hash
        return ""
    text = content.get("text", content.get("parts", content.get("content")))
    return text_of(text.get("value")) if isinstance(text, dict) and "value" in text else text_of(text)


def thoughts_of(content: object) -> str:
    """Join the thinking parts of a message's content: Anthropic's, and Magistral's with parts of their own."""
    if isinstance(content, list):
        return "".join(thoughts_of(part) for part in content)
    if not isinstance(content, dict):
        return ""
    if content.get("thought") is True:  # Gemini
        return text_of({**content, "thought": False})
    if isinstance(content.get("parts"), list):
        return thoughts_of(content["parts"])
    if content.get("type") not in _THINKING_PARTS:
        return ""
    return next((text for name in _THOUGHTS if (text := text_of(content.get(name)))), "")


def reasoning_of(message: Document) -> str:
    """The reasoning that a message shows, in whichever of the fields that servers have for it.

    vLLM from 0.12, OpenRouter, Groq: `reasoning`; DeepSeek, SGLang, older vLLM: `reasoning_content`; Ollama:
    `thinking`.
    """
    for name in ("reasoning_content", "reasoning", "thinking"):
        if (said := message.get(name)) and (text := text_of(said)):
            return text
    content = message.get("content")
    return "" if isinstance(content, str) else thoughts_of(content)


def message_in(document: Document) -> Document | None:
    """The message of a chat answer, in any form that servers give it; None when there is none.

    A message may be an object, a bare text or a list of parts; it stands in the choice as `message`, as `delta` (a
    stream's word in a whole answer) or as `text` (completions), or beside no choices at all (Ollama, Cohere, Gemini).
    """
    choice = document.get("choices")
    if isinstance(choice, list):
        choice = choice[0] if choice else {}
    if not isinstance(choice, dict):
        choice = {}
    for name in ("message", "delta", "text"):
        found = choice.get(name)
        if isinstance(found, dict):
            return found
        if isinstance(found, str | list):
            return {"content": found}
    candidate = first_of(document, "candidates")
    if isinstance(candidate.get("content"), dict):
        return {"content": candidate["content"]}
    message = document.get("message")
    if isinstance(message, dict):
        return message
    text = document.get("output_text")
    return {"content": text} if isinstance(text, str) else None


class Said(NamedTuple):
    """What a model said in an answer; a refusal is its text where there is no other.

    `signed` are parts that the provider wants back as they came.
    """

    text: str
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[ToolCall, ...] = ()
    signed: tuple[Document, ...] = ()


def answer_in(document: object, received: Received) -> Response:
    """Read an answer of whichever of the three shapes it has; see `chat_response` for errors."""
    read = chat_response
    if isinstance(document, dict) and not document.get("choices"):
        if isinstance(document.get("output"), list):
            read = responses_response
        elif isinstance(document.get("content"), list) and "stop_reason" in document:
            read = anthropic_response
    return read(document, received)


def chat_response(document: object, received: Received) -> Response:
    """Read a chat completion.

    Raises:
        ProviderError: there is no message, an error stands in its place, or the provider says that it broke off; the
            usage and everything else that the answer states goes along.
    """
    return _response(document, received, _said_in_chat)


def responses_response(document: object, received: Received) -> Response:
    """Read an answer of OpenAI's responses interface: text and reasoning summaries are items of `output`.

    Errors are those of `chat_response`.
    """
    return _response(document, received, _said_in_output, dialect={"object": "response"})


def anthropic_response(document: object, received: Received) -> Response:
    """Read an Anthropic message: text and thinking are blocks of `content`.

    Errors are those of `chat_response`.
    """
    return _response(document, received, _said_in_blocks)


def _response(
    document: object, received: Received, read: Callable[[Document], Said | None], dialect: Document | None = None
) -> Response:
    """Read what an answer states of itself and what the model said in it; without either it is an error.

    Args:
        dialect: what tells the interface, should the answer itself not say it.
    """
    answer: Document = document if isinstance(document, dict) else {}
    stated = stated_by({**dialect, **answer} if dialect else answer, received)
    if stated.error is not None:
        raise failure_inside(answer, stated, received)
    if stated.fault is not None:
        raise broken_answer(stated, stated.fault, status=received.status)
    said = read(answer)
    if said is not None:
        return response_of(stated, said, received)
    if stated.finish_reason is None and not _NAMES_OF_ERRORS.isdisjoint(answer):
        raise failure_inside(answer, stated, received)
    raise broken_answer(stated, "the answer holds no message", status=received.status)


def _said_in_chat(answer: Document) -> Said | None:
    message = message_in(answer)
    if message is None:
        return None
    content = message.get("content")
    refusal = text_of(message.get("refusal")) or _refusal_part(content)
    return Said(text_of(content), reasoning_of(message), refusal, calls_in_message(message))


def _said_in_output(answer: Document) -> Said | None:
    output = answer.get("output")
    if not isinstance(output, list):
        return None
    messages, thoughts = _items(output, "message"), _items(output, "reasoning")
    parts = [part for item in messages for part in _parts(item.get("content"))]
    summaries = [_parts(item.get("summary")) or _parts(item.get("content")) for item in thoughts]
    reasoning = "\n".join(text_of(part) for summary in summaries for part in summary)
    text = text_of(parts) or text_or_none(answer.get("output_text")) or ""
    signed = tuple(item for item in thoughts if item.get("encrypted_content"))
    return Said(text, reasoning, _refusal_part(parts), calls_in_output(output), signed)


def _items(output: list[object], kind: str) -> list[Document]:
    return [item for item in output if isinstance(item, dict) and item.get("type") == kind]


def _said_in_blocks(answer: Document) -> Said | None:
    content = answer.get("content")
    if not isinstance(content, list | str):
        return None
    return Said(text_of(content), thoughts_of(content), "", calls_in_message(answer), signed_in(content))


def signed_in(content: object) -> tuple[Document, ...]:
    """Find the thinking blocks that Anthropic signed: it wants them back with the next request of a conversation."""
    parts = content if isinstance(content, list) else []
    kinds = ("thinking", "redacted_thinking")
    return tuple(part for part in parts if isinstance(part, dict) and part.get("type") in kinds)


def response_of(stated: RawAnswer, said: Said, received: Received) -> Response:
    """Put what was read of an answer together."""
    return Response(
        text=said.text or said.refusal,
        finish_reason=finish_reason(stated.finish_reason),
        usage_kind=stated.usage_kind,
        raw_usage=stated.usage,
        reasoning_text=said.reasoning or None,
        model_served=stated.model,
        service_tier=stated.service_tier,
        provider_request_id=stated.request_id,
        time_to_first_byte_s=received.time_to_first_byte_s,
        refused=bool(said.refusal) or stated.refused,
        headers=received.headers,
        tool_calls=said.calls,
        signed=said.signed,
    )


def _refusal_part(content: object) -> str:
    if content is None or isinstance(content, str):
        return ""
    parts = content if isinstance(content, list) else [content]
    return "".join(
        text_of(part.get("refusal")) for part in parts if isinstance(part, dict) and part.get("type") == "refusal"
    )


def _parts(value: object) -> list[object]:
    return value if isinstance(value, list) else ([] if value is None else [value])
