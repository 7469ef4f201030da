"""What became of each sample of a cell and what it cost: its attempts taken together, as a report counts them.

Data flows a cell's attempts in the order of its samples + price book -> one `Standing` per sample, streamed. Exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempts_by_id
from harness.ledger.reading.charged_rows import ChargedRow, sample_attempts
from harness.ledger.reading.sums import invoiced_of
from harness.ledger.records import InvoicedRecord
from harness.money import add, from_pico
from harness.reports.exports.attempt_rates import AttemptRates, Line, rate_lines
from harness.reports.facts.charger import PARTS
from harness.reports.facts.report_facts import NOTHING, ZERO, CostSums, Spend, TokenSums
from harness.usage.values import Meter

ANSWERED = ("succeeded", "reused")


@dataclass(slots=True)
class Standing:
    """One sample of a cell with all its attempts.

    Attributes:
        tried: the attempt that counts, the newest answered one, else the newest; None = only its judge was asked, or
            nobody.
        n_retries: solving attempts that repeat an earlier one.
        solve, judge, others: tokens and dollars of the attempts that were made for it; others = simulated users, tools.
        n_answers: solving attempts that were answered by a request: more than one is a conversation.
        n_usage_known: solving attempts that state their tokens.
    """

    planned_id: int
    tried: ChargedRow | None = None
    n_answers: int = 0
    n_usage_known: int = 0
    solve: Spend = NOTHING
    judge: Spend = NOTHING
    others: Spend = NOTHING
    n_retries: int = 0

    def take(self, row: ChargedRow, spend: Spend) -> None:
        """Add an attempt; attempts come in the order they were sent."""
        if row.purpose == "judge":
            self.judge = self.judge.plus(spend) if self.judge is not NOTHING else spend
            return
        if row.purpose != "solve":
            self.others = self.others.plus(spend)
            return
        self.n_retries += row.try_number > 1
        self.n_answers += row.status == "succeeded"
        self.n_usage_known += row.status not in ("sent", "reused") and row.tokens.input_tokens is not None
        self.solve = self.solve.plus(spend) if self.solve is not NOTHING else spend
        if self.tried is None or row.status in ANSWERED or self.tried.status not in ANSWERED:
            self.tried = row


@dataclass(slots=True)
class SampleBills:
    """Reads the samples of cells; prices are remembered over all of them."""

    ledger: Ledger
    rates: AttemptRates
    _alone: dict[int, AttemptRow] = field(default_factory=dict)
    _invoiced: dict[int, InvoicedRecord] = field(default_factory=dict)

    def of_cell(self, cell_id: int) -> Iterator[Standing]:
        """Give the samples that were tried, in the order of their `planned_id`."""
        charged = (pair for rows in sample_attempts(self.ledger, cell_id) for pair in self.spends(rows))
        for planned_id, pairs in groupby(charged, key=lambda pair: pair[0].planned_id):
            assert planned_id is not None
            standing = Standing(planned_id)
            for row, spend in pairs:
                standing.take(row, spend)
            yield standing

    def spends(self, rows: Sequence[ChargedRow]) -> Iterator[tuple[ChargedRow, Spend]]:
        """Charge attempts one by one as a report does, whatever their charges depend on."""
        alone = [row.attempt_id for row in rows if not row.summable and row.status not in ("sent", "reused")]
        self._alone = {row.attempt_id: row for row in attempts_by_id(self.ledger, alone)}
        self._invoiced = invoiced_of(self.ledger, [row.attempt_id for row in rows if _may_be_billed(row)])
        for row in rows:
            yield row, self._spend(row)

    def _spend(self, row: ChargedRow) -> Spend:
        """Charge one attempt as a report does: what was reused is charged nothing, what is open may be billed."""
        if row.status == "reused":
            return NOTHING
        told = self._invoiced.get(row.attempt_id)
        settled = None if told is None or told.billed_pico_usd is None else from_pico(told.billed_pico_usd)
        if row.status == "sent" and settled is None:
            return Spend(n_attempts=1, n_open_attempts=1, n_unknown_usage=1)
        if settled is not None:
            return Spend(n_attempts=1, n_priced_attempts=1, cost=CostSums(stated=settled, charged=settled))
        spend = self._summable(row) if row.summable else self.rates.charger.charge_row(self._alone[row.attempt_id])
        return spend.plus(Spend(n_unknown_usage=1)) if _may_be_billed(row) else spend

    def _summable(self, row: ChargedRow) -> Spend:
        tokens, quantities = row.tokens, row.tokens.quantities()
        rates = self.rates.of(row, quantities)
        is_known = tokens.input_tokens is not None
        return Spend(
            n_attempts=1,
            n_priced_attempts=int(is_known and not rates.is_unpriced),
            n_unpriced_attempts=int(is_known and rates.is_unpriced),
            tokens=TokenSums(
                input_tokens=tokens.input_tokens or 0,
                cache_read_tokens=tokens.cache_read_tokens or 0,
                cache_write_tokens=tokens.cache_write_tokens,
                output_tokens=tokens.output_tokens or 0,
                reasoning_tokens=tokens.reasoning_tokens
                if tokens.reasoning_tokens is not None or tokens.output_tokens
                else 0,
            ),
            cost=_cost(rate_lines(quantities, rates)),
        )


def _may_be_billed(row: ChargedRow) -> bool:
    """Tell whether an attempt may be billed by an amount that its row does not know."""
    return row.status == "sent" or (row.status != "reused" and row.tokens.input_tokens is None and row.billed != "no")


def _cost(lines: Iterable[Line]) -> CostSums:
    """Sort what is priced into the parts of a report."""
    parts: dict[str, Decimal] = {}
    for meter, _, _, usd, _, _ in lines:
        if usd is not None:
            part = PARTS[Meter(meter)]
            parts[part] = add((parts.get(part, ZERO), usd))
    return CostSums(reasoning=None, **parts)
