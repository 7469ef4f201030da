"""A thing that a test adds to one of our tables, as somebody would who extends the package, and takes out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

Entry = TypeVar("Entry")


@contextmanager
def plugged(table: dict[str, Entry], name: str, entry: Entry) -> Iterator[None]:
    """Hold an entry in a table; its name must be new."""
    assert name not in table
    table[name] = entry
    try:
        yield
    finally:
        del table[name]
