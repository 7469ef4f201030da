"""The output formats, each in one place: which files are of it, what of a document it writes, and how.

Data flows `Document` -> text, or rows -> a file. Every command that writes reads `FORMATS`, and so does its help.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from harness.documents.document import Document, Form
from harness.documents.stream import RowStream
from harness.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format.

    Attributes:
        form: what of a document it writes; a command offers the formats whose form its documents have.
        endings: of files, the usual one first.
        text: writes a document; None = it is no text, so that only a file can hold it.
        show: prints a document on a terminal, where that is more than printing its text.
        file: writes rows to a file as they come and gives their number; None = it holds no rows for programs.
        is_typed: its numbers have types, so that dollars can be told to be floats.
    """

    form: Form
    endings: tuple[str, ...]
    text: Callable[[Document], str] | None = None
    show: Callable[[Document], None] | None = None
    file: Callable[[RowStream, Path], int] | None = None
    is_typed: bool = False


def _printed(document: Document) -> str:
    from harness.rendering.console import output_width, print_paragraphs

    out = io.StringIO()
    print_paragraphs(document.terminal(output_width(out)), file=out)
    return out.getvalue()


def _print(document: Document) -> None:
    from harness.rendering.console import output_width, print_paragraphs

    print_paragraphs(document.terminal(output_width()))


def _json(document: Document) -> str:
    from harness.rendering.json_text import to_json

    return to_json(document.fields()) + "\n"


def _markdown(document: Document) -> str:
    from harness.rendering.markdown import to_markdown

    return to_markdown(document.markdown())


def _csv(document: Document) -> str:
    from harness.rendering.csv_text import write_csv

    assert document.rows is not None  # a command whose documents have none does not offer the format
    out = io.StringIO()
    write_csv(document.rows(), out)
    return out.getvalue()


def _html(document: Document) -> str:
    from harness.rendering.html.html_page import to_html

    assert document.page is not None  # see `_csv`
    return to_html(document.page())


def _csv_file(rows: RowStream, output: Path) -> int:
    from harness.rendering.stream_files import write_stream_csv

    return write_stream_csv(rows, output)


def _workbook(rows: RowStream, output: Path) -> int:
    from harness.rendering.workbooks import write_stream_xlsx

    return write_stream_xlsx(rows, output)


def _parquet(rows: RowStream, output: Path) -> int:
    from harness.rendering.stream_files import write_stream_parquet

    return write_stream_parquet(rows, output)


FORMATS: dict[str, Format] = {
    "table": Format(form="terminal", endings=(".txt",), text=_printed, show=_print),
    "json": Format(form="fields", endings=(".json",), text=_json),
    "md": Format(form="markdown", endings=(".md", ".markdown"), text=_markdown),
    "csv": Format(form="rows", endings=(".csv",), text=_csv, file=_csv_file),
    "html": Format(form="page", endings=(".html", ".htm"), text=_html),
    "parquet": Format(form="rows", endings=(".parquet",), file=_parquet, is_typed=True),
    "xlsx": Format(form="rows", endings=(".xlsx",), file=_workbook),
}
"""By the name that `--format` takes, in the order in which help lists them."""

PEOPLE: frozenset[Form] = frozenset({"terminal", "markdown", "fields"})
"""Forms that whatever a command says has."""
EVERY_FORM: frozenset[Form] = PEOPLE | {"page", "rows"}


def text_formats(forms: Collection[Form]) -> list[str]:
    """Name the formats that can be printed, among those of some forms."""
    return [name for name, each in FORMATS.items() if each.form in forms and each.text is not None]


def file_endings(forms: Collection[Form], *, rows: bool = False) -> list[str]:
    """List the endings of files that can be written; `rows` = only formats that take them as they come."""
    return [ending for each in FORMATS.values() if each.form in forms and (each.file is not None or not rows)
            for ending in each.endings]  # fmt: skip


def in_words(names: Collection[str]) -> str:
    """List names for help: `table, json or md`."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def by_ending(output: Path, forms: Collection[Form]) -> str | None:
    """Name the format that a file's ending says; None = none of these forms."""
    ending = output.suffix.lower()
    return next((name for name, each in FORMATS.items() if each.form in forms and ending in each.endings), None)


def checked(asked: str, forms: Collection[Form]) -> str:
    """Give the name of a format that can be printed.

    Raises:
        InputError: there is none of that name, or not of these forms.
    """
    known = text_formats(forms)
    if asked not in known:
        raise InputError(f"no format {asked!r}", where="--format", fix=f"one of: {', '.join(known)}")
    return asked


def chosen_format(asked: str | None, output: Path | None) -> str:
    """Choose how to write a document that has every form: as asked, else by the file's ending, else as a table.

    Raises:
        InputError: no such format, an ending that says none, or one that says another than asked.
    """
    if asked is not None:
        checked(asked, EVERY_FORM)
    if output is None:
        return asked or "table"
    told = by_ending(output, EVERY_FORM)
    if asked is None:
        return told or _untold(output)
    if told not in (None, "table", asked):  # a .txt may hold any text
        raise InputError(
            f"{output.name!r} says {told}, --format says {asked}",
            where="-o",
            fix="leave --format out, or rename the file",
        )
    return asked


def _untold(output: Path) -> NoReturn:
    raise InputError(
        f"no format is known for {output.name!r}",
        where="-o",
        fix=f"end it with one of {', '.join(file_endings(EVERY_FORM))}, or name a --format"
        + ("; for Excel: .xlsx" if output.suffix.lower().startswith(".xls") else ""),
    )
