"""What is reserved for a request before it leaves: its worst case, or what answers usually cost.

Data flows question + price -> reservation and the budgets that hold it. Where a sample has a cap of its own, it is the
worst case in either mode: few requests have to keep it, and none makes up for what another one exceeds.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.ledger.records import AttemptStart
from harness.runner.pricer import Pricer
from harness.runner.requests.attempt_ends import Spent
from harness.runner.requests.expected_costs import ExpectedCosts
from harness.runner.requests.item_questions import Question


class Reservations:
    """What the requests of one model may cost, and which budgets hold it.

    Args:
        scopes: the budgets that an attempt counts against, by the instant it starts (microseconds).
        capped: budgets with a cap.
        expected: what answers usually cost; None = each worst case is reserved.
    """

    def __init__(
        self,
        pricer: Pricer,
        *,
        scopes: Callable[[int], tuple[str, ...]],
        capped: frozenset[str],
        expected: ExpectedCosts | None,
    ) -> None:
        self._pricer = pricer
        self._scopes = scopes
        self._capped = capped
        self._expected = expected

    def reserve(self, question: Question, now_us: int) -> tuple[int, tuple[str, ...]]:
        """What to reserve for a request that starts now, in picodollars, and in which budgets.

        Raises:
            UnpricedModelError: a budget is to hold it and it has no worst case.
        """
        scopes = self._scopes(now_us)
        if question.sample_scope is not None:
            scopes = (*scopes, question.sample_scope)
        worst_pico = self._worst_pico(question, now_us, scopes)
        if self._expected is None or question.sample_scope is not None:  # one request can exceed all a sample may cost
            return worst_pico, scopes
        return self._expected.reservation_pico(question.cell_id, question.purpose, worst_pico), scopes

    def sent(self, question: Question, start: AttemptStart, attempt_id: int) -> None:
        """Count a reserved request that is about to leave."""
        if self._expected is not None:
            worst_pico = self._worst_pico(question, start.started_at_us, start.budget_scopes)
            self._expected.sent(attempt_id, worst_pico=worst_pico, reserved_pico=start.reserved_pico_usd)

    def unreserved_pico(self, attempt_id: int, spent: Spent) -> int:
        """What a cap has to count of an unknown bill beyond its reservation, where that was not the worst case."""
        if self._expected is None or spent.charged_pico is not None:
            return 0
        return self._expected.exposed_pico(attempt_id)

    def settled(self, question: Question, attempt_id: int, spent: Spent) -> None:
        """Learn what a request cost."""
        if self._expected is not None:
            self._expected.settled(attempt_id, question.cell_id, question.purpose, spent.charged_pico)

    def _worst_pico(self, question: Question, now_us: int, scopes: tuple[str, ...]) -> int:
        """The most that a request can cost; 0 where that is not known and no budget asks."""
        worst = self._pricer.reservation_pico(question.input_tokens_bound, question.max_output_tokens, now_us)
        held = (scope for scope in scopes if scope in self._capped or scope == question.sample_scope)
        if worst is None and (where := next(held, None)) is not None:
            raise self._pricer.cannot_hold(now_us, of=f"{question.purpose} requests", where=where)
        return worst or 0
