"""`benchtab reconcile`: the ledger against a provider's account, from files or fetched with an admin key."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_document, say
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.accounts.focus_files import FocusColumns
    from harness.imports.containers.log_files import LogFile
    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook
    from harness.reconciliation.reconcile_account import Reconciliation

TOO_MUCH_UNEXPLAINED = 4


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("reconcile", epilog=EXAMPLES)(reconcile)


EXAMPLES = examples(
    "benchtab reconcile usage.json costs.json",
    "benchtab reconcile --provider openai --max-unexplained 0.5%",
    "benchtab reconcile activity.csv --run-id nightly-1",
)


def reconcile(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...]", help="Pages of usage and costs, activity, generations, FOCUS.", exists=True
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(help="Fetch its account with an admin key (openai, anthropic, openrouter); with files: only it."),
    ] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day to fetch, UTC.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Day to fetch until, excluded.")] = None,
    run_id: Annotated[list[str] | None, typer.Option("--run-id", help="Only this run; repeatable.")] = None,
    max_unexplained: Annotated[
        str | None, typer.Option(metavar="0.5%", help="End with 4 when more of the bill is unexplained.")
    ] = None,
    focus_model: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of a FOCUS file with the model.")
    ] = "SkuId",
    focus_meter: Annotated[str, typer.Option(metavar="COLUMN", help="Likewise with the meter.")] = "SkuMeter",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Store nothing that the account settles.")] = False,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="Another address of the account.")] = None,
    db: DbOption = None,
    pricing: PricingOption = None,
    json_output: JsonOption = False,
) -> None:
    """Compare the ledger with a provider's account: what agrees, what only one knows, what was priced differently.

    Attempts whose bill was not known, and that the account settles, get it as new facts; no row changes.
    """
    from harness.accounts.focus_files import FocusColumns
    from harness.pricing.price_files import load_price_book
    from harness.reconciliation.reconciliation_page import reconciliation_document

    limit = _share(max_unexplained)
    if not files and provider is None:
        raise InputError("there is no account to compare with", where="FILE", fix="give its files, or --provider NAME")
    columns = FocusColumns(model=focus_model, meter=focus_meter)
    with open_ledger(db) as ledger, tempfile.TemporaryDirectory(prefix="benchtab-account-") as folder:
        _check_runs(ledger, run_id)
        book = load_price_book(pricing)
        if files:
            given = _log_files(files)
        else:
            assert provider is not None
            given = _fetched(ledger, provider, (start, end), Path(folder), run_id, base_url)
        made = _compared(ledger, book, given, (provider, run_id or None, columns))
        if not dry_run:
            _settle(ledger, made, given)
    print_document(reconciliation_document(made), "json" if json_output else "table")
    worst_share = _worst_share(made)
    if limit is not None and worst_share > limit:
        say(f"{worst_share * 100:.3f} % of the bill is unexplained, more than {max_unexplained}")
        raise typer.Exit(TOO_MUCH_UNEXPLAINED)


def _share(text: str | None) -> Decimal | None:
    if text is None:
        return None
    from harness.reports.compare.gate_rules import parse_share

    found = parse_share(text, "%", "--max-unexplained")
    return None if found is None else Decimal(str(found))


def _worst_share(made: Sequence[Reconciliation]) -> Decimal:
    return max((each.unexplained_share for each in made), default=Decimal(0))


def _check_runs(ledger: Ledger, run_ids: Sequence[str] | None) -> None:
    missing = sorted(set(run_ids or ()) - {run.run_id for run in ledger.runs()})
    if missing:
        raise InputError(f"there is no run {', '.join(missing)}", where="--run-id", fix="see: benchtab runs list")


def _log_files(paths: Sequence[Path]) -> list[LogFile]:
    from harness.imports.containers.log_files import LogFile

    found = [inner for path in paths for inner in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [LogFile(path=path, name=path.name) for path in found if path.is_file()]


def _fetched(
    ledger: Ledger, provider: str, days: tuple[str | None, str | None], folder: Path, run_ids: Sequence[str] | None,
    base_url: str | None,
) -> list[LogFile]:  # fmt: skip
    import asyncio

    from harness.accounts.admin_interfaces import admin_key, fetch_account
    from harness.providers.endpoints import check_base_url

    key = admin_key(provider, os.environ)
    if base_url is not None:
        check_base_url(base_url)
    stretch = _stretch(ledger, days, run_ids)
    return asyncio.run(fetch_account(provider, key, stretch, folder, base_url=base_url))


def _stretch(
    ledger: Ledger, days: tuple[str | None, str | None], run_ids: Sequence[str] | None
) -> tuple[datetime, datetime]:
    """Read --from and --to; without them the days of the runs."""
    from harness.instants import asked_instant

    read = [
        None if day is None else asked_instant(day, where=option, zoneless="days")
        for option, day in zip(("--from", "--to"), days, strict=True)
    ]
    began, ended = _time_of_runs(ledger, run_ids)
    first, last = read[0] or began, read[1] or ended + timedelta(days=1)
    start = first.replace(hour=0, minute=0, second=0, microsecond=0)
    end = last.replace(hour=0, minute=0, second=0, microsecond=0)
    if end <= start:
        raise InputError("--to is not after --from", where="--to", fix="it is excluded: name the day after the last")
    return start, end


def _time_of_runs(ledger: Ledger, run_ids: Sequence[str] | None) -> tuple[datetime, datetime]:
    """Give the instants at which the first run began and the last one ended."""
    from harness.instants import from_us

    runs = [run for run in ledger.runs() if not run_ids or run.run_id in run_ids]
    began_us = min((run.created_at_us for run in runs), default=0)
    ended_us = max((run.finished_at_us or run.created_at_us for run in runs), default=0)
    return from_us(began_us), from_us(ended_us)


def _compared(
    ledger: Ledger, book: PriceBook, given: Sequence[LogFile],
    asked: tuple[str | None, Sequence[str] | None, FocusColumns],
) -> list[Reconciliation]:  # fmt: skip
    from harness.reconciliation.account_input import account_inputs, ledger_providers
    from harness.reconciliation.ledger_side import BookPrices, LedgerSide, providers_of
    from harness.reconciliation.reconcile_account import reconcile as compare

    provider, run_ids, columns = asked
    wanted = ledger_providers(providers_of(ledger, run_ids) if provider is None else [provider], book)
    made = []
    for account in account_inputs(given, book, wanted, columns):
        grid = account.grid()
        side = LedgerSide(ledger, BookPrices(book, account.provider), run_ids, grid.start_us, grid.end_us)
        made.append(compare(side, account.rows, grid, account.notes))
    return made


def _settle(ledger: Ledger, made: Sequence[Reconciliation], given: Sequence[LogFile]) -> None:
    from harness.instants import now_us
    from harness.reconciliation.settled_bills import settle

    names = ", ".join(file.name for file in given[:3]) + (" ..." if given[3:] else "")
    for each in made:
        if n_new := settle(ledger, each.settled, f"{each.provider} account ({names})", now_us=now_us()):
            say(f"{n_new} attempts were settled by the account of {each.provider}; benchtab report counts them")
