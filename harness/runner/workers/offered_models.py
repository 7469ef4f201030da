"""What a driver offers to workers, wave by wave, and how far they are with it, by the ledger.

Data flows `WavePlanner.next_wave` -> `OfferedModel.add` -> `Offer.make` -> chains in the ledger -> `count`, `results`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import HarnessError
from harness.ledger.leases.chain_leases import put, unfinished
from harness.runner.endings import ModelResult
from harness.runner.failed_samples import Outcomes, given_up
from harness.runner.plan import Chain, ModelPlan, PlannedItem
from harness.runner.session_setup import StoredPlan


@dataclass(slots=True, kw_only=True)
class OfferedModel:
    """How a model stands whose samples workers ask; attributes as of `ModelQueue`.

    Attributes:
        waiting: chains of the present wave that are not offered yet.
        given: chains of all waves of this session.
    """

    model: ModelPlan
    cell_ids: Mapping[str, int]
    planned_ids: Sequence[int]
    stopped_by: HarnessError | None = None
    n_samples: int = 0
    n_finished: int = 0
    n_left: int = 0
    waiting: list[Chain] = field(default_factory=list)
    given: list[Chain] = field(default_factory=list)

    def add(self, chains: Sequence[Chain]) -> None:
        """Take more to offer."""
        self.waiting.extend(chains)
        self.given.extend(chains)
        self.n_samples += sum(map(len, chains))

    def stop(self, reason: HarnessError) -> None:
        """Offer nothing more of this model; the first reason is kept."""
        self.stopped_by = self.stopped_by or reason

    def key(self, item: PlannedItem) -> tuple[int, int]:
        """The ledger's ids of an item: cell and planned sample."""
        return self.cell_ids[item.suite.name], self.planned_ids[item.draw_order]


class Offer:
    """The samples of one session of a run, which workers ask.

    Attributes:
        models: how each stands, as of the last `count`.
    """

    def __init__(self, plan: StoredPlan, *, retry_failed: bool) -> None:
        self.plan = plan
        self._run_id = plan.prepared.run_id
        self._ledger = plan.ledger
        self._retry_failed = retry_failed
        self._wave = 0
        self.models = [
            OfferedModel(model=model, cell_ids=plan.cell_ids[model.spec], planned_ids=plan.planned_ids)
            for model in plan.prepared.models
        ]

    def make(self) -> None:
        """Offer the chains of this wave that are not finished yet."""
        known = self.plan.outcomes("solve")
        firsts = [
            model.key(chain[0])
            for model in self.models
            for chain in model.waiting
            if not all(self._is_finished(model.key(item), known) for item in chain)
        ]
        # all models at once: a worker that finds nothing more to take concludes that nothing is left
        put(self._ledger, self._run_id, self._wave, firsts, new_tries=self._retry_failed)
        for model in self.models:
            model.waiting.clear()
        self._wave += 1

    def _is_finished(self, key: tuple[int, int], known: Outcomes) -> bool:
        """Whether a sample needs nothing more, as far as the ledger tells."""
        now, most = known.get(key), self.plan.prepared.spec.max_attempts
        if now is None:
            return False
        if now.attempt_id is not None:
            return now.scored
        if not self._retry_failed:
            return given_up(now, most)
        before = self.plan.outcomes("solve").get(key)
        n_tries = now.last_try_number - (0 if before is None else before.last_try_number)
        return n_tries > 0 and given_up(replace(now, last_try_number=n_tries, n_open=0, n_cancelled=0), most)

    def count(self) -> None:
        """Count what is finished of each model."""
        outcomes: Outcomes | None = None
        left = set(unfinished(self._ledger, self._run_id))
        for model in self.models:
            chains = [chain for chain in model.given if model.key(chain[0]) in left]
            if (chains or model.waiting) and outcomes is None:
                outcomes = self._ledger.outcomes(self._run_id)
            n_left = sum(
                not self._is_finished(model.key(item), outcomes or {})
                for chain in chains + model.waiting
                for item in chain
            )
            model.n_finished = model.n_samples - n_left

    def results(self) -> list[ModelResult]:
        """Say how each model stands."""
        outcomes = self._ledger.outcomes(self._run_id)
        left = set(unfinished(self._ledger, self._run_id))
        return [self._result(model, outcomes, left) for model in self.models]

    def _result(self, model: OfferedModel, outcomes: Outcomes, left: set[tuple[int, int]]) -> ModelResult:
        n_failed = n_answered = 0
        unfinished_now = left.union(model.key(chain[0]) for chain in model.waiting)
        for chain in model.given:
            is_done = model.key(chain[0]) not in unfinished_now
            for item in chain:
                known = outcomes.get(key := model.key(item))
                has_answer = known is not None and known.attempt_id is not None
                n_answered += has_answer
                n_failed += not has_answer and (is_done or self._is_finished(key, outcomes))
        return ModelResult(
            spec=model.model.spec,
            n_failed=n_failed,
            n_left=model.n_left,
            # where nothing is left all the same, other workers went on with it and were answered
            stopped_by=model.stopped_by if model.n_left or not n_answered else None,
            n_samples=model.n_samples,
        )
