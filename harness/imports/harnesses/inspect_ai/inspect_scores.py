"""Scores of an Inspect log as numbers from 0 to 1, or the reason why there is none.

Pure. Data flows a sample's `scores` -> name, value and reason of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.declared import Json, JsonObject
from harness.imports.containers.json_values import a_text, an_object
from harness.imports.harnesses.score_values import score_of

LETTERS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""Correct, incorrect, partly correct, no answer: as Inspect's own accuracy counts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One score of a sample; `value` None = not scored, as `reason` says."""

    scorer: str
    value: float | None
    reason: str | None = None
    answer: str | None = None
    explanation: str | None = None


def judged(facts: JsonObject) -> list[Judged]:
    """List the scores of a sample, the first scorer's last: that is the one which Inspect shows, and reports take.

    Scores that are objects or lists of numbers are one score a member, named `SCORER/MEMBER`.
    """
    scores = an_object(facts.get("scores")) or {"score": facts.get("score")}
    found = [one for name, score in scores.items() for one in _members(name, an_object(score))]
    return list(reversed(found))


def _members(scorer: str, score: JsonObject) -> Iterator[Judged]:
    if "value" not in score:
        return
    value = score["value"]
    if isinstance(value, dict):
        named = {f"{scorer}/{member}": part for member, part in value.items()}
    elif isinstance(value, list):
        named = {f"{scorer}/{number}": part for number, part in enumerate(value, start=1)}
    else:
        named = {scorer: value}
    for name, part in named.items():
        number, reason = _number_of(part)
        yield Judged(
            scorer=name,
            value=number,
            reason=reason,
            answer=a_text(score.get("answer")),
            explanation=a_text(score.get("explanation")),
        )


def _number_of(value: Json) -> tuple[float | None, str | None]:
    if isinstance(value, str) and value in LETTERS:
        return LETTERS[value], None
    return score_of(value)
