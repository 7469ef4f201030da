"""What a command has to say, in every form that an output format may ask for; each is made when it is asked for.

Pure. Data flows reports -> `Document` -> `harness.rendering.formats`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.documents.page import Page
from harness.documents.table import Sentences, Table, Verbatim

Form = Literal["terminal", "markdown", "fields", "page", "rows"]
Paragraphs: TypeAlias = Sequence[Table | Sentences | Verbatim]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One thing to say, form by form; None = it has no such form.

    Attributes:
        terminal: sentences, tables and texts for a line of so many characters; None = any number.
        markdown: sentences, tables and texts for a file that people read.
        fields: the JSON object; dollars are decimals or strings of them.
        page: the page.
        rows: one table with a typed column per fact, for files that programs read.
    """

    terminal: Callable[[int | None], Paragraphs]
    markdown: Callable[[], Paragraphs]
    fields: Callable[[], Mapping[str, object]]
    page: Callable[[], Page] | None = None
    rows: Callable[[], Table] | None = None
