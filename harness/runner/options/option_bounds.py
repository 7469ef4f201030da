"""The values that options of a run can have: what is no number, or far past any use, is refused before data are loaded.

Pure. Data flows a `RunSpec`, however it came about (command line, nightly config, Python, a stored run) -> nothing, or
one error with every value that is out of bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from harness.errors import Finding, InputError
from harness.runner.plan import LoadedSuite
from harness.runner.spec import RunSpec
from harness.suites.suite import MOST_EPOCHS, MOST_OUTPUT_TOKENS

MOST_PLANNED = 5_000_000
"""Samples of one run, repeats included: the plan of a run is held in memory and written before the first request."""

_MOST: Mapping[str, float] = {
    "epochs": MOST_EPOCHS,
    "max_output_tokens": MOST_OUTPUT_TOKENS,
    "concurrency": 100_000,
    "max_attempts": 10_000,
    "timeout_s": 7 * 86_400.0,
    "batch_poll_s": 86_400.0,
    "temperature": 100.0,
    "max_failed": 1.0,
    "requests_per_minute": 1e9,
    "tokens_per_minute": 1e12,
}
_LARGEST_SEED = 2**63 - 1
_FLAGS = {"requests_per_minute": "rpm", "tokens_per_minute": "tpm"}


def refuse_nothing_to_ask(spec: RunSpec) -> None:
    """Refuse a new run without suites or models.

    Raises:
        InputError: with an example of what is missing.
    """
    if not spec.suites:
        raise InputError("no suite named", where="SUITE", fix="benchtab run starter -m sim/reasoner; see: suites list")
    if not spec.models:
        raise InputError("no model named", where="--model", fix="add -m provider/model, for example -m openai/o1")


def refuse_out_of_bounds(spec: RunSpec) -> None:
    """Refuse numbers that are none, below nothing or past any use.

    Raises:
        InputError: every such option with its value and the most that it can be.
    """
    findings = list(_out_of_bounds(spec))
    if findings:
        named = ", ".join(finding.where for finding in findings)
        raise InputError("options are out of bounds", where=named, findings=findings, fix="use a value within them")


def _out_of_bounds(spec: RunSpec) -> Iterator[Finding]:
    if abs(spec.sample_seed) > _LARGEST_SEED:
        yield Finding(where="--sample-seed", message=f"a whole number of {spec.sample_seed.bit_length()} bits, not 63")
    for name, most in _MOST.items():
        value = getattr(spec, name)
        if value is not None and not 0 <= value <= most:  # nan is not either
            flag = "--" + _FLAGS.get(name, name).replace("_", "-")
            shown = str(value) if abs(value) < 1e12 or math.isnan(value) else f"{value:.0e}"
            yield Finding(where=flag, message=f"{shown} is not between 0 and {most:,g}")


def refuse_too_many(suites: Sequence[LoadedSuite], *, limit: int | None, epochs: int | None) -> None:
    """Refuse a plan of more samples than one run can hold.

    Args:
        limit: first N samples of each task; None = all.
        epochs: repeats of each sample; None = as each task says.

    Raises:
        InputError: with the number, and how to have fewer.
    """
    n_planned = 0
    for task in (task for suite in suites for task in suite.tasks):
        n_samples = len(task.samples) if limit is None else min(limit, len(task.samples))
        n_planned += n_samples * (task.task.epochs if epochs is None else epochs)
    if n_planned > MOST_PLANNED:
        raise InputError(
            f"the run would ask {n_planned:,} samples of each model, and one run holds {MOST_PLANNED:,}",
            where="--epochs",
            fix="repeat less often, or take fewer samples of each task with --limit N",
        )
