"""What a sample's reference says should be done in its environment: the calls, and the words that answer. Pure.

Data flows `Sample.target` (JSON) -> `Gold`. Read by simulated models, which have to know what is right, and by proofs;
what a conversation is worth is for its environment to say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.declared import Json
from harness.suites.sample import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldCall:
    """A call that leads to the goal; `by` whom it is made: the model under test, or who plays its user."""

    by: Literal["assistant", "user"]
    name: str
    arguments: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """A way to the goal.

    Attributes:
        calls: in the order in which they are made.
        says: texts that the model has to have told its user; may be empty.
        answer: the final answer; None = there is none beside the calls.
    """

    calls: tuple[GoldCall, ...] = ()
    says: tuple[str, ...] = ()
    answer: str | None = None


def gold_of(sample: Sample) -> Gold | None:
    """Read the way to the goal from a sample's reference; None where the reference is no such thing.

    Two forms are read: `{"calls": [{"by", "name", "arguments"}], "says": [...], "answer": ...}`, and tau2-bench's
    criteria, `{"actions": [{"requestor", "name", "arguments"}], "communicate_info": [...]}`.
    """
    if not sample.target.startswith("{"):  # nearly all are no such thing: nothing is parsed for them
        return None
    try:
        reference: Json = json.loads(sample.target)
    except (ValueError, RecursionError):
        return None
    if not isinstance(reference, dict) or not {"calls", "actions"} & reference.keys():
        return None
    calls = reference.get("calls", reference.get("actions")) or []
    says = reference.get("says", reference.get("communicate_info")) or []
    listed = calls if isinstance(calls, list) else []
    answer = reference.get("answer")
    return Gold(
        calls=tuple(call for one in listed if (call := _call(one)) is not None),
        says=tuple(str(one) for one in says) if isinstance(says, list) else (),
        answer=None if answer is None else str(answer),
    )


def _call(written: Json) -> GoldCall | None:
    if not isinstance(written, dict) or not isinstance(name := written.get("name"), str):
        return None
    arguments = written.get("arguments")
    by = written.get("by", written.get("requestor"))
    return GoldCall(
        by="user" if by == "user" else "assistant",
        name=name,
        arguments=arguments if isinstance(arguments, dict) else {},
    )
