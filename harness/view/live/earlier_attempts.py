"""A run's attempts at the first look, counted in columns: a million of them would take long one by one.

Pure. Data flows columns of numbers (`earlier_columns`) -> the same `Tally` that attempts one by one would make.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

from harness.ledger.reading.batch_rows import Texts
from harness.ledger.reading.underway.live_rows import EARLIER_STATES, EarlierFact
from harness.view.live.answer_pace import LOOKS_BACK_S, Pace
from harness.view.live.answer_states import ANSWERED, FAILED, OPEN
from harness.view.live.tally import MOST_FAILURES, Tally

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]

_STANDS = (OPEN, FAILED, ANSWERED, ANSWERED)
"""Of an answer whose attempt is in each of `EARLIER_STATES`."""
_IDLE_US = LOOKS_BACK_S * 1_000_000


def take_earlier(tally: Tally, slices: Iterable[Texts]) -> None:
    """Count all that a run has tried so far."""
    import numpy as np

    for texts in slices:
        rows = np.stack([np.fromstring(text, dtype=np.int64, sep=",") for text in texts])
        attempt, cell, planned, packed, started_us, finished_us = rows[:, np.argsort(rows[0])]
        state, facts = packed & 3, {fact: packed >> fact & 1 == 1 for fact in EarlierFact}
        tally.last_id = int(attempt[-1])
        tally.open_ids.update(dict.fromkeys(attempt[state == 0].tolist()))
        tally.failed.extend(attempt[facts[EarlierFact.FAILURE]][-MOST_FAILURES:].tolist())
        _time(tally, started_us, finished_us)
        conversing = facts[EarlierFact.CONVERSATION]
        tally.has_conversations |= bool(conversing.any())
        answered = facts[EarlierFact.SOLVE] & (state == EARLIER_STATES.index("succeeded")) & ~conversing
        stands = np.array(_STANDS, dtype=np.uint8)[state]
        stands[conversing & (stands == ANSWERED)] = OPEN  # until it has a score
        for cell_id in np.unique(cell).tolist():
            own = cell == cell_id
            tally.retries[cell_id] += int(facts[EarlierFact.RETRY][own].sum())
            tally.paces.setdefault(cell_id, Pace()).take_all(finished_us[own & answered].tolist())
            solved = own & (facts[EarlierFact.SOLVE] | conversing)
            tally.plan.take_all(cell_id, planned[solved], stands[solved])
    tally.plan.count()


def _time(tally: Tally, started_us: Ints, finished_us: Ints) -> None:
    """Find when the run last began to ask: what lies before a rest says nothing of its pace."""
    import numpy as np

    latest_us = np.maximum(started_us, finished_us)
    before_us = np.maximum.accumulate(np.append(tally.newest_us, latest_us[:-1]))
    begins = np.flatnonzero(started_us > before_us + _IDLE_US)
    if len(begins):
        tally.since_us = int(started_us[begins[-1]])
    tally.newest_us = max(tally.newest_us, int(latest_us.max()))
