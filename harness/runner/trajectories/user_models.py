"""Who plays the user of a run's conversations, and what cannot be asked as a conversation.

Pure. Data flows suites + options -> models that are asked besides, or one error with everything that does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.environments.known_environments import environment_named
from harness.errors import Finding, InputError
from harness.models import ModelSpec, parse_model
from harness.runner.options.precision_options import target_of
from harness.runner.plan import BY_END_STATE, LoadedSuite
from harness.runner.spec import RunSpec
from harness.suites.suite import SolverRef, Task

USER_OUTPUT_TOKENS = 8_192
"""Output cap of who plays a user, so that its requests have a worst case."""


def user_model(solver: SolverRef, spec: RunSpec) -> ModelSpec | None:
    """Who plays the user of a task: whom the run names, else the suite; None = nobody, or there is no user."""
    if solver.name != "user_simulation":
        return None
    if spec.user_model is not None:
        return spec.user_model
    return None if solver.user_model is None else parse_model(solver.user_model)


def user_models(suites: Iterable[LoadedSuite], spec: RunSpec) -> list[ModelSpec]:
    """Everybody who plays a user in a run, each once."""
    found = (user_model(task.solver, spec) for task in _tasks(suites))
    return list(dict.fromkeys(model for model in found if model is not None))


def refuse_conversations(suites: Sequence[LoadedSuite], spec: RunSpec) -> None:
    """Refuse what no conversation can be asked with, before anything is sent.

    Raises:
        InputError: everything that does not fit, task by task.
    """
    findings = [finding for task in _tasks(suites) for finding in _misfits(task, spec)]
    findings += _options(suites, spec)
    if findings:
        raise InputError(
            findings[0].message if len(findings) == 1 else "this run cannot be asked so",
            where=", ".join(dict.fromkeys(finding.where for finding in findings)),
            findings=findings if len(findings) > 1 else (),
            fix=_FIXES.get(findings[0].where),
        )


def conversation_notes(suites: Sequence[LoadedSuite], spec: RunSpec) -> list[str]:
    """What a reader of the results must know."""
    if spec.reuse and any(task.is_conversation for task in _tasks(suites)):
        return ["--reuse: conversations are always asked, stored answers are taken for single questions only"]
    return []


_FIXES = {
    "--user-model": (
        "add --user-model provider/model, for example openai/gpt-4.1 (tau2-bench's own default), or sim/user where "
        "models are simulated; or user_model to the solver of the suite's task"
    ),
    "--batch": "leave it out: each turn of a conversation waits for the one before",
    "--precision": "leave it out, or take fewer samples with --limit N",
    "--difference": "leave it out, or take fewer samples with --limit N",
    "--max-usd-per-sample": "leave out --batch, or cap the run with --budget-usd",
}


def solver_findings(task: Task) -> Iterator[Finding]:
    """What is wrong with how a task is asked, whoever is asked."""
    where, solver = f"task {task.name}", task.solver
    if task.scorer.name == BY_END_STATE and (not task.is_conversation or solver.environment is None):
        yield Finding(where=where, message="scorer `environment` needs a solver with an environment")
    if not task.is_conversation:
        return
    if solver.environment is None:
        yield Finding(where=where, message=f"solver {solver.name} needs `environment`")
        return
    try:
        environment_named(solver.environment)
    except InputError as error:
        yield Finding(where=where, message=f"{error.message} ({error.fix})")


def _misfits(task: Task, spec: RunSpec) -> Iterator[Finding]:
    yield from solver_findings(task)
    if task.solver.name == "user_simulation" and user_model(task.solver, spec) is None:
        yield Finding(where="--user-model", message=f"task {task.name}: nobody plays its user")


def _options(suites: Sequence[LoadedSuite], spec: RunSpec) -> Iterator[Finding]:
    named = next((task.name for task in _tasks(suites) if task.is_conversation), None)
    capped = spec.max_usd_per_sample is not None or any(task.solver.max_usd is not None for task in _tasks(suites))
    if spec.batch and named is not None:
        yield Finding(where="--batch", message=f"task {named}: a conversation cannot be asked in batches")
    elif spec.batch and capped:
        yield Finding(
            where="--max-usd-per-sample", message="requests of batches are not held by caps of single samples"
        )
    if named is not None and target_of(spec) is not None:
        option = "--precision" if spec.precision is not None else "--difference"
        yield Finding(where=option, message=f"task {named}: conversations are not asked in waves yet")


def _tasks(suites: Iterable[LoadedSuite]) -> Iterator[Task]:
    return (task for loaded in suites for task in loaded.suite.tasks)
