"""Shell completion: the script for bash, zsh and fish, and the names that a half-typed word can become.

Data flows typer's own scripts and protocol -> stdout. A word is completed from the shipped suites, the price book and
the ledger; nothing found, or nothing readable, completes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import typer

from harness.cli.terminal.output import print_out, say

PROGRAM = "benchtab"
REQUEST = "_BENCHTAB_COMPLETE"
"""Environment variable by which a shell asks for completions."""
SHELLS = ("bash", "zsh", "fish")
FLAGS = ("--install-completion", "--show-completion")


def answer_the_shell() -> None:
    """Make typer's protocols known, where a shell is asking."""
    if REQUEST in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def with_shell_named(words: Sequence[str]) -> list[str]:
    """Put the shell that is in use behind a flag that names none."""
    if not words or words[0] not in FLAGS or len(words) > 1:
        return list(words)
    return [words[0], _shell_in_use()]


def show(shell: str | None) -> None:
    """Print the completion script of a shell, and end."""
    if shell is not None:
        from typer._completion_shared import get_completion_script

        print_out(get_completion_script(prog_name=PROGRAM, complete_var=REQUEST, shell=_known(shell)))
        raise typer.Exit


def install(shell: str | None) -> None:
    """Write the completion script where a shell looks for it, and end."""
    if shell is not None:
        from typer._completion_shared import install as write

        _, path = write(shell=_known(shell), prog_name=PROGRAM, complete_var=REQUEST)
        say(f"completion for {shell} is in {path}; it holds in every terminal opened from now on")
        raise typer.Exit


def _known(shell: str) -> str:
    if shell in SHELLS:
        return shell
    raise typer.BadParameter(f"no completion for {shell!r}; name one of: {', '.join(SHELLS)}")


def _shell_in_use() -> str:
    import shellingham

    try:
        return str(shellingham.detect_shell()[0])
    except shellingham.ShellDetectionFailure:
        return Path(os.environ.get("SHELL", "unknown")).name


def suites(incomplete: str) -> list[str]:
    """Complete the name of a shipped suite, or the path of a suite file."""
    from harness.loaders.suite_files import list_suites

    folder, _, name = incomplete.rpartition("/")
    here = Path(folder or ("/" if incomplete.startswith("/") else "."))
    files = sorted(path.name for path in here.glob("*.toml")) if here.is_dir() else []
    prefix = incomplete[: len(incomplete) - len(name)]
    return _beginning(list_suites(), incomplete) + [f"{prefix}{file}" for file in _beginning(files, name)]


def models(incomplete: str) -> list[str]:
    """Complete a model that has a price: first its provider, then its name."""
    from harness.pricing.price_files import load_price_book
    from harness.pricing.rows import ANY_MODEL

    book = load_price_book(None)
    provider, slash, _ = incomplete.partition("/")
    if not slash:
        providers = {row.provider for row in book.rows} | set(book.imported.providers if book.imported else ())
        found = _beginning(sorted(providers), provider)
        if len(found) != 1:
            return [f"{name}/" for name in found]
        provider = found[0]
    names = sorted(f"{provider}/{name}" for name in book.models(provider) if not name.startswith(ANY_MODEL))
    return _beginning(names, incomplete)


def runs(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a stored run, the newest first."""
    from harness.cli.terminal.options import open_ledger
    from harness.errors import HarnessError

    try:
        with open_ledger(context.params.get("db")) as ledger:
            return _beginning((run.run_id for run in reversed(ledger.runs())), incomplete)
    except HarnessError:
        return []


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
