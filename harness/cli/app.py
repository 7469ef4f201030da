"""The typer application: global options, one registration per noun, and the one place where errors get exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from types import ModuleType
from typing import Annotated

import typer

from harness.cli import compare, doctor, nightly, report, reproduce, run, score, simulate, suites, view, worker
from harness.cli.books import budgets, db, export, forecasts, import_logs, reconcile, runs
from harness.cli.prices import commands as prices
from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import HELP_NAMES, examples, with_value_names
from harness.cli.terminal.options import VERBOSITY_WORDS, verbosity
from harness.cli.terminal.output import PrintableLog, mask_logs_and_tracebacks, print_out, say
from harness.cli.terminal.pipes import outlive_readers
from harness.errors import HarnessError
from harness.secrets import learn_environment
from harness.version import __version__


def _show_version(asked: bool) -> None:
    if asked:
        print_out(f"benchtab {__version__}")
        raise typer.Exit


def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    install_completion: Annotated[
        str | None,
        typer.Option(
            metavar="[SHELL]",
            callback=completion.install,
            is_eager=True,
            help="Let TAB complete commands, options, suites, models and runs in bash, zsh or fish.",
        ),
    ] = None,
    show_completion: Annotated[
        str | None,
        typer.Option(
            metavar="[SHELL]", callback=completion.show, is_eager=True, help="Print the script that does so, and exit."
        ),
    ] = None,
) -> None:
    """Hold the options that come before any command."""


NOUNS = (
    run,
    budgets,
    report,
    compare,
    export,
    import_logs,
    view,
    nightly,
    reconcile,
    reproduce,
    prices,
    suites,
    runs,
    score,
    forecasts,
    simulate,
    worker,
    db,
    doctor,
)


_EPILOG = (
    examples(
        "benchtab run starter -m sim/reasoner -m sim/direct   # no key needed",
        "benchtab run starter -m openai/o1 --dry-run          # what it would cost",
        "benchtab report                                      # what stored runs cost",
    )
    + "\n\nEverywhere: -h help, -q no progress, -v log messages, -vv tracebacks."
)


def command_line(nouns: Collection[ModuleType] = NOUNS) -> typer.Typer:
    """Make the application with the commands of these nouns."""
    made = typer.Typer(
        name="benchtab",
        help="What a benchmark cost, what it will cost, and whether it was worth it.",
        epilog=_EPILOG,
        context_settings={"help_option_names": HELP_NAMES},
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback()(options)
    for noun in nouns:
        noun.register(made)
    return made


app = command_line()


def main() -> None:
    """Run the command line; turn every known error into a short message on stderr and its exit code.

    `-q`, `-v` and `-vv` hold for every command and may stand anywhere: quiet, log messages, tracebacks.
    """
    outlive_readers()
    words, asked = _without_verbosity(sys.argv[1:])
    words = completion.with_shell_named(words)
    completion.answer_the_shell()
    learn_environment(os.environ)
    mask_logs_and_tracebacks()
    verbosity.quiet = "-q" in asked or "--quiet" in asked
    if "-v" in asked or "-vv" in asked:
        import logging

        handler = logging.StreamHandler()
        handler.setFormatter(PrintableLog(logging.BASIC_FORMAT))
        logging.basicConfig(level=logging.DEBUG if "-vv" in asked else logging.INFO, handlers=[handler])
    # typer reads the signatures of all commands that it is given: these need their own only, and start sooner for it
    alone = {"run": run, "report": report}.get(words[0]) if words else None
    chosen = app if alone is None else command_line((alone,))
    try:
        with_value_names(typer.main.get_command(chosen))(args=words)
    except HarnessError as error:
        if "-vv" in asked:
            raise
        say(f"benchtab: {error}")
        raise SystemExit(error.exit_code) from None


def _without_verbosity(words: list[str]) -> tuple[list[str], set[str]]:
    """Take `-q`, `-v` and `-vv` out of a command line, up to `--`."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word not in VERBOSITY_WORDS]
    return kept + words[end:], VERBOSITY_WORDS & set(words[:end])
