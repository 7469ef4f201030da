"""What became of each sample of a cell and what it cost: its attempts taken together, as a report counts them.

Data flows a cell's attempts in the order of its samples + price book -> one `Standing` per sample, streamed. Exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from harness.ledger import CellRecord, Ledger
from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.reading.attempt_rows import AttemptRow, attempts_by_id
from harness.ledger.reading.batch_rows import batches
from harness.ledger.schema.tables import SETTLED_AND_SUMMABLE
from harness.money import add
from harness.reports.exports.attempt_rates import AttemptRates, Line, charged_columns, rate_lines
from harness.reports.facts.charger import PARTS
from harness.reports.facts.report_facts import NOTHING, ZERO, CostSums, Spend, TokenSums
from harness.usage.values import Meter

ANSWERED = ("succeeded", "reused")
_HEAD = (
    "planned_id", "attempt_id", "purpose", "status", "request_id", "started_at_us", "first_byte_us", "finish_reason",
    "refused", "billed",
)  # fmt: skip
_SUMMABLE = len(_HEAD)
_CHARGED = len(_HEAD) + 1
_FINISHED = _CHARGED + len(TOKEN_COLUMNS) + 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """The attempt that counts for a sample: the newest answered one, else the newest."""

    attempt_id: int
    request_id: str
    status: str
    started_at_us: int
    finished_at_us: int | None
    first_byte_us: int | None
    finish_reason: str | None
    refused: bool


@dataclass(slots=True)
class Standing:
    """One sample of a cell with all its attempts.

    Attributes:
        tried: the attempt that counts; None = only its judge was asked, or nobody.
        n_tries: solving attempts, reused answers among them.
        solve, judge: tokens and dollars of the attempts that were made for it.
        n_usage_known: solving attempts that state their tokens.
    """

    planned_id: int
    tried: Tried | None = None
    n_tries: int = 0
    n_usage_known: int = 0
    solve: Spend = NOTHING
    judge: Spend = NOTHING

    def take(self, row: Sequence[Any], spend: Spend) -> None:
        """Add an attempt; attempts come in the order they were sent."""
        purpose, status = row[2], row[3]
        if purpose == "judge":
            self.judge = self.judge.plus(spend) if self.judge is not NOTHING else spend
            return
        self.n_tries += 1
        self.n_usage_known += status not in ("sent", "reused") and row[_CHARGED] is not None
        self.solve = self.solve.plus(spend) if self.solve is not NOTHING else spend
        if self.tried is None or status in ANSWERED or self.tried.status not in ANSWERED:
            self.tried = Tried(
                attempt_id=row[1],
                status=status,
                request_id=row[4],
                started_at_us=row[5],
                finished_at_us=row[_FINISHED],
                first_byte_us=row[6],
                finish_reason=row[7],
                refused=bool(row[8]),
            )


@dataclass(slots=True)
class SampleBills:
    """Reads the samples of cells; prices are remembered over all of them."""

    ledger: Ledger
    rates: AttemptRates
    _found: dict[int, AttemptRow] = field(default_factory=dict)

    def of_cell(self, cell: CellRecord) -> Iterator[Standing]:
        """Give the samples that were tried, in the order of their `planned_id`."""
        query = f"""SELECT {", ".join(f"attempts.{name}" for name in _HEAD)},
            CASE WHEN {SETTLED_AND_SUMMABLE} THEN 1 ELSE 0 END, {charged_columns(":provider", ":model")}
            FROM attempts LEFT JOIN usage_groups ON usage_groups.usage_group_id = attempts.usage_group_id
            WHERE attempts.cell_id = :cell_id AND attempts.planned_id IS NOT NULL
            ORDER BY attempts.planned_id, attempts.attempt_id"""
        values = {"cell_id": cell.cell_id, "provider": cell.provider, "model": cell.model}
        current: Standing | None = None
        for rows in batches(self.ledger, query, values=values):
            alone = [row[1] for row in rows if not row[_SUMMABLE] and row[3] not in ("sent", "reused")]
            self._found = {row.attempt_id: row for row in attempts_by_id(self.ledger, alone)}
            for row in rows:
                if current is None or current.planned_id != row[0]:
                    if current is not None:
                        yield current
                    current = Standing(row[0])
                current.take(row, self._spend(row))
        if current is not None:
            yield current

    def _spend(self, row: Sequence[Any]) -> Spend:
        """Charge one attempt as a report does: what was reused is charged nothing, what is open may be billed."""
        status = row[3]
        if status == "reused":
            return NOTHING
        may_be_billed = status == "sent" or (row[_CHARGED] is None and row[9] != "no")
        if status == "sent":
            return Spend(n_attempts=1, n_open_attempts=1, n_unknown_usage=1)
        if not row[_SUMMABLE]:
            spend = self.rates.charger.charge_row(self._found[row[1]])
            return spend.plus(Spend(n_unknown_usage=1)) if may_be_billed else spend
        return self._summable(row[_CHARGED:], may_be_billed=may_be_billed)

    def _summable(self, charged: Sequence[Any], *, may_be_billed: bool) -> Spend:
        quantities = charged[: len(TOKEN_COLUMNS)]
        rates = self.rates.of(charged)
        is_known = quantities[0] is not None
        fresh, read, write_5m, write_1h, output, reasoning = quantities
        return Spend(
            n_attempts=1,
            n_unknown_usage=int(may_be_billed),
            n_priced_attempts=int(is_known and not rates.is_unpriced),
            n_unpriced_attempts=int(is_known and rates.is_unpriced),
            tokens=TokenSums(
                input_tokens=fresh or 0,
                cache_read_tokens=read or 0,
                cache_write_tokens=(write_5m or 0) + (write_1h or 0),
                output_tokens=output or 0,
                reasoning_tokens=reasoning if reasoning is not None or output else 0,
            ),
            cost=_cost(rate_lines(quantities, rates)),
        )


def _cost(lines: Iterable[Line]) -> CostSums:
    """Sort what is priced into the parts of a report."""
    parts: dict[str, Decimal] = {}
    for meter, _, _, usd, _, _ in lines:
        if usd is not None:
            part = PARTS[Meter(meter)]
            parts[part] = add((parts.get(part, ZERO), usd))
    return CostSums(reasoning=None, **parts)
