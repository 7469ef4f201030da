"""`benchtab run`: suites on models, every attempt in the ledger, the spend report of this run at the end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.terminal import completion
from harness.cli.terminal.help_pages import examples
from harness.cli.terminal.options import (
    DbOption,
    JsonOption,
    PricingOption,
    open_ledger,
    optional,
    place_words,
    verbosity,
)
from harness.cli.terminal.output import print_out, say
from harness.resources import ledger_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook
    from harness.rendering.progress import ProgressDisplay
    from harness.runner import PreparedRun, RunResult, RunSpec
    from harness.runner.workers.engines import Engine
    from harness.runner.workers.worker_options import RayCluster


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="run", epilog=EXAMPLES)(run)


EXAMPLES = examples(
    "benchtab run starter -m sim/reasoner -m sim/direct",
    "benchtab run gsm8k -m openai/o1 -m openai/gpt-4o --limit 100 --dry-run",
    "benchtab run gsm8k -m openai/o3-mini@low -m openai/o3-mini --budget-usd 5",
    "benchtab run gsm8k -m openai/o1 --precision 1pt --budget-usd 50",
    "benchtab run ./mine.toml -m openai-compatible/NAME --base-url http://HOST/v1",
    "benchtab run --resume RUN --budget-usd 10",
)


def run(
    context: typer.Context,
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SUITE", autocompletion=completion.suites, help="Names of suites, or paths of suite files."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            autocompletion=completion.models,
            help="provider/model[@setting]; repeatable.",
        ),
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
    max_failed: Annotated[
        str, typer.Option(metavar="SHARE", help="Fail (exit 1) when more of a model's samples failed for good.")
    ] = "5%",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask failed samples of a stored run again, as --resume does.")
    ] = False,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Where local data sets lie.")] = None,
    frames: Annotated[
        str | None,
        typer.Option(metavar="N|every=K", help="Frames shown of each video: N, evenly spaced, or every K-th."),
    ] = None,
    temperature: Annotated[float | None, typer.Option(min=0.0, help="Default: the provider's.")] = None,
    max_output_tokens: Annotated[int | None, typer.Option(min=1, help="Default: as the suite says.")] = None,
    service_tier: Annotated[str | None, typer.Option(help="flex, priority, ...; default: the provider's.")] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]URL", help="Address of the openai-compatible models, or of provider/model NAME; repeatable."
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="MODEL", autocompletion=completion.models, help="Model for judged tasks.")
    ] = None,
    user_model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", autocompletion=completion.models, help="Plays the user of conversations."),
    ] = None,
    max_usd_per_sample: Annotated[
        str | None,
        typer.Option(metavar="USD", help="Hard cap on what one sample may cost, judge and simulated user included."),
    ] = None,
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
    precision: Annotated[
        str | None, typer.Option(metavar="1pt", help="Ask only until each score is known to +- so many points.")
    ] = None,
    confidence: Annotated[str, typer.Option(metavar="95%", help="Confidence of that interval.")] = "95%",
    difference: Annotated[
        str | None, typer.Option(metavar="2pt", help="Ask only until the difference to --against is known so well.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(metavar="MODEL", autocompletion=completion.models, help="Of this run or a stored one."),
    ] = None,
    bank: Annotated[
        bool, typer.Option("--bank/--no-bank", help="Other models' stored answers may say what to ask first.")
    ] = True,
    pilot: Annotated[
        str | None,
        typer.Option(metavar="N|P%", help="Ask N samples of each model, or P% of its answers, then forecast the bill."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing after the pilot: go on if the budget holds.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the estimate; send nothing.")] = False,
    workers: Annotated[
        str | None,
        typer.Option(
            metavar="N|ray[:ADDRESS][:N]",
            help="N processes of this machine ask (PostgreSQL ledger; 0: others start them), or N actors of Ray.",
        ),
    ] = None,
    run_id: Annotated[str | None, typer.Option(metavar="RUN", help="Name of the run; an existing one goes on.")] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            autocompletion=completion.runs,
            help="Go on with a stored run; its failed samples are asked again.",
        ),
    ] = None,
    db: DbOption = None,
    pricing: PricingOption = None,
    json_output: JsonOption = False,
) -> None:
    """Run suites on models and print what it cost.

    API keys come from the environment (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, ...).
    """
    from harness.money import parse_usd
    from harness.pricing.model_facts import lay_over
    from harness.pricing.model_names import read_model
    from harness.pricing.price_files import load_price_book
    from harness.runner import RunSpec
    from harness.runner.failed_samples import parse_max_failed
    from harness.runner.forecast.pilot_size import parse_pilot
    from harness.runner.options.arguments import existing_folder, parse_budget_mode
    from harness.runner.options.frame_options import parse_frames
    from harness.runner.options.precision_options import parse_confidence, parse_points
    from harness.runner.workers.worker_options import parse_workers

    asked = RunSpec(
        suites=tuple(suites or ()),
        models=tuple(read_model(name) for name in model or ()),
        epochs=epochs,
        limit=limit,
        sample_seed=sample_seed,
        concurrency=concurrency,
        budget_usd=optional(budget_usd, partial(parse_usd, where="--budget-usd")),
        budget_mode=parse_budget_mode(budget_mode),
        timeout_s=timeout_s,
        max_attempts=max_attempts,
        max_failed=parse_max_failed(max_failed),
        data_dir=optional(data, partial(existing_folder, where="--data")),
        frames=optional(frames, parse_frames),
        temperature=temperature,
        max_output_tokens=max_output_tokens,
        service_tier=service_tier,
        base_url=tuple(base_url or ()) or None,
        keep_transcripts=not no_transcripts,
        requests_per_minute=rpm,
        tokens_per_minute=tpm,
        unsafe_exec=unsafe_exec,
        judge=optional(judge, partial(read_model, where="--judge")),
        user_model=optional(user_model, partial(read_model, where="--user-model")),
        max_usd_per_sample=optional(max_usd_per_sample, partial(parse_usd, where="--max-usd-per-sample")),
        reuse=reuse,
        batch=batch,
        batch_poll_s=batch_poll_s,
        stream=stream,
        precision=optional(precision, partial(parse_points, where="--precision")),
        confidence=parse_confidence(confidence),
        difference=optional(difference, partial(parse_points, where="--difference")),
        against=optional(against, partial(read_model, where="--against")),
        bank=bank,
        pilot=optional(pilot, parse_pilot),
    )
    book = load_price_book(pricing)
    lay_over(pricing)
    command = _Command(
        book=book,
        run_id=_one_run(run_id, resume),
        goes_on=resume is not None,
        retry_failed=retry_failed or resume is not None,
        dry_run=dry_run,
        can_ask=not yes and _has_terminal(),
        db=db,
        places=place_words(db, pricing),
        who_asks=[] if workers is None else ["--workers", workers],
        pricing=pricing,
        workers=optional(workers, parse_workers),
        json_output=json_output,
    )
    exit_code = _carry_out(asked, _given(context), command)
    if exit_code is not None:
        raise typer.Exit(exit_code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    """What a run is told besides its options.

    Attributes:
        can_ask: whether somebody at a terminal may be asked.
        goes_on: `--resume`: the run is stored, and its options hold where none is given now.
        db: where the ledger is, as typed.
        workers: processes to ask on this machine, or a Ray cluster; 0 = others start them; None = this process asks.
        places, who_asks: words that the printed command needs.
    """

    book: PriceBook
    run_id: str | None
    goes_on: bool
    retry_failed: bool
    dry_run: bool
    can_ask: bool
    db: str | None
    places: list[str]
    who_asks: list[str]
    pricing: Path | None
    workers: int | RayCluster | None
    json_output: bool

    @property
    def engine(self) -> Callable[[str], Engine] | None:
        """What starts the workers of a run; None = this process asks it."""
        from harness.runner.options.command_line import command as shell_command
        from harness.runner.workers.engines import OthersWorkers, local_processes
        from harness.runner.workers.worker_options import RayCluster

        if self.workers is None:
            return None
        if self.workers == 0:
            words = ["worker", *self.places]
            return lambda run_id: OthersWorkers(None if verbosity.quiet else shell_command([*words, run_id]))
        if isinstance(self.workers, RayCluster):
            from harness.runner.workers.ray_engine import ray_actors

            return partial(ray_actors, cluster=self.workers, ledger_url=ledger_name(self.db), pricing=self.pricing)
        return partial(
            local_processes,
            n_workers=self.workers,
            ledger_url=ledger_name(self.db),
            places=[] if self.pricing is None else ["--pricing", str(self.pricing)],
            quiet=verbosity.quiet,
        )


def _carry_out(asked: RunSpec, given: set[str], command: _Command) -> int | None:
    """Run, or estimate; gives the run's exit code, None for an estimate."""
    from harness.runner.options.option_bounds import refuse_nothing_to_ask
    from harness.runner.options.resuming import stored_spec
    from harness.runner.workers.worker_options import refuse_a_file

    if command.workers is not None:
        refuse_a_file(ledger_name(command.db))
    if not command.goes_on:
        refuse_nothing_to_ask(asked)
        if command.dry_run and not _opens(command.db):
            _print_estimate(asked, command, None)
            return None
    with open_ledger(command.db, create=not (command.goes_on or command.dry_run)) as ledger:
        stored = command.run_id if command.goes_on else None
        spec = asked if stored is None else stored_spec(ledger, stored, asked, given)
        if not command.dry_run:
            return _run(spec, ledger, command)
        _print_estimate(spec, command, ledger)
    return None


def _has_terminal() -> bool:
    """Whether a person can be asked: the question goes to stderr, the answer comes from stdin."""
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()


def _one_run(run_id: str | None, resume: str | None) -> str | None:
    from harness.errors import InputError

    if run_id is not None and resume is not None and run_id != resume:
        raise InputError(
            f"two runs are named: {run_id!r} and {resume!r}", where="--run-id", fix="name one of them, with --resume"
        )
    return run_id if resume is None else resume


def _given(context: typer.Context) -> set[str]:
    """Fields of `RunSpec` that were named on the command line, whatever their value."""
    from harness.runner import RunSpec

    fields = RunSpec.__dataclass_fields__.keys()
    named = (name for name in context.params if _was_typed(context, name))
    return {field for name in named if (field := _FIELDS.get(name, name)) in fields}


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


_FIELDS = {
    "model": "models",
    "data": "data_dir",
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "no_transcripts": "keep_transcripts",
}
"""Options that are called otherwise than their field."""


def _opens(db: str | None) -> bool:
    """Whether a ledger is there that may hold this run already, or answers that tell how long the next ones will be."""
    from harness.errors import LedgerError, NoLedgerError

    try:
        open_ledger(db).close()
    except NoLedgerError:
        return False
    except LedgerError as error:
        say(f"warning: the estimate knows of no stored answers, as the ledger cannot be read: {error}")
        return False
    return True


def _display(ledger: Ledger, command: _Command, prepared: PreparedRun) -> ProgressDisplay:
    """Make the display of a run; one that others ask is followed in the ledger."""
    from harness.rendering.progress import announced

    if command.workers is None:
        return announced(prepared, quiet=verbosity.quiet)
    from harness.cli.terminal.run_counts import run_counts

    models = [model.spec for model in prepared.models]
    follow = run_counts(ledger, command.book, prepared.run_id, models)
    return announced(prepared, quiet=verbosity.quiet, follow=follow)


def _run(spec: RunSpec, ledger: Ledger, command: _Command) -> int:
    """Run, print the report, give the run's exit code."""
    from harness.runner import SessionOptions, run_suites
    from harness.runner.options.command_line import command as shell_command

    result = run_suites(
        spec,
        ledger=ledger,
        book=command.book,
        run_id=command.run_id,
        observe=partial(_display, ledger, command),
        session=SessionOptions(
            handle_signals=True,
            retry_failed=command.retry_failed,
            can_ask=command.can_ask,
            places=command.places,
            who_asks=command.who_asks,
            engine=command.engine,
        ),
    )
    _print_report(ledger, command.book, result.run_id, json_output=command.json_output)
    print_ending(result)
    if not verbosity.quiet:
        say(f"look at it: {shell_command(['view', result.run_id, *command.places])}")
    return result.exit_code


def _print_estimate(spec: RunSpec, command: _Command, ledger: Ledger | None) -> None:
    """Show what would be sent and what it may cost; of a stored run, what is left of it."""
    from datetime import UTC, datetime

    from harness.rendering.console import print_table
    from harness.rendering.json_text import to_json
    from harness.reports.estimate import estimate_table
    from harness.reports.planned_waves import planned_objects, planned_table
    from harness.runner.forecast.dry_run import dry_run

    planned = dry_run(
        spec,
        ledger=ledger,
        book=command.book,
        now=datetime.now(UTC),
        run_id=command.run_id,
        retry_failed=command.retry_failed,
    )
    for warning in planned.warnings:
        say(f"warning: {warning}")
    table = estimate_table(planned.estimates)
    if command.json_output:
        names = [column.name for column in table.columns]
        rows = [dict(zip(names, row, strict=True)) for row in table.rows]
        if planned.waves is not None:
            rows = [row | {"precision": planned_objects(planned.waves, row["suite"], row["model"])} for row in rows]
        print_out(to_json(rows))
        return
    print_table(table)
    if planned.waves is not None:
        print_table(planned_table(planned.waves))


def _print_report(ledger: Ledger, book: PriceBook, run_id: str, *, json_output: bool) -> None:
    from harness.cli.report import print_report

    print_report(ledger, book, [run_id], output_format="json" if json_output else "table")


def print_ending(result: RunResult) -> None:
    """Say on stderr how a run ended: notes, why requests failed, why models stopped, and what goes on with it."""
    from harness.runner.endings import ending_lines

    for line in ending_lines(result):
        say(line)
