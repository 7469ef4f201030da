"""Everything that is decided before the first request: suites loaded, samples drawn, settings and prices checked.

Data flows `RunSpec` -> `PreparedRun`; nothing is sent and nothing is written here. Every mistake ends the command now.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from harness.environments.known_environments import environment_named
from harness.errors import InputError
from harness.instants import to_us
from harness.ledger.encoding import canonical_json
from harness.ledger.records import CellRecord, MissingRecord, PlannedRecord, RunRecord, SuiteRecord, TaskRecord
from harness.loaders.suite_files import framed, load_suite, suite_file
from harness.loaders.tasks import load_task
from harness.loaders.video_files import frames_facts
from harness.messages import Clip
from harness.models import ModelSpec, parse_model
from harness.money import to_pico_ceiling
from harness.pricing.book import PriceBook
from harness.pricing.known_names import where_prices_go, why_no_price
from harness.providers.endpoints import endpoints
from harness.providers.settings import reasons
from harness.runner.options.frame_options import frames_of
from harness.runner.options.option_bounds import refuse_out_of_bounds, refuse_too_many
from harness.runner.options.precision_options import refuse_contradictions
from harness.runner.plan import (
    JUDGED,
    LoadedSuite,
    ModelPlan,
    PreparedRun,
    is_simulated,
    plan,
    plan_sha256,
    sample_sha256,
)
from harness.runner.spec import RunSpec
from harness.runner.trajectories.user_models import conversation_notes, refuse_conversations, user_models
from harness.scorers.instructions.language_libraries import missing_libraries
from harness.scorers.judge import JudgeOptions
from harness.suites.sample import LoadedTask, Sample
from harness.version import __version__
from harness.waves.design_record import DESIGN, RunDesign


def prepare_run(spec: RunSpec, *, run_id: str, book: PriceBook, now: datetime) -> PreparedRun:
    """Load, draw and check.

    Raises:
        InputError: a suite, a data set or an option is wrong; all findings at once.
    """
    _check_options(spec)
    suites = load_suites(spec.suites, data_dir=spec.data_dir, frames=spec.frames)
    models = tuple(_model_plan(model, book, now) for model in spec.models)
    warnings = [warning for loaded in suites for task in loaded.tasks for warning in task.warnings]
    warnings += _price_warnings(models, book, now)
    warnings += _judge_warnings(spec, suites)
    refuse_conversations(suites, spec)
    warnings += conversation_notes(suites, spec)
    warnings += _environment_warnings(suites)
    warnings += _library_warnings(suites)
    refuse_too_many(suites, limit=spec.limit, epochs=spec.epochs)
    chains = plan(suites, seed=spec.sample_seed, limit=spec.limit, epochs=spec.epochs)
    return PreparedRun(
        run_id=run_id,
        spec=spec,
        suites=suites,
        chains=chains,
        models=models,
        plan_sha256=plan_sha256(chains, spec.deciding()),
        warnings=tuple(dict.fromkeys(warnings)),
        endpoints=endpoints(spec.base_url, spec.models, [*_judge_models(spec, suites), *user_models(suites, spec)]),
    )


def load_suites(names: Sequence[str], *, data_dir: Path | None, frames: str | None = None) -> tuple[LoadedSuite, ...]:
    """Load suites with all their samples.

    Args:
        frames: which frames of videos are shown, as `RunSpec` keeps it; None = as the suites say.
    """
    suites = [framed(load_suite(name), frames_of(frames)) for name in names]
    if frames is not None and all(task.dataset.shown_frames is None for suite in suites for task in suite.tasks):
        raise InputError("no task shows a video", where=f"--frames {frames}", fix="leave --frames out")
    loaded = []
    for name, suite in zip(names, suites, strict=True):
        path = suite_file(name)
        tasks = tuple(load_task(task, suite_path=path, data_dir=data_dir) for task in suite.tasks)
        loaded.append(LoadedSuite(suite=suite, tasks=tasks))
    return tuple(loaded)


def _check_options(spec: RunSpec) -> None:
    doubled = sorted({str(model) for model in spec.models if spec.models.count(model) > 1})
    if doubled:
        raise InputError(f"model named twice: {', '.join(doubled)}", where="--model", fix="name each model once")
    if spec.concurrency < 1:
        raise InputError(f"--concurrency is {spec.concurrency}", where="--concurrency", fix="use 1 or more")
    refuse_out_of_bounds(spec)
    refuse_contradictions(spec)
    endpoints(spec.base_url, (), check_names=False)  # a wrong address ends the command before any data are loaded
    if spec.budget_usd is not None and spec.budget_usd <= 0:
        raise InputError(f"--budget-usd is {spec.budget_usd}", where="--budget-usd", fix="use an amount above zero")


def judges(run: PreparedRun) -> dict[ModelSpec, int | None]:
    """Models that judge replies of a run -> output cap of their replies; the user's choice wins over the suites'."""
    found: dict[ModelSpec, int | None] = {}
    for options in _judge_options(run.suites):
        named = run.spec.judge or (None if options.model is None else parse_model(options.model))
        if named is not None:
            found.setdefault(named, options.max_output_tokens)
    return found


def _judge_options(suites: Sequence[LoadedSuite]) -> Iterator[JudgeOptions]:
    for loaded in suites:
        for task in loaded.suite.tasks:
            if task.scorer.name == JUDGED:
                yield JudgeOptions.model_validate(task.scorer.options)


def _judge_models(spec: RunSpec, suites: Sequence[LoadedSuite]) -> list[ModelSpec]:
    if spec.judge is not None:
        return [spec.judge]
    return [parse_model(options.model) for options in _judge_options(suites) if options.model is not None]


def _judge_warnings(spec: RunSpec, suites: Sequence[LoadedSuite]) -> list[str]:
    if spec.judge is not None or all(options.model is not None for options in _judge_options(suites)):
        return []
    return ["some tasks are scored by a judge and none is named: their answers stay unscored (add --judge MODEL)"]


def _model_plan(spec: ModelSpec, book: PriceBook, now: datetime) -> ModelPlan:
    return ModelPlan(spec=spec, reasons=reasons(spec), simulated=is_simulated(spec, book, now))


def _environment_warnings(suites: Sequence[LoadedSuite]) -> list[str]:
    """What environments say of their options and packages; an environment that cannot be opened is refused here."""
    solvers = [loaded.task.solver for suite in suites for loaded in suite.tasks if loaded.task.is_conversation]
    return [told for one in solvers for told in environment_named(one.environment).check(one.options)]


def _library_warnings(suites: Sequence[LoadedSuite]) -> list[str]:
    names = {task.scorer.name for loaded in suites for task in loaded.suite.tasks}
    told = missing_libraries() if "instructions" in names else None
    return [] if told is None else [told]


def _price_warnings(models: Sequence[ModelPlan], book: PriceBook, now: datetime) -> list[str]:
    unpriced = [model.spec for model in models if book.at(model.spec.provider, model.spec.model, now) is None]
    if not unpriced:
        return []
    message = "; ".join(dict.fromkeys(why_no_price(book, model.provider, model.model, now) for model in unpriced))
    fix = where_prices_go(book, unpriced[0].provider)
    return [f"{message}; its cost will be unknown ({fix})"]


def run_record(run: PreparedRun, *, book: PriceBook, now: datetime, design: RunDesign | None = None) -> RunRecord:
    """The run as the ledger keeps it, with its provenance."""
    budget = run.spec.budget_usd
    return RunRecord(
        run_id=run.run_id,
        created_at_us=to_us(now),
        plan_sha256=run.plan_sha256,
        harness_version=__version__,
        price_book_sha256=book.sha256,
        config=run.spec.to_json() | ({} if design is None else {DESIGN: design.to_json()}),
        suites=tuple(suite_record(loaded) for loaded in run.suites),
        models=tuple(str(model.spec) for model in run.models),
        price_sources=[
            {"name": source.name, "sha256": source.sha256, "layer": source.layer} for source in book.sources
        ],
        git_commit=checkout_commit(),
        sample_seed=run.spec.sample_seed,
        budget_pico_usd=None if budget is None else to_pico_ceiling(budget),
        warnings=run.warnings,
    )


def suite_record(loaded: LoadedSuite) -> SuiteRecord:
    tasks = tuple(
        TaskRecord(
            name=task.task.name,
            revision=task.revision,
            samples_sha256=task.samples_sha256,
            weight=task.task.weight,
            epochs=task.task.epochs,
            max_output_tokens=task.task.max_output_tokens,
            max_output_tokens_reasoning=task.task.max_output_tokens_reasoning,
            frames=_frames(task),
            scale=task.task.scale,
        )
        for task in loaded.tasks
    )
    suite = loaded.suite
    missing = tuple(MissingRecord(name=one.name, weight=one.weight, why=one.why) for one in suite.missing)
    return SuiteRecord(name=suite.name, version=suite.version, sha256=suite.sha256, tasks=tasks, missing=missing)


def _frames(task: LoadedTask) -> Mapping[str, float] | None:
    """The choice of frames of a task with videos, and how many frames that is a clip."""
    choice = task.task.dataset.shown_frames
    if choice is None:
        return None
    clips = [part for sample in task.samples if isinstance(sample.input, tuple) for part in sample.input]
    return frames_facts(choice, [part for part in clips if isinstance(part, Clip)])


def cell_records(run: PreparedRun) -> list[CellRecord]:
    """One cell per suite and model setting."""
    return [
        CellRecord(
            suite=loaded.suite.name,
            suite_version=loaded.suite.version,
            suite_sha256=loaded.suite.sha256,
            provider=model.spec.provider,
            model=model.spec.model,
            setting=model.spec.setting,
            reasoning=model.reasons,
            simulated=model.simulated,
        )
        for loaded in run.suites
        for model in run.models
    ]


def planned_records(run: PreparedRun) -> Iterator[PlannedRecord]:
    """The draw as the ledger keeps it."""
    return (
        PlannedRecord(
            suite=item.suite.name,
            task=item.task.name,
            sample_id=item.sample.sample_id,
            epoch=item.epoch,
            draw_order=item.draw_order,
            inclusion_probability=item.inclusion_probability,
            sample_sha256=sample_sha256(item.sample),
            presentation=item.sample.metadata.get("presentation"),
            reference=_reference(item.sample) if run.spec.keep_transcripts else None,
        )
        for chain in run.chains
        for item in chain
    )


def _reference(sample: Sample) -> str | None:
    """The right answer as the scorer compares it; several as a JSON list."""
    several = sample.metadata.get("targets")
    return canonical_json(several) if several else sample.target or None


@cache
def checkout_commit() -> str | None:
    """Commit of the checkout that this code runs from, with `+` for local changes; None outside a checkout.

    Asked once a process: what is imported stays what it is, whatever the checkout becomes.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
