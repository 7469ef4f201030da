"""From what a person named to units: files found, recognised, and put together where several of them make one run.

Data flows paths -> `LogFile`s -> `Peek` -> format and role -> `Unit`, or the reason why a file is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.imports.containers.log_files import LogFile
from harness.imports.known_formats import recognised
from harness.imports.log_formats import Format, SourceFile
from harness.imports.log_peeks import peek
from harness.imports.refusal import ImportRefused

SIDECARS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a file; it is read with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Files that are imported together or not at all."""

    format: Format
    files: tuple[SourceFile, ...]

    @property
    def name(self) -> str:
        """For messages: its file, or the first of them."""
        first = self.files[0].name
        return first if len(self.files) == 1 else f"{first} and {len(self.files) - 1} more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file or a unit that is not imported.

    Attributes:
        asked_for: it was named itself, or is a log that cannot be read: the command fails.
    """

    name: str
    error: ImportRefused
    asked_for: bool


def found_files(named: Sequence[Path]) -> Iterator[tuple[LogFile, bool]]:
    """Find the files that were named, and those in folders that were named; True = itself was named.

    Raises:
        ImportRefused: there is no such file or folder.
    """
    seen: set[Path] = set()
    for path in named:
        if not path.exists():
            raise ImportRefused("there is no such file or folder", where=str(path))
        if path.is_dir():
            inside = [one for one in sorted(path.rglob("*")) if one.is_file() and not one.name.endswith(SIDECARS)]
            files = [(LogFile(one, str(Path(path.name) / one.relative_to(path))), False) for one in inside]
        else:
            files = [(LogFile(path, path.name), True)]
        for file, is_named in files:
            real = file.path.resolve()
            if real not in seen:
                seen.add(real)
                yield file, is_named


def units(named: Sequence[Path], asked: Format | None = None) -> tuple[list[Unit], list[Refused]]:
    """Recognise all files and put them together.

    Args:
        asked: the format of all of them; None = as their contents say.

    Returns:
        Units in the order of their first files, and what is not read. A file inside a folder that is no log at all (a
        README) is among the latter, too, as not asked for.

    Raises:
        ImportRefused: there is no such file or folder.
    """
    together: dict[tuple[str, Path], list[SourceFile]] = {}
    formats: dict[str, Format] = {}
    refused: list[Refused] = []
    for file, is_named in found_files(named):
        try:
            look = peek(file)
        except ImportRefused as error:
            refused.append(Refused(name=file.name, error=error, asked_for=True))
            continue
        try:
            fmt, role = recognised(look, asked)
        except ImportRefused as error:
            refused.append(Refused(name=file.name, error=error, asked_for=is_named))
            continue
        formats[fmt.name] = fmt
        key = fmt.name, fmt.unit_of(file.path, role)
        together.setdefault(key, []).append(SourceFile(file=file, role=role))
    made = [
        Unit(format=formats[name], files=tuple(sorted(files, key=lambda one: one.name)))
        for (name, _), files in together.items()
    ]
    return made, refused
