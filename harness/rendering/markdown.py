"""Table -> GitHub-flavoured Markdown; nothing in a value becomes a link, an image or markup of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.documents.table import NUMBER_KINDS, Column, Sentences, Table
from harness.rendering.cells import readable
from harness.rendering.printable import on_one_line


def to_markdown(paragraphs: Iterable[Table | Sentences]) -> str:
    """Write tables and sentences one below the other, each with its title, tables with their notes."""
    return "\n".join("\n".join(_lines(each) if isinstance(each, Table) else _listed(each)) for each in paragraphs)


def _listed(sentences: Sentences) -> Iterable[str]:
    yield f"### {_escape(sentences.title)}"
    yield ""
    for line in sentences.lines:
        yield f"- {_escape(line)}"
    yield ""


def _lines(table: Table) -> Iterable[str]:
    if table.title:
        yield f"### {_escape(table.title)}"
        yield ""
    yield "| " + " | ".join(_escape(column.title or column.name) for column in table.columns) + " |"
    yield "| " + " | ".join("---:" if column.kind in NUMBER_KINDS else "---" for column in table.columns) + " |"
    for row in table.rows:
        yield "| " + " | ".join(map(_cell, row, table.columns)) + " |"
    yield ""
    for note in table.notes:
        yield f"- {_escape(note)}"
    if table.notes:
        yield ""


def _cell(value: object, column: Column) -> str:
    text = _escaped(readable(value, column))
    return text if column.kind == "link" else _without_links(text)


_MARKUP = re.compile(r"[\\|`*~]")
_LINKS = re.compile(r"(?<=\])(?=[(\[:])|(?<=!)(?=\[)")
"""Where a backslash breaks a link, an image or the definition of either; brackets of intervals stay as they are."""
_AUTOLINKS = re.compile(r"(?i)(?<=www)\.|(?<=http)://|(?<=https)://|(?<=ftp)://")
_CALLS = re.compile(r"(?<!\w)[@#](?=\w)")
"""`@name` and `#1`, which sites turn into links, and `@name` into a message to somebody."""


def _escape(text: str) -> str:
    return _without_links(_escaped(text))


def _escaped(text: str) -> str:
    text = _MARKUP.sub(r"\\\g<0>", on_one_line(text)).replace("&", "&amp;").replace("<", "&lt;")
    return _CALLS.sub(lambda found: f"{found.group()}<!-- -->", _LINKS.sub(r"\\", text))


def _without_links(text: str) -> str:
    return _AUTOLINKS.sub(lambda found: found.group().replace(".", "&#46;").replace(":", "&#58;"), text)
