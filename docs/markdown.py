"""Small pieces of Markdown for the reference pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table; pipes and line breaks in cells are escaped."""
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def docstring(thing: object) -> str:
    """Read a docstring without its indentation, or an empty text."""
    return inspect.cleandoc(getattr(thing, "__doc__", None) or "")


def prose(thing: object) -> str:
    """Read the docstring up to its first section (`Args:`, `Attributes:`, ...)."""
    return re.split(r"\n\s*\n?(?:Args|Attributes|Returns|Raises):\n", docstring(thing))[0].strip()


def attributes(thing: object) -> dict[str, str]:
    """Read what the `Attributes:` section of a docstring says about each name."""
    section = re.search(r"Attributes:\n(.*?)(?:\n\S|\Z)", docstring(thing), re.DOTALL)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.group(1).splitlines() if section else ():
        head = re.match(r" {4}([a-z_0-9]+(?:, [a-z_0-9]+)*): (.*)", line)
        if head:
            names = head.group(1).split(", ")
            found |= dict.fromkeys(names, head.group(2).strip())
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
