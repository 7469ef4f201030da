"""`benchtab view`: the ledger as pages in a browser, served on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_out, say


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("view", epilog=EXAMPLES)(view)


EXAMPLES = examples(
    "benchtab view                # prints the address to open in a browser",
    "benchtab view RUN --open     # opens it, at this run",
    "benchtab view RUN --static pages   # pages/index.html, for a CI artifact",
)


def view(
    run: Annotated[
        str | None, typer.Argument(metavar="RUN", autocompletion=completion.runs, help="Start at this run.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Default: 8322, or the next one that is free; 0 = any that is."),
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; beyond this machine every request needs the token that is printed."),
    ] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open", help="Open the address in a browser.")] = False,
    static: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write RUN's pages into this folder, to be opened without a server, and end."),
    ] = None,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Look at runs, samples and prices in a browser; nothing leaves this machine, the ledger is only read.

    Prints the address on stdout when it is ready; stops on Ctrl-C or SIGTERM.
    """
    from harness.errors import InputError
    from harness.pricing.price_files import PriceFiles
    from harness.reports.ledgers import known_run
    from harness.view.copies.static_copy import write_copy
    from harness.view.page_addresses import run_address
    from harness.view.page_values import Sources
    from harness.view.serving import Place, ViewServer

    def is_ready(address: str) -> None:
        print_out(address)
        if "?token=" in address:
            say("whoever has this address can read the ledger, and so can whoever listens on the way: it is plain HTTP")
        if open_browser:
            _open(address)

    if static is not None and run is None:
        raise InputError("a copy is of one run", where="--static", fix="name it: benchtab view RUN --static DIR")
    with open_ledger(db, read_only=True) as ledger:
        path = "/" if run is None else run_address(known_run(ledger, run).run_id)
        prices = PriceFiles(pricing)
        sources = Sources(ledger=ledger, book=prices.book(), reread=prices.book)
        if static is not None and run is not None:
            print_out(str(write_copy(sources, run, static)))
            return
        ViewServer(sources, Place(host=host, port=port), path=path, is_ready=is_ready).run()


def _open(address: str) -> None:
    """Open a browser beside the server: some only return when they are closed."""
    import threading
    import webbrowser

    def opened() -> None:
        if not webbrowser.open(address):
            say("no browser could be opened here: open the address yourself")

    threading.Thread(target=opened, daemon=True).start()
