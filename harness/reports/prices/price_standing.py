"""How far the prices that a report rests on can be trusted: whose word they are, and how long ago they were looked up.

Pure. Data flows (price row -> attempts, last instant that it charged) -> sentences for a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.pricing.book import IMPORTED_LAYER
from harness.pricing.rows import Price

OLD_DAYS = 90
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged:
    """A price row, how many attempts it charged, and when the last of them was."""

    price: Price
    n_attempts: int
    last_at: datetime

    @property
    def since(self) -> str:
        """The day from which the row holds."""
        start = self.price.effective_from
        return "open" if start is None else start.strftime("%Y-%m-%d")


def price_warnings(charged: Iterable[Charged]) -> Iterator[str]:
    """Say how many of the rows are imported ones, and which were old when the last request was made."""
    rows = list(charged)
    yield from _imported(rows)
    for each in rows:
        if not each.price.confidence.startswith("declared") and each.price.is_old(each.last_at, OLD_DAYS):
            days = (each.last_at.date() - each.price.checked_on).days if each.price.checked_on else 0
            yield (
                f"the price of {each.price.name} was looked up on {each.price.checked_on}, {days} days before the last"
                f" of {each.n_attempts:,} attempts: look it up again (benchtab prices check)"
            )


def _imported(rows: Sequence[Charged]) -> Iterator[str]:
    imported = [each for each in rows if each.price.layer == IMPORTED_LAYER]
    if imported:
        names = ", ".join(each.price.name for each in imported[:_NAMED]) + (" ..." if len(imported) > _NAMED else "")
        n_attempts = sum(each.n_attempts for each in imported)
        yield (
            f"{len(imported)} of {len(rows)} prices used are imported from other projects' lists: {names}"
            f" ({n_attempts:,} attempts); benchtab prices explain MODEL says whose"
        )
