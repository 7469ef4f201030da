"""A published spend table as a person types it: dollars, stated token counts, sources, what may be assumed.

Data flows results/published/*.toml (or a user's own file) -> `PublishedTable` -> the feasible-set solver.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from harness.errors import InputError
from harness.resources import shipped
from harness.typed_files import Strict, mistakes, parse_toml, refusal


class Source(Strict):
    """Where a figure was read."""

    name: str
    url: str
    read_on: date | None = None
    note: str = ""


class TokenRange(Strict):
    """A token count as stated, with the range that the words leave."""

    low: int = Field(ge=0)
    high: int = Field(ge=0)
    quote: str


class Ratio(Strict):
    """`of`'s output tokens divided by this row's, as stated, with the range that the words leave."""

    of: str
    low: Decimal
    value: Decimal
    high: Decimal
    quote: str


class Factor(Strict):
    """How this row's input count may differ from the shared one (another tokenizer)."""

    low: Decimal = Decimal(1)
    high: Decimal = Decimal(1)
    why: str = ""


class PublishedRow(Strict):
    """One model of the table.

    `prices` names models of the price book whose rates may have been used: every rate that they had up to the table's
    date is a candidate. `read_with` names rows whose own facts also bind this one.
    """

    model: str
    published_usd: Decimal = Field(gt=0)
    prices: tuple[str, ...] = Field(min_length=1)
    shares_input: str = Field(description="rows with the same word read the same prompts")
    input_factor: Factor = Factor()
    stated_output_tokens: TokenRange | None = None
    stated_ratio: Ratio | None = None
    read_with: tuple[str, ...] = ()
    reasoning: bool = False
    sources: tuple[str, ...] = Field(min_length=1)
    not_determined: tuple[str, ...] = ()

    @property
    def refers_to(self) -> tuple[str, ...]:
        """Name the rows whose facts bind this one."""
        return (*self.read_with, *([self.stated_ratio.of] if self.stated_ratio else []))


class PublishedGroup(Strict):
    """A published total over many models, of which some rows are in the table."""

    name: str
    published_usd: Decimal
    quote: str
    rows: tuple[str, ...]
    sources: tuple[str, ...] = Field(min_length=1)


class Claim(Strict):
    """A price that an article states, to be held against the price book."""

    claim: str
    published_usd_per_mtok: Decimal
    price: str
    meter: Literal["input", "output"]
    sources: tuple[str, ...] = Field(min_length=1)


class PublishedTable(Strict):
    """A published spend table."""

    name: str
    title: str
    suite: str
    suite_version: str
    at: datetime = Field(description="publication; prices up to here are candidates")
    n_requests: int = Field(gt=0, description="requests per model of the reconstructed ledger")
    rounding_usd: Decimal = Field(default=Decimal("0.005"), description="published dollars are right to this")
    source: tuple[Source, ...]
    row: tuple[PublishedRow, ...] = Field(min_length=1)
    group: tuple[PublishedGroup, ...] = ()
    claim: tuple[Claim, ...] = ()
    assumptions: tuple[str, ...] = ()
    not_determined: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Self:
        rows, sources = {row.model for row in self.row}, {source.name for source in self.source}
        if len(rows) < len(self.row):
            raise ValueError("two rows have the same model")
        asked = chain(*(row.refers_to for row in self.row), *(group.rows for group in self.group))
        parts: tuple[PublishedRow | PublishedGroup | Claim, ...] = (*self.row, *self.group, *self.claim)
        cited = chain(*(part.sources for part in parts))
        unknown = sorted({*(f"row {name!r}" for name in set(asked) - rows),
                          *(f"source {name!r}" for name in set(cited) - sources)})  # fmt: skip
        if unknown:
            raise ValueError(f"not in this file: {', '.join(unknown)}")
        return self

    @model_validator(mode="after")
    def _has_time_zone(self) -> Self:
        if self.at.tzinfo is None:
            raise ValueError("at has no time zone: write 2025-04-10T00:00:00Z")
        return self

    def find(self, model: str) -> PublishedRow:
        """Return the row of a model."""
        return next(row for row in self.row if row.model == model)


def list_published() -> list[str]:
    """Name the tables that are shipped."""
    return sorted(path.stem for path in shipped("published").glob("*.toml"))


def load_published(name_or_path: str) -> PublishedTable:
    """Load a shipped table by its name or a user's own file by its path.

    Raises:
        InputError: no such table, or mistakes in the file (all of them).
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = shipped("published") / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(list_published())
        raise InputError(
            f"no published table {name_or_path!r}", fix=f"name one of: {known}; or the path of a .toml file"
        )
    try:
        return PublishedTable.model_validate(parse_toml(path.read_bytes(), parse_float=Decimal))
    except ValidationError as error:
        raise refusal("the published table", mistakes(error, PublishedTable), where=str(path)) from None
    except ValueError as error:
        raise InputError(f"not TOML: {error}", where=str(path)) from error
