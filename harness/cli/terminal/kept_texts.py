"""What a command had to say of a large ledger, kept in a folder of caches for the next time that nothing has changed.

Data flows question + marks of ledger, prices and program -> a kept file; text -> file -> the same text, or None.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.documents.document import Paragraphs
from harness.documents.table import Column, Sentences, Table
from harness.ledger.marks.kept_files import KeptFile, Shelf

MOST_BYTES = 64 << 20
MOST_FILES = 200


@dataclass(frozen=True, slots=True)
class KeptText:
    """The place of one text."""

    file: KeptFile

    @classmethod
    def of(cls, folder: Path, depends_on: Mapping[str, object]) -> KeptText:
        """Find the place of a text by all that it depends on, the question included; values are those of JSON."""
        shelf = Shelf(folder=folder, most_bytes=MOST_BYTES, most_files=MOST_FILES)
        return cls(KeptFile(shelf=shelf, name=depends_on, depends_on=None))

    def read(self) -> str | None:
        """Give the text; None where it is not kept, or what lies there is not it."""
        parts = self.file.read()
        try:
            return None if parts is None else bytes(parts[0]).decode()
        except UnicodeDecodeError:
            return None

    def write(self, text: str) -> None:
        """Keep a text; a folder that cannot be written to keeps nothing."""
        self.file.keep([text.encode("utf-8", "surrogatepass")])


def paragraphs_text(paragraphs: Paragraphs) -> str | None:
    """Write tables and sentences as JSON; None where there is more than those, and texts and numbers in their cells."""
    kept = [each for each in paragraphs if isinstance(each, Table | Sentences)]
    try:
        return json.dumps([_plain(each) for each in kept], ensure_ascii=False) if len(kept) == len(paragraphs) else None
    except TypeError:
        return None


def _plain(each: Table | Sentences) -> Mapping[str, object]:
    if isinstance(each, Sentences):
        return {"title": each.title, "lines": each.lines}
    columns = [{name: getattr(column, name) for name in Column.__dataclass_fields__} for column in each.columns]
    return {"name": each.name, "title": each.title, "columns": columns, "rows": list(each.rows), "notes": each.notes}


def read_paragraphs(text: str) -> list[Table | Sentences]:
    """Read them back."""
    return [
        Table(
            name=each["name"],
            title=each["title"],
            columns=tuple(Column(**column) for column in each["columns"]),
            rows=[tuple(row) for row in each["rows"]],
            notes=tuple(each["notes"]),
        )
        if "columns" in each
        else Sentences(title=each["title"], lines=tuple(each["lines"]))
        for each in json.loads(text)
    ]
