"""`benchtab view`: the ledger as pages in a browser on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_out


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("view", epilog=EXAMPLES)(view)


EXAMPLES = examples("benchtab view                # prints the address to open in a browser")


def view(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any that is free.")] = 0,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Look at runs, samples and prices in a browser; nothing leaves this machine, nothing is written."""
    from harness.pricing.price_files import load_price_book
    from harness.view.page_values import Sources
    from harness.view.serving import serve

    with open_ledger(db) as ledger:
        serve(Sources(ledger=ledger, book=load_price_book(pricing)), port=port, is_ready=print_out)
