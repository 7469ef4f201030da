"""Suites that cannot give a precision, told before anything is sent: what cannot be scored, weighed or narrowed so far.

Pure. Data flows prepared run, strata and target -> nothing, or an `InputError` with the reason and what can be had.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import InputError
from harness.precision import PairState, Stratum, StratumState, Target, UnitResult, difference, estimate
from harness.precision.points import points_up, wanted_points
from harness.runner.forecast.bill_words import usd_words
from harness.runner.plan import JUDGED, LoadedSuite, PreparedRun
from harness.scorers.judge import JudgeOptions
from harness.suites.suite import Suite, Task


def refuse_suite(prepared: PreparedRun, loaded: LoadedSuite) -> None:
    """Refuse a suite of which a part would have no score, or no share in it.

    Raises:
        InputError: naming the tasks.
    """
    _refuse_missing_weights(loaded.suite)
    _refuse_missing_samples(loaded)
    _refuse_missing_judge(prepared, loaded.suite)


def _refuse_missing_weights(suite: Suite) -> None:
    lacking = [task.name for task in suite.tasks if task.weight is None]
    if lacking and len(lacking) < len(suite.tasks):
        raise InputError(
            f"{suite.name} is an index, and these tasks have no weight in it: {', '.join(lacking)}",
            where="--precision",
            fix="give every task of the suite a weight, or none",
        )


def _refuse_missing_samples(loaded: LoadedSuite) -> None:
    empty = [task.task.name for task in loaded.tasks if not task.samples]
    if empty:
        raise InputError(
            f"{loaded.suite.name} has no samples of {', '.join(empty)}: its score needs every task",
            where="--precision",
            fix="get the data of every task first (see: benchtab suites show)",
        )


def _refuse_missing_judge(prepared: PreparedRun, suite: Suite) -> None:
    unjudged = [task.name for task in suite.tasks if task.scorer.name == JUDGED and not _has_judge(prepared, task)]
    if unjudged:
        raise InputError(
            f"the answers to {', '.join(unjudged)} are scored by a judge and none is named: the score of {suite.name}"
            " needs every task",
            where="--precision",
            fix="add --judge MODEL",
        )


def _has_judge(prepared: PreparedRun, task: Task) -> bool:
    return prepared.spec.judge is not None or JudgeOptions.model_validate(task.scorer.options).model is not None


def refuse_out_of_reach(
    strata: Sequence[Stratum], target: Target, *, suite: str, whole_usd: Callable[[], float | None]
) -> None:
    """Refuse a target that the suite cannot give to any model, not even to one that is always right.

    Args:
        whole_usd: what the whole suite is expected to cost all models; None = not known.

    Raises:
        InputError: with the best that it can give.
    """
    least = least_half_width(strata, target)
    if target.half_width >= least:
        return
    n_attempts, usd = sum(stratum.most_attempts for stratum in strata), whole_usd()
    price = "" if usd is None else f", for about {usd_words(usd)}"
    raise InputError(
        f"{suite} cannot tell a {target.kind} to ±{wanted_points(target.half_width)} points: all its"
        f" {n_attempts:,} attempts leave at least ±{points_up(least)}{price},"
        " as answers to the same question differ from one time to the next",
        where="--precision" if target.kind == "score" else "--difference",
        fix=f"ask for {points_up(least)}pt or more, or define the suite with more epochs",
    )


def least_half_width(strata: Sequence[Stratum], target: Target) -> float:
    """Half of the narrowest interval: everything is asked, and every answer is right."""
    states = [StratumState.of(stratum, _all_right(stratum)) for stratum in strata]
    if target.kind == "difference":
        pairs = [PairState.nested(head=state, base=state) for state in states]
        return difference(pairs, level=target.level).estimate.half_width
    return estimate(states, level=target.level).half_width


def _all_right(stratum: Stratum) -> list[UnitResult]:
    size, larger = divmod(stratum.n_items, stratum.n_units)
    right = (1.0,) * stratum.repeats
    return [
        UnitResult(unit=str(number), scores=(right,) * (size + (number < larger)), predictions=None)
        for number in range(stratum.n_units)
    ]
