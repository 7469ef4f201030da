"""`benchtab score`: stored answers scored again, old and new scores side by side, then the report of the run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger, optional
from harness.cli.terminal.output import print_document, say
from harness.rendering.formats import PEOPLE, checked, in_words, text_formats

if TYPE_CHECKING:
    from harness.ledger import Ledger
    from harness.reports.agreement import Agreement, Recorded
    from harness.reports.rescored import RowKey, ScoreChanges
    from harness.runner.scoring.rescoring import Rescored


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("score", epilog=EXAMPLES)(score)


EXAMPLES = examples(
    "benchtab score RUN --json",
    "benchtab score RUN --judge openai/gpt-4o --budget-usd 1",
)


def score(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", autocompletion=completion.runs, help="Run whose stored answers are scored again."
        ),
    ],
    judge: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Model for judged tasks. Default: the run's.")
    ] = None,
    budget_usd: Annotated[str | None, typer.Option(metavar="X", help="Hard cap on what the judge may cost.")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, file_okay=False, help="Where local data sets lie now.")
    ] = None,
    base_url: Annotated[
        list[str] | None, typer.Option(metavar="[NAME=]URL", help="The judge's address; repeatable.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, help="Judge requests in flight.")] = 16,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help='Recorded verdicts to compare with: JSON Lines of {"sample_id", "correct" or "answer"}; '
            "exit 1 where any differs.",
        ),
    ] = None,
    unsafe_exec: Annotated[bool, typer.Option("--unsafe-exec", help="Run programs without a sandbox.")] = False,
    db: DbOption = None,
    pricing: PricingOption = None,
    output_format: Annotated[str, typer.Option("--format", help=f"{in_words(text_formats(PEOPLE))}.")] = "table",
    json_output: JsonOption = False,
) -> None:
    """Score the stored answers of a run again, with its suites' present scorers.

    Sends no request unless a scorer is a judge. Old scores are kept in the ledger; the newest of an answer counts.
    With --against, what now counts is laid beside verdicts of another grader or of people.
    """
    from harness.models import parse_model
    from harness.money import parse_usd
    from harness.pricing.price_files import load_price_book
    from harness.reports.facts.assembly import spend_report
    from harness.reports.rescored import Rescoring, rescored_document
    from harness.runner.scoring.rescoring import RescoreOptions, rescore

    chosen = checked("json" if json_output else output_format, PEOPLE)
    options = RescoreOptions(
        judge=optional(judge, parse_model),
        budget_usd=optional(budget_usd, partial(parse_usd, where="--budget-usd")),
        data_dir=data,
        base_url=tuple(base_url or ()) or None,
        concurrency=concurrency,
        unsafe_exec=unsafe_exec,
    )
    recorded = None if against is None else _recorded(against)
    with open_ledger(db) as ledger:
        book = load_price_book(pricing)
        before = spend_report(ledger, book, [run])
        made = rescore(ledger, run, book=book, options=options, notice=say)
        after = spend_report(ledger, book, [run])
        changes = _changes(ledger, run, made)
        found = None if recorded is None else _agreement(ledger, run, recorded)
    for problem in made.problems:
        say(f"benchtab: {problem}")
    told = Rescoring(
        run_id=run, before=before, after=after, changes=changes, kept=made.kept, problems=list(made.problems)
    )
    print_document(rescored_document(told, found), chosen)
    raise typer.Exit(made.exit_code or int(found is not None and not found.is_whole))


def _recorded(path: Path) -> list[Recorded]:
    from harness.reports.agreement import read_recorded

    return read_recorded(path.read_text(encoding="utf-8", errors="replace").splitlines(), where=str(path))


def _agreement(ledger: Ledger, run_id: str, recorded: list[Recorded]) -> Agreement:
    """Compare what now counts in the ledger with what is recorded."""
    from harness.ledger.reading.attempt_rows import score_rows
    from harness.models import ModelSpec
    from harness.reports.agreement import Verdict, compare

    return compare(
        recorded,
        (
            Verdict(
                sample_id=row.sample_id,
                suite=row.suite,
                task=row.task,
                model=str(ModelSpec(provider=row.provider, model=row.model, setting=row.setting)),
                epoch=row.epoch,
                value=None if row.value_millionths is None else row.value_millionths / 1e6,
                answer=row.answer,
                rule=row.rule,
                reason=row.reason,
            )
            for row in score_rows(ledger, [run_id])
        ),
    )


def _changes(ledger: Ledger, run_id: str, made: Rescored) -> dict[RowKey, ScoreChanges]:
    from harness.reports.rescored import ScoreChanges

    found: dict[RowKey, ScoreChanges] = {}
    for cell in ledger.cells(run_id):
        if cell.cell_id is not None and (one := made.cells.get(cell.cell_id)) is not None:
            found[cell.suite, cell.provider, cell.model, cell.setting] = ScoreChanges(
                n_scored=one.n_scored,
                n_higher=one.n_higher,
                n_lower=one.n_lower,
                n_other_reason=one.n_other_reason,
            )
    return found
