"""What the conversations of a run add to its index: turns, tool calls, limits, and how long each sample took.

Data flows `SampleTurns` -> columns of a `SampleIndex`, which has them only where some sample is a conversation.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.ledger import Ledger
from harness.ledger.reading.conversations.turn_columns import NOT_STATED
from harness.reports.facts.samples.turn_totals import SampleTurns, sample_turns
from harness.view.answers.index_plan import Ints
from harness.view.answers.sample_index import HAS_DURATION, IS_LOST, IS_TOLD, SampleIndex

LIMITS = ("", "usd", "turns", "tokens", "seconds", NOT_STATED)
"""Limits by their number in the column `limit`; 0 = none was reached, and any other name is not stated."""
TURN_KINDS: dict[str, type[np.signedinteger[Any]]] = {
    "n_turns": np.int32,
    "n_calls": np.int32,
    "limit": np.int8,
}


def has_turns(index: SampleIndex) -> bool:
    """Whether some sample of a run is a conversation."""
    return "n_turns" in index.columns


def take_turns(index: SampleIndex, ledger: Ledger) -> None:
    """Read the conversations of a run anew."""
    found = sample_turns(ledger, index.run_id)
    if found is None:
        return
    for name, kind in TURN_KINDS.items():
        index.columns[name] = np.zeros(index.plan.n, kind)
    entries = index.plan.entries(found.cell, found.planned)
    known = entries >= 0
    own = entries[known]
    index.put("n_turns", own, found.n_turns[known])
    index.put("n_calls", own, found.n_calls[known])
    index.put("limit", own, _limits(found)[known])
    _last(index, own, found.wall_us[known])
    index.mark(own, np.where(found.is_lost[known], IS_LOST, 0) + IS_TOLD)


def _limits(found: SampleTurns) -> Ints:
    numbers = np.zeros(len(found.cell), np.int64)
    for place, name in found.limits.items():
        numbers[place] = LIMITS.index(name) if name in LIMITS else LIMITS.index(NOT_STATED)
    return numbers


def _last(index: SampleIndex, entries: Ints, wall_us: Ints) -> None:
    """Have a conversation last from its first request to its last answer, in place of its newest answer."""
    is_known = wall_us >= 0
    index.put("duration_us", entries, np.where(is_known, wall_us, 0))
    facts = index.columns["facts"][entries]
    index.put("facts", entries, np.where(is_known, facts | HAS_DURATION, facts & ~HAS_DURATION))
