"""What an attempt of each task is expected to cost, as a dry run forecasts it: for the first wave, and the plan shown.

Data flows prepared run + stored answers + prices -> dollars by model and stratum. A few samples stand for each task.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime

from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.runner.forecast.estimates import estimate_run
from harness.runner.forecast.output_forecast import History
from harness.runner.plan import Chain, PreparedRun
from harness.runner.precision.goals import Known

SAMPLES = 50
"""Samples of a task whose prompts are counted."""


def expected_usd(prepared: PreparedRun, history: Mapping[str, History], book: PriceBook, now: datetime) -> Known:
    """Forecast what an attempt of each task costs each model; models without a price are left out."""
    found: dict[tuple[ModelSpec, str, str], float] = {}
    for suite, task, chains in _tasks(prepared):
        own = tuple(loaded for loaded in prepared.suites if loaded.suite.name == suite)
        few = dataclasses.replace(prepared, suites=own, chains=chains)
        for one in estimate_run(few, book, now, history=history):
            if one.estimated_usd is not None:
                found[one.model.spec, suite, task] = float(one.estimated_usd) / one.n_requests
    return found


def _tasks(prepared: PreparedRun) -> Iterator[tuple[str, str, tuple[Chain, ...]]]:
    """The first samples of each task."""
    chains: dict[tuple[str, str], list[Chain]] = {}
    for chain in prepared.chains:
        own = chains.setdefault((chain[0].suite.name, chain[0].task.name), [])
        if len(own) < SAMPLES:
            own.append(chain)
    for (suite, task), own in chains.items():
        yield suite, task, tuple(own)
