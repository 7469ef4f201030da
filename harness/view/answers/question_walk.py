"""Questions of a run one after the other, and those on which its models disagree.

Data flows `SampleIndex` -> places of questions. A question is a sample with all its repeats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.view.answers.index_plan import Flags, Ints
from harness.view.answers.sample_index import IS_THERE, SampleIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionPlace:
    """Where a question stands among those that are walked through, by planned ids; None = there is none.

    Attributes:
        place: from 1; None = it is not among them.
        n: how many there are.
    """

    previous: int | None
    next: int | None
    place: int | None
    n: int


def disputed(index: SampleIndex) -> Flags:
    """Tell of every sample whether its answers differ in score, over models and repeats; what has none says nothing."""
    score = index.remember("counted", index.counted)
    known = np.flatnonzero((score >= 0) & index.has(IS_THERE))
    samples = index.plan.sample[index.question[known]]
    n = int(index.plan.sample.max(initial=-1)) + 1
    least, most = np.full(n, np.iinfo(np.int32).max), np.full(n, -1)
    np.minimum.at(least, samples, score[known])
    np.maximum.at(most, samples, score[known])
    found: Flags = least < most
    return found


def question_place(index: SampleIndex, question: int, *, only_disputed: bool) -> QuestionPlace:
    """Find a question among all of its run, or among those on which models disagree."""
    firsts: Ints = index.remember("firsts", lambda: np.unique(index.plan.sample, return_index=True)[1])
    kept = index.remember("disputed", lambda: disputed(index)) if only_disputed else np.ones(len(firsts), bool)
    listed = np.sort(firsts[kept])
    own = int(firsts[index.plan.sample[question]])
    at = int(np.searchsorted(listed, own))
    is_listed = at < len(listed) and int(listed[at]) == own
    after = at + 1 if is_listed else at

    def planned(place: int) -> int | None:
        return int(index.plan.planned[listed[place]]) if 0 <= place < len(listed) else None

    return QuestionPlace(
        previous=planned(at - 1), next=planned(after), place=at + 1 if is_listed else None, n=len(listed)
    )


def entries_of(index: SampleIndex, question: int) -> Ints:
    """Give the entries of a question: repeat by repeat, the models of its suite."""
    plan = index.plan
    repeats = np.flatnonzero(plan.sample == plan.sample[question])
    stops = np.append(plan.first, plan.n)
    parts = [np.arange(stops[place], stops[place + 1]) for place in repeats.tolist()]
    found = np.concatenate(parts) if parts else np.empty(0, np.int64)
    return found[index.has(IS_THERE, found)]
