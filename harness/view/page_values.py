"""What a page is asked, and what it shows: values between routes, pages and templates.

Data flows request -> `Asked` -> a page's function -> `Shown` -> a template, or a file of one of its tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.documents.stream import RowStream
from harness.documents.table import Table
from harness.errors import HarnessError
from harness.ledger import Ledger, RunRecord
from harness.pricing.book import PriceBook
from harness.view.answers.run_indexes import RunIndexes
from harness.view.kept_reports import KeptReport
from harness.view.last_used import LastUsed
from harness.view.page_addresses import with_query
from harness.view.run_summaries import RunSummaries

if TYPE_CHECKING:
    from harness.reports.compare.comparison import Comparison
    from harness.view.live.run_reader import RunReader

_LONGEST_ID = 18
"""Digits that fit into 64 bits whatever they are."""


class NotThere(HarnessError):
    """An address leads to nothing: no such run, sample or model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What pages read.

    Attributes:
        ledger: opened read-only; safe to read from several threads.
        book: the prices in force.
        reread: gives the prices as their files are now; None = they stay as they are.
        samples: indexes of the runs that are looked at.
        readers: of runs that are looked at while they go on; pages, events and programs share them.
        comparisons, reports: those that were asked for last.
        summaries: of all runs, at the prices that were asked for last.
    """

    ledger: Ledger
    book: PriceBook
    reread: Callable[[], PriceBook] | None = None
    samples: RunIndexes = field(default_factory=RunIndexes)
    readers: LastUsed[RunReader] = field(default_factory=lambda: LastUsed(8))
    comparisons: LastUsed[Comparison] = field(default_factory=lambda: LastUsed(4))
    reports: LastUsed[KeptReport] = field(default_factory=lambda: LastUsed(6))
    summaries: LastUsed[RunSummaries] = field(default_factory=lambda: LastUsed(1))

    def now(self) -> Sources:
        """Give the sources with the prices of this moment.

        Raises:
            InputError: the price files have mistakes now.
        """
        return self if self.reread is None else replace(self, book=self.reread())

    def run(self, run_id: str) -> RunRecord:
        """Read a run.

        Raises:
            NotThere: there is none of that id.
        """
        found = self.ledger.run(run_id)
        if found is None:
            raise NotThere(f"there is no run {run_id!r}", where=self.ledger.database, fix="choose one at /")
        return found

    def run_summaries(self) -> RunSummaries:
        """Give the summaries of the ledger's runs, the same every time while the prices are."""
        return self.summaries.of(self.book.sha256, lambda: RunSummaries(self.ledger, self.book))

    def report(self, run: RunRecord, *, as_of: datetime | None, what_if: str | None) -> KeptReport:
        """Give the report of one run, made anew only where something has changed.

        Raises:
            InputError: a question that cannot be asked of a report.
        """

        def make() -> KeptReport:
            return KeptReport.of(self.ledger, self.book, run.run_id, as_of=as_of, what_if=what_if)

        # what stays the same is looked at first: what changes meanwhile makes the report old, never too young
        key = (run.run_id, as_of, what_if, self.book.sha256, self.run_summaries().standing(run))
        return self.reports.of(key, make)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as a page sees it.

    Attributes:
        path: the address without its query.
        names: what the path names, such as `run_id`.
        query: every value of each name, in the order given.
    """

    sources: Sources
    path: str
    names: Mapping[str, str]
    query: Mapping[str, Sequence[str]]

    def one(self, name: str, default: str = "") -> str:
        """Give the last value of a name in the query."""
        given = self.query.get(name)
        return given[-1] if given else default

    def many(self, name: str) -> Sequence[str]:
        """Give all values of a name in the query."""
        return self.query.get(name, ())

    def number(self, name: str, nothing: NotThere) -> int:
        """Give an id that the path names.

        Raises:
            NotThere: `nothing`, where it is no id that a database can hold.
        """
        text = self.names[name]
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID):
            raise nothing
        return int(text)

    def address(self, **changed: str | Iterable[str]) -> str:
        """Give the address of this page with other values in its query; an empty value leaves its name out."""
        return with_query(self.path, {**self.query, **changed})


@dataclass(frozen=True, slots=True, kw_only=True)
class VegaChart:
    """A chart that the page draws itself.

    Attributes:
        spec: Vega-Lite, with its data inside; a datum with `href` leads there when it is clicked.
        description: the chart in words, for those who do not see it.
        height_px: room kept for it, so that nothing jumps when it is drawn.
        note: what its signs mean.
    """

    name: str
    title: str
    spec: Mapping[str, Any]
    description: str
    height_px: int = 320
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table on a page, with what leads from it to other pages.

    Attributes:
        links: column name -> address of each row, None = none there.
        sorting: column name -> address of the page sorted by it; empty = rows are sorted in the browser.
        sorted_by: column and direction (`ascending`, `descending`) of the rows as they come.
        marks: a word per row that decides how it looks (`wrong`, `right`, `failed`), empty for none.
        selecting: name of a checkbox before each row, with its value; None = rows are not selected.
    """

    table: Table
    links: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    sorting: Mapping[str, str] = field(default_factory=dict)
    sorted_by: tuple[str, str] | None = None
    marks: Sequence[str] = ()
    selecting: tuple[str, Sequence[str]] | None = None


Rows: TypeAlias = Callable[[], RowStream]
Pieces: TypeAlias = Callable[[], Iterator[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page shows.

    Attributes:
        template: file in `templates`.
        values: what the template is given besides `asked`, `title` and the names of `downloads`.
        downloads: tables of the page by name, each as all rows that the address chooses; the first is the usual one.
        texts: long texts of the page by name, each whole and a piece at a time, for `?table=NAME&format=txt`.
    """

    template: str
    title: str
    values: Mapping[str, Any]
    downloads: Mapping[str, Rows] = field(default_factory=dict)
    texts: Mapping[str, Pieces] = field(default_factory=dict)


PageFunction: TypeAlias = Callable[[Asked], Shown]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page and its address.

    Attributes:
        path: as Starlette writes routes.
        menu: its name in the menu, empty = not in it.
    """

    path: str
    make: PageFunction
    menu: str = ""
