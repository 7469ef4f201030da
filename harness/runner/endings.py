"""Where a session of a run ended: status, exit code, what is left, why requests failed, and the command that goes on.

Data flows how the models stand after a session (or in the ledger, of a run that was finished) -> `RunResult`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from harness.errors import BudgetReached, HarnessError, NoMoreWaves
from harness.ledger.reading.causes import FailureCause, told
from harness.ledger.records import RunStatus
from harness.models import ModelSpec
from harness.money import plain
from harness.runner.failed_samples import too_many_failed
from harness.runner.forecast.bill_words import usd_words
from harness.runner.forecast.remaining import Rest
from harness.runner.options.command_line import command, resume_words
from harness.runner.plan import PreparedRun

FINISHED: tuple[RunStatus, ...] = ("complete", "failed")
"""Runs of which every planned sample was answered or given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResult:
    """How one model of a run ended in this session.

    Attributes:
        n_failed: samples given up after their last attempt.
        n_left: samples not finished, for a later session.
        stopped_by: why this model stopped early; None when it did not.
        n_samples: planned for this model.
        n_unjudged: answers on which a judge gave no verdict, over all sessions; not those where none was named.
        why_unjudged: the most frequent reason; None when there are none.
    """

    spec: ModelSpec
    n_failed: int
    n_left: int
    stopped_by: HarnessError | None
    n_samples: int = 0
    n_unjudged: int = 0
    why_unjudged: str | None = None

    @property
    def n_to_ask(self) -> int:
        """Samples without an answer: what `--resume` asks."""
        return self.n_left + self.n_failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """How a session of a run ended.

    Attributes:
        status: `complete` when every planned sample is finished, `failed` when it is and more than the allowed share
            of a model's samples failed for good or got no verdict of their judge, else `partial`.
        warnings: what a reader of the results must know.
        exit_code: 0 complete, 1 failed, a model stopped or samples are left, 3 budget reached, 130 interrupted.
        resume_command: what asks the samples without an answer; None when there are none.
        most_in_flight: requests that were under way at once, at most.
        notes: what this session did that a report of the run does not show.
        causes: why requests of the run failed, over all its sessions, the most frequent first.
        rest: what the samples left need, where the run's own budget stopped it.
        score_command: what has answers without a verdict judged again; None when there are none.
    """

    run_id: str
    status: RunStatus
    models: tuple[ModelResult, ...]
    warnings: tuple[str, ...]
    exit_code: int
    resume_command: str | None
    most_in_flight: int = 0
    notes: tuple[str, ...] = ()
    causes: tuple[FailureCause, ...] = ()
    rest: Rest | None = None
    score_command: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is known of a session besides its models.

    Attributes:
        interrupted: whether the user stopped it.
        most_in_flight, notes: see `RunResult`.
        places: words of a command line that say where the ledger and the prices are.
        who_asks: words that say which workers ask.
        rest: what the samples left need, where the run's own budget stopped it.
    """

    interrupted: bool = False
    most_in_flight: int = 0
    notes: tuple[str, ...] = ()
    places: Sequence[str] = ()
    who_asks: Sequence[str] = ()
    rest: Rest | None = None


def status_of(models: Sequence[ModelResult], max_failed: float) -> RunStatus:
    """Decide what a run may call itself: nothing in which a model mostly failed is complete."""
    if any(model.n_left or model.stopped_by is not None for model in models):
        return "partial"
    failed = any(too_many_failed(model.n_failed + model.n_unjudged, model.n_samples, max_failed) for model in models)
    return "failed" if failed else "complete"


def run_result(
    prepared: PreparedRun,
    models: Sequence[ModelResult],
    session: Ending,
    *,
    stored_config: Mapping[str, object],
    causes: Sequence[FailureCause],
) -> RunResult:
    """Put together how a session ended; `stored_config` is what the ledger holds as the run's options."""
    status = status_of(models, prepared.spec.max_failed)
    is_done = status in FINISHED and not any(model.n_to_ask for model in models)
    is_unjudged = any(model.n_unjudged for model in models)
    has_nothing_to_ask = not any(model.n_to_ask for model in models) and any(
        isinstance(model.stopped_by, NoMoreWaves) for model in models
    )
    words = resume_words(prepared.run_id, prepared.spec, stored_config)
    if (cap_usd := _needed_cap(models, session)) is not None:
        words = _with_budget(words, cap_usd)
    return RunResult(
        run_id=prepared.run_id,
        status=status,
        models=tuple(models),
        warnings=prepared.warnings,
        exit_code=_exit_code(status, models, interrupted=session.interrupted),
        resume_command=None if is_done or has_nothing_to_ask else command([*words, *session.who_asks, *session.places]),
        most_in_flight=session.most_in_flight,
        notes=session.notes,
        causes=tuple(causes),
        rest=session.rest,
        score_command=command(["score", prepared.run_id, *session.places]) if is_unjudged else None,
    )


def _exit_code(status: RunStatus, models: Sequence[ModelResult], *, interrupted: bool) -> int:
    if interrupted and status == "partial":
        return 130
    reasons = [model.stopped_by for model in models if isinstance(model.stopped_by, BudgetReached | NoMoreWaves)]
    if reasons:
        return max(reason.exit_code for reason in reasons)
    return 0 if status == "complete" else 1


def _needed_cap(models: Sequence[ModelResult], session: Ending) -> Decimal | None:
    """The budget with which a run that stopped for want of one goes on; None where it did not."""
    if session.rest is not None:
        return session.rest.cap_usd
    caps = [model.stopped_by.cap_usd for model in models if isinstance(model.stopped_by, NoMoreWaves)]
    return max((cap for cap in caps if cap is not None), default=None)


def _with_budget(words: Sequence[str], budget_usd: Decimal) -> list[str]:
    kept = list(words)
    if "--budget-usd" in kept:
        place = kept.index("--budget-usd")
        del kept[place : place + 2]
    return [*kept, "--budget-usd", plain(budget_usd)]


def ending_lines(result: RunResult) -> list[str]:
    """Say how a run ended, for people: notes, why requests failed, why models stopped, and what goes on with it."""
    lines = list(result.notes)
    if result.causes:
        lines += ["failed requests:", *(f"  {line}" for line in told(result.causes, most=5))]
    lines += dict.fromkeys(line for model in result.models for line in _model_lines(model))
    if result.score_command is not None:
        lines += ["have the judge asked again with:", f"  {result.score_command}"]
    if result.rest is not None:
        lines.append(_needed(result.rest))
    return [*lines, *_resume_lines(result)]


def _resume_lines(result: RunResult) -> list[str]:
    if result.resume_command is None:
        return []
    n_to_ask = sum(model.n_to_ask for model in result.models)
    verb = "ask them again" if result.status in FINISHED else "go on"
    stands = "failed" if result.status == "failed" else f"is {result.status}"
    return [
        f"run {result.run_id} {stands}: {n_to_ask:,} {_samples(n_to_ask)}; {verb} with:",
        f"  {result.resume_command}",
    ]


def _model_lines(model: ModelResult) -> Iterator[str]:
    if isinstance(model.stopped_by, NoMoreWaves):
        yield f"{model.stopped_by}"  # of all models alike
    elif model.stopped_by is not None:
        yield f"{model.spec} stopped: {model.stopped_by}"
    elif model.n_failed:
        yield f"{model.spec}: {model.n_failed:,} of {model.n_samples:,} samples failed for good"
    if model.n_unjudged:
        yield f"{model.spec}: {model.n_unjudged:,} of {model.n_samples:,} answers got no verdict ({model.why_unjudged})"


def _needed(rest: Rest) -> str:
    one = f"one request may cost ${plain(rest.next_usd)}"
    if rest.estimate_usd is None and rest.has_conversations:
        begun = f"a budget of ${plain(rest.cap_usd)} holds one request of each sample"
        return f"what the rest costs is not known yet, {one}: {begun}, --dry-run says what all their turns may cost"
    if rest.estimate_usd is None:
        return f"what the rest costs is not known yet, {one}: a budget of ${plain(rest.cap_usd)} holds every worst case"
    about = f"the rest costs about {usd_words(rest.estimate_usd)} at the cost so far, {one}"
    return f"{about}: a budget of ${plain(rest.cap_usd)} holds both"


def _samples(number: int) -> str:
    return "sample has no answer" if number == 1 else "samples have no answer"
