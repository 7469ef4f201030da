"""`benchtab worker`: one worker of a run, as any launcher can start it."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, PricingOption, open_ledger, verbosity
from harness.cli.terminal.output import say
from harness.resources import ledger_name


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("worker", epilog=EXAMPLES)(worker)


EXAMPLES = examples(
    "benchtab worker --db postgresql+psycopg://me@host/runs RUN",
    "benchtab worker RUN --only score      # run programs of what others asked",
)


def worker(
    run: Annotated[str, typer.Argument(metavar="RUN", autocompletion=completion.runs, help="A run with a driver.")],
    only: Annotated[
        str | None,
        typer.Option(
            metavar="ask|score",
            help="ask: leave programs to others. score: run programs of what others asked.",
        ),
    ] = None,
    lease_s: Annotated[
        float, typer.Option(min=1.0, help="Seconds without a sign of life after which others take its work.")
    ] = 30.0,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Work on a run that a driver offers (benchtab run ... --workers N), until nothing is left of it.

    SIGTERM drains: what is in flight is finished and stored, nothing more is taken. A second one gives it up.
    """
    from harness.pricing.model_facts import lay_over
    from harness.pricing.price_files import load_price_book
    from harness.runner.session_setup import SessionOptions
    from harness.runner.workers.one_worker import WorkerOptions, work_on
    from harness.runner.workers.worker_notices import WorkerNotices
    from harness.runner.workers.worker_options import parse_kind, refuse_a_file

    refuse_a_file(ledger_name(db))
    options = WorkerOptions(kind=parse_kind(only), lease_s=lease_s, session=SessionOptions(handle_signals=True))
    book = load_price_book(pricing)
    lay_over(pricing)
    notices = WorkerNotices((lambda _: None) if verbosity.quiet else say)
    with open_ledger(db) as ledger:
        result = work_on(ledger, book, run, observer=notices, options=options)
    if not verbosity.quiet:
        say(result.line())
