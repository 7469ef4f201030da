"""`benchtab prices explain|diff`: which row decided, and what changed since a day."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.options import DbOption
from harness.cli.terminal.output import print_out, say

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from harness.pricing.book import PriceBook
    from harness.pricing.changes import Changes

PricingFolder = Annotated[
    Path | None, typer.Option("--pricing", help="Folder of price files laid over the shipped ones.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]


def explain(
    model: Annotated[str, typer.Argument(help="provider/model, for example openai/o1-mini")],
    at: Annotated[str | None, typer.Option("--at", help="Instant of the request (RFC 3339); default: now.")] = None,
    context_tokens: Annotated[int, typer.Option("--context", help="Size of the prompt in tokens.")] = 0,
    tier: Annotated[str, typer.Option(help="Service tier, or batch.")] = "standard",
    speed: Annotated[str, typer.Option(help="Speed, where one is sold.")] = "standard",
    geo: Annotated[str, typer.Option(help="Region that the request is held to.")] = "",
    compare: Annotated[bool, typer.Option(help="Say what litellm and genai-prices list today.")] = True,
    pricing: PricingFolder = None,
    as_json: AsJson = False,
) -> None:
    """Explain a price: the alias, layer, row and conditions that decided, rows passed over, and what others say."""
    from datetime import UTC, datetime

    from harness.instants import asked_instant
    from harness.models import parse_model
    from harness.pricing.lists.installed import installed_lists
    from harness.pricing.price_files import load_price_book
    from harness.pricing.rates import Terms
    from harness.rendering.json_text import to_json
    from harness.reports.prices.explanation import explain as explain_price
    from harness.reports.prices.explanation import explanation_facts, explanation_lines

    spec = parse_model(model)
    now = datetime.now(UTC)
    moment = now if at is None else asked_instant(at, where="--at", zoneless="days")
    terms = Terms.named(moment, context_tokens, tier=tier, speed=speed, geo=geo)
    lists = installed_lists(now.date()) if compare else []
    made = explain_price(load_price_book(pricing), spec.provider, spec.model, terms, lists)
    if as_json:
        print_out(to_json(explanation_facts(made)))
        return
    for line in explanation_lines(made):
        print_out(line)


def diff(
    since: Annotated[str, typer.Option("--since", help="Day or instant to compare with (RFC 3339).")],
    until: Annotated[str | None, typer.Option("--until", help="Later instant; default: now.")] = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="What the change would have done to the stored runs.")
    ] = False,
    db: DbOption = None,
    pricing: PricingFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the prices that changed since a day, for whom and by how much."""
    from datetime import UTC, datetime

    from harness.instants import asked_instant
    from harness.pricing.changes import changes
    from harness.pricing.price_files import load_price_book
    from harness.rendering.json_text import to_json

    start = asked_instant(since, where="--since", zoneless="days")
    end = datetime.now(UTC) if until is None else asked_instant(until, where="--until", zoneless="days")
    book = load_price_book(pricing)
    found = changes(book, start, end)
    spent = _spent(db, book, start, end) if ledger else []
    if as_json:
        print_out(to_json({**_facts(found), **({"ledger": spent} if ledger else {})}))
        return
    _print_changes(found, start, end)
    if ledger:
        _print_spent(spent, start, end)


def _spent(db: str | None, book: PriceBook, start: datetime, end: datetime) -> list[dict[str, object]]:
    """Charge every stored run at the prices of both instants, model by model."""
    from harness.cli.terminal.options import open_ledger
    from harness.reports.facts.assembly import spend_report

    with open_ledger(db) as opened:
        before, after = (
            {(row.facts.name, row.facts.suite): row.facts.solve for row in spend_report(opened, book, as_of=at).rows}
            for at in (start, end)
        )
    rows: list[dict[str, object]] = []
    for (name, suite), was in before.items():
        becomes = after[name, suite]
        costs: list[Decimal | None] = [each.cost.total for each in (was, becomes)]
        rows.append({"model": name, "suite": suite, "before_usd": costs[0], "after_usd": costs[1]})
    return [row for row in rows if row["before_usd"] != row["after_usd"]]


def _facts(found: Changes) -> dict[str, object]:
    return {
        "changes": [
            {
                "model": f"{item.provider}/{item.model}",
                "rate": item.meter.value,
                "before_usd": item.before,
                "after_usd": item.after,
                "change": None if item.share is None else f"{item.share:.4f}",
                "source": item.source,
            }
            for item in found.rates
        ],
        "began": list(found.began),
        "ended": list(found.ended),
    }


def _print_changes(found: Changes, start: datetime, end: datetime) -> None:
    from harness.documents.table import Column, Table
    from harness.rendering.console import print_table

    columns = (
        Column(name="model"),
        Column(name="rate"),
        Column(name="before", kind="decimal", unit="USD"),
        Column(name="after", kind="decimal", unit="USD"),
        Column(name="change"),
        Column(name="source"),
    )
    rows: list[tuple[object, ...]] = [
        (
            f"{item.provider}/{item.model}",
            item.meter.value,
            item.before,
            item.after,
            "" if item.share is None else f"{item.share:+.1%}",
            item.source,
        )
        for item in found.rates
    ]
    title = f"Prices that changed from {start:%Y-%m-%d} to {end:%Y-%m-%d}, USD per million tokens (fees each)"
    print_table(Table(name="changes", title=title, columns=columns, rows=rows))
    say(f"{len(found.began)} names got their first price, {len(found.ended)} have none any more (all: --json)")


def _print_spent(spent: list[dict[str, object]], start: datetime, end: datetime) -> None:
    from harness.documents.table import Column, Table
    from harness.rendering.console import print_table

    columns = (
        Column(name="model"),
        Column(name="suite"),
        Column(name="before", kind="decimal", unit="USD"),
        Column(name="after", kind="decimal", unit="USD"),
    )
    title = f"Stored runs at the prices of {start:%Y-%m-%d} and of {end:%Y-%m-%d}, where they differ"
    print_table(Table(name="spent", title=title, columns=columns, rows=[tuple(row.values()) for row in spent]))
