"""Notices that answers wait for their programs to be run while no worker of the run would do it.

Data flows who works and what waits, look by look -> a sentence for the user now and then. Pure but for the count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.ledger.leases.lease_records import WorkerRecord

SAID_AFTER_S = 15.0
"""How long answers have waited when it is said first; each further time it is said after twice as long."""


class NobodyScores:
    """Watches over one run.

    Args:
        n_waiting: counts answered chains that nobody scores now; asked only while nobody would.
        clock: in seconds.
    """

    def __init__(self, run_id: str, n_waiting: Callable[[], int], clock: Callable[[], float]) -> None:
        self._run_id = run_id
        self._n_waiting = n_waiting
        self._clock = clock
        self._since_s: float | None = None
        self._said_after_s = SAID_AFTER_S

    def look(self, workers: Sequence[WorkerRecord]) -> str | None:
        """Say what to do where answers have waited for long; None = nothing is to be said now."""
        would_score = any(one.kind != "ask" and one.end is None for one in workers)
        n_waiting = 0 if would_score else self._n_waiting()
        now_s = self._clock()
        if not n_waiting:
            self._since_s, self._said_after_s = None, SAID_AFTER_S
            return None
        self._since_s = now_s if self._since_s is None else self._since_s
        if now_s - self._since_s < self._said_after_s:
            return None
        self._said_after_s *= 2
        return (
            f"{n_waiting:,} answered chains wait for their programs to be run, and no worker does that: start one with"
            f" `benchtab worker {self._run_id} --only score`"
        )
