"""What a run refuses before it has a row in the ledger: other questions than the stored run's, settings that a model
does not take, models and providers that do not exist, keys that are missing - judges included.

Data flows `PreparedRun` -> adapters made and asked to prepare one request each -> `InputError`, or nothing. Nothing is
sent. A dry run asks the same, and only warns of missing keys.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import Finding, InputError, MissingKeyError
from harness.ledger.records import RunRecord, SuiteRecord
from harness.messages import Message
from harness.models import ModelSpec
from harness.providers.base import Request
from harness.providers.endpoints import SIMULATED
from harness.providers.settings import map_parameters
from harness.runner.event_loop import fast_loop
from harness.runner.options.resuming import asked_otherwise, differences, refuse_made_elsewhere
from harness.runner.plan import PreparedRun
from harness.runner.preparation import judges, suite_record
from harness.runner.requests.item_questions import output_cap
from harness.runner.senders import provider_of
from harness.runner.spec import check_run_id
from harness.runner.trajectories.user_models import USER_OUTPUT_TOKENS, user_models


def refuse_another_run(prepared: PreparedRun, stored: RunRecord | None) -> None:
    """Refuse a plan that is not the stored run's, or a name that no new run can have.

    Raises:
        InputError: with every option, suite and task that differs, and both values.
    """
    if stored is None:
        check_run_id(prepared.run_id)
        return
    refuse_made_elsewhere(stored, where="--run-id", fix="name another id for the new run")
    if stored.plan_sha256 != prepared.plan_sha256:
        found = differences(stored.config, prepared.spec.to_json()) or list(_suite_differences(prepared, stored))
        raise asked_otherwise(prepared.run_id, found, where="--run-id")


def _suite_differences(prepared: PreparedRun, stored: RunRecord) -> Iterator[Finding]:
    before = {suite.name: suite for suite in stored.suites}
    for loaded in prepared.suites:
        now = suite_record(loaded)
        was = before.get(now.name)
        if was is None:
            yield Finding(where=f"suite {now.name}", message=f"now, {', '.join(before)} in the run")
        elif now != was:
            yield from _changes(now, was)


def _changes(now: SuiteRecord, was: SuiteRecord) -> Iterator[Finding]:
    if now.version != was.version:
        yield Finding(where=f"suite {now.name}", message=f"version {now.version} now, {was.version} in the run")
    elif now.sha256 != was.sha256:
        yield Finding(where=f"suite {now.name}", message="its file was changed since the run began")
    tasks = {task.name: task for task in was.tasks}
    for task in now.tasks:
        known = tasks.get(task.name)
        if known is not None and known.samples_sha256 != task.samples_sha256:
            revisions = f"revision {task.revision} now, {known.revision} in the run"
            yield Finding(
                where=f"task {now.name}/{task.name}", message=f"its samples are others than in the run ({revisions})"
            )


def refuse_what_cannot_be_asked(prepared: PreparedRun) -> None:
    """Make every model's and judge's adapter and prepare one request with it; nothing is sent.

    Raises:
        InputError: a model, provider or setting that does not exist, an address that is none.
        MissingKeyError: a key is not in the environment.
    """
    for _ in _refused(prepared):
        pass


def missing_keys(prepared: PreparedRun) -> list[MissingKeyError]:
    """Check likewise, and give what a run would refuse for the lack of a key."""
    return list(_refused(prepared, keys_may_miss=True))


def _refused(prepared: PreparedRun, *, keys_may_miss: bool = False) -> Iterator[MissingKeyError]:
    with fast_loop() as loop:
        for option, spec, cap, batch in _asked(prepared):
            try:
                loop.run(_check(prepared, spec, cap, batch=batch))
            except InputError as error:
                if error.where is not None and error.where.partition(" ")[0] == "--model":
                    error.where = option + error.where.removeprefix("--model")
                if not (keys_may_miss and isinstance(error, MissingKeyError)):
                    raise
                yield error


def _asked(prepared: PreparedRun) -> Iterator[tuple[str, ModelSpec, int | None, bool]]:
    """Every model that a run asks: (its option, model, output cap of its first request, whether in batches)."""
    if not prepared.chains:
        return
    first = prepared.chains[0][0]
    for model in prepared.models:
        yield "--model", model.spec, output_cap(first, model, prepared.spec.max_output_tokens), prepared.spec.batch
    for judge, cap in judges(prepared).items():
        yield "--judge", judge, cap, False
    for user in user_models(prepared.suites, prepared.spec):
        yield "--user-model", user, USER_OUTPUT_TOKENS, False


async def _check(prepared: PreparedRun, spec: ModelSpec, cap: int | None, *, batch: bool) -> None:
    options = prepared.spec
    request = Request(
        request_id=f"{prepared.run_id}.check.e0.t1",
        model=spec,
        messages=(Message(role="user", content=""),),
        temperature=options.temperature,
        max_output_tokens=cap,
        service_tier=options.service_tier,
    )
    if spec.provider != SIMULATED:
        map_parameters(request)  # before an adapter is made: a wrong setting is told even where the key is missing
    provider = provider_of(prepared, spec, batch=batch, checking=True)
    try:
        provider.prepare(request)
    finally:
        await provider.aclose()
