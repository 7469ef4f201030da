"""Table -> GitHub-flavoured Markdown; nothing in a value becomes a link, an image or markup of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.documents.table import NUMBER_KINDS, Column, Sentences, Table, Verbatim
from harness.rendering.cells import readable
from harness.rendering.printable import on_one_line, printable


def to_markdown(paragraphs: Iterable[Table | Sentences | Verbatim]) -> str:
    """Write tables, sentences and texts one below the other, each with its title, tables with their notes."""
    return "\n".join("\n".join(_written(each)) for each in paragraphs)


def _written(each: Table | Sentences | Verbatim) -> Iterable[str]:
    if isinstance(each, Table):
        return _lines(each)
    return _fenced(each) if isinstance(each, Verbatim) else _listed(each)


def _fenced(verbatim: Verbatim) -> Iterable[str]:
    """Write a text as code, whose fence is longer than any in it."""
    text = printable(verbatim.text)
    fence = "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))
    yield f"### {_escape(verbatim.title)}"
    yield ""
    yield f"{fence}text"
    yield text
    yield fence
    yield ""


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


_TICKS = re.compile("`+")
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
