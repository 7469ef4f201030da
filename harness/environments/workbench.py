"""A small world of numbered boxes and a notebook, for tests, examples and simulated models: no package, no network.

Data flows the sample's `start` (metadata) and `goal` (target) -> `Workbench`; calls change its state; the verdict
compares the state with the goal, and what the model told its user with what the goal wants told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from harness.environments.call_arguments import arguments_of, failed
from harness.environments.environment import Caller, Scene, ToolResult, Turn, Verdict
from harness.errors import InputError
from harness.messages import ToolCall, ToolSpec
from harness.suites.sample import Sample
from harness.typed_files import Strict, mistakes

STOP = "###STOP###"
"""What the party that plays the user says when it wants nothing more."""
OPENING = "Workbench, good day. What can I do for you?"
_USER_SYSTEM = """You play a person who calls the clerk of a workbench. Say one thing at a time, and only what your \
situation tells you. Use your tools when the clerk asks for what only you can do. When everything that you want has \
been done, or cannot be done, reply with {stop} alone.

Your situation:
{scenario}"""
_REPORT_WORDS = ("count", "label", "shelf", "margin", "batch", "gauge", "order", "check", "ledger", "supply", "weight")


class WorkbenchOptions(Strict):
    """Options of the solver that names this environment.

    Attributes:
        report_words: length of a report, and thus what it costs whoever reads it.
    """

    report_words: Annotated[int, Field(ge=1, le=200_000)] = 400


class State(Strict):
    """What can change.

    Attributes:
        boxes: number -> items in it.
        locked: boxes that nothing can be moved out of or into.
        notes: the notebook.
    """

    boxes: dict[str, tuple[str, ...]]
    locked: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


class _Look(Strict):
    box: Annotated[int, Field(description="number of the box")]


class _Find(Strict):
    item: Annotated[str, Field(description="name of the item")]


class _Move(Strict):
    item: Annotated[str, Field(description="name of the item")]
    to: Annotated[int, Field(description="number of the box that it goes into")]


class _Compute(Strict):
    left: float
    operation: Literal["plus", "minus", "times"]
    right: float


class _Report(Strict):
    topic: Annotated[str, Field(description="what the report is about")]


class _WriteNote(Strict):
    text: Annotated[str, Field(description="one line")]


class _Unlock(Strict):
    box: Annotated[int, Field(description="number of the box")]


ARGUMENTS: Mapping[str, tuple[type[Strict], str, Caller]] = {
    "look": (_Look, "List what is in a box.", "assistant"),
    "find": (_Find, "Say which box an item is in.", "assistant"),
    "move": (_Move, "Move an item into another box; neither box may be locked.", "assistant"),
    "compute": (_Compute, "Work out one sum, difference or product.", "assistant"),
    "report": (_Report, "Have a report written: it is long, and ends with a reference number.", "assistant"),
    "write_note": (_WriteNote, "Write a line into the notebook.", "assistant"),
    "unlock": (_Unlock, "Unlock a box; only the person who called can do so.", "user"),
}
"""Tools by name: what they take, what they do, and who may call them."""


def reference_number(topic: str) -> int:
    """The number that ends the report on a topic: four digits that nobody guesses."""
    return 1000 + int.from_bytes(hashlib.sha256(f"report {topic}".encode()).digest()[:4]) % 9000


class Workbench:
    """One sample's boxes."""

    is_replayable = True

    def __init__(self, options: WorkbenchOptions, sample: Sample) -> None:
        self._options = options
        start = _state(sample, sample.metadata.get("start"), "start")
        self._boxes = {int(number): list(items) for number, items in start.boxes.items()}
        self._locked = set(start.locked)
        self._notes = list(start.notes)
        reference = json.loads(sample.target)
        self._goal = _state(sample, reference.get("goal"), "the target's goal")
        self._says: list[str] = [str(text) for text in reference.get("says", ())]
        scenario = sample.metadata.get("scenario")
        self._scenario = str(scenario) if scenario else None
        self._tools: dict[str, Callable[..., str]] = {
            "look": self._look,
            "find": self._find,
            "move": self._move,
            "compute": self._compute,
            "report": self._report,
            "write_note": self._write_note,
            "unlock": self._unlock,
        }

    def scene(self) -> Scene:
        if self._scenario is None:
            return Scene(tools=_specs("assistant"))
        return Scene(
            tools=_specs("assistant"),
            user_system=_USER_SYSTEM.format(stop=STOP, scenario=self._scenario),
            user_tools=_specs("user"),
            opening=OPENING,
        )

    def call(self, call: ToolCall, *, by: Caller) -> ToolResult:
        known = ARGUMENTS.get(call.name)
        if known is None or known[2] != by:
            names = ", ".join(name for name, (_, _, who) in ARGUMENTS.items() if who == by)
            return failed(f"there is no tool {call.name!r}; there are {names}")
        arguments = arguments_of(call)
        if isinstance(arguments, ToolResult):
            return arguments
        try:
            read = known[0].model_validate(arguments)
        except ValidationError as error:
            return failed("; ".join(f"{one.where}: {one.message}" for one in mistakes(error, known[0])))
        try:
            return ToolResult(text=self._tools[call.name](**dict(read)))
        except LookupError as error:
            return failed(str(error.args[0]))

    def ended(self, turn: Turn) -> str | None:
        return "user_stop" if turn.by == "user" and not turn.calls and STOP in turn.text else None

    def verdict(self, turns: Sequence[Turn], *, ended: str) -> Verdict:
        told = [turn.text for turn in turns if turn.by == "assistant"]
        parts = {
            "boxes": float(self.state().boxes == self._goal.boxes and set(self._goal.locked) == self._locked),
            "notes": float(self._goal.notes == tuple(self._notes)),
            "told": float(all(any(text in one for one in told) for text in self._says)),
        }
        over = ended in ("answered", "user_stop")
        missed = [name for name, value in parts.items() if not value] + ([] if over else [f"ended by {ended}"])
        explanation = f"not as the goal has it: {', '.join(missed)}" if missed else "the goal is reached"
        return Verdict(value=float(not missed), explanation=explanation, parts=parts)

    def close(self) -> None:
        """Nothing is held."""

    def state(self) -> State:
        """What the calls so far have led to, in one form."""
        boxes = {str(number): tuple(sorted(items)) for number, items in self._boxes.items()}
        return State(boxes=boxes, locked=tuple(sorted(self._locked)), notes=tuple(self._notes))

    def _look(self, box: int) -> str:
        return ", ".join(sorted(self._items(box))) or "nothing"

    def _find(self, item: str) -> str:
        return f"box {self._box_of(item)}"

    def _move(self, item: str, to: int) -> str:
        source, into = self._box_of(item), self._items(to)
        for box in (source, to):
            if box in self._locked:
                raise LookupError(f"box {box} is locked; the person who called can unlock it")
        self._boxes[source].remove(item)
        into.append(item)
        return f"{item} moved from box {source} to box {to}"

    def _compute(self, left: float, operation: str, right: float) -> str:
        value = left + right if operation == "plus" else left - right if operation == "minus" else left * right
        return f"{value:g}"

    def _report(self, topic: str) -> str:
        seed = hashlib.sha256(topic.encode()).digest()
        words = (_REPORT_WORDS[seed[place % 32] % len(_REPORT_WORDS)] for place in range(self._options.report_words))
        return f"Report on {topic}. {' '.join(words)}. Reference number: {reference_number(topic)}"

    def _write_note(self, text: str) -> str:
        self._notes.append(text)
        return f"note {len(self._notes)} written"

    def _unlock(self, box: int) -> str:
        self._items(box)
        self._locked.discard(box)
        return f"box {box} is unlocked"

    def _items(self, box: int) -> list[str]:
        if box not in self._boxes:
            raise LookupError(f"there is no box {box}; there are boxes 1 to {len(self._boxes)}")
        return self._boxes[box]

    def _box_of(self, item: str) -> int:
        found = [number for number, items in self._boxes.items() if item in items]
        if not found:
            raise LookupError(f"there is no item {item!r}")
        return found[0]


def open_workbench(options: Mapping[str, object], sample: Sample) -> Workbench:
    """Make one sample's workbench.

    Raises:
        InputError: options or the sample are not what a workbench takes.
    """
    return Workbench(read_options(options), sample)


def read_options(options: Mapping[str, object]) -> WorkbenchOptions:
    """Read the solver's options.

    Raises:
        InputError: they are not what this environment takes.
    """
    try:
        return WorkbenchOptions.model_validate(options)
    except ValidationError as error:
        findings = mistakes(error, WorkbenchOptions)
        raise InputError(
            "the workbench does not know these options", where="solver.options", findings=findings
        ) from None


def _state(sample: Sample, written: object, what: str) -> State:
    try:
        state = State.model_validate(written)
    except ValidationError as error:
        raise InputError(
            f"{what} is no state of a workbench",
            where=f"sample {sample.sample_id} of {sample.task}",
            findings=mistakes(error, State),
        ) from None
    return state.model_copy(update={"boxes": {number: tuple(sorted(items)) for number, items in state.boxes.items()}})


def _specs(by: Caller) -> tuple[ToolSpec, ...]:
    return tuple(
        ToolSpec(name=name, description=what, parameters=_schema(arguments))
        for name, (arguments, what, who) in ARGUMENTS.items()
        if who == by
    )


def _schema(arguments: type[Strict]) -> dict[str, object]:
    """A tool's JSON schema without the titles that pydantic makes of names: they cost tokens and say nothing."""
    schema = arguments.model_json_schema()
    properties = {
        name: {key: value for key, value in one.items() if key != "title"} for name, one in schema["properties"].items()
    }
    return {
        "type": "object",
        "properties": properties,
        "required": schema.get("required", []),
        "additionalProperties": False,
    }
