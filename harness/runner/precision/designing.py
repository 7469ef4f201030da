"""The design of a run that goes on for a precision: what is drawn from which strata, frozen before the first request.

Data flows prepared run + other models' stored answers -> `RunDesign`, or the reason why the suite cannot give it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from harness.ledger import Ledger
from harness.ledger.records import PlannedRecord, SuiteRecord
from harness.models import ModelSpec
from harness.precision import Bank, Stratum, Target
from harness.runner.options.precision_options import is_ladder, target_of
from harness.runner.plan import Chain, LoadedSuite, ModelPlan, PreparedRun
from harness.runner.precision.goals import Known
from harness.runner.precision.ladder_order import ladder_order
from harness.runner.precision.stored_base import base_source
from harness.runner.precision.suite_refusals import refuse_out_of_reach, refuse_suite
from harness.runner.preparation import planned_records, suite_record
from harness.runner.spec import RunSpec
from harness.stats.values import known_sum
from harness.waves.bank_rows import bank_source, frozen
from harness.waves.design_record import BankSource, BaseSource, CellDesign, DesignKind, RunDesign
from harness.waves.frame import TaskFrame, divided, task_frames


def design_run(prepared: PreparedRun, ledger: Ledger | None, known: Callable[[], Known]) -> RunDesign | None:
    """Design a run; None = it asks everything.

    Args:
        ledger: whose answers may predict what is asked; None = there is none.
        known: makes what attempts are expected to cost.

    Raises:
        InputError: a suite cannot give the precision that is asked for.
    """
    target = target_of(prepared.spec)
    if target is None:
        return None
    planned = list(planned_records(prepared))
    cells: list[CellDesign] = []
    for loaded in prepared.suites:
        refuse_suite(prepared, loaded)
        cells += _suite_cells(prepared, loaded, planned, target, ledger, known)
    base = None
    against = prepared.spec.against
    if against is not None and against not in prepared.spec.models:
        suites = {loaded.suite.name: suite_record(loaded) for loaded in prepared.suites}
        base = base_source(ledger, suites, against, seed=prepared.spec.sample_seed, but_run=prepared.run_id)
    return _run_design(prepared.spec, target, cells, base)


def _run_design(spec: RunSpec, target: Target, cells: Sequence[CellDesign], base: BaseSource | None) -> RunDesign:
    return RunDesign(
        kind=_kind(spec),
        cells=tuple(cells),
        half_width=target.half_width,
        level=target.level,
        against=None if spec.against is None else str(spec.against),
        ladder=tuple(map(str, ladder_order(spec.models))) if is_ladder(spec) else (),
        base=base,
    )


def _kind(spec: RunSpec) -> DesignKind:
    if spec.difference is not None:
        return "difference"
    return "ladder" if is_ladder(spec) else "score"


def _suite_cells(
    prepared: PreparedRun,
    loaded: LoadedSuite,
    planned: Sequence[PlannedRecord],
    target: Target,
    ledger: Ledger | None,
    known: Callable[[], Known],
) -> list[CellDesign]:
    suite, sizes = suite_record(loaded), unit_sizes(prepared.chains, loaded.suite.name)
    frames = task_frames(planned, suite.name, sizes)
    whole = divided(frames, suite)
    strata = [layer.stratum for layer in whole]
    refuse_out_of_reach(
        strata,
        target,
        suite=suite.name,
        whole_usd=lambda: _whole_usd(suite.name, strata, prepared.spec.models, known()),
    )
    found = []
    for model in prepared.models:
        bank, banks = _bank(prepared, suite, frames, model, ledger) if target.kind == "score" else (None, {})
        layers = divided(frames, suite, banks) if banks else whole
        found.append(
            CellDesign(
                suite=suite.name,
                model=str(model.spec),
                strata=tuple(layer.stratum for layer in layers),
                unit_sizes=sizes,
                bank=bank,
            )
        )
    return found


def _whole_usd(suite: str, strata: Sequence[Stratum], models: Sequence[ModelSpec], known: Known) -> float | None:
    return known_sum(
        None if (usd := known.get((model, suite, stratum.task))) is None else usd * stratum.most_attempts
        for model in models
        for stratum in strata
    )


def unit_sizes(chains: Sequence[Chain], suite: str) -> dict[str, tuple[int, ...]]:
    """By task how many samples each unit holds, in draw order; tasks whose units are single samples are left out."""
    sizes: defaultdict[str, list[int]] = defaultdict(list)
    for chain in chains:
        if chain[0].epoch == 0 and chain[0].suite.name == suite:
            sizes[chain[0].task.name].append(len(chain))
    return {task: tuple(found) for task, found in sizes.items() if max(found) > 1}


def _bank(
    prepared: PreparedRun, suite: SuiteRecord, frames: Sequence[TaskFrame], model: ModelPlan, ledger: Ledger | None
) -> tuple[BankSource | None, Mapping[str, Bank]]:
    """Choose other models' answers that tell something of this one's; none where nothing does."""
    if ledger is None or not prepared.spec.bank:
        return None, {}
    source = bank_source(ledger, suite, model.spec, simulated=model.simulated, but_run=prepared.run_id)
    made = None if source is None else frozen(ledger, source, suite, frames, tested=str(model.spec))
    return (None, {}) if made is None else made
