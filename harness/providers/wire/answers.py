"""Reads parsed answers of the chat, responses and messages interfaces; the usage object passes through untouched.

Data flows parsed JSON -> what it states of itself, text, reasoning, refusal -> Response, or ProviderError. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.providers.base import Response
from harness.providers.failures import broken_answer, failure_inside
from harness.providers.wire.finish_reasons import finish_reason, first_of
from harness.providers.wire.raw_answers import RawAnswer, stated_by, text_or_none

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


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The reasoning that a message shows, in whichever of the fields that servers have for it.

    vLLM from 0.12, OpenRouter, Groq: `reasoning`; DeepSeek, SGLang, older vLLM: `reasoning_content`; Ollama:
    `thinking`.
    """
    for name in ("reasoning_content", "reasoning", "thinking"):
        if (said := message.get(name)) and (text := text_of(said)):
            return text
    content = message.get("content")
    return "" if isinstance(content, str) else thoughts_of(content)


def message_in(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The message of a chat answer, in any form that servers give it; None when there is none.

    A message may be an object, a bare text or a list of parts; it stands in the choice as `message`, as `delta` (a
    stream's word in a whole answer) or as `text` (completions), or beside no choices at all (Ollama, Cohere, Gemini).
    """
    choice: Any = document.get("choices")
    if isinstance(choice, list):
        choice = choice[0] if choice else {}
    if not isinstance(choice, dict):
        choice = {}
    for found in (choice.get("message"), choice.get("delta"), choice.get("text")):
        if isinstance(found, dict):
            return found
        if isinstance(found, str | list):
            return {"content": found}
    candidate = first_of(document, "candidates")
    if isinstance(candidate.get("content"), dict):
        return {"content": candidate["content"]}
    if isinstance(document.get("message"), dict):
        return document["message"]  # type: ignore[no-any-return]  # JSON
    text = document.get("output_text")
    return {"content": text} if isinstance(text, str) else None


def answer_in(
    document: object,
    *,
    usage_kind: str,
    headers: Mapping[str, str],
    time_to_first_byte_s: float | None,
    provider: str = "",
    status: int = 200,
) -> Response:
    """Read an answer of whichever of the three shapes it has; see `chat_response` for arguments and errors."""
    read = chat_response
    if isinstance(document, dict) and not document.get("choices"):
        if isinstance(document.get("output"), list):
            read = responses_response
        elif isinstance(document.get("content"), list) and "stop_reason" in document:
            read = anthropic_response
    return read(
        document,
        usage_kind=usage_kind,
        headers=headers,
        time_to_first_byte_s=time_to_first_byte_s,
        provider=provider,
        status=status,
    )


def chat_response(
    document: object,
    *,
    usage_kind: str,
    headers: Mapping[str, str],
    time_to_first_byte_s: float | None,
    provider: str = "",
    status: int = 200,
) -> Response:
    """Read a chat completion.

    Args:
        usage_kind: reader of its usage where the names in it tell no other.
        headers: answer headers with lower-cased names.
        provider: decides whether a failed answer is billed.
        status: of the answer, a good one.

    Raises:
        ProviderError: there is no message, an error stands in its place, or the provider says that it broke off; the
            usage and everything else that the answer states goes along.
    """
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    stated = stated_by(answer, usage_kind=usage_kind, headers=headers)
    message = message_in(answer)
    _refuse_broken(answer, stated, message is not None, provider=provider, status=status, headers=headers)
    assert message is not None
    content = message.get("content")
    refusal = text_of(message.get("refusal")) or _refusal_part(content)
    return response_of(
        stated,
        text=text_of(content),
        reasoning=reasoning_of(message),
        refusal=refusal,
        headers=headers,
        time_to_first_byte_s=time_to_first_byte_s,
    )


def responses_response(
    document: object,
    *,
    usage_kind: str,
    headers: Mapping[str, str],
    time_to_first_byte_s: float | None,
    provider: str = "",
    status: int = 200,
) -> Response:
    """Read an answer of OpenAI's responses interface: text and reasoning summaries are items of `output`.

    Arguments and errors are those of `chat_response`.
    """
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    stated = stated_by({"object": "response", **answer}, usage_kind=usage_kind, headers=headers)
    output = answer.get("output")
    _refuse_broken(answer, stated, isinstance(output, list), provider=provider, status=status, headers=headers)
    items = [item for item in output or () if isinstance(item, dict)]
    parts = [part for item in items if item.get("type") == "message" for part in _parts(item.get("content"))]
    refusal = "".join(_refusal_part(part) for part in parts)
    thoughts = [
        text_of(part)
        for item in items
        if item.get("type") == "reasoning"
        for part in _parts(item.get("summary")) or _parts(item.get("content"))
    ]
    return response_of(
        stated,
        text=text_of(parts) or text_or_none(answer.get("output_text")) or "",
        reasoning="\n".join(thoughts),
        refusal=refusal,
        headers=headers,
        time_to_first_byte_s=time_to_first_byte_s,
    )


def anthropic_response(
    document: object,
    *,
    usage_kind: str,
    headers: Mapping[str, str],
    time_to_first_byte_s: float | None,
    provider: str = "",
    status: int = 200,
) -> Response:
    """Read an Anthropic message: text and thinking are blocks of `content`.

    Arguments and errors are those of `chat_response`.
    """
    answer: Mapping[str, Any] = document if isinstance(document, dict) else {}
    stated = stated_by(answer, usage_kind=usage_kind, headers=headers)
    content = answer.get("content")
    _refuse_broken(answer, stated, isinstance(content, list | str), provider=provider, status=status, headers=headers)
    return response_of(
        stated,
        text=text_of(content),
        reasoning=thoughts_of(content),
        headers=headers,
        time_to_first_byte_s=time_to_first_byte_s,
    )


def response_of(
    stated: RawAnswer,
    *,
    text: str,
    reasoning: str | None,
    headers: Mapping[str, str],
    time_to_first_byte_s: float | None,
    refusal: str = "",
) -> Response:
    """Put what was read of an answer together; a refusal is its text where there is no other."""
    return Response(
        text=text or refusal,
        finish_reason=finish_reason(stated.finish_reason),
        usage_kind=stated.usage_kind,
        raw_usage=stated.usage,
        reasoning_text=reasoning or None,
        model_served=stated.model,
        service_tier=stated.service_tier,
        provider_request_id=stated.request_id,
        time_to_first_byte_s=time_to_first_byte_s,
        refused=bool(refusal) or stated.refused,
        headers=headers,
    )


def _refuse_broken(
    answer: Mapping[str, Any],
    stated: RawAnswer,
    has_message: bool,
    *,
    provider: str,
    status: int,
    headers: Mapping[str, str],
) -> None:
    """Raise for an answer that is an error, was broken off or holds no message."""
    if stated.error is None and stated.fault is None and has_message:
        return
    is_error = stated.error is not None or (
        not has_message and stated.finish_reason is None and not _NAMES_OF_ERRORS.isdisjoint(answer)
    )
    if is_error:
        raise failure_inside(answer, stated, provider=provider, status=status, headers=headers)
    raise broken_answer(stated, stated.fault or "the answer holds no message", status=status)


def _refusal_part(content: object) -> str:
    if content is None or isinstance(content, str):
        return ""
    parts = content if isinstance(content, list) else [content]
    return "".join(
        text_of(part.get("refusal")) for part in parts if isinstance(part, dict) and part.get("type") == "refusal"
    )


def _parts(value: object) -> list[Any]:
    return value if isinstance(value, list) else ([] if value is None else [value])
