"""What `benchtab prices check` found, as tables and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.terminal.output import say

if TYPE_CHECKING:
    from harness.pricing.other_lists import Comparison
    from harness.pricing.rows import Price

_SHOWN = 20


def comparison_facts(found: Comparison) -> dict[str, object]:
    """Write everything that was found."""
    return {
        "disagreements": [
            {
                "library": item.library,
                "model": f"{item.provider}/{item.model}",
                "meter": item.meter.value,
                "ours_usd_per_mtok": item.ours,
                "theirs_usd_per_mtok": item.theirs,
            }
            for item in found.differing
        ],
        "missing": [
            {
                "library": item.library,
                "model": f"{item.provider}/{item.model}",
                "rates": {meter.value: rate for meter, rate in item.rates.items()},
            }
            for item in found.lacking
        ],
        "ended": [_row(row) for row in found.ended],
        "old": [_row(row) for row in found.old],
    }


def _row(row: Price) -> dict[str, object]:
    return {"model": row.name, "row": row.where, "source": row.source, "checked_on": row.checked_on}


def print_comparison(found: Comparison, libraries: list[str]) -> None:
    """Print the tables of what differs, and the first of each list of names."""
    from harness.documents.table import Column, Table
    from harness.rendering.console import print_table

    if libraries:
        columns = (
            Column(name="library"),
            Column(name="model"),
            Column(name="meter"),
            Column(name="ours", kind="decimal", unit="USD/Mtok"),
            Column(name="theirs", kind="decimal", unit="USD/Mtok"),
        )
        rows: list[tuple[object, ...]] = [
            (item.library, f"{item.provider}/{item.model}", item.meter.value, item.ours, item.theirs)
            for item in found.differing
        ]
        title = f"Rates of today on which {' or '.join(libraries)} differs from ours ({len(rows)})"
        print_table(Table(name="disagreements", title=title, columns=columns, rows=rows))
    _print_names("models that the lists price and the book lacks", [f"{i.provider}/{i.model}" for i in found.lacking])
    _print_names("imported rows that no list has any more", [row.name for row in found.ended])
    _print_names("old prices: look them up again", [f"{row.name} ({row.checked_on})" for row in found.old])


def _print_names(title: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more (--json)" if len(names) > _SHOWN else ""
        say(f"{len(names)} {title}: {', '.join(names[:_SHOWN])}{more}")
