"""Attempts that an account settled become new facts of the ledger; no row that is there changes.

Data flows `Settled` -> `InvoicedRecord` -> the ledger. The same fact is not stored twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP

from harness.ledger import Ledger
from harness.ledger.reading.sums import invoiced_of
from harness.ledger.records import InvoicedRecord
from harness.reconciliation.sides import Settled


def settle(ledger: Ledger, settled: Sequence[Settled], source: str, *, now_us: int) -> int:
    """Store what an account told of attempts; gives how many facts are new.

    Args:
        source: which account said it, for example the names of its files.
    """
    known = invoiced_of(ledger, [each.attempt_id for each in settled])
    facts = [
        InvoicedRecord(
            attempt_id=each.attempt_id,
            source=f"{source}: {each.source}"[:500],
            recorded_at_us=now_us,
            billed_pico_usd=_pico(each),
            usage=None if each.tokens is None else each.tokens._asdict(),
        )
        for each in settled
    ]
    new = [fact for fact in facts if not _is_known(known.get(fact.attempt_id), fact)]
    ledger.add_invoiced(new)
    return len(new)


def _pico(each: Settled) -> int | None:
    if each.usd is None:
        return None
    return int(each.usd.scaleb(12).to_integral_value(rounding=ROUND_HALF_UP))


def _is_known(before: InvoicedRecord | None, fact: InvoicedRecord) -> bool:
    return before is not None and (before.billed_pico_usd, before.usage) == (fact.billed_pico_usd, fact.usage)
