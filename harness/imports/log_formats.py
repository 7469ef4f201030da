"""What a format is to this package: how it is recognised, which files belong together, who reads them, what it lacks.

Data flows files -> `Format.role_of`, `Format.unit_of` -> `Source` (the files of one unit) -> `Format.read` -> records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.imports.containers.log_files import LogFile
from harness.imports.log_peeks import Peek, peek
from harness.imports.log_records import Record
from harness.imports.refusal import ImportRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A recognised file.

    Attributes:
        role: what the format calls it (`input`, `output`, `results`, ...).
    """

    file: LogFile
    role: str

    @property
    def name(self) -> str:
        """Its path below what the user named, for messages."""
        return self.file.name

    @property
    def look(self) -> Peek:
        """Look into it again: of thousands of files not every first look can be kept."""
        return peek(self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files of one unit, which are imported together or not at all.

    Attributes:
        files: in the order of their names.
        texts: whether prompts and answers are wanted (`ImportedAttempt.said`); leave them out otherwise.
    """

    files: tuple[SourceFile, ...]
    texts: bool = False

    def of(self, *roles: str) -> list[SourceFile]:
        """List the files with one of these roles."""
        return [file for file in self.files if file.role in roles]

    def one(self, role: str) -> SourceFile | None:
        """Give the file with this role; None = there is none.

        Raises:
            ImportRefused: there are several.
        """
        found = self.of(role)
        if len(found) > 1:
            names = ", ".join(file.name for file in found)
            raise ImportRefused(f"several {role} files for one run", where=names, fix="import them one by one")
        return found[0] if found else None


def alone(path: Path, role: str) -> Path:  # noqa: ARG001  # one of several rules
    """Say that each file is a unit of its own."""
    return path


def by_folder(path: Path, role: str) -> Path:  # noqa: ARG001  # one of several rules
    """Say that the files of one folder belong together."""
    return path.parent


def together(path: Path, role: str) -> Path:  # noqa: ARG001  # one of several rules
    """Say that all files of the format that were named belong together."""
    return Path()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format of logs. Each reader's module ends in one, and `harness.imports.known_formats` lists them.

    Attributes:
        name: as people type it after `--format`, and as the ledger keeps it (`inspect`).
        title: the tool, for people ("Inspect AI").
        looks_for: what it is recognised by, for messages ("a zip with _journal/start.json").
        role_of: gives the role of a file of this format; None = it is none. Look at the content, never raise.
        read: makes records of one unit. None = the format is known and never imported, as `refusal` says.
        refusal: why it is not imported and what to do instead ("holds no tokens; export JSON").
        unit_of: names the unit that a file belongs to: `alone`, `by_folder`, `together`, or a rule of the format.
        example: what to type after `benchtab import`, for the page of all formats.
        cannot_tell: what logs of this format do not hold, a short sentence each, for that page and for reports.
    """

    name: str
    title: str
    looks_for: str
    role_of: Callable[[Peek], str | None]
    read: Callable[[Source], Iterator[Record]] | None
    refusal: str | None = None
    unit_of: Callable[[Path, str], Path] = alone
    example: str = "FILE"
    cannot_tell: tuple[str, ...] = ()
