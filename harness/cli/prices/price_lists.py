"""`benchtab prices import`: rows of the lowest layer from the price lists of other projects."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.output import print_out, say

if TYPE_CHECKING:
    from datetime import date

    from harness.pricing.lists.importing import Imported
    from harness.pricing.lists.quotes import PriceList


class Source(StrEnum):
    """Projects whose price lists can be read."""

    LITELLM = "litellm"
    GENAI = "genai-prices"
    BOTH = "both"


def import_prices(
    source: Annotated[Source | None, typer.Argument(help="Whose list; default: both, or that of --from.")] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A wheel, folder or file with a list, in place of the installed one. Repeatable."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of imported rows.")] = Path("pricing/imported"),
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="Day on which a list that carries no date said so; default: today."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Append dated rows for what other projects' price lists say; where two differ, list both figures.

    Imported rows count where neither your rows nor the shipped ones say anything. Rows that are there stay as they are.
    """
    from harness.pricing.lists.fact_importing import write_facts
    from harness.pricing.lists.importing import import_lists, read_imported, write_imported
    from harness.rendering.json_text import to_json

    lists = _lists(source, files or [], as_of)
    found = import_lists(lists, read_imported(output))
    write_imported(output, found)
    for each in lists:
        write_facts(output / "models", each)
    if as_json:
        print_out(to_json(_facts(lists, found)))
        return
    _print_found(lists, found, output)


def _lists(source: Source | None, files: list[Path], as_of: str | None) -> list[PriceList]:
    from datetime import UTC, datetime

    from harness.instants import asked_instant
    from harness.pricing.lists.installed import GENAI, LITELLM, list_in_file

    today = datetime.now(UTC).date()
    day = None if as_of is None else asked_instant(as_of, where="--as-of", zoneless="days").date()
    lists = {each.project: each for each in (list_in_file(path, day, today) for path in files)}
    named = {LITELLM, GENAI} if source in (None, Source.BOTH) else {str(source)}
    wanted = set(lists) if source is None and lists else named
    return [lists.get(project) or _installed(project, day or today) for project in sorted(wanted)]


def _installed(project: str, today: date) -> PriceList:
    from harness.errors import InputError
    from harness.pricing.lists.installed import installed_list

    found = installed_list(project, today)
    if found is None:
        raise InputError(f"{project} is not installed", where="prices import", fix=f"pip install {project}, or --from")
    return found


def _facts(lists: list[PriceList], found: Imported) -> dict[str, object]:
    return {
        "lists": [{"project": each.project, "version": each.version, "stated_on": each.stated_on} for each in lists],
        "n_models": found.n_models,
        "n_appended": {provider: len(rows) for provider, rows in found.appended.items()},
        "differences": [
            {
                "model": f"{item.provider}/{item.model}",
                "rate": item.key,
                "figures": dict(item.figures),
                "imported": not item.decides_model,
            }
            for item in found.differences
        ],
        "refused": [
            {"listed_as": item.listed_as, "model": f"{item.provider}/{item.model}", "reason": item.reason}
            for item in found.refusals
        ],
    }


def _print_found(lists: list[PriceList], found: Imported, output: Path) -> None:
    from collections import Counter

    from harness.documents.table import Column, Table
    from harness.money import plain
    from harness.rendering.console import print_table

    columns = tuple(Column(name=name) for name in ("model", "rate", "figures", "what decides"))
    rows: list[tuple[object, ...]] = [
        (
            f"{item.provider}/{item.model}",
            item.key,
            ", ".join(f"{label} {plain(rate)}" for label, rate in item.figures.items()),
            "a row of your own or a shipped one" if item.decides_model else "left out of the row",
        )
        for item in found.differences
    ]
    if rows:
        print_table(Table(name="differences", title="The lists differ: not imported", columns=columns, rows=rows))
    reasons = Counter(item.reason.partition(":")[0] for item in found.refusals)
    refused = [(n, reason) for reason, n in reasons.most_common()]
    title = "Refused by rule (each entry: --json)"
    print_table(Table(name="refused", title=title, columns=(Column(name="n"), Column(name="rule")), rows=refused))
    n_rows = sum(map(len, found.appended.values()))
    labels = " and ".join(f"{each.label} (as of {each.stated_on})" for each in lists)
    say(f"{labels}: prices of {found.n_models} models; {n_rows} rows appended in {output}")
