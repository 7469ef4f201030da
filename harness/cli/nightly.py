"""`benchtab nightly`: run a config's matrix, compare with the last good run, write it up, end with the gate's code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger, place_words, verbosity
from harness.cli.terminal.output import print_document, say


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("nightly", epilog=EXAMPLES)(nightly)


EXAMPLES = examples(
    "benchtab nightly nightly.toml",
    "benchtab nightly nightly.toml --accept RUN   # a good baseline from now on",
)


def nightly(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A nightly.toml file.")],
    run_id: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a night that was cut short.")] = None,
    accept: Annotated[
        str | None, typer.Option(metavar="RUN", help="Make RUN a good baseline, whatever its gate said; run nothing.")
    ] = None,
    db: DbOption = None,
    pricing: PricingOption = None,
    json_output: JsonOption = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Run a matrix of suites, models and settings and compare it with the last good run.

    Exit codes: 0 pass (or no baseline yet), 1 failed, 3 budget reached, 4 regression, 5 inconclusive
    (0 with `on_inconclusive = "warn"` or `"pass"`). Files go to the
    config's output folder: report.html, summary.md, junit.xml, history.html, night.json.
    """
    from harness.instants import now_us
    from harness.nightly.ci_log import workflow_commands
    from harness.nightly.config import read_config
    from harness.nightly.night import accept_run, run_night
    from harness.nightly.outputs import night_document, write_files
    from harness.pricing.model_facts import lay_over
    from harness.pricing.price_files import load_price_book
    from harness.rendering.progress import announced

    read = read_config(config)
    if accept is not None:
        with open_ledger(db) as ledger:
            accept_run(ledger, accept)
        say(f"{accept} is a good baseline now")
        return
    folder = config.parent
    own = pricing or (None if read.pricing is None else folder / read.pricing)
    book = load_price_book(own)
    lay_over(own)

    with open_ledger(db, create=True) as ledger:
        night = run_night(
            read,
            folder=folder,
            ledger=ledger,
            book=book,
            wall_us=now_us,
            observe=lambda prepared: announced(prepared, quiet=quiet or verbosity.quiet),
            run_id=run_id,
            handle_signals=True,
            again=("nightly", str(config), *place_words(db, pricing)),
        )
        output = folder / read.output.folder
        write_files(night, output, ledger=ledger, book=book, history=read.output.history)
    print_document(night_document(night), "json" if json_output else "md")
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(night):
            say(line)
    say(f"{night.name}: {night.verdict} (exit {night.exit_code}); files in {output}")
    raise typer.Exit(night.exit_code)
