"""`benchtab run`: suites on models, every attempt in the ledger, the spend report of this run at the end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.options import DbOption, JsonOption, PricingOption, open_ledger, verbosity
from harness.cli.output import print_out, say

if TYPE_CHECKING:
    from decimal import Decimal

    from harness.ledger import Ledger
    from harness.pricing import PriceBook
    from harness.rendering.progress import ProgressDisplay
    from harness.runner import PreparedRun, RunResult, RunSpec
    from harness.runner.spec import BudgetMode


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="run")(run)


def run(
    suites: Annotated[
        list[str] | None, typer.Argument(metavar="SUITE...", help="Names of suites, or paths of suite files.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("-m", "--model", metavar="MODEL", help="provider/model[@setting]; repeatable.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Repeats of each sample.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="First N samples in draw order of each task.")] = None,
    sample_seed: Annotated[int, typer.Option(help="Decides which samples come first.")] = 0,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight, over all models.")] = 16,
    budget_usd: Annotated[str | None, typer.Option(metavar="X", help="Hard cap on what this run may cost.")] = None,
    budget_mode: Annotated[
        str, typer.Option(metavar="strict|expected", help="Reserve each worst case, or what answers usually cost.")
    ] = "strict",
    timeout_s: Annotated[float, typer.Option(min=0.001, help="Seconds per attempt.")] = 600.0,
    max_attempts: Annotated[int, typer.Option(min=1, help="Requests per sample.")] = 6,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", exists=True, file_okay=False, help="Where local data sets lie.")
    ] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, help="Default: the provider's.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(min=1, help="Default: as the suite says.")] = None,
    service_tier: Annotated[str | None, typer.Option(help="flex, priority, ...; default: the provider's.")] = None,
    base_url: Annotated[str | None, typer.Option(metavar="URL", help="An OpenAI-compatible endpoint.")] = None,
    judge: Annotated[str | None, typer.Option(metavar="MODEL", help="Model for judged tasks.")] = None,
    rpm: Annotated[float | None, typer.Option(min=0.1, help="Requests per minute and model, at most.")] = None,
    tpm: Annotated[float | None, typer.Option(min=1.0, help="Tokens per minute and model, at most.")] = None,
    reuse: Annotated[bool, typer.Option("--reuse", help="Take stored answers to the same request.")] = False,
    batch: Annotated[bool, typer.Option("--batch", help="Use the provider's batch interface.")] = False,
    batch_poll_s: Annotated[
        float, typer.Option(min=0.01, help="Seconds between two looks at a batch, at most.")
    ] = 60.0,
    stream: Annotated[
        bool | None, typer.Option("--stream/--no-stream", help="Default: streamed where reasoning may be long.")
    ] = None,
    no_transcripts: Annotated[bool, typer.Option("--no-transcripts", help="Store no prompts and answers.")] = False,
    unsafe_exec: Annotated[bool, typer.Option("--unsafe-exec", help="Run programs without a sandbox.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the estimate; send nothing.")] = False,
    run_id: Annotated[str | None, typer.Option(metavar="RUN", help="Name of the run; an existing one goes on.")] = None,
    resume: Annotated[str | None, typer.Option(metavar="RUN", help="Go on with a stored run.")] = None,
    db: DbOption = None,
    pricing: PricingOption = None,
    json_output: JsonOption = False,
) -> None:
    """Run suites on models and print what it cost.

    API keys come from the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, ...).
    """
    from harness.models import parse_model
    from harness.price_files import load_price_book
    from harness.runner import RunSpec

    book = load_price_book(pricing)
    if resume is not None:
        with open_ledger(db, create=False) as ledger:
            spec = _stored_spec(ledger, resume, suites, model, budget_usd=budget_usd)
            _run(spec, ledger, book, run_id=resume, json_output=json_output)
    spec = RunSpec(
        suites=tuple(suites or ()),
        models=tuple(parse_model(name) for name in model or ()),
        epochs=epochs,
        limit=limit,
        sample_seed=sample_seed,
        concurrency=concurrency,
        budget_usd=parse_usd(budget_usd),
        budget_mode=parse_budget_mode(budget_mode),
        timeout_s=timeout_s,
        max_attempts=max_attempts,
        data_dir=data,
        temperature=temperature,
        max_output_tokens=max_output_tokens,
        service_tier=service_tier,
        base_url=base_url,
        keep_transcripts=not no_transcripts,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        unsafe_exec=unsafe_exec,
        judge=None if judge is None else parse_model(judge),
        reuse=reuse,
        batch=batch,
        batch_poll_s=batch_poll_s,
        stream=stream,
    )
    _require(spec)
    if dry_run:
        _print_estimate(spec, book, json_output=json_output)
        return
    with open_ledger(db, create=True) as ledger:
        _run(spec, ledger, book, run_id=run_id, json_output=json_output)


def _require(spec: RunSpec) -> None:
    from harness.errors import InputError

    if not spec.suites:
        raise InputError("no suite named", where="SUITE", fix="benchtab run starter -m sim/reasoner; see: suites list")
    if not spec.models:
        raise InputError("no model named", where="--model", fix="add -m provider/model, for example -m openai/o1")


def parse_usd(text: str | None) -> Decimal | None:
    """Read an amount of dollars as an exact decimal."""
    from decimal import Decimal, InvalidOperation

    from harness.errors import InputError

    if text is None:
        return None
    try:
        amount = Decimal(text.removeprefix("$"))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise InputError(f"not an amount of dollars: {text!r}", where="--budget-usd", fix="write for example 5 or 0.25")
    return amount


def parse_budget_mode(text: str) -> BudgetMode:
    """Read `strict` or `expected`; anything else is refused, as a slip must not loosen a budget."""
    from harness.errors import InputError

    if text == "strict":
        return "strict"
    if text == "expected":
        return "expected"
    raise InputError(f"not a budget mode: {text!r}", where="--budget-mode", fix="write strict or expected")


def _stored_spec(
    ledger: Ledger,
    run_id: str,
    suites: list[str] | None,
    models: list[str] | None,
    *,
    budget_usd: str | None,
) -> RunSpec:
    """The spec of a stored run, with a new budget when one is given."""
    import dataclasses

    from harness.errors import InputError
    from harness.runner import RunSpec

    if suites or models:
        raise InputError(
            "--resume takes suites and models from the stored run",
            where="--resume",
            fix=f"benchtab run --resume {run_id}, without suites and models",
        )
    stored = ledger.run(run_id)
    if stored is None:
        raise InputError(f"there is no run {run_id}", where=ledger.database, fix="see: benchtab runs list")
    spec = RunSpec.from_json(stored.config)
    budget = parse_usd(budget_usd)
    return dataclasses.replace(spec, budget_usd=budget if budget is not None else spec.budget_usd)


def _run(spec: RunSpec, ledger: Ledger, book: PriceBook, *, run_id: str | None, json_output: bool) -> None:
    """Run, print the report, end with the run's exit code."""
    from harness.runner import run_suites

    def observe(prepared: PreparedRun) -> ProgressDisplay:
        from harness.rendering.progress import ProgressDisplay

        for warning in prepared.warnings:
            say(f"warning: {warning}")
        items = len(prepared.items)
        say(f"run {prepared.run_id}: {items} samples x {len(prepared.models)} models")
        return ProgressDisplay({model.spec: items for model in prepared.models}, quiet=verbosity.quiet)

    result = run_suites(spec, ledger=ledger, book=book, run_id=run_id, observe=observe, handle_signals=True)
    _print_report(ledger, book, result.run_id, json_output=json_output)
    _print_ending(result)
    raise typer.Exit(result.exit_code)


def _print_estimate(spec: RunSpec, book: PriceBook, *, json_output: bool) -> None:
    """Show what would be sent and what it may cost."""
    from datetime import UTC, datetime

    from harness.rendering.console import print_table
    from harness.rendering.documents import to_json
    from harness.reports.estimate import estimate_table
    from harness.runner import prepare_run
    from harness.runner.estimates import estimate_run

    now = datetime.now(UTC)
    prepared = prepare_run(spec, run_id="dry-run", book=book, now=now)
    for warning in prepared.warnings:
        say(f"warning: {warning}")
    table = estimate_table(estimate_run(prepared, book, now))
    if json_output:
        names = [column.name for column in table.columns]
        print_out(to_json([dict(zip(names, row, strict=True)) for row in table.rows]))
    else:
        print_table(table)


def _print_report(ledger: Ledger, book: PriceBook, run_id: str, *, json_output: bool) -> None:
    from harness.cli.report import print_report

    print_report(ledger, book, [run_id], output_format="json" if json_output else "table")


def _print_ending(result: RunResult) -> None:
    for note in result.notes:
        say(note)
    for model in result.models:
        if model.stopped_by is not None:
            say(f"{model.spec} stopped: {model.stopped_by}")
    if result.resume_command is not None:
        left = sum(model.n_left for model in result.models)
        say(f"run {result.run_id} is {result.status}: {left} samples left; go on with:")
        say(f"  {result.resume_command}")
