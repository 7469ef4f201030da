"""A checkout to be measured: its Python sources, parsed once, and its import graph."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One Python file; `name` is its path from the checkout's folder, with slashes."""

    name: str
    text: str
    tree: ast.Module

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return Path(self.name).stem

    @property
    def folder(self) -> str:
        """The folder that the file lies in."""
        return str(Path(self.name).parent)


@dataclass(frozen=True)
class Checkout:
    """The package `harness` under a folder."""

    root: Path

    @cached_property
    def sources(self) -> list[Source]:
        """Every Python file of the package."""
        files = sorted((self.root / "harness").rglob("*.py"))
        texts = [(path.relative_to(self.root).as_posix(), path.read_text(encoding="utf-8")) for path in files]
        return [Source(name, text, ast.parse(text)) for name, text in texts]


@dataclass(frozen=True)
class Measured:
    """A figure and the things that were counted."""

    value: int
    things: tuple[str, ...] = ()


def texts(tree: ast.AST) -> Iterator[str]:
    """Every string of a program apart from docstrings, an f-string as one text with `{}` for its values."""
    passed_over = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            passed_over.update(id(part) for part in node.values)
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in passed_over:
            yield node.value
