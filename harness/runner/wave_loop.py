"""Asking in waves: who says what is asked next, and the loop that has it asked.

Data flows `WavePlanner.next_wave` -> queues -> answers in the ledger -> `next_wave` again. A wave is asked of all
models to its end, answered and scored, before the next is decided: neither speed nor money has a say in what counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

from harness.errors import HarnessError, NoMoreWaves
from harness.models import ModelSpec
from harness.runner.model_queues import RunObserver
from harness.runner.plan import Chain, ModelPlan, PreparedRun

Wave = Mapping[ModelSpec, Sequence[Chain]]
"""What is asked of each model; a model that is missing is asked nothing."""


class WavePlanner(Protocol):
    """Decides what a run asks next."""

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:
        """Give chains that were not given before; None = there is nothing more to ask.

        Called on a thread of its own, when all chains given so far are answered or given up, and their rows are in the
        ledger. The first wave of a session repeats what earlier sessions were given: what is answered is not asked
        again.

        Args:
            stuck: models that left something of what they were given, because they were stopped; what they are given
                now is left as well.

        Raises:
            NoMoreWaves: the run ends here although it is not complete.
        """

    def n_to_come(self, model: ModelSpec) -> int:
        """Samples that the run is known to need of a model and that `next_wave` has not given yet."""


class AskedModel(Protocol):
    """How a model stands while it is asked in waves; `ModelQueue` has the meaning of each."""

    model: ModelPlan
    stopped_by: HarnessError | None
    n_samples: int
    n_finished: int
    n_left: int

    def add(self, chains: Sequence[Chain]) -> None: ...

    def stop(self, reason: HarnessError) -> None: ...


class WholeRun:
    """Everything at once: all chains of the plan, of every model."""

    def __init__(self, prepared: PreparedRun) -> None:
        self._prepared = prepared
        self._is_given = False

    def next_wave(self, stuck: Collection[ModelSpec]) -> Wave | None:  # noqa: ARG002 - all is given at once
        """Give the whole plan, once."""
        if self._is_given:
            return None
        self._is_given = True
        return {model.spec: self._prepared.chains for model in self._prepared.models}

    def n_to_come(self, model: ModelSpec) -> int:  # noqa: ARG002 - the same for every model
        """Nothing, once it is given."""
        return 0 if self._is_given else sum(map(len, self._prepared.chains))


async def ask_in_waves(
    planner: WavePlanner,
    queues: Sequence[AskedModel],
    ask: Callable[[], Awaitable[None]],
    *,
    observer: RunObserver,
    stopping: asyncio.Event,
) -> None:
    """Have every wave asked; afterwards each queue says how much is left.

    Args:
        ask: works what the queues hold, and drains.
        stopping: once set, what is not answered stays for a later session.
    """
    while (wave := await _decided(planner, queues)) is not None:
        for queue in queues:
            spec = queue.model.spec
            queue.add(wave.get(spec, ()))
            observer.samples_planned(spec, queue.n_samples + planner.n_to_come(spec))
        await ask()
        if stopping.is_set() and _stuck(queues):
            break
    for queue in queues:
        queue.n_samples += planner.n_to_come(queue.model.spec)
        queue.n_left = queue.n_samples - queue.n_finished


def _stuck(queues: Sequence[AskedModel]) -> frozenset[ModelSpec]:
    return frozenset(queue.model.spec for queue in queues if queue.n_finished < queue.n_samples)


async def _decided(planner: WavePlanner, queues: Sequence[AskedModel]) -> Wave | None:
    try:
        return await asyncio.to_thread(planner.next_wave, _stuck(queues))
    except NoMoreWaves as reason:
        for queue in queues:
            if not reason.models or str(queue.model.spec) in reason.models:
                queue.stop(reason)
        return None
