"""`benchtab compare`: two runs paired on samples, with a gate for nightly jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import DbOption, JsonOption, PricingOption, open_ledger
from harness.cli.terminal.output import print_out, say
from harness.errors import InputError

if TYPE_CHECKING:
    from harness.reports.compare.comparison import Comparison


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
    output_format: Annotated[str, typer.Option("--format", help="table, json or md.")] = "table",
    json_output: JsonOption = False,
    db: DbOption = None,
    pricing: PricingOption = None,
) -> None:
    """Compare two runs, or two models or settings of them.

    With thresholds, ends with 0 (pass), 4 (regression) or 5 (inconclusive).
    """
    from harness.pricing.price_files import load_price_book
    from harness.reports.compare.comparison import Thresholds
    from harness.reports.compare.gate_rules import gate_code, parse_on_inconclusive
    from harness.reports.compare.run_comparison import compare_models, compare_runs, parse_share

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
    print_comparison(made, "json" if json_output else output_format)
    if made.verdict == "inconclusive" and rule == "warn":
        say("warning: inconclusive: too few common samples to decide; see the columns above")
    raise typer.Exit(gate_code(made.verdict, rule))


def print_comparison(made: Comparison, output_format: str) -> None:
    """Print a comparison as a table, JSON or Markdown."""
    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.rendering.markdown import to_markdown
    from harness.reports.compare.comparison import comparison_object, comparison_table

    if output_format == "json":
        print_out(to_json(comparison_object(made)))
    elif output_format == "md":
        print_out(to_markdown([comparison_table(made)]), nl=False)
    elif output_format == "table":
        print_table(comparison_table(made))
    else:
        raise InputError(f"no format {output_format!r}", where="--format", fix="one of: table, json, md")
