"""How an item of a plan is asked: its conversation, its output cap, and what bounds its tokens.

Pure. Data flows (planned item, model) -> `Question`; a conversation -> what the ledger keeps of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from harness.declared import Json, JsonObject, request_value
from harness.ledger.records import Purpose
from harness.messages import Message, ToolCall, ToolSpec
from harness.providers.image_counts import image_count
from harness.runner.plan import ModelPlan, PlannedItem, part_sha256
from harness.runner.spec import RunSpec
from harness.suites.sample import sample_mark
from harness.suites.tokens import upper_bound_messages


@request_value
class Question:
    """What is asked, for whom, and with which limits.

    Attributes:
        request_stem: request id without its try suffix.
        input_tokens_bound: no tokenizer makes more input tokens of the messages than this.
        max_output_tokens: cap that is sent; None = not sent.
        tools: what may be called.
        turn: place in its sample's conversation, over all its parties, from 0; None = the sample is one request.
        sample_scope: the budget that holds its sample alone; None = there is none.
    """

    request_stem: str
    cell_id: int
    planned_id: int
    messages: tuple[Message, ...]
    input_tokens_bound: int
    max_output_tokens: int | None
    temperature: float | None = None
    service_tier: str | None = None
    purpose: Purpose = "solve"
    tools: tuple[ToolSpec, ...] = ()
    turn: int | None = None
    sample_scope: str | None = None

    def request_id(self, try_number: int) -> str:
        """Our own id of one attempt, unique over the ledger."""
        return f"{self.request_stem}.t{try_number}"


def question_for(
    run_id: str, options: RunSpec, item: PlannedItem, model: ModelPlan, *, cell_id: int, planned_id: int
) -> Question:
    """Ask one item of one model."""
    messages = item_messages(item)
    return Question(
        request_stem=f"{run_id}.c{cell_id}.p{planned_id}{_marked(item)}.e{item.epoch}",
        cell_id=cell_id,
        planned_id=planned_id,
        messages=messages,
        input_tokens_bound=upper_bound_messages(messages, count_image=image_count(model.spec)),
        max_output_tokens=output_cap(item, model, options.max_output_tokens),
        temperature=options.temperature,
        service_tier=options.service_tier,
    )


def _marked(item: PlannedItem) -> str:
    """What the requests of a conversation name their sample by: their words may be those of other samples, too."""
    if item.task.solver.name == "single_turn":
        return ""
    return f".s{sample_mark(item.task.name, item.sample.sample_id)}"


def item_messages(item: PlannedItem) -> tuple[Message, ...]:
    """The conversation that asks an item."""
    user = Message(role="user", content=item.sample.input)
    return (user,) if item.sample.system is None else (Message(role="system", content=item.sample.system), user)


def output_cap(item: PlannedItem, model: ModelPlan, override: int | None) -> int | None:
    """Output cap that is sent: the user's, else the task's for this kind of model; a model not known to be either
    kind gets the larger one."""
    if override is not None:
        return override
    plain, reasoning = item.task.max_output_tokens, item.task.max_output_tokens_reasoning
    if model.reasons is None:
        return max(plain, reasoning) if plain is not None and reasoning is not None else reasoning or plain
    return (reasoning or plain) if model.reasons else plain


def messages_json(messages: tuple[Message, ...]) -> list[JsonObject]:
    """Write a conversation as the ledger keeps it: images, and videos with the choice of their frames, by digest."""
    return [_message_json(message) for message in messages]


def calls_json(calls: Sequence[ToolCall], signed: Sequence[Mapping[str, object]] = ()) -> list[JsonObject]:
    """Write what a model wants called as the ledger keeps it.

    Args:
        signed: parts of the answer that its provider wants back with the results of its calls: they lie beside the
            first one, so that a later session can go on.
    """
    written: list[JsonObject] = [
        {"call_id": call.call_id, "name": call.name, "arguments": call.arguments} for call in calls
    ]
    if written and signed:
        written[0]["signed"] = json.loads(json.dumps(list(map(dict, signed)), default=str))
    return written


def signed_of_json(stored: Sequence[Mapping[str, object]]) -> tuple[Mapping[str, object], ...]:
    """Read the signed parts that `calls_json` wrote."""
    parts = stored[0].get("signed") if stored else None
    return tuple(part for part in parts if isinstance(part, Mapping)) if isinstance(parts, list) else ()


def _message_json(message: Message) -> JsonObject:
    written: JsonObject = {"role": message.role, "content": _content_json(message)}
    if message.tool_calls:
        written["tool_calls"] = list(calls_json(message.tool_calls))
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written


def _content_json(message: Message) -> Json:
    if isinstance(message.content, str):
        return message.content
    return [part if isinstance(part, str) else {"image": part_sha256(part)} for part in message.content]
