"""Our verdicts beside recorded ones: how often they agree, and where they do not.

Pure. Data flows lines of a file -> `Recorded`; recorded + our verdicts -> `Agreement` -> `Table` and JSON objects.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.documents.table import Column, Table
from harness.errors import Finding, InputError
from harness.scorers.math import plain_latex
from harness.scorers.number import parse_number

_MOST_SHOWN = 50
_KNOWN = {"sample_id", "answer", "correct", "suite", "task", "model", "epoch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What another grader, or a person, says of one answer.

    Attributes:
        correct: its verdict; None = only the answer that it read is recorded.
        answer: the answer that it read; None = only its verdict is recorded.
        suite, task, model, epoch: which answers are meant; None = all of that sample.
    """

    sample_id: str
    correct: bool | None = None
    answer: str | None = None
    suite: str | None = None
    task: str | None = None
    model: str | None = None
    epoch: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Our score of one answer; `model` as written on the command line, `value` None = unscored."""

    sample_id: str
    suite: str
    task: str
    model: str
    epoch: int
    value: float | None
    answer: str | None
    rule: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One answer on which the two disagree."""

    recorded: Recorded
    ours: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What came of a comparison.

    Attributes:
        n_compared: answers that both sides have.
        n_right: of which ours are right.
        unknown: recorded sample ids that the run does not have.
        n_unrecorded: answers of the run that the file says nothing of.
    """

    n_compared: int
    n_right: int
    differences: Sequence[Difference]
    unknown: Sequence[str]
    n_unrecorded: int

    @property
    def n_agreed(self) -> int:
        return self.n_compared - len(self.differences)

    @property
    def is_whole(self) -> bool:
        """Whether every recorded answer was found and none differs."""
        return not self.differences and not self.unknown


def read_recorded(lines: Iterable[str], *, where: str) -> list[Recorded]:
    """Read JSON Lines of `{"sample_id", "correct" or "answer"}`, with `suite`, `task`, `model`, `epoch` where needed.

    Raises:
        InputError: lines that cannot be read, all at once.
    """
    found: list[Recorded] = []
    mistakes: list[Finding] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(_recorded(json.loads(line)))
        except (ValueError, RecursionError) as error:
            mistakes.append(Finding(where=f"line {number}", message=str(error)))
    if mistakes:
        raise InputError("recorded verdicts cannot be read", where=where, findings=mistakes)
    if not found:
        raise InputError(
            "the file holds no recorded verdict", where=where, fix='write {"sample_id": "1", "correct": true} lines'
        )
    return found


def _recorded(row: Any) -> Recorded:
    if not isinstance(row, dict) or "sample_id" not in row or not {"answer", "correct"} & set(row):
        raise ValueError('a line is an object with "sample_id" and "correct" or "answer"')
    if unknown := sorted(set(row) - _KNOWN):
        raise ValueError(f"unknown keys {unknown}; known: {', '.join(sorted(_KNOWN))}")
    correct, answer = row.get("correct"), row.get("answer")
    if not (correct is None or isinstance(correct, bool) or correct in (0, 1)):
        raise ValueError(f'"correct" is true or false, not {correct!r}')
    return Recorded(
        sample_id=str(row["sample_id"]),
        correct=None if correct is None else bool(correct),
        answer=None if answer is None else str(answer),
        suite=row.get("suite"),
        task=row.get("task"),
        model=row.get("model"),
        epoch=row.get("epoch"),
    )


def compare(recorded: Sequence[Recorded], ours: Iterable[Verdict]) -> Agreement:
    """Lay recorded verdicts beside ours."""
    by_sample: dict[str, list[Recorded]] = {}
    for one in recorded:
        by_sample.setdefault(one.sample_id, []).append(one)
    counts: Counter[str] = Counter()
    met: set[str] = set()
    differences: list[Difference] = []
    for verdict in ours:
        said = [one for one in by_sample.get(verdict.sample_id, ()) if _means(one, verdict)]
        counts["unrecorded"] += not said
        for one in said:
            met.add(one.sample_id)
            counts["compared"] += 1
            counts["right"] += verdict.value == 1.0
            if not agrees(one, verdict):
                differences.append(Difference(recorded=one, ours=verdict))
    return Agreement(
        n_compared=counts["compared"],
        n_right=counts["right"],
        differences=differences,
        unknown=sorted(set(by_sample) - met),
        n_unrecorded=counts["unrecorded"],
    )


def _means(recorded: Recorded, verdict: Verdict) -> bool:
    wanted = ((recorded.suite, verdict.suite), (recorded.task, verdict.task), (recorded.model, verdict.model))
    return all(one is None or one == other for one, other in wanted) and recorded.epoch in (None, verdict.epoch)


def agrees(recorded: Recorded, verdict: Verdict) -> bool:
    """Whether a verdict is the recorded one; where only an answer is recorded, whether we read the same."""
    if recorded.correct is not None:
        return (verdict.value == 1.0) is recorded.correct
    return _same_answer(recorded.answer or "", verdict.answer or "")


def _same_answer(one: str, other: str) -> bool:
    if one.strip().casefold() == other.strip().casefold():
        return True
    first, second = parse_number(one), parse_number(other)
    return first == second if first is not None or second is not None else plain_latex(one) == plain_latex(other)


def agreement_table(found: Agreement) -> Table:
    """List the differences under the count of what agrees."""
    names = ("sample_id", "task", "model", "recorded", "ours", "rule", "answer")
    rows = [_row(one) for one in found.differences[:_MOST_SHOWN]]
    percent = f"{100 * found.n_agreed / found.n_compared:.2f} %" if found.n_compared else "–"
    notes = [
        f"{found.n_agreed:,} of {found.n_compared:,} verdicts agree ({percent}); {found.n_right:,} answers are right"
    ]
    if len(found.differences) > _MOST_SHOWN:
        notes.append(f"{len(found.differences) - _MOST_SHOWN:,} more differences: see --json")
    if found.unknown:
        notes.append(f"{len(found.unknown):,} recorded samples are not in the run: {', '.join(found.unknown[:5])}")
    if found.n_unrecorded:
        notes.append(f"{found.n_unrecorded:,} answers of the run are not recorded")
    return Table(
        name="agreement",
        title="Verdicts that differ from the recorded ones",
        columns=tuple(Column(name=name) for name in names),
        rows=rows,
        notes=tuple(notes),
    )


def _row(one: Difference) -> tuple[str, str, str, str, str, str, str]:
    recorded, ours = one.recorded, one.ours
    said = recorded.answer if recorded.correct is None else "right" if recorded.correct else "wrong"
    verdict = ours.reason or ("right" if ours.value == 1.0 else "wrong")
    return (ours.sample_id, ours.task, ours.model, said or "", verdict, ours.rule or "", (ours.answer or "")[:80])


def agreement_object(found: Agreement) -> dict[str, object]:
    """The comparison as JSON values."""
    return {
        "n_compared": found.n_compared,
        "n_agreed": found.n_agreed,
        "n_right": found.n_right,
        "n_unrecorded": found.n_unrecorded,
        "unknown_sample_ids": list(found.unknown),
        "differences": [
            {
                "sample_id": one.ours.sample_id,
                "suite": one.ours.suite,
                "task": one.ours.task,
                "model": one.ours.model,
                "epoch": one.ours.epoch,
                "recorded_correct": one.recorded.correct,
                "recorded_answer": one.recorded.answer,
                "score": one.ours.value,
                "reason": one.ours.reason,
                "answer": one.ours.answer,
                "rule": one.ours.rule,
            }
            for one in found.differences
        ],
    }
