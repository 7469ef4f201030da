"""What the simulated server takes for a request in the form of OpenAI's chat completions, and how it refuses others.

Data flows body bytes + client's request id -> `ChatCall`, or `RefusedCallError` with the answer to give. Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from harness.messages import ImagePart, Message, ToolCall, ToolSpec
from harness.simulation.simulated_answers import KeyEntry
from harness.simulation.simulated_conversations import Conversation, conversation_of, is_turn
from harness.simulation.simulated_models import (
    EFFORTS,
    Answer,
    AnswerKey,
    Draw,
    Effort,
    Fault,
    Prompt,
    SimulatedModel,
    answer,
    epoch_and_try,
    find_model,
    prompt_of,
)
from harness.simulation.simulated_turns import take_turn


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatCall:
    """A chat completion request, checked.

    Attributes:
        request_id: the client's id, None when it sent none.
        model_asked: the model's name as the client wrote it; the answer repeats it.
        draw, prompt: what the answer depends on.
        max_output_tokens: None = the models' own cap.
        stream: answer in server-sent events.
        stream_usage: the last event carries the usage.
        conversation: what it is a turn of, None for a request that stands alone.
    """

    request_id: str | None
    model_asked: str
    draw: Draw
    prompt: Prompt
    max_output_tokens: int | None
    stream: bool
    stream_usage: bool
    conversation: Conversation | None = None

    def answer(self, key: AnswerKey, fault: Fault | None) -> Answer:
        """Draw the answer."""
        if self.conversation is None:
            return answer(key, self.draw, self.prompt, max_output_tokens=self.max_output_tokens, fault=fault)
        cap = self.max_output_tokens
        return take_turn(key, self.draw, self.conversation, max_output_tokens=cap, fault=fault)

    def entry(self, key: AnswerKey) -> KeyEntry | None:
        """Find the item that it is about; None when the key does not know it."""
        if self.conversation is None:
            return key.find(self.prompt.sha256)
        script = self.conversation.script
        return script.entry if script is not None else key.find(self.conversation.question().sha256)


class RefusedCallError(Exception):
    """A request that makes no sense; `status` and `body` are the answer to it."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(message, code)


def error_body(message: str, code: str) -> dict[str, object]:
    """Write an error as OpenAI does."""
    return {"error": {"message": message, "type": "simulated_error", "param": None, "code": code}}


def read_call(body: bytes, request_id: str | None, *, key: AnswerKey, seed: int) -> ChatCall:
    """Read and check a request.

    Raises:
        RefusedCallError: it is none, asks for something that does not exist, or its messages do not fit each other.
    """
    try:
        given = orjson.loads(body)
        asked, messages = given["model"], given["messages"]
        contents = [(message["role"], _content(message.get("content"))) for message in messages]
        prompt = prompt_of(contents)
    except (orjson.JSONDecodeError, binascii.Error, KeyError, TypeError, AttributeError, ValueError) as error:
        raise RefusedCallError(400, f"not a chat completion request: {error!r}", "invalid_request") from error
    model = find_model(str(asked))
    if model is None:
        raise RefusedCallError(404, f"The model {asked!r} does not exist.", "model_not_found")
    options = given.get("stream_options") or {}
    if not isinstance(options, dict):
        raise RefusedCallError(400, f"stream_options must be an object, not {options!r}.", "invalid_type")
    epoch, try_number = epoch_and_try(request_id)
    conversation = _conversation(given, contents, key, model, request_id or "")
    return ChatCall(
        request_id=request_id,
        model_asked=str(asked),
        draw=Draw(
            seed=seed,
            model=model,
            effort=_effort(asked, model, given.get("reasoning_effort")),
            epoch=epoch,
            try_number=try_number,
        ),
        prompt=prompt if conversation is None else conversation.prompt,
        max_output_tokens=_cap(given.get("max_completion_tokens") or given.get("max_tokens")),
        stream=bool(given.get("stream")),
        stream_usage=bool(options.get("include_usage")),
        conversation=conversation,
    )


def _effort(asked: object, model: SimulatedModel, given: object) -> Effort:
    if given is None:
        return "medium"
    effort = next((each for each in EFFORTS if model.reasons and each == given), None)
    if effort is None:
        raise RefusedCallError(400, f"{asked} does not support reasoning_effort {given!r}.", "unsupported_value")
    return effort


def _cap(given: object) -> int | None:
    if given is not None and (not isinstance(given, int) or given < 1):
        raise RefusedCallError(
            400, f"max_completion_tokens must be a positive integer, not {given!r}.", "invalid_value"
        )
    return given


def _content(content: object) -> str | Sequence[str | bytes]:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise TypeError(f"content must be a string or a list of parts, not {content!r:.80}")
    return [part["text"] if part["type"] == "text" else _image(part["image_url"]["url"]) for part in content]


def _image(url: str) -> bytes:
    # an image that is not sent along is known by its address only
    return base64.b64decode(url.partition(",")[2], validate=True) if url.startswith("data:") else url.encode()


Contents = Sequence[tuple[str, str | Sequence[str | bytes]]]


def _conversation(
    given: Mapping[str, Any], contents: Contents, key: AnswerKey, model: SimulatedModel, request_id: str
) -> Conversation | None:
    """Read what a request is a turn of; None for one that stands alone."""
    tools = _tools(given) if "tools" in given else ()
    if len(contents) <= 2 and not is_turn(model, (), tools, request_id):
        return None
    try:
        messages = tuple(map(_message, given["messages"], contents))
    except (AttributeError, KeyError, TypeError) as error:
        raise RefusedCallError(400, f"tool_calls are not as they should be: {error!r}", "invalid_type") from error
    if not is_turn(model, messages, tools, request_id):
        return None
    _refuse_loose_calls(messages)
    return conversation_of(key, model, messages, tools, request_id)


def _tools(given: Mapping[str, Any]) -> tuple[ToolSpec, ...]:
    listed = given["tools"]
    try:
        if not listed:
            raise ValueError("no tool is listed")
        tools = tuple(_tool(one["function"]) for one in listed)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RefusedCallError(400, f"tools are not as they should be: {error!r}", "invalid_type") from error
    return () if given.get("tool_choice") == "none" else tools


def _tool(function: Mapping[str, Any]) -> ToolSpec:
    name, parameters = function["name"], function.get("parameters") or {}
    if not isinstance(name, str) or not isinstance(parameters, dict):
        raise TypeError(f"a tool needs a name and a schema, not {name!r:.80} and {parameters!r:.80}")
    return ToolSpec(name=name, description=str(function.get("description") or ""), parameters=parameters)


def _message(given: Mapping[str, Any], content: tuple[str, str | Sequence[str | bytes]]) -> Message:
    role, said = content
    return Message(
        role="system" if role == "developer" else role,  # type: ignore[arg-type]  # whatever the client wrote
        content=said
        if isinstance(said, str)
        else tuple(part if isinstance(part, str) else ImagePart(media_type="", data=part) for part in said),
        tool_calls=tuple(
            ToolCall(call_id=call["id"] or "", name=call["function"]["name"], arguments=call["function"]["arguments"])
            for call in given.get("tool_calls") or ()
        ),
        tool_call_id=given.get("tool_call_id"),
    )


def _refuse_loose_calls(messages: Sequence[Message]) -> None:
    """Refuse calls without a result, and results without a call, as OpenAI's interface does."""
    for what, ids in _loose(messages):
        raise RefusedCallError(400, f"{what}: {', '.join(map(repr, sorted(ids)))}", "invalid_request")


def _loose(messages: Sequence[Message]) -> Iterator[tuple[str, set[str]]]:
    called: set[str] = set()
    answered: set[str] = set()
    for message in (*messages, None):
        if message is not None and message.role == "tool":
            answered.add(message.tool_call_id or "")
            continue
        if answered - called:
            yield "tool messages that answer no call of the message before them", answered - called
        if called - answered:
            yield "calls that no tool message answers", called - answered
        called = {call.call_id for call in message.tool_calls} if message is not None else set()
        answered = set()
