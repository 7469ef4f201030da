"""Prompts and answers of an Inspect log's calls, which newer logs keep once and refer to.

Pure. Data flows a sample's facts and an event -> `Said`. Messages stand in a pool of the sample (`events_data`,
ranges of it in `input_refs`), and long texts in its attachments (`attachment://DIGEST`).
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.declared import Json, JsonObject
from harness.imports.containers.json_values import a_list, a_text, an_object
from harness.imports.log_records import Said

_ATTACHED = "attachment://"


def said(event: JsonObject, facts: JsonObject) -> Said:
    """Give what a call was asked and answered, every reference resolved that the sample can resolve."""
    attachments = an_object(facts.get("attachments"))
    choices = a_list(an_object(event.get("output")).get("choices"))
    message = an_object(an_object(next(iter(choices), None)).get("message"))
    messages = [one for one in _asked(event, facts) if isinstance(one, dict)]
    return Said(
        messages=[{"role": str(one.get("role", "user")), "content": _text(one, attachments)} for one in messages],
        answer=_text(message, attachments) if message else None,
        reasoning=_reasoning(message, attachments),
    )


def _asked(event: JsonObject, facts: JsonObject) -> list[Json]:
    pool = a_list(an_object(facts.get("events_data")).get("messages"))
    referred: list[Json] = []
    for span in a_list(event.get("input_refs")):
        match span:
            case [int(start), int(end)]:
                referred += pool[start:end]
    return referred or a_list(event.get("input"))


def _text(message: JsonObject, attachments: JsonObject) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return _resolved(content, attachments)
    texts = [_resolved(a_text(an_object(part).get("text")) or "", attachments) for part in a_list(content)]
    return "\n".join(text for text in texts if text)


def _reasoning(message: JsonObject, attachments: JsonObject) -> str | None:
    parts = [an_object(part) for part in a_list(message.get("content"))]
    texts = [a_text(part.get("reasoning")) or "" for part in parts if part.get("type") == "reasoning"]
    return "\n".join(_resolved(text, attachments) for text in texts if text) or None


def _resolved(text: str, attachments: Mapping[str, Json]) -> str:
    if not text.startswith(_ATTACHED):
        return text
    return a_text(attachments.get(text.removeprefix(_ATTACHED))) or text
