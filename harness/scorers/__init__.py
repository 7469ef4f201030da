"""Scoring: a reply and its sample in, a score (or the check that leads to one) out.

Pure: programs are run, formulas compared and judges asked by edge modules, which take the checks made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.replies.thinking import separate
from harness.scorers.choice import WEAK_RULES, ChoiceOptions, check_choice_target, score_choice
from harness.scorers.end_state import EnvironmentOptions, check_environment_target, score_environment
from harness.scorers.grid import GridOptions, check_grid_target, score_grid
from harness.scorers.instructions import InstructionOptions, check_instructions, score_instructions
from harness.scorers.judge import JudgeOptions, finish_judgement, score_by_judge, score_without_answer
from harness.scorers.math import MathOptions, score_math
from harness.scorers.notation import LONGEST_REPLY
from harness.scorers.number import NumberOptions, check_number_target, score_number
from harness.scorers.program import ProgramOptions, check_program_target, score_program
from harness.scorers.text import TextOptions, check_text_target, score_text
from harness.scorers.values import JudgeCall, MathCheck, Outcome, ProgramCase, ProgramCheck, Score
from harness.suites.sample import Sample
from harness.suites.suite import ScorerRef
from harness.typed_files import Strict

__all__ = [
    "GUESSES",
    "SCORERS",
    "WEAK_RULES",
    "JudgeCall",
    "MathCheck",
    "Outcome",
    "ProgramCase",
    "ProgramCheck",
    "Score",
    "Scorer",
    "finish_judgement",
    "score",
]

GUESSES = WEAK_RULES | {"last_number", "last_line", "open_code_block"}
"""Rules that take what happens to stand somewhere: in a reply that was cut, that is not the answer."""


class ScoreReply(Protocol):
    """A scorer's own work on a reply that is not empty; None = it found no answer."""

    def __call__(self, options: Mapping[str, object], *, text: str, sample: Sample) -> Outcome | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorer:
    """A way of scoring: its function, its options, and what it needs of a reference answer.

    Attributes:
        version: raised whenever a result changes; stored with each score.
        options: the options a suite may set; a typo is an error.
        check_target: says what is wrong with a sample's reference, None when it is usable.
        without_answer: scores a reply that holds no answer, where the suite says how; None = it counts as wrong.
    """

    version: int
    score: ScoreReply
    options: type[Strict]
    check_target: Callable[[Sample], str | None]
    without_answer: Callable[[Mapping[str, object]], Score | None] = lambda _: None


SCORERS: dict[str, Scorer] = {
    "multiple_choice": Scorer(version=2, score=score_choice, options=ChoiceOptions, check_target=check_choice_target),
    "number": Scorer(version=2, score=score_number, options=NumberOptions, check_target=check_number_target),
    "text": Scorer(version=2, score=score_text, options=TextOptions, check_target=check_text_target),
    "math": Scorer(version=2, score=score_math, options=MathOptions, check_target=check_text_target),
    "grid_match": Scorer(version=2, score=score_grid, options=GridOptions, check_target=check_grid_target),
    "instructions": Scorer(
        version=1, score=score_instructions, options=InstructionOptions, check_target=check_instructions
    ),
    "judge": Scorer(
        version=2,
        score=score_by_judge,
        options=JudgeOptions,
        check_target=check_text_target,
        without_answer=score_without_answer,
    ),
    "environment": Scorer(
        version=1, score=score_environment, options=EnvironmentOptions, check_target=check_environment_target
    ),
    "program": Scorer(version=2, score=score_program, options=ProgramOptions, check_target=check_program_target),
}


def score(
    ref: ScorerRef, *, text: str, sample: Sample, finish_reason: str | None = None, refused: bool = False
) -> Outcome:
    """Score one reply.

    Args:
        ref: scorer and options as the suite names them.
        text: the visible reply.
        finish_reason: as in `Response`; `length` makes a missing answer `truncated`.
        refused: the provider said that the model refused.

    Returns:
        a `Score`, or a check that an edge module finishes: `ProgramCheck` (`harness.sandbox`), `MathCheck`
        (`harness.sandbox.math_pool`), `JudgeCall` (sent by the runner, then `finish_judgement`).
    """
    scorer = SCORERS[ref.name]
    if refused:
        return scorer.without_answer(ref.options) or Score(reason="refused")
    cut = finish_reason == "length"
    text = separate(text, cut=cut).answer  # stored answers of older versions may still hold their thinking
    outcome = scorer.score(ref.options, text=text[-LONGEST_REPLY:], sample=sample) if text.strip() else None
    if outcome is not None and not (cut and outcome.rule in GUESSES):
        return outcome
    if (stated := scorer.without_answer(ref.options)) is not None:
        return stated
    if cut:
        return Score(reason="truncated", explanation="the reply ends at the output cap before an answer")
    return Score(reason="no_answer", explanation="no answer was found in the reply" if text.strip() else "empty reply")
