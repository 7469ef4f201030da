"""Makes the README's picture: the real output of the real command on a terminal of 120 columns, as SVG.

    python -m docs.pictures

Data flows `benchtab run starter ...` in a temporary folder -> its coloured output -> docs/images/spend-report.svg. No
machine path and no address of a font gets into the file.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = ("run", "starter", "-m", "sim/reasoner", "-m", "sim/direct")
PICTURE = Path(__file__).resolve().parent / "images" / "spend-report.svg"
COLUMNS = 132


def main() -> None:
    """Run the command and write the picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(to_svg(output_of(COMMAND), f"benchtab {' '.join(COMMAND)}"), encoding="utf-8")
    print(f"{PICTURE.name}: {PICTURE.stat().st_size:,} bytes")


def output_of(command: tuple[str, ...]) -> str:
    """Run benchtab in an empty folder as on a terminal with colours; gives what it printed on stdout."""
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "BENCHTAB_DB")}
    environment |= {"FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "harness", *command, "-q"],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
    return done.stdout


def to_svg(output: str, title: str) -> str:
    """Draw terminal output with rich, and take out the fonts that it would fetch from the web."""
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(output.rstrip()))
    svg = console.export_svg(title=title, unique_id="benchtab")
    return re.sub(r"\s*@font-face\s*\{[^}]*\}", "", svg)


if __name__ == "__main__":
    main()
