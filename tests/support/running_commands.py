"""Commands of `benchtab` that go on for a while, each a process of its own that ends with its block."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def running(*words: str, folder: Path, together: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a folder; what it prints is read from `stdout`.

    Args:
        together: what it says besides is read from there, too; else it goes to a file in the folder.
    """
    with (folder / f"{words[0]}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if together else log,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            finally:
                process.kill()
                process.communicate()


def line_with(process: subprocess.Popen[str], beginning: str) -> str:
    """Wait until a command prints a line that begins so: where a server listens, which run goes on."""
    assert process.stdout is not None
    passed = []
    for line in process.stdout:
        if line.startswith(beginning):
            return line.strip()
        passed.append(line)
    raise AssertionError(f"it ended without a line that begins with {beginning!r}: {''.join(passed)}")
