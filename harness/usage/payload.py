"""Reading single fields of a provider's usage object: a value of the wrong kind becomes None and leaves a named flag.

Data flows raw object -> `Fields` (which remembers what was looked at and what was wrong) -> a reader's `Usage`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from harness.usage.values import Flag

LARGEST_COUNT = 10**15
LARGEST_USD = Decimal(10**9)
SHOWN_CHARACTERS = 80
_AMOUNT = re.compile(r"(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,2})?")


def shown(value: object) -> str:
    """Write a provider's value for a message: cut to a line, and never slow on monstrous numbers or nests."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_COUNT:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, Mapping | list | tuple):
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "..."


class Fields:
    """One object of a payload, read field by field; all nested objects share one list of flags.

    A field that is absent or null is not known, which is no fault. Anything else that is not what was asked for is
    flagged and not known either. Fields that nobody asked for are kept by `unknown`.
    """

    __slots__ = ("_known", "_parts", "_raw", "_spoiled", "flags", "is_object", "path")

    def __init__(self, raw: object, *, path: str = "", flags: list[Flag] | None = None) -> None:
        self.path = path
        self.flags: list[Flag] = [] if flags is None else flags
        self._raw: Mapping[str, Any] = raw if type(raw) is dict or isinstance(raw, Mapping) else {}
        self.is_object = self._raw is raw
        self._known: set[str] = set()
        self._parts: list[Fields] = []
        self._spoiled: set[str] = set()
        if raw is not None and not self.is_object:
            self.flag("not_an_object", f"{path or 'usage'} is {shown(raw)}")

    def flag(self, name: str, detail: str) -> None:
        """Note a fault under a fixed name."""
        self.flags.append(Flag(name=name, detail=detail))

    def where(self, name: str) -> str:
        """Path of a field inside the payload, for messages."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """True when the field is there and not null."""
        return self._raw.get(name) is not None

    def holds_object(self, name: str) -> bool:
        """True when the field is an object."""
        return isinstance(self._raw.get(name), Mapping)

    def spoiled(self, *names: str) -> bool:
        """True when one of these fields was read and held something else than it should."""
        return not self._spoiled.isdisjoint(names)

    def ignore(self, *names: str) -> None:
        """Mark fields that are known and carry nothing that is billed (timings, duplicates)."""
        self._known.update(names)

    def count(self, *names: str, whole_fractions: bool = False) -> int | None:
        """Read a count from the first of these fields that is there; None = not known.

        Args:
            names: spellings of one and the same field.
            whole_fractions: accept 431.0 as 431, for providers whose schema declares counts as fractions.
        """
        self._known.update(names)
        for name in names:
            value = self._raw.get(name)
            if value is None:
                continue
            if type(value) is int and 0 <= value <= LARGEST_COUNT:  # nearly every count of every answer
                return value
            fault = _fault_of_count(value, whole_fractions=whole_fractions)
            if fault is None:
                return int(value)
            self._spoiled.add(name)
            self.flag(fault, f"{self.where(name)} is {shown(value)}")
            return None
        return None

    def counts(self, names: frozenset[str]) -> list[int]:
        """Read a count under every one of these names that is there; for names of which a payload has few or none."""
        self._known |= names
        here = names & self._raw.keys()
        return [count for name in sorted(here) if (count := self.count(name)) is not None] if here else []

    def lacks(self, names: frozenset[str]) -> bool:
        """Mark these fields as known; True when none of them is there, so that reading each would find nothing."""
        self._known |= names
        here = names & self._raw.keys()
        return not here or all(self._raw[name] is None for name in here)

    def usd(self, name: str) -> Decimal | None:
        """Read an amount of US dollars; None = not stated."""
        self._known.add(name)
        value = self._raw.get(name)
        if value is None:
            return None
        amount = _as_decimal(value)
        if amount is None or not amount.is_finite():
            self._refuse("not_an_amount", name, value)
            return None
        if amount < 0:
            self._refuse("negative_amount", name, value)
            return None
        if amount > LARGEST_USD or _digits(amount) > 60:
            self._refuse("amount_too_large", name, value)
            return None
        return amount

    def text(self, *names: str) -> str | None:
        """Read a text; None = absent, null or empty."""
        self._known.update(names)
        for name in names:
            value = self._raw.get(name)
            if value is None:
                continue
            if isinstance(value, str):
                return value or None
            self._refuse("not_a_text", name, value)
            return None
        return None

    def truth(self, name: str) -> bool | None:
        """Read true or false; None = not stated."""
        self._known.add(name)
        value = self._raw.get(name)
        if value is None or isinstance(value, bool):
            return value
        self._refuse("not_true_or_false", name, value)
        return None

    def part(self, *names: str) -> Fields:
        """Open a nested object; an absent one is empty."""
        self._known.update(names)
        name = self._first(names)
        raw = self._raw.get(name)
        part = Fields(raw, path=self.where(name), flags=self.flags)
        if part.is_object:
            self._parts.append(part)
        elif raw is not None:
            self._spoiled.add(name)
        return part

    def rows(self, *names: str) -> list[Fields]:
        """Open a list of objects; an absent one is empty."""
        self._known.update(names)
        name = self._first(names)
        value = self._raw.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self._refuse("not_a_list", name, value)
            return []
        rows = [Fields(row, path=f"{self.where(name)}[{index}]", flags=self.flags) for index, row in enumerate(value)]
        for row in rows:
            if not row.is_object:
                self._spoiled.add(name)
        self._parts.extend(rows)
        return rows

    def unknown(self) -> dict[str, object]:
        """Return what nobody asked for, by path, as received."""
        found: dict[str, object] = {}
        if not self._raw.keys() <= self._known:
            found = {self.where(str(name)): value for name, value in self._raw.items() if name not in self._known}
        for part in self._parts:
            found.update(part.unknown())
        return found

    def _first(self, names: tuple[str, ...]) -> str:
        """The first of these names under which something stands; the first of all where nothing does."""
        for name in names:
            if self._raw.get(name) is not None:
                return name
        return names[0]

    def _refuse(self, fault: str, name: str, value: object) -> None:
        self._spoiled.add(name)
        self.flag(fault, f"{self.where(name)} is {shown(value)}")


def _fault_of_count(value: object, *, whole_fractions: bool) -> str | None:
    """Name what is wrong with a count; None = nothing."""
    if whole_fractions and isinstance(value, float | Decimal) and _is_whole(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return "not_a_count"
    if value < 0:
        return "negative_count"
    return "count_too_large" if value > LARGEST_COUNT else None


def _is_whole(value: float | Decimal) -> bool:
    number = Decimal(value)
    return number.is_finite() and abs(number) <= LARGEST_COUNT and number == int(number)


def _as_decimal(value: object) -> Decimal | None:
    """Take a JSON number as Decimal; a float by its shortest spelling, which is what the provider wrote.

    Gateways that count in decimals write an amount as text ("0.00254674" in Vercel's answers), in plain digits.
    """
    if isinstance(value, str):
        return Decimal(value) if _AMOUNT.fullmatch(value) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, int):
        return Decimal(value) if abs(value) <= LARGEST_COUNT else Decimal("Infinity")
    return None


def _digits(amount: Decimal) -> int:
    """Places that an exact sum would need; guards against 1e-999999."""
    _, digits, exponent = amount.as_tuple()
    return len(digits) + abs(int(exponent))
