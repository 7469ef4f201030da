"""Reservations at what answers usually cost (`--budget-mode expected`), with the bound of what that can overshoot.

Data flows settled charges of a cell -> its quantile -> reservations, and what is in flight -> the most by which the
cap could have been exceeded. Until enough charges of a cell are known its worst case is reserved, as in strict mode.
"""

from __future__ import annotations

import bisect
import math
from collections import deque
from collections.abc import Iterable

QUANTILE = 0.9
ENOUGH = 30
REMEMBERED = 1_000


class UsualCharges:
    """The newest charges of one cell, in whole picodollars."""

    def __init__(self) -> None:
        self._newest: deque[int] = deque()
        self._sorted: list[int] = []

    def add(self, charged_pico: int) -> None:
        """Remember a charge and forget the oldest one above the limit."""
        self._newest.append(charged_pico)
        bisect.insort(self._sorted, charged_pico)
        if len(self._newest) > REMEMBERED:
            del self._sorted[bisect.bisect_left(self._sorted, self._newest.popleft())]

    def quantile(self) -> int | None:
        """The charge that nine of ten answers do not exceed; None while fewer than 30 are known."""
        if len(self._sorted) < ENOUGH:
            return None
        return self._sorted[math.ceil(QUANTILE * len(self._sorted)) - 1]


class ExpectedCosts:
    """What to reserve for each request of a run, and how much could go beyond.

    Attributes:
        most_exposed_pico: the most by which worst cases exceeded reservations, over all that was in flight at once or
            ended with an unknown bill: spending stays below the cap plus this.
    """

    def __init__(self) -> None:
        self._charges: dict[tuple[int, str], UsualCharges] = {}
        self._open: dict[int, int] = {}
        self._exposed_pico = 0
        self.most_exposed_pico = 0

    def preload(self, charges: Iterable[tuple[int, str, int]]) -> None:
        """Learn from (cell id, purpose, charge) of earlier sessions, oldest first."""
        for cell_id, purpose, charged_pico in charges:
            self._charges.setdefault((cell_id, purpose), UsualCharges()).add(charged_pico)

    def reservation_pico(self, cell_id: int, purpose: str, worst_pico: int) -> int:
        """What to reserve for a request of a cell: its quantile, never more than the worst case."""
        known = self._charges.get((cell_id, purpose))
        usual = None if known is None else known.quantile()
        return worst_pico if usual is None else min(worst_pico, usual)

    def sent(self, attempt_id: int, *, worst_pico: int, reserved_pico: int) -> None:
        """Count a request that is about to leave."""
        self._open[attempt_id] = worst_pico - reserved_pico
        self._exposed_pico += worst_pico - reserved_pico
        self.most_exposed_pico = max(self.most_exposed_pico, self._exposed_pico)

    def exposed_pico(self, attempt_id: int) -> int:
        """What the reservation of a request in flight lacks of its worst case."""
        return self._open.get(attempt_id, 0)

    def settled(self, attempt_id: int, cell_id: int, purpose: str, charged_pico: int | None) -> None:
        """Learn what a request cost; one with an unknown bill stays exposed, though its worst case is counted now."""
        exposed = self._open.pop(attempt_id, 0)
        if charged_pico is None:
            return
        self._exposed_pico -= exposed
        if charged_pico > 0:
            self._charges.setdefault((cell_id, purpose), UsualCharges()).add(charged_pico)
