"""Table -> terminal, through rich: fits the width it is given, colours only where the terminal wants them."""

from __future__ import annotations

from typing import IO

from harness.rendering.cells import is_number, readable
from harness.rendering.printable import on_one_line, printable
from harness.tables import Table

PLAIN_WIDTH = 120
"""Width of output that does not go to a terminal."""

LONGEST_WORD = 24
"""Text columns never break words up to this length: a model name stays one word where it can."""


def output_width(file: IO[str] | None = None) -> int:
    """Give the width of the terminal behind a file (default stdout), or `PLAIN_WIDTH` when it is none."""
    from rich.console import Console

    console = Console(file=file)
    return console.width if console.is_terminal else PLAIN_WIDTH


def print_table(table: Table, *, file: IO[str] | None = None, width: int | None = None) -> None:
    """Print a table with its title and notes; wide text columns wrap, numbers never do."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    console = Console(file=file, width=width or output_width(file), highlight=False)
    if table.title:
        console.print(Text(on_one_line(table.title), style="bold"))
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for place, column in enumerate(table.columns):
        right = is_number(column)
        words = [word for row in table.rows for word in readable(row[place], column).split()]
        grid.add_column(
            column.title or column.name,
            justify="right" if right else "left",
            no_wrap=right,
            overflow="fold",
            min_width=None if right else min(LONGEST_WORD, max(map(len, words), default=0)),
        )
    for row in table.rows:
        grid.add_row(*(Text(readable(value, column)) for value, column in zip(row, table.columns, strict=True)))
    console.print(grid)
    for note in table.notes:
        console.print(Text(f"* {printable(note)}"))
    console.print()
