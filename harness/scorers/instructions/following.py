"""Does a reply follow every instruction of its prompt? Strictly: as it stands; loosely: in one of eight forms of it.

Data flows reply + the sample's instructions -> `Score`. The form of the loose reading is that of Zhou et al. 2023,
Instruction-Following Evaluation for Large Language Models, arXiv:2311.07911, section 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from harness.declared import request_value
from harness.scorers.instructions.instruction_kinds import KINDS
from harness.scorers.instructions.language_libraries import LibraryMissing
from harness.scorers.values import Score
from harness.suites.sample import Sample
from harness.typed_files import Strict


class InstructionOptions(Strict):
    """Options of `instructions`.

    Attributes:
        reading: `loose` = each instruction is followed by one of eight forms of the reply (without its first line, its
            last line, both, and each with and without asterisks); `strict` = by the reply as it stands.
    """

    reading: Literal["loose", "strict"] = "loose"


@request_value
class Instruction:
    """One instruction of a prompt, as the data set names it, and what it states."""

    kind: str
    stated: Mapping[str, object]


def instructions_of(sample: Sample) -> tuple[Instruction, ...]:
    """The instructions that a sample's metadata lists: kinds, and as many tables of stated values."""
    kinds: Any = sample.metadata["instructions"]
    stated: Any = sample.metadata["arguments"]
    return tuple(
        Instruction(kind=kind, stated={name: value for name, value in table.items() if value is not None})
        for kind, table in zip(kinds, stated, strict=True)
    )


def check_instructions(sample: Sample) -> str | None:
    """Say what is wrong with a sample's instructions; None when each can be verified."""
    try:
        listed = instructions_of(sample)
    except (KeyError, TypeError, ValueError, AttributeError):
        return "needs the fields `instructions`, a list of kinds, and `arguments`, a table for each"
    if not listed:
        return "lists no instruction"
    for one in listed:
        if one.kind not in KINDS:
            return f"has an instruction of a kind that nothing here verifies: {one.kind!r}"
        if missing := [name for name in KINDS[one.kind].states if name not in one.stated]:
            return f"has an instruction {one.kind!r} that does not state {', '.join(missing)}"
    return None


def loose_forms(reply: str) -> tuple[str, ...]:
    """The reply, and without its first line, last line, both; each also without asterisks."""
    lines = reply.split("\n")
    forms = (reply, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])))
    return tuple(dict.fromkeys((*forms, *(form.replace("*", "") for form in forms))))


def follows(instruction: Instruction, reply: str) -> bool:
    """Say whether one form of a reply follows one instruction; a blank one follows none.

    Raises:
        LibraryMissing: the rule needs a library that is not on this machine.
    """
    return bool(reply.strip()) and KINDS[instruction.kind].rule(reply, instruction.stated)


def score_instructions(options: Mapping[str, object], *, text: str, sample: Sample) -> Score:
    """Score a reply 1 when it follows every instruction; both readings stand in the answer."""
    chosen = InstructionOptions.model_validate(options)
    listed, forms = instructions_of(sample), loose_forms(text)
    try:
        strict = [follows(one, text) for one in listed]
        loose = [
            done or any(follows(one, form) for form in forms[1:]) for one, done in zip(listed, strict, strict=True)
        ]
    except LibraryMissing as missing:
        told = f"{missing}; then `benchtab score` scores the stored reply"
        return Score(reason="undecided", rule=chosen.reading, explanation=told)
    missed = [one.kind for one, done in zip(listed, loose, strict=True) if not done]
    return Score(
        value=float(all(loose if chosen.reading == "loose" else strict)),
        answer=f"loose {sum(loose)} of {len(loose)}, strict {sum(strict)} of {len(strict)}",
        rule=chosen.reading,
        explanation=f"not followed: {', '.join(missed)}" if missed else None,
    )
