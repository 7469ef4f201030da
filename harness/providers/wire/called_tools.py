"""Tools and their calls in the forms that providers have for them, in both directions. Pure.

Data flows ToolSpec -> JSON of a request; parts of an answer, whole or streamed -> ToolCall. Arguments stay
the text that the model wrote, whatever it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.messages import ToolCall, ToolSpec


def chat_tools(tools: Iterable[ToolSpec]) -> list[dict[str, object]]:
    """Write tools as OpenAI's chat interface takes them, and litellm for every provider."""
    return [{"type": "function", "function": _described(tool)} for tool in tools]


def responses_tools(tools: Iterable[ToolSpec]) -> list[dict[str, object]]:
    """Write tools as OpenAI's responses interface takes them."""
    return [{"type": "function", **_described(tool)} for tool in tools]


def _described(tool: ToolSpec) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}


def chat_calls(calls: Iterable[ToolCall]) -> list[dict[str, object]]:
    """Write calls as an assistant's message holds them in OpenAI's chat form."""
    return [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in calls
    ]


def calls_in_message(message: Mapping[str, object]) -> tuple[ToolCall, ...]:
    """Read the calls of a message: OpenAI's `tool_calls`, blocks of Anthropic's, parts of Gemini's."""
    listed = [_of_function(call, place) for place, call in enumerate(_objects(message.get("tool_calls")))]
    content = message.get("content")
    if isinstance(content, Mapping):
        content = content.get("parts")
    listed += [found for place, part in enumerate(_objects(content)) if (found := _of_part(part, place)) is not None]
    return tuple(call for call in listed if call.name)


def calls_in_output(output: object) -> tuple[ToolCall, ...]:
    """Read the calls among the output items of OpenAI's responses interface."""
    return tuple(
        ToolCall(
            call_id=_text(item.get("call_id")), name=_text(item.get("name")), arguments=_text(item.get("arguments"))
        )
        for item in _objects(output)
        if item.get("type") == "function_call"
    )


def _of_function(call: Mapping[str, object], place: int) -> ToolCall:
    function = call.get("function")
    found = function if isinstance(function, Mapping) else {}
    return ToolCall(
        call_id=_text(call.get("id")) or f"call_{place}",
        name=_text(found.get("name")),
        arguments=_arguments(found.get("arguments")),
    )


def _of_part(part: Mapping[str, object], place: int) -> ToolCall | None:
    if part.get("type") == "tool_use":  # Anthropic
        name, given, call_id = part.get("name"), part.get("input"), part.get("id")
    elif isinstance(part.get("functionCall"), Mapping):  # Gemini
        function: Any = part["functionCall"]
        name, given, call_id = function.get("name"), function.get("args"), function.get("id")
    else:
        return None
    return ToolCall(call_id=_text(call_id) or f"call_{place}", name=_text(name), arguments=_arguments(given))


def _arguments(given: object) -> str:
    if isinstance(given, str):
        return given
    return "{}" if given is None else json.dumps(given, ensure_ascii=False)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _objects(value: object) -> Iterator[Mapping[str, object]]:
    return (part for part in value if isinstance(part, Mapping)) if isinstance(value, list | tuple) else iter(())


@dataclass(slots=True)
class StreamedCalls:
    """The calls of a streamed answer, put together of their pieces.

    OpenAI's pieces name the call's place (`index`); Anthropic's begin with a block of that index; Gemini's are whole.
    """

    _pieces: dict[int, dict[str, str]] = field(default_factory=dict)

    def add_delta(self, delta: Mapping[str, object]) -> None:
        """Take a chunk's delta in OpenAI's form."""
        for order, piece in enumerate(_objects(delta.get("tool_calls"))):
            place = piece.get("index")
            function = piece.get("function")
            found = function if isinstance(function, Mapping) else {}
            self._take(
                place if isinstance(place, int) else len(self._pieces) if piece.get("id") else order,
                call_id=_text(piece.get("id")),
                name=_text(found.get("name")),
                arguments=_text(found.get("arguments")),
            )

    def add_event(self, event: Mapping[str, object]) -> None:
        """Take an event of Anthropic's stream, or a chunk of Gemini's."""
        place = event.get("index")
        block, delta = event.get("content_block"), event.get("delta")
        if isinstance(place, int) and isinstance(block, Mapping) and block.get("type") == "tool_use":
            self._take(place, call_id=_text(block.get("id")), name=_text(block.get("name")), arguments="")
        elif isinstance(place, int) and isinstance(delta, Mapping) and delta.get("type") == "input_json_delta":
            self._take(place, arguments=_text(delta.get("partial_json")))

    def add_whole(self, calls: Iterable[ToolCall]) -> None:
        """Take calls that come in one piece."""
        for call in calls:
            self._take(len(self._pieces), call_id=call.call_id, name=call.name, arguments=call.arguments)

    def _take(self, place: int, *, call_id: str = "", name: str = "", arguments: str = "") -> None:
        known = self._pieces.setdefault(place, {"call_id": "", "name": "", "arguments": ""})
        known["call_id"] = known["call_id"] or call_id
        known["name"] = known["name"] or name
        known["arguments"] += arguments

    def calls(self) -> tuple[ToolCall, ...]:
        """Give the calls in their order."""
        return tuple(
            ToolCall(
                call_id=piece["call_id"] or f"call_{place}", name=piece["name"], arguments=piece["arguments"] or "{}"
            )
            for place, piece in sorted(self._pieces.items())
            if piece["name"]
        )


def calls_json(calls: Sequence[ToolCall]) -> list[dict[str, object]]:
    """Write calls as the ledger keeps them."""
    return [{"call_id": call.call_id, "name": call.name, "arguments": call.arguments} for call in calls]


def calls_of_json(stored: Iterable[Mapping[str, object]]) -> tuple[ToolCall, ...]:
    """Read calls as the ledger keeps them."""
    return tuple(map(_call, stored))


def _call(one: Mapping[str, object]) -> ToolCall:
    return ToolCall(
        call_id=_text(one.get("call_id")), name=_text(one.get("name")), arguments=_text(one.get("arguments"))
    )
