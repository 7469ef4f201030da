"""Writes the reference pages from the code: commands, API, exports, files that people write, ledger.

    python -m docs.generate           # writes docs/reference/*.md
    python -m docs.generate --check   # ends with 1 when a page is not what the code says

Data flows typer, column, pydantic and SQLAlchemy definitions -> Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from docs import reference_code, reference_files

FOLDER = Path(__file__).resolve().parent / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": reference_code.command_line,
    "python.md": reference_code.python_api,
    "exports.md": reference_code.exports,
    "ledger.md": reference_code.ledger,
    "suites.md": reference_files.suites,
    "prices.md": reference_files.prices,
    "nightly.md": reference_files.nightly,
    "imports.md": reference_files.imports,
}
NOTICE = "<!-- Written by `python -m docs.generate`; edit the code, not this page. -->\n\n"


def pages() -> dict[str, str]:
    """Make every page."""
    return {name: NOTICE + make().rstrip() + "\n" for name, make in PAGES.items()}


def main() -> int:
    """Write the pages, or check them."""
    made = pages()
    stale = [name for name, text in made.items() if not _holds(FOLDER / name, text)]
    if "--check" in sys.argv:
        for name in stale:
            print(f"docs/reference/{name} is not what the code says: run python -m docs.generate", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(made[name], encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
