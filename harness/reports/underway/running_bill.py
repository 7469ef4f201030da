"""The bill of a run under way: charged once as a report charges it, then kept up to date by what is settled since.

Data flows ledger -> charges per cell; then attempts, one by one as they are sent and settled, -> the same charges that
a report over the same rows has. A sum of exact amounts does not depend on how it was put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import reduce

from harness.ledger import Ledger, RunRecord
from harness.ledger.reading.attempt_rows import AttemptRow
from harness.ledger.reading.sums import UnknownBill, unknown_bills
from harness.pricing.book import PriceBook
from harness.reports.facts.assembly import settled_cells, unknown_spend
from harness.reports.facts.charger import Charger
from harness.reports.facts.pooled_cells import RunCell
from harness.reports.facts.report_facts import NOTHING, Spend

_Key = tuple[int, str]


@dataclass(slots=True)
class _Unknown:
    """Attempts of a cell and purpose whose bill is not known, as `UnknownBill` counts them."""

    n_attempts: int = 0
    n_sent: int = 0
    n_unbounded: int = 0
    reserved_pico_usd: int = 0
    reserved_input_tokens: int = 0
    reserved_output_tokens: int = 0

    def count(self, row: AttemptRow, number: int, *, is_open: bool) -> None:
        """Add (1) or take away (-1) an attempt."""
        self.n_attempts += number
        self.n_sent += number * is_open
        self.n_unbounded += number * (row.reserved_pico_usd == 0)
        self.reserved_pico_usd += number * row.reserved_pico_usd
        self.reserved_input_tokens += number * row.reserved_input_tokens
        self.reserved_output_tokens += number * row.reserved_output_tokens


@dataclass(slots=True, kw_only=True)
class RunningBill:
    """What the cells of a run cost so far.

    Attributes:
        cells: with what is settled of them.
    """

    run: RunRecord
    charger: Charger
    cells: Mapping[int, RunCell]
    unknown: dict[_Key, _Unknown] = field(default_factory=dict)

    @classmethod
    def of(cls, ledger: Ledger, book: PriceBook, run: RunRecord) -> RunningBill:
        """Charge all there is; `ledger` at one moment, so that what comes later can be told from it."""
        charger = Charger(book=book)
        made = cls(run=run, charger=charger, cells=settled_cells(ledger, run, charger))
        for bill in unknown_bills(ledger, [run.run_id]):
            counts = {name: getattr(bill, name) for name in _Unknown.__dataclass_fields__}
            made.unknown[bill.cell_id, bill.purpose] = _Unknown(**counts)
        return made

    @property
    def is_by_the_hour(self) -> bool:
        """Whether a model is charged by the time in which any request ran: a new one changes the shares of all."""
        return any(used.price.usd_per_hour for used in self.charger.used.values())

    def sent(self, row: AttemptRow) -> None:
        """Count a request that left."""
        self._unknown(row).count(row, 1, is_open=True)

    def settled(self, row: AttemptRow, *, was_open: bool) -> None:
        """Charge an attempt that has ended; `was_open` = it was counted as sent before."""
        if was_open:
            self._unknown(row).count(row, -1, is_open=True)
        if row.is_bill_unknown:
            self._unknown(row).count(row, 1, is_open=False)
        spend = self.charger.charge_row(row)
        if row.status == "reused":
            spend = Spend(n_reused=1, reused_list_usd=spend.cost.total)
        self.cells[row.cell_id].add(row.purpose, spend)

    def _unknown(self, row: AttemptRow) -> _Unknown:
        return self.unknown.setdefault((row.cell_id, row.purpose), _Unknown())

    def spends(self) -> dict[int, Spend]:
        """Give what each cell cost so far, whatever for, with the bound of what may be billed besides."""
        found = {cell_id: reduce(Spend.plus, cell.spends) for cell_id, cell in self.cells.items()}
        for (cell_id, purpose), counts in self.unknown.items():
            if counts.n_attempts:
                bill = _bill(self.run.run_id, cell_id, purpose, counts)
                spend = unknown_spend(bill, self.cells[cell_id], self.charger.book)
                found[cell_id] = found[cell_id].plus(spend)
        return found


def _bill(run_id: str, cell_id: int, purpose: str, counts: _Unknown) -> UnknownBill:
    return UnknownBill(
        run_id=run_id,
        cell_id=cell_id,
        purpose=purpose,  # type: ignore[arg-type]  # of a row
        n_attempts=counts.n_attempts,
        n_sent=counts.n_sent,
        n_unbounded=counts.n_unbounded,
        reserved_pico_usd=counts.reserved_pico_usd,
        reserved_input_tokens=counts.reserved_input_tokens,
        reserved_output_tokens=counts.reserved_output_tokens,
    )


def whole_spend(spends: Iterable[Spend]) -> Spend:
    """Add up the cells of a run."""
    return reduce(Spend.plus, spends, NOTHING)
