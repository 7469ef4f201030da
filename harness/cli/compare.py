"""`benchtab compare`: two runs paired on samples, with a gate for nightly jobs."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_document, say
from harness.errors import InputError
from harness.rendering.formats import PEOPLE, checked, in_words, text_formats


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("compare", epilog=EXAMPLES)(compare)


EXAMPLES = examples(
    "benchtab compare monday tuesday",
    "benchtab compare monday tuesday --max-cost-increase 10% --max-score-drop 1pt",
    "benchtab compare monday --models o3-mini@low o3-mini@high",
)


def compare(
    base: Annotated[str, typer.Argument(metavar="BASE", autocompletion=completion.runs, help="The earlier run.")],
    head: Annotated[
        str | None,
        typer.Argument(
            metavar="[HEAD]",
            autocompletion=completion.runs,
            help="The later run. Default with --models: the same run.",
        ),
    ] = None,
    models: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Compare model or setting B (of HEAD) with A (of BASE): o3@high o3@low."),
    ] = None,
    max_cost_increase: Annotated[
        str | None, typer.Option(metavar="10%", help="Close the gate when a cost surely rose by more.")
    ] = None,
    max_score_drop: Annotated[
        str | None, typer.Option(metavar="1pt", help="Close the gate when a score surely fell by more.")
    ] = None,
    on_inconclusive: Annotated[
        str, typer.Option(metavar="RULE", help="When too few samples decide: fail (exit 5), warn or pass (exit 0).")
    ] = "fail",
    output_format: Annotated[str, typer.Option("--format", help=f"{in_words(text_formats(PEOPLE))}.")] = "table",
    json_output: JsonOption = False,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Compare two runs, or two models or settings of them.

    With thresholds, ends with 0 (pass), 4 (regression) or 5 (inconclusive).
    """
    from harness.pricing.price_files import load_price_book
    from harness.reports.compare.comparison import Thresholds, comparison_document
    from harness.reports.compare.gate_rules import gate_code, parse_on_inconclusive, parse_share
    from harness.reports.compare.run_comparison import compare_models, compare_runs

    chosen = checked("json" if json_output else output_format, PEOPLE)
    rule = parse_on_inconclusive(on_inconclusive)
    thresholds = Thresholds(
        cost_increase=parse_share(max_cost_increase, "%", "--max-cost-increase"),
        score_drop=parse_share(max_score_drop, "pt", "--max-score-drop"),
    )
    if head is None and models is None:
        raise InputError("there is one run to compare", where="HEAD", fix="name a second run, or --models A B")
    with open_ledger(db) as ledger:
        book = load_price_book(pricing)
        if models is not None:
            made = compare_models(ledger, book, (base, head or base), models, thresholds)
        else:
            made = compare_runs(ledger, book, base, head or base, thresholds)
    print_document(comparison_document(made), chosen)
    if made.verdict == "inconclusive" and rule == "warn":
        say("warning: inconclusive: too few common samples to decide; see the columns above")
    raise typer.Exit(gate_code(made.verdict, rule))
