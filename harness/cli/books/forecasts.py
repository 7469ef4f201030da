"""`benchtab forecasts`: every forecast of a bill beside what the run then cost, and how often the intervals held."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, open_ledger
from harness.cli.terminal.output import print_out, say


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("forecasts", epilog=EXAMPLES)(forecasts)


EXAMPLES = examples(
    "benchtab forecasts          # of all runs",
    "benchtab forecasts RUN --json",
)


def forecasts(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN", autocompletion=completion.runs, help="Runs. Default: all."),
    ] = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what bills were forecast to be, and state how many of the 90 % intervals held and the median miss."""
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.forecasts.forecast_tables import (
        calibration_object,
        forecast_object,
        forecasts_table,
        record_table,
    )
    from harness.reports.forecasts.stored_forecasts import kept_forecasts

    with open_ledger(db) as ledger:
        found = kept_forecasts(ledger, runs or None)
    if as_json:
        real, made_up = ([one for one in found if one.is_simulated == is_simulated] for is_simulated in (False, True))
        print_out(
            to_json(
                {
                    "forecasts": [forecast_object(one) for one in found],
                    "calibration": {"real": calibration_object(real), "simulated": calibration_object(made_up)},
                }
            )
        )
    elif found:
        print_table(forecasts_table(found))
        print_table(record_table(found))
    else:
        say("no forecasts are stored: a run makes them when it starts and while it goes on")
