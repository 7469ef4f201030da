"""Pages of long tables: which rows are shown, and where the others are.

Pure. Data flows number of rows and the page asked for -> places, addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.view.page_values import Asked

ROWS = 100
"""Of a page, unless it says otherwise."""
_LONGEST_NUMBER = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """One page of many rows.

    Attributes:
        number: from 1; what is asked beyond the last page is the last.
        n_per_page: rows of every page but the last.
        previous, next: addresses of the pages beside it; None = there is none.
    """

    n_rows: int
    number: int
    n_pages: int
    n_per_page: int
    previous: str | None
    next: str | None

    @property
    def rows(self) -> slice:
        """Places of its rows."""
        return slice((self.number - 1) * self.n_per_page, self.number * self.n_per_page)

    @property
    def said(self) -> str:
        """Say which rows these are: `101-200 of 3,120`."""
        last = min(self.rows.stop, self.n_rows)
        return f"{self.rows.start + 1:,}-{last:,} of {self.n_rows:,}" if self.n_pages > 1 else f"{self.n_rows:,}"


def paging(asked: Asked, n_rows: int, *, n_per_page: int = ROWS) -> Paging:
    """Find the page that `?page=` asks for; a word that is no number is the first."""
    n_pages = max(1, -(-n_rows // n_per_page))
    wanted = asked.one("page")
    is_number = wanted.isascii() and wanted.isdecimal() and len(wanted) <= _LONGEST_NUMBER
    number = min(max(1, int(wanted)), n_pages) if is_number else 1
    return Paging(
        n_rows=n_rows,
        number=number,
        n_pages=n_pages,
        n_per_page=n_per_page,
        previous=asked.address(page=str(number - 1) if number > 2 else "") if number > 1 else None,
        next=asked.address(page=str(number + 1)) if number < n_pages else None,
    )
