"""The most that one sample may cost: a budget of its own in the ledger, over all that is asked for it.

Data flows solver + option of the run -> cap -> budget `sample:<run>/<cell>/<planned>`, set before the sample's first
request and counted with the budgets of its run, model, day and month in one transaction.
"""

from __future__ import annotations

import asyncio
import dataclasses
from decimal import Decimal

from harness.errors import BudgetReached
from harness.ledger import Ledger
from harness.ledger.reading.underway.party_requests import newest_try
from harness.ledger.scopes import sample_scope
from harness.money import LARGEST_CAP_USD, to_pico_ceiling
from harness.runner.attempts import RequestSender
from harness.runner.requests.item_questions import Question
from harness.suites.suite import SolverRef


def cap_usd(solver: SolverRef, asked: Decimal | None) -> Decimal | None:
    """The most that a sample may cost: what the run asks for, else what the suite says; None = there is no cap."""
    if asked is not None:
        return asked
    return None if solver.max_usd is None else min(Decimal(str(solver.max_usd)), LARGEST_CAP_USD)


class SampleCaps:
    """Sets the budgets of the samples of one run.

    Args:
        asked: of the run (`--max-usd-per-sample`); wins over the suites'.
    """

    def __init__(self, ledger: Ledger, run_id: str, asked: Decimal | None) -> None:
        self._ledger = ledger
        self._run_id = run_id
        self._asked = asked
        self._one_by_one = asyncio.Lock()

    async def held(self, question: Question, solver: SolverRef) -> Question:
        """Give a question with the budget that holds its sample, which is set; as it is where there is no cap."""
        cap = cap_usd(solver, self._asked)
        if cap is None:
            return question
        scope = sample_scope(self._run_id, question.cell_id, question.planned_id)
        async with self._one_by_one:  # beside each other they would only wait for the ledger
            await asyncio.to_thread(self._ledger.set_budget, scope, to_pico_ceiling(cap))
        return dataclasses.replace(question, sample_scope=scope)


def is_own(full: BudgetReached, question: Question) -> bool:
    """Whether it is the sample's own budget that has no room for one more request: it ends the sample alone."""
    return full.scope is not None and full.scope == question.sample_scope


def tries_made(ledger: Ledger, question: Question) -> int:
    """How often a question was asked by now, in this session and before."""
    return newest_try(ledger, question.cell_id, question.planned_id, question.purpose, question.turn)


async def left_unsent(ledger: Ledger, sender: RequestSender, question: Question, why: str) -> int:
    """Record that a sample ended before its model ever answered; gives the attempt on which its score hangs."""
    made = await asyncio.to_thread(tries_made, ledger, question)
    return await sender.not_sent(question, made + 1, why)
