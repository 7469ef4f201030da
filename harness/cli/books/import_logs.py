"""`benchtab import`: logs of other tools become runs of this ledger."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_out, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.imports.into_ledger import Imported, ImportOptions
    from harness.imports.log_units import Refused, Unit
    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("import", epilog=EXAMPLES)(import_logs)


EXAMPLES = examples(
    "benchtab import logs/ --dry-run       # what is in there, what it cost",
    "benchtab import logs/2026-11-27.eval",
    "benchtab import ~/.claude/projects",
    "benchtab import lm_eval_results/ --estimate",
)


def import_logs(
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE|FOLDER", help="Logs, and folders with logs; batch files together.")
    ],
    format_name: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Format of all files. Default: as their contents say."),
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="Id of the run. Default: from the format and the log's own name.")
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option("--suite", metavar="SUITE[/TASK]", help="Name of the suite, to compare with own runs of it."),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option("--provider", metavar="NAME", help="Whose the models are where a log names no provider."),
    ] = None,
    transcripts: Annotated[bool, typer.Option("--transcripts", help="Keep prompts and answers.")] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Count tokens from texts where a log has none; marked in every report.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be imported; keep nothing.")] = False,
    as_json: JsonOption = False,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Read logs of other tools into the ledger; what it holds already is not added again."""
    from harness.imports.into_ledger import ImportOptions
    from harness.imports.known_formats import format_named
    from harness.imports.log_units import units
    from harness.instants import now_us
    from harness.pricing.price_files import load_price_book
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.imported.import_table import import_object, import_table, imported_rows
    from harness.runner.spec import check_run_id
    from harness.version import __version__

    if run_id is not None:
        check_run_id(run_id)
    book = load_price_book(pricing)
    options = ImportOptions(
        now_us=now_us(),
        price_book_sha256=book.sha256,
        harness_version=__version__,
        run_id=run_id,
        suite=suite,
        provider=None if provider is None else _known_provider(provider, book),
        transcripts=transcripts,
        estimate=estimate,
    )
    found, refused = units(paths, None if format_name is None else format_named(format_name))
    with _ledger(db, dry_run=dry_run) as ledger:
        done = _import(ledger, found, options, refused)
        rows = imported_rows(ledger, book, done)
    if as_json:
        print_out(to_json(import_object(rows, done, refused, dry=dry_run)))
    elif rows:
        print_table(import_table(rows, done, refused, dry=dry_run))
        if not dry_run:
            say(f"see: benchtab report {' '.join(row.run.run_id for row in rows[:5])}{' ...' if rows[5:] else ''}")
    _refuse(refused, nothing=not done)


def _known_provider(name: str, book: PriceBook) -> str:
    """Check the name of a provider: under a misspelt one nothing would ever have a price.

    Raises:
        InputError: neither the price files nor we know it.
    """
    from harness.errors import InputError, did_you_mean
    from harness.providers.catalogue import provider_names

    asked = name.strip().lower()
    if asked in provider_names() or book.models(asked):
        return asked
    raise InputError(
        f"no provider {name!r}{did_you_mean(asked, provider_names())}",
        where="--provider",
        fix="`benchtab prices list` shows whose prices are known; add your own price files with --pricing DIR",
    )


@contextlib.contextmanager
def _ledger(db: str | None, *, dry_run: bool) -> Iterator[Ledger]:
    """Open the ledger; for a dry run one that is thrown away."""
    from harness.ledger import Ledger

    if not dry_run:
        with open_ledger(db, create=True) as ledger:
            yield ledger
        return
    with (
        tempfile.TemporaryDirectory(prefix="benchtab-import-") as folder,
        Ledger.open(Path(folder) / "ledger.db") as ledger,
    ):
        yield ledger


def _import(ledger: Ledger, found: Sequence[Unit], options: ImportOptions, refused: list[Refused]) -> list[Imported]:
    from harness.imports.into_ledger import import_unit
    from harness.imports.log_units import Refused
    from harness.imports.refusal import ImportRefused

    done: list[Imported] = []
    for unit in found:
        say(f"{unit.name}: {unit.format.title}")
        try:
            done.append(import_unit(ledger, unit, options))
        except ImportRefused as error:
            refused.append(Refused(name=unit.name, error=error, asked_for=True))
    return done


def _refuse(refused: Sequence[Refused], *, nothing: bool) -> None:
    """Fail when a log was refused, or nothing was one.

    Raises:
        ImportRefused: with everything that was wrong.
    """
    from harness.errors import Finding
    from harness.imports.refusal import ImportRefused

    failed = [one for one in refused if one.asked_for or nothing]
    if len(failed) == 1:
        raise failed[0].error
    if failed:
        findings = [Finding(where=one.error.where or one.name, message=one.error.message) for one in failed]
        raise ImportRefused(f"{len(failed)} files were not imported", findings=findings)
    if nothing:
        raise ImportRefused("there is no file", where="FILE|FOLDER")
