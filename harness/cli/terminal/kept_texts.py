"""What a command had to say of a large ledger, kept in a folder of caches for the next time that nothing has changed.

Data flows question + marks of ledger, prices and program -> a file's name; text -> file -> the same text, or None.
A file that is broken, foreign or of another question is as good as none. `$BENCHTAB_CACHE` names the folder, and an
empty one keeps nothing; else it lies where the XDG base directory specification has caches.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from harness.documents.document import Paragraphs
from harness.documents.table import Column, Sentences, Table
from harness.ledger.marks.kept_files import keep_file, touch_kept

KEPT = "benchtab kept text 1"
MOST_BYTES = 64 << 20
MOST_FILES = 200
_SUFFIX = ".kept"


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Say where texts are kept; None = nowhere."""
    asked = environment.get("BENCHTAB_CACHE")
    if asked is not None:
        return Path(asked).expanduser() if asked else None
    base = environment.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(base):  # noqa: PTH117  # the specification has a relative one ignored
        home = environment.get("HOME", "")
        if not home:
            return None
        base = f"{home}/.cache"
    return Path(base) / "benchtab"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptText:
    """The place of one text.

    Attributes:
        key: all that it depends on, the question included.
    """

    folder: Path
    key: str

    @classmethod
    def of(cls, folder: Path, depends_on: Mapping[str, object]) -> KeptText:
        """Find the place of a text by what it depends on; values are those of JSON."""
        return cls(folder=folder, key=hashlib.sha256(orjson.dumps(depends_on, option=orjson.OPT_SORT_KEYS)).hexdigest())

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"{self.key[:40]}{_SUFFIX}"

    def read(self) -> str | None:
        """Give the text; None where it is not kept, or what lies there is not it."""
        try:
            head, _, body = self.path.read_bytes().partition(b"\n")
            if head != self._head(body):
                return None
            touch_kept(self.path)
            return body.decode()
        except (OSError, UnicodeDecodeError):
            return None

    def write(self, text: str) -> None:
        """Keep a text; a folder that cannot be written to keeps nothing."""
        body = text.encode("utf-8", "surrogatepass")
        keep_file(
            self.path,
            lambda file: file.write(self._head(body) + b"\n" + body),
            most_bytes=MOST_BYTES,
            most_files=MOST_FILES,
        )

    def _head(self, body: bytes) -> bytes:
        return json.dumps([KEPT, self.key, len(body), hashlib.sha256(body).hexdigest()]).encode()


def files_mark(folders: Sequence[Path], *, by_content: bool = False) -> str:
    """Give a digest of all files in folders: their names with sizes and times, or with their contents."""
    found = hashlib.sha256()
    for folder in folders:
        for root, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if name != "__pycache__")
            for name in sorted(files):
                path = f"{root}/{name}"
                found.update(path.encode("utf-8", "surrogateescape") + b"\0")
                if by_content:
                    found.update(hashlib.sha256(Path(path).read_bytes()).digest())
                else:
                    told = os.stat(path)  # noqa: PTH116  # hundreds of files: a Path costs more than the call
                    found.update(b"%d %d" % (told.st_size, told.st_mtime_ns))
    return found.hexdigest()


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
