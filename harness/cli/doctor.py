"""`benchtab doctor`: what is set up on this machine, what is not, and what to do about it."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption
from harness.cli.terminal.output import print_out, say
from harness.resources import ledger_name


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor", epilog=EXAMPLES)(doctor)


EXAMPLES = examples(
    "benchtab doctor",
    "benchtab doctor -m openai/o1 -m google/gemini-2.5-pro   # their keys, too",
)


def doctor(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            autocompletion=completion.models,
            help="A model that you want to ask: its key must be there. Repeatable.",
        ),
    ] = None,
    db: DbOption = None,
    pricing: PricingOption = None,
    json_output: JsonOption = False,
) -> None:
    """Say what is set up and what is not: sandbox, keys (names only), ledger, prices, data, proxies, disk.

    Nothing is sent: a key is looked for in the environment and not tried. Exit codes: 0 good, 1 something that was
    asked for is missing.
    """
    from harness.pricing.model_names import read_model
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.readiness import doctor_table, examine

    checks = examine(
        ledger=ledger_name(db),
        pricing=pricing,
        models=[read_model(name) for name in model or ()],
        environment=os.environ,
    )
    if json_output:
        print_out(to_json({"checks": [asdict(check) for check in checks]}))
    else:
        print_table(doctor_table(checks))
    n_missing = sum(check.state == "missing" for check in checks)
    if n_missing:
        say(f"benchtab: {n_missing} of {len(checks)} need something done")
        raise typer.Exit(1)
