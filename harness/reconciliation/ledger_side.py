"""Attempts of a ledger as a bill could know of them: who was asked, when, at which tier, tokens and dollars.

Data flows attempts in the order sent + price book -> `HeldAttempt`, streamed. Answers reused from earlier runs and
requests that no provider bills are not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from harness.costs.cost import price_request
from harness.costs.served import Served
from harness.instants import DAY_US, from_us
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.ledger.reading.sums import invoiced_of
from harness.ledger.records import InvoicedRecord
from harness.money import EXACT, from_pico
from harness.pricing.book import PriceBook
from harness.pricing.rates import BATCH, named_tier
from harness.reconciliation.sides import ZERO, HeldAttempt, Quantities
from harness.reports.facts.charger import Charger
from harness.usage.values import Usage

AT_A_TIME = 2_000


@dataclass(slots=True)
class BookPrices:
    """Prices and names of one provider, remembered.

    Attributes:
        provider: by the price book's name.
    """

    book: PriceBook
    provider: str
    _names: dict[tuple[str, int], str] = field(default_factory=dict)
    _asked: dict[str, str] = field(default_factory=dict)

    def name_of(self, model: str, at_us: int) -> str:
        """Give the price book's name of a model, its own where the book has none: aliases and snapshots are one."""
        key = model, at_us // DAY_US
        if key not in self._names:
            match = self.book.match(self.provider, model, from_us(at_us))
            found = self._names[key] = model if match is None else match.price.model
            self._asked.setdefault(found, model)  # a gateway's price is found by its own name
        return self._names[key]

    def price(self, model: str, tier: str, at_us: int, tokens: Quantities) -> Decimal | None:
        """Price tokens at list price; None = no price is known."""
        usage = Usage(
            input_tokens=tokens.input + tokens.cache_read + tokens.cache_write + tokens.cache_write_1h,
            cache_read_tokens=tokens.cache_read,
            cache_write_5m_tokens=tokens.cache_write,
            cache_write_1h_tokens=tokens.cache_write_1h,
            output_tokens=tokens.output,
            context_tokens=0,
        )
        served = Served(
            provider=self.provider, model=self._asked.get(model, model), at=from_us(at_us), service_tier=tier,
            mode=BATCH if tier == BATCH else None,
        )  # fmt: skip
        return price_request(self.book, usage, served).list_usd


@dataclass(slots=True)
class LedgerSide:
    """The attempts of some runs at one provider, in a stretch of time.

    Attributes:
        run_ids: None = every run.
        start_us, end_us: the account's time, the end excluded.
    """

    ledger: Ledger
    prices: BookPrices
    run_ids: Sequence[str] | None
    start_us: int = 0
    end_us: int = 2**62

    def attempts(self) -> Iterator[HeldAttempt]:
        """Give the attempts inside the account's time; may be called again."""
        charger = Charger(book=self.prices.book)
        rows = (row for row in self._asked() if self._is_inside(row))
        while some := list(islice(rows, AT_A_TIME)):
            invoiced = invoiced_of(self.ledger, [row.attempt_id for row in some if row.is_bill_unknown])
            for row in some:
                yield self._held(row, charger, invoiced.get(row.attempt_id))

    def n_outside(self) -> int:
        """Count attempts before and after the account's time."""
        return sum(1 for row in self._asked() if not self._is_inside(row))

    def _asked(self) -> Iterator[AttemptRow]:
        return (row for row in attempt_rows(self.ledger, self.run_ids) if self._is_asked(row))

    def _is_inside(self, row: AttemptRow) -> bool:
        return self.start_us <= _at_us(row) < self.end_us

    def _is_asked(self, row: AttemptRow) -> bool:
        if row.status == "reused" or self.prices.book.provider(row.provider_asked) != self.prices.provider:
            return False
        return row.input_tokens is not None or row.billed != "no"

    def _held(self, row: AttemptRow, charger: Charger, invoiced: InvoicedRecord | None) -> HeldAttempt:
        at_us = _at_us(row)
        known = _known(row, charger, invoiced)
        return HeldAttempt(
            attempt_id=row.attempt_id,
            request_id=row.provider_request_id,
            model=self.prices.name_of(row.model_served or row.model_requested, at_us),
            tier=BATCH if (row.mode or "").lower() == BATCH else named_tier(row.service_tier),
            started_us=row.started_at_us,
            at_us=at_us,
            tokens=known.tokens,
            usd=known.usd,
            fees_usd=known.fees_usd,
            is_open=known.is_open,
            most_input_tokens=row.reserved_input_tokens,
            most_output_tokens=row.reserved_output_tokens,
        )


def _at_us(row: AttemptRow) -> int:
    return row.finished_at_us or row.started_at_us


class _Known(NamedTuple):
    """What is known of the bill of an attempt."""

    tokens: Quantities
    usd: Decimal | None
    fees_usd: Decimal = ZERO
    is_open: bool = False


def _known(row: AttemptRow, charger: Charger, invoiced: InvoicedRecord | None) -> _Known:
    """Take an answer as it is charged, and an attempt without one as an account settled it, if one did."""
    if not row.is_bill_unknown:
        usd, fees_usd = _dollars(row, charger)
        return _Known(_tokens(row), usd, fees_usd)
    if invoiced is None or invoiced.billed_pico_usd is None:
        return _Known(_tokens(row), None, is_open=True)
    return _Known(Quantities(**dict(invoiced.usage or {})), from_pico(invoiced.billed_pico_usd))


def _tokens(row: AttemptRow) -> Quantities:
    return Quantities(row.input_tokens or 0, row.cache_read_tokens or 0, row.cache_write_5m_tokens or 0,
                      row.cache_write_1h_tokens or 0, row.output_tokens or 0)  # fmt: skip


def _dollars(row: AttemptRow, charger: Charger) -> tuple[Decimal | None, Decimal]:
    """Give what an attempt was charged, and of that its fees; what a provider states wins over the list price."""
    spend = charger.charge_row(row)
    if spend.is_unpriced:
        return None, ZERO
    fees_usd = spend.cost.fees
    return EXACT.subtract(spend.cost.charged, fees_usd), fees_usd


def providers_of(ledger: Ledger, run_ids: Sequence[str] | None) -> Iterable[str]:
    """Name the providers of runs, in the order in which they are first met."""
    runs = ledger.runs() if run_ids is None else [run for run in ledger.runs() if run.run_id in run_ids]
    return dict.fromkeys(cell.provider for run in runs for cell in ledger.cells(run.run_id) if not cell.simulated)
