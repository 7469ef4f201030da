"""Rooms and names: loose modules, files in a folder, files that share a name, lines of code."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter, defaultdict

from benchmarks.house.checkout import Checkout, Measured, Source

EVERYWHERE = {"__init__", "__main__", "values"}
"""Names that may stand in several rooms: a room's door, its command, its nouns."""
MIRRORS = ("harness/cli", "harness/sandbox/sandboxed")
"""Folders whose files are named after what they stand for elsewhere: commands, and the far side of the sandbox."""
FLOORS = ("harness/ledger", "harness/reports")
_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def loose_modules(checkout: Checkout) -> Measured:
    """Modules directly in `harness/`, the package's door and its command apart."""
    loose = [
        source.name
        for source in checkout.sources
        if source.folder == "harness" and source.stem not in ("__init__", "__main__")
    ]
    return Measured(len(loose), tuple(loose))


def largest_folder(checkout: Checkout) -> Measured:
    """The most Python files that lie in one folder below `harness/`, whose own modules are counted apart."""
    return _most({name: n for name, n in _files_by_folder(checkout).items() if name != "harness"})


def largest_floor(checkout: Checkout) -> Measured:
    """The most Python files in one folder of the ledger and the reports."""
    return _most({name: n for name, n in _files_by_folder(checkout).items() if name.startswith(FLOORS)})


def _files_by_folder(checkout: Checkout) -> Counter[str]:
    return Counter(source.folder for source in checkout.sources)


def _most(counts: dict[str, int]) -> Measured:
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return Measured(ordered[0][1], tuple(f"{name}: {n}" for name, n in ordered))


def repeated_names(checkout: Checkout) -> Measured:
    """File names that stand in more than one folder, mirrors and the names of every room apart."""
    places: dict[str, list[str]] = defaultdict(list)
    for source in checkout.sources:
        if source.stem not in EVERYWHERE and not source.folder.startswith(MIRRORS) and "migrations" not in source.name:
            places[source.stem].append(source.name)
    repeated = {stem: names for stem, names in places.items() if len(names) > 1}
    return Measured(len(repeated), tuple(f"{stem}: {', '.join(names)}" for stem, names in sorted(repeated.items())))


def code_lines(checkout: Checkout) -> Measured:
    """Lines that hold code: without blank lines, comments, and texts that stand alone (docstrings)."""
    counts = [(len(_lines(source)), source.name) for source in checkout.sources]
    largest = sorted(counts, reverse=True)[:20]
    return Measured(sum(n for n, _ in counts), tuple(f"{name}: {n}" for n, name in largest))


def _lines(source: Source) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    lines = {n for token in tokens if token.type not in _LAYOUT for n in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines
