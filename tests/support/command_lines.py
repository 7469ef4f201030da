"""Command lines of `benchtab`: in this process, which has imported everything, or several in one process of their own.

Data flows words -> `harness.cli.main` -> what it printed and its exit code.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from unittest import mock

from harness.cli import main

_SEVERAL = """
import json, sys
from tests.support.command_lines import print_all
print_all(json.loads(sys.argv[1]))
"""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Said:
    """How a command line ended: its exit code, and what it printed."""

    code: int
    stdout: str
    stderr: str


def said_here(*words: str, cwd: Path | None = None, **environment: str) -> Said:
    """Run a command line in this process; what it sets for the whole process is set back."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as kept:
        kept.enter_context(_process_settings())
        kept.enter_context(mock.patch.dict(os.environ, environment))
        kept.enter_context(mock.patch.object(sys, "argv", ["benchtab", *words]))
        kept.enter_context(contextlib.chdir(cwd or Path.cwd()))
        kept.enter_context(contextlib.redirect_stdout(out))
        kept.enter_context(contextlib.redirect_stderr(err))
        code = _exit_code()
    return Said(code=code, stdout=out.getvalue(), stderr=err.getvalue())


def _exit_code() -> int:
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


@contextlib.contextmanager
def _process_settings() -> Iterator[None]:
    """Set back what a process that runs one command line may keep: logging, and who shows an uncaught error."""
    root, records, hook = logging.getLogger(), logging.getLogRecordFactory(), sys.excepthook
    handlers, level = root.handlers[:], root.level
    # where pytest is __main__, help pages would name it as the program
    with mock.patch.object(sys.modules["__main__"], "__package__", None):
        try:
            yield
        finally:
            logging.setLogRecordFactory(records)
            root.handlers[:], sys.excepthook = handlers, hook
            root.setLevel(level)


def said_in_one_process(
    lines: Sequence[Sequence[str]],
    *,
    cwd: Path | None = None,
    path: str = "",
    only: Mapping[str, str] = os.environ,
    **environment: str,
) -> list[Said]:
    """Run command lines one after another in one new process.

    Args:
        path: folder from which `harness` is imported; "" = this checkout.
        only: the environment; this process's unless another is given.
        environment: what is added to it.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-c", _SEVERAL, json.dumps([list(words) for words in lines])],
        cwd=cwd,
        env={**only, "PYTHONPATH": os.pathsep.join(part for part in (path, str(ROOT)) if part), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "all that command lines print passes through the streams that were given to them"
    return [Said(**one) for one in json.loads(done.stdout)]


def print_all(lines: Sequence[Sequence[str]]) -> None:
    """Run command lines and print what each said, as JSON: what a process of `said_in_one_process` does."""
    print(json.dumps([asdict(said_here(*words)) for words in lines]))
