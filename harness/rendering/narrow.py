"""Which columns of a table a narrow terminal gets, and how wide: numbers and ids whole, or not at all and named.

Pure. Data flows Table + width -> `Fitted` -> `console`. Columns leave by importance (`Column.drops`), names of models
are shortened so that their settings stay, and long sentences wrap at words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from harness.documents.table import NUMBER_KINDS, Column, Table
from harness.rendering.cells import readable, readable_columns
from harness.rendering.short_names import short_name, short_names, stay_distinct

GAP = 2
"""Spaces between columns."""
_MODEL = re.compile(r"[\w.-]+/[^\s,;]+")
"""A model within a sentence or a list."""
ROOMY, TIGHT = 24, 12
"""Letters that a name or a word keeps, while less important columns can leave and when none can."""
TITLE = 18
"""Letters that a heading over numbers keeps."""
EMPTY = 1_000
"""Rank of a column without any value."""
_NAME = re.compile(r"\S+( \([^()]*\))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedColumn:
    """One column as it is printed; its texts are no wider than its width, or wrap at words."""

    heading: str
    texts: tuple[str, ...]
    width: int
    is_number: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A table that fits.

    Attributes:
        width: of the whole table.
        dropped: headings of the columns that did not fit.
    """

    columns: tuple[FittedColumn, ...]
    width: int
    dropped: tuple[str, ...] = ()

    @property
    def rows(self) -> Iterator[tuple[str, ...]]:
        """The texts, row by row."""
        return zip_longest(*(column.texts for column in self.columns), fillvalue="")


@dataclass(frozen=True, slots=True)
class _Shown:
    """A column before its width is chosen; `headings` are those of the whole table, which have to stay distinct."""

    place: int
    column: Column
    headings: tuple[str, ...]
    texts: tuple[str, ...]

    @property
    def heading(self) -> str:
        return self.headings[self.place]

    @property
    def natural(self) -> int:
        """Width at which nothing wraps or is shortened."""
        return max(map(cells_wide, (self.heading, *self.texts)))

    @property
    def is_number(self) -> bool:
        return self.column.kind in NUMBER_KINDS

    @property
    def is_name(self) -> bool:
        """Whether the column holds names, not sentences: they have no words to wrap at."""
        return self.column.kind == "text" and all(_NAME.fullmatch(text) for text in self.texts if text)

    def floor(self, wanted: int) -> int:
        """Smallest width at which everything in the column still says what it has to say."""
        longest = max(map(cells_wide, self.texts), default=0)
        if self.is_number or self.column.whole or self.column.kind == "timestamp":
            return max(_title_width(self.headings, self.heading), longest)
        enough = wanted
        if self.is_name:
            enough = next((width for width in range(wanted, longest) if stay_distinct(self.texts, width)), longest)
        return max(min(_longest_word(self.heading), wanted), min(longest, enough))

    @property
    def drops(self) -> int:
        """How soon the column leaves: one without any value before all that have some."""
        nothing = readable(None, self.column)
        return EMPTY if self.column.drops and all(text == nothing for text in self.texts) else self.column.drops

    def at(self, width: int) -> FittedColumn:
        """Set the column at a width."""
        texts, heading = self.texts, self.heading
        if self.is_name and not self.column.whole:
            texts = tuple(short_names(texts, width))
        elif not self.is_number and not self.column.whole:
            texts = tuple(_MODEL.sub(lambda found: short_name(found.group(), width - 1), text) for text in texts)
        if _longest_word(heading) > width:
            heading = short_names(self.headings, width)[self.place]
        return FittedColumn(heading=heading, texts=texts, width=width, is_number=self.is_number)


def _title_width(headings: Sequence[str], heading: str) -> int:
    """Width of a heading over numbers: it wraps at words; one that is a long name is shortened."""
    longest = _longest_word(heading)
    return next((width for width in range(TITLE, longest) if stay_distinct(headings, width)), longest)


def _longest_word(text: str) -> int:
    return max(map(cells_wide, text.split()), default=0)


def cells_wide(text: str) -> int:
    """Count the terminal cells of a text; East Asian characters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def fit(table: Table, width: int | None) -> Fitted:
    """Choose columns and widths.

    Args:
        width: of the terminal, in cells; None = as wide as the content needs, on one line per row.
    """
    shown = _shown(table)
    if width is None or _total([one.natural for one in shown]) <= width:
        return _set(shown, [one.natural for one in shown])
    kept, wanted = _kept(shown, width)
    widths = _shared_out([one.floor(wanted) for one in kept], kept, width)
    places = {one.place for one in kept}
    dropped = tuple(one.heading for one in shown if one.place not in places)
    return _set(kept, widths, dropped)


def _shown(table: Table) -> list[_Shown]:
    headings = tuple(column.title or column.name for column in table.columns)
    columns = zip(table.columns, readable_columns(table), strict=True)
    return [_Shown(place, column, headings, texts) for place, (column, texts) in enumerate(columns)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * max(0, len(widths) - 1)


def _kept(shown: Sequence[_Shown], width: int) -> tuple[list[_Shown], int]:
    """Let columns leave until the rest fits: the less important first, then those on the right, never the first."""
    kept = list(shown)
    for wanted in (ROOMY, TIGHT):
        while _total([one.floor(wanted) for one in kept]) > width:
            leaving = max(kept, key=lambda one: (one.drops, one.place))
            if len(kept) == 1 or (wanted == ROOMY and not leaving.drops):
                break
            kept.remove(leaving)
        else:
            return kept, wanted
    return kept, TIGHT


def _shared_out(floors: Sequence[int], kept: Sequence[_Shown], width: int) -> list[int]:
    """Give what is left of the width to the columns that lack most: texts first, then headings over numbers."""
    widths = list(floors)
    left = width - _total(widths)
    if left < 0 and len(widths) == 1:  # wider than the terminal even alone: it folds
        return [max(1, width)]
    for numbers in (False, True):
        while left > 0:
            lacks = [(one.natural - widths[at], -at) for at, one in enumerate(kept) if one.is_number is numbers]
            most, place = max(lacks, default=(0, 0))
            if most <= 0:
                break
            widths[-place] += 1
            left -= 1
    return widths


def _set(shown: Sequence[_Shown], widths: Sequence[int], dropped: tuple[str, ...] = ()) -> Fitted:
    columns = tuple(one.at(width) for one, width in zip(shown, widths, strict=True))
    return Fitted(columns=columns, width=_total(widths), dropped=dropped)


def dropped_note(fitted: Fitted, width: int) -> str | None:
    """Name the columns that are not shown; None when all are."""
    if not fitted.dropped:
        return None
    return f"not shown at {width} columns: {', '.join(fitted.dropped)} (a wider terminal, a pipe or --json has them)"
