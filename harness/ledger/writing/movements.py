"""What a transaction does to budgets: reservations made and released, checked against the caps as they are.

Data flows stored budgets -> `Movements` (release, reserve) -> changes to write in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from harness.errors import BudgetReached
from harness.ledger.records import AttemptStart
from harness.ledger.scopes import SAMPLE, is_twin, set_scope
from harness.money import from_pico, plain

StoredBudget = tuple[str, int | None, int, int]
"""Scope, cap, spent and reserved, in picodollars; cap None = not limited."""
_LARGEST = 2**63 - 1


class InFlight(NamedTuple):
    """What settling needs to know of a sent attempt."""

    cell_id: int
    reserved_pico_usd: int
    scopes: tuple[str, ...]
    model_requested: str
    service_tier: str | None
    mode: str | None
    provider: str | None


class Movements:
    """Budgets within one transaction: read once under lock, checked in memory, written once."""

    def __init__(self, stored: Sequence[StoredBudget]) -> None:
        self._caps: dict[str, int] = {scope: cap for scope, cap, _, _ in stored if cap is not None}
        self._used: dict[str, int] = {scope: spent + reserved for scope, cap, spent, reserved in stored
                                      if cap is not None}  # fmt: skip
        self._stored = {scope: (spent, reserved) for scope, _, spent, reserved in stored}
        self._moved: dict[tuple[str, ...], list[int]] = {}  # spent, reserved; most attempts share one set of scopes

    def release(self, flight: InFlight, charged_pico_usd: int) -> None:
        """Turn an attempt's reservation into what it cost."""
        self._move(flight.scopes, spent=charged_pico_usd, reserved=-flight.reserved_pico_usd)

    def reserve(self, start: AttemptStart) -> BudgetReached | None:
        """Reserve in every scope, or in none and say which one is full."""
        asked = start.reserved_pico_usd
        if self._caps:
            for scope in start.budget_scopes:
                cap = self._caps.get(scope)
                if cap is not None and asked > (left := max(0, cap - self._used[scope])):
                    return _reached(scope, asked, cap, left)
        self._move(start.budget_scopes, spent=0, reserved=asked)
        return None

    def _move(self, scopes: tuple[str, ...], *, spent: int, reserved: int) -> None:
        moved = self._moved.setdefault(scopes, [0, 0])
        moved[0] += spent
        moved[1] += reserved
        for scope in scopes if self._caps else ():
            if scope in self._caps:
                self._used[scope] += spent + reserved

    def changes(self) -> list[tuple[int, int, str]]:
        """Sum up what moved: (spent, reserved, scope), in one order everywhere, scopes without a change left out.

        A sum stays at the largest number that the ledger holds, and at zero, instead of keeping a paid row out.
        """
        by_scope: dict[str, list[int]] = {}
        for scopes, (spent, reserved) in self._moved.items():
            for scope in scopes:
                moved = by_scope.setdefault(scope, [0, 0])
                moved[0] += spent
                moved[1] += reserved
        return [(*self._possible(scope, *moved), scope) for scope, moved in sorted(by_scope.items()) if any(moved)]

    def _possible(self, scope: str, spent: int, reserved: int) -> tuple[int, int]:
        stored_spent, stored_reserved = self._stored.get(scope, (0, 0))
        return (
            max(-stored_spent, min(spent, _LARGEST - stored_spent)),
            max(-stored_reserved, min(reserved, _LARGEST - stored_reserved)),
        )


def _reached(scope: str, asked_pico_usd: int, cap_pico_usd: int, left_pico_usd: int) -> BudgetReached:
    kind, named = " (simulated dollars)" if is_twin(scope) else "", set_scope(scope)
    asked, left, cap = (plain(from_pico(amount)) for amount in (asked_pico_usd, left_pico_usd, cap_pico_usd))
    state = "too small" if left_pico_usd == cap_pico_usd else "used up"
    return BudgetReached(
        f"budget {named}{kind} is {state}: the next request may cost ${asked}, ${left} of ${cap} is left",
        where=named,
        fix=None if scope.startswith(("run:", SAMPLE)) else f"benchtab budgets set {named} USD raises it",
        asked_pico_usd=asked_pico_usd,
        used_pico_usd=cap_pico_usd - left_pico_usd,
        scope=scope,
    )
