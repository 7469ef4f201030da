"""Table -> GitHub-flavoured Markdown; pipes and line breaks in values are escaped."""

from __future__ import annotations

from collections.abc import Iterable

from harness.rendering.cells import is_number, readable
from harness.tables import Table


def to_markdown(tables: Iterable[Table]) -> str:
    """Write tables one below the other, each with its title and notes."""
    return "\n".join("\n".join(_lines(table)) for table in tables)


def _lines(table: Table) -> Iterable[str]:
    if table.title:
        yield f"### {_escape(table.title)}"
        yield ""
    yield "| " + " | ".join(_escape(column.title or column.name) for column in table.columns) + " |"
    yield "| " + " | ".join("---:" if is_number(column) else "---" for column in table.columns) + " |"
    for row in table.rows:
        cells = (readable(value, column) for value, column in zip(row, table.columns, strict=True))
        yield "| " + " | ".join(_escape(cell) for cell in cells) + " |"
    yield ""
    for note in table.notes:
        yield f"- {_escape(note)}"
    if table.notes:
        yield ""


def _escape(text: str) -> str:
    for raw, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("\r", " "), ("\n", " ")):
        text = text.replace(raw, safe)
    return text
