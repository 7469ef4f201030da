"""Options and steps that several commands share: which ledger, which prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from harness.resources import DEFAULT_LEDGER, ledger_name

if TYPE_CHECKING:
    from harness.ledger import Ledger

G = TypeVar("G")
T = TypeVar("T")

VERBOSITY_WORDS = {"-q", "--quiet", "-v", "-vv"}


@dataclass(slots=True)
class Verbosity:
    """How much a command says on stderr; set once from the command line."""

    quiet: bool = False


verbosity = Verbosity()

DbOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help=f"Ledger: a path or a SQLAlchemy URL. Default: $BENCHTAB_DB, else {DEFAULT_LEDGER}.",
        show_default=False,
    ),
]
PricingOption = Annotated[
    Path | None,
    typer.Option("--pricing", metavar="DIR", help="Your own price files, laid over the shipped ones.", exists=True),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def optional(given: G | None, read: Callable[[G], T]) -> T | None:
    """Read an option that may be left out."""
    return None if given is None else read(given)


def open_ledger(db: str | None, *, create: bool = False, read_only: bool = False) -> Ledger:
    """Open the ledger that the options name."""
    from harness.ledger import Ledger

    return Ledger.open(ledger_name(db), create=create, read_only=read_only)


def place_words(db: str | None, pricing: Path | None) -> list[str]:
    """The words that a printed command needs to find the same ledger and prices from this folder.

    A database's password is never printed: the address is shown without it, or left to $BENCHTAB_DB where that has it.
    """
    name = ledger_name(db)
    words = []
    if name != DEFAULT_LEDGER:
        from harness.ledger.connections import database_url, shown
        from harness.secrets import MASK

        word = shown(database_url(name)) if "://" in name else name
        words = [] if db is None and MASK in word else ["--db", word]
    return words if pricing is None else [*words, "--pricing", str(pricing)]
