"""Table -> terminal, through rich: fits the width it is given, colours only where the terminal wants them."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from harness.documents.document import Paragraphs
from harness.documents.table import Sentences, Table, Verbatim
from harness.rendering.narrow import GAP, Fitted, dropped_note, fit
from harness.rendering.printable import on_one_line, printable

if TYPE_CHECKING:
    from rich.table import Table as RichTable

WIDEST = 100_000
"""What rich is told where there is no width to keep to."""


def output_width(file: IO[str] | None = None) -> int | None:
    """Give the width to print for: $COLUMNS where it is set, else the terminal's; None = a pipe or file, any width.

    Args:
        file: default stdout.
    """
    from rich.console import Console

    asked = os.environ.get("COLUMNS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    console = Console(file=file)
    return console.width if console.is_terminal else None


def print_table(table: Table, *, file: IO[str] | None = None, width: int | None = None) -> None:
    """Print a table with its title and notes.

    Numbers and ids are never cut: columns that do not fit are left out by importance, and named below the table. In a
    pipe every row is one line with all its columns.
    """
    from rich.console import Console
    from rich.text import Text

    width = width or output_width(file)
    fitted = fit(table, width)
    console = Console(file=file, width=width or WIDEST, highlight=False)
    if table.title:
        console.print(Text(on_one_line(table.title), style="bold"))
    if table.rows or not table.notes:
        console.print(grid(fitted))
    note = dropped_note(fitted, width) if width and table.rows else None
    for text in (*table.notes, *([note] if note else [])):
        console.print(Text(f"* {printable(text)}"))
    console.print()


def print_paragraphs(paragraphs: Paragraphs, *, file: IO[str] | None = None) -> None:
    """Print tables, sentences and texts, one below the other."""
    for each in paragraphs:
        if isinstance(each, Table):
            print_table(each, file=file)
        elif isinstance(each, Verbatim):
            _print_text(each, file)
        else:
            _print_sentences(each, file)


def _print_sentences(sentences: Sentences, file: IO[str] | None) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, width=output_width(file) or WIDEST, highlight=False)
    console.print(Text(sentences.title, style="bold"))
    for line in sentences.lines:
        console.print(Text(f"* {printable(line)}"))
    console.print()


def _print_text(verbatim: Verbatim, file: IO[str] | None) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, width=output_width(file) or WIDEST, highlight=False)
    console.print(Text(verbatim.title, style="bold"))
    console.print(Text(printable(verbatim.text)), soft_wrap=output_width(file) is None)
    console.print()


def grid(fitted: Fitted, *, ruled: bool = True) -> RichTable:
    """Make rich's table of one that fits; `ruled` draws a line under the headings."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    space = GAP - 1 if ruled else GAP  # the line brings a space of its own
    made = RichTable(box=box.SIMPLE_HEAD if ruled else None, pad_edge=False, padding=(0, space, 0, 0), show_edge=False)
    for column in fitted.columns:
        made.add_column(
            Text(column.heading),
            justify="right" if column.is_number else "left",
            width=column.width,
            overflow="fold",
        )
    for row in fitted.rows:
        made.add_row(*map(Text, row))
    return made
