"""`benchtab price`, `benchtab prices list|show|check`: what things cost, since when, says who."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.prices.price_findings import comparison_facts, print_comparison
from harness.cli.prices.price_lists import import_prices
from harness.cli.prices.price_questions import AsJson, PricingFolder, diff, explain
from harness.cli.terminal.output import print_out, say

if TYPE_CHECKING:
    from datetime import date

    from harness.pricing.book import PriceBook
    from harness.pricing.lists.quotes import PriceList


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("price")(price)
    prices = typer.Typer(
        help="Dated prices: list, show, check, import, explain, diff.", no_args_is_help=True, rich_markup_mode=None
    )
    prices.command("list")(list_prices)
    prices.command("show")(show)
    prices.command("check")(check)
    prices.command("import")(import_prices)
    prices.command("explain")(explain)
    prices.command("diff")(diff)
    app.add_typer(prices, name="prices")


def price(
    file: Annotated[Path | None, typer.Argument(help="JSON Lines of usage payloads; default: standard input.")] = None,
    pricing: PricingFolder = None,
    assume_utc: Annotated[bool, typer.Option("--assume-utc", help="Instants without a time zone are in UTC.")] = False,
) -> None:
    """Price usage payloads: one JSON object a line in, one a line out, in the same order.

    Exits 1 when any line has status error; the other lines are priced all the same.
    """
    import json

    from harness.costs.usage_lines import price_line
    from harness.errors import InputError
    from harness.pricing.price_files import load_price_book

    if file is not None and not file.is_file():
        raise InputError("no such file", where=str(file), fix="name a file of JSON Lines, or pipe it in")
    book = load_price_book(pricing)
    failed = False
    with sys.stdin.buffer if file is None else file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            priced = price_line(book, line, line_number=number, assume_utc=assume_utc)
            failed = failed or priced["status"] == "error"
            sys.stdout.write(json.dumps(priced, ensure_ascii=False) + "\n")
    if failed:
        raise typer.Exit(1)


def list_prices(
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="Only rows in force then (RFC 3339).")] = None,
    pricing: PricingFolder = None,
    as_json: AsJson = False,
) -> None:
    """List every dated price, or those in force at an instant."""
    from harness.instants import asked_instant
    from harness.pricing.price_files import load_price_book
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.prices.price_tables import list_table, price_list_facts

    book = load_price_book(pricing)
    if as_json:
        print_out(to_json(price_list_facts(book)))
        return
    at = None if as_of is None else asked_instant(as_of, where="--as-of", zoneless="days")
    print_table(list_table(book, provider=provider, at=at))


def show(
    model: Annotated[str, typer.Argument(help="provider/model, for example openai/o1-mini")],
    pricing: PricingFolder = None,
    as_json: AsJson = False,
) -> None:
    """Show the price history of a model with its sources, and a chart of it."""
    from harness.models import parse_model
    from harness.pricing.price_files import load_price_book
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.prices.price_tables import history_facts, history_table, price_chart

    spec = parse_model(model)
    book = load_price_book(pricing)
    history = history_facts(book, spec.provider, spec.model)
    if not history:
        raise _unknown(book, spec.provider, spec.model)
    if as_json:
        print_out(to_json({"model": spec.name, "price_book_sha256": book.sha256, "history": history}))
        return
    print_table(history_table(book, spec.provider, spec.model))
    for line in price_chart(book, spec.provider, spec.model):
        print_out(line)


def check(
    pricing: PricingFolder = None,
    digests: Annotated[Path | None, typer.Option(help="Hold the shipped rows to the digests in this file.")] = None,
    accept: Annotated[bool, typer.Option("--accept", help="Record appended rows in the --digests file.")] = False,
    compare: Annotated[bool, typer.Option(help="Compare with the lists of genai-prices and litellm.")] = True,
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A wheel, folder or file with a list, in place of the installed ones. Repeatable."),
    ] = None,
    days: Annotated[int, typer.Option("--days", min=1, help="A price looked up longer ago than this is old.")] = 90,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when anything is found (for CI).")] = False,
    as_json: AsJson = False,
) -> None:
    """Validate every price file, report all errors at once, and list where other projects' prices differ.

    Also listed: models that their lists have and the book lacks, imported rows that a list no longer has, old prices.
    """
    from datetime import UTC, datetime

    from harness.pricing.other_lists import compare as compare_lists
    from harness.pricing.price_files import load_price_book
    from harness.rendering.json_text import to_json

    now = datetime.now(UTC)
    book = load_price_book(pricing)
    if digests is not None:
        _hold(digests, accept=accept)
    lists = _lists(files or [], now.date(), installed=compare)
    found = compare_lists(book, now, lists, most_days=days)
    libraries = [each.project for each in lists]
    if as_json:
        facts = {"price_book_sha256": book.sha256, "n_prices": len(book.rows), "n_aliases": len(book.aliases)}
        print_out(to_json({**facts, "libraries": libraries, **comparison_facts(found)}))
    else:
        print_out(f"{len(book.sources)} files, {len(book.rows)} prices, {len(book.aliases)} aliases: no mistakes")
        print_out(f"price book {book.sha256}")
        print_comparison(found, libraries)
    if strict and not found.is_clean:
        raise typer.Exit(1)


def _lists(files: list[Path], today: date, *, installed: bool) -> list[PriceList]:
    """Give the lists in files, else those of the libraries that are installed."""
    from harness.pricing.lists.installed import installed_lists, list_in_file

    if files or not installed:
        return [list_in_file(path, today, today) for path in files]
    found = installed_lists(today)
    if not found:
        say("not compared with other projects: neither litellm nor genai-prices is installed")
    return found


def _hold(path: Path, *, accept: bool) -> None:
    """Compare the shipped rows with their recorded digests; record appended ones when asked."""
    from harness.errors import Finding, InputError
    from harness.pricing.digests import broken_digests, read_digests, row_digests, write_digests
    from harness.pricing.price_files import load_price_book

    book = load_price_book()
    recorded = read_digests(path)
    if broken := broken_digests(recorded, book):
        findings = [Finding(where=line.split(" ", 1)[1], message="changed or removed") for line in broken]
        raise InputError(
            f"{len(findings)} old price rows were changed or removed",
            where=str(path),
            findings=findings,
            fix="put the old rows back and append new ones with their own effective_from",
        )
    appended = len(row_digests(book)) - len(recorded)
    if accept:
        write_digests(path, row_digests(book))
    say(f"{len(recorded)} old rows unchanged, {appended} appended{' and recorded' if accept else ''}")


def _unknown(book: PriceBook, provider: str, model: str) -> Exception:
    from datetime import UTC, datetime

    from harness.errors import InputError
    from harness.pricing.known_names import nearest

    listed = book.provider(provider)
    known = sorted(row.model for row in book.rows if row.provider == listed)
    near = f"known models of {listed}: {', '.join(dict.fromkeys(known))}" if known else f"no prices of {listed} at all"
    if like := nearest(book, provider, model, datetime.now(UTC)):
        near = f"listed are {'; '.join(like)}"
    elif n_more := len(book.models(provider)) - len(set(known)):
        near += f"; {n_more} more names: prices list --provider {listed}"
    return InputError(
        f"no price for {provider}/{model}",
        where=near,
        fix=f"add a [[price]] to pricing/{listed}.toml or pass --pricing DIR",
    )
