"""Files of accounts -> what one provider is compared with: its rows, its grid of time, and what was left out.

Data flows files -> statements -> rows by provider -> `AccountInput`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from harness.accounts.account_files import Statement, statements
from harness.accounts.account_rows import AccountRow
from harness.accounts.focus_files import FocusColumns
from harness.errors import InputError
from harness.imports.containers.log_files import Readable
from harness.instants import DAY_US
from harness.pricing.book import PriceBook
from harness.reconciliation.account_side import Grid, grid_of


@dataclass(slots=True)
class AccountInput:
    """What is known of one provider's account."""

    provider: str
    rows: list[AccountRow] = field(default_factory=list)
    start_us: int = 2**62
    end_us: int = 0
    notes: list[str] = field(default_factory=list)
    billed_by: str = ""

    def grid(self) -> Grid:
        """Give the account's time; one of single requests holds whole days."""
        made = grid_of(self.rows, self.start_us, self.end_us)
        if any(row.kind == "request" for row in self.rows):
            made.end_us = self.end_us - self.end_us % DAY_US + DAY_US
        return made


def account_inputs(
    files: Sequence[Readable], book: PriceBook, wanted: Collection[str], columns: FocusColumns | None = None
) -> list[AccountInput]:
    """Read files and sort their rows by provider.

    Args:
        wanted: providers to be compared, by the price book's names; rows of others are left out, and named.

    Raises:
        InputError: nothing of these providers is in the files, or two files bill the same.
    """
    found: dict[str, AccountInput] = {}
    others: dict[str, int] = defaultdict(int)
    made = statements(files, columns)
    for statement in made:
        for row in statement.rows():
            provider = book.provider(row.provider)
            if provider not in wanted:
                others[row.provider] += 1
                continue
            account = found.setdefault(provider, AccountInput(provider))
            _take(account, statement, row)
    if not found:
        raise InputError(f"these files are of {_listed(others)}, the ledger of {_listed(wanted)}",
                         where="FILE", fix="choose runs with --run-id, or name the --provider")  # fmt: skip
    left = [f"{count:,} rows of {name or 'no provider'} are not compared" for name, count in sorted(others.items())]
    for account in found.values():
        account.notes += [note for statement in made for note in statement.notes] + left
    return list(found.values())


def _listed(providers: Iterable[str]) -> str:
    return ", ".join(sorted(providers)) or "nobody"


def _take(account: AccountInput, statement: Statement, row: AccountRow) -> None:
    account.rows.append(row)
    stretches = [(each.start_us, each.end_us) for each in statement.files] if statement.provider else []
    for start_us, end_us in (*stretches, (row.start_us, row.end_us)):
        account.start_us, account.end_us = min(account.start_us, start_us), max(account.end_us, end_us)
    if row.billed_usd is not None:
        name = statement.files[0].file.name
        if account.billed_by not in ("", name):
            raise InputError(f"{account.billed_by} and {name} both bill {account.provider}", where="FILE",
                             fix="give one of them: the same money is in both")  # fmt: skip
        account.billed_by = name


def ledger_providers(names: Iterable[str], book: PriceBook) -> set[str]:
    """Name the providers of a ledger as the price book does."""
    return {book.provider(name) for name in names}
