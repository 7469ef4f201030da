"""Pages of long tables: which rows are shown, and where the others are.

Pure. Data flows number of rows and the page asked for -> places, addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.view.page_values import Asked

ROWS = 100
"""Of a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """One page of many rows.

    Attributes:
        number: from 1; what is asked beyond the last page is the last.
        earlier, later: addresses of the pages beside it; None = there is none.
    """

    n_rows: int
    number: int
    n_pages: int
    earlier: str | None
    later: str | None

    @property
    def rows(self) -> slice:
        """Places of its rows."""
        return slice((self.number - 1) * ROWS, self.number * ROWS)

    @property
    def said(self) -> str:
        """Say which rows these are: `101-200 of 3,120`."""
        first = (self.number - 1) * ROWS + 1
        last = min(self.number * ROWS, self.n_rows)
        return f"{first:,}-{last:,} of {self.n_rows:,}" if self.n_pages > 1 else f"{self.n_rows:,}"


def paging(asked: Asked, n_rows: int) -> Paging:
    """Find the page that `?page=` asks for; a word that is no number is the first."""
    n_pages = max(1, -(-n_rows // ROWS))
    wanted = asked.one("page")
    number = min(int(wanted), n_pages) if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 else 1
    number = max(1, number)
    return Paging(
        n_rows=n_rows,
        number=number,
        n_pages=n_pages,
        earlier=asked.address(page=str(number - 1) if number > 2 else "") if number > 1 else None,
        later=asked.address(page=str(number + 1)) if number < n_pages else None,
    )
