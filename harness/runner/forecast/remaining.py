"""What the rest of a run that its budget stopped needs: told with the command that goes on, so that one step is enough.

Data flows charges of the run so far + samples left -> an estimate, and a cap that holds it and the next request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Context, Decimal
from typing import Protocol

from harness.errors import BudgetReached, HarnessError
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import model_charges
from harness.models import ModelSpec
from harness.money import from_pico

NOTHING_MORE: Mapping[ModelSpec, int] = {}


class StoppedModel(Protocol):
    """What must be known of a model of the run: samples left, and why it stopped early."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def n_left(self) -> int: ...

    @property
    def stopped_by(self) -> HarnessError | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What is left of a run.

    Attributes:
        estimate_usd: the samples left, each at the mean cost of its model's samples so far; None when a model has none.
        next_usd: the worst case of the request that found no room.
        cap_usd: a budget of the run that holds what it used, the estimate and that request.
        has_conversations: a sample may be many requests; where there is no estimate, the budget holds one of each.
    """

    estimate_usd: Decimal | None
    next_usd: Decimal
    cap_usd: Decimal
    has_conversations: bool = False


def cap_above(usd: Decimal) -> Decimal:
    """Round a need up to a budget of two digits that holds it."""
    return Context(prec=2, rounding=ROUND_CEILING).plus(usd)


def rest_of(
    ledger: Ledger,
    run_id: str,
    models: Sequence[StoppedModel],
    to_come: Mapping[ModelSpec, int] = NOTHING_MORE,
    *,
    has_conversations: bool = False,
) -> Rest | None:
    """Say what the rest needs; None unless the run's own budget stopped it.

    Args:
        has_conversations: of its samples some are more than one request.
        to_come: samples that later waves are expected to ask as well, with those left now.
    """
    stops = _own_stops(run_id, models)
    if not stops:
        return None
    asked = max(stop.asked_pico_usd or 0 for stop in stops)
    used = max(stop.used_pico_usd or 0 for stop in stops)
    n_left = {model.spec: max(model.n_left, to_come.get(model.spec, 0)) for model in models}
    rest = _rest(ledger, run_id, n_left, asked=asked, used=used)
    return replace(rest, has_conversations=has_conversations)


def _own_stops(run_id: str, models: Sequence[StoppedModel]) -> list[BudgetReached]:
    stops = [model.stopped_by for model in models if isinstance(model.stopped_by, BudgetReached)]
    return [stop for stop in stops if stop.where == f"run:{run_id}" and stop.asked_pico_usd is not None]


def _rest(ledger: Ledger, run_id: str, n_left: Mapping[ModelSpec, int], *, asked: int, used: int) -> Rest:
    means = _mean_pico_usd(ledger, run_id)
    known = int(sum(number * means[spec] for spec, number in n_left.items() if spec in means))
    n_unknown = sum(number for spec, number in n_left.items() if spec not in means)
    # a model without any answer is held at the worst case of the request that did not fit
    needed = from_pico(used + known + n_unknown * asked + asked)
    return Rest(
        estimate_usd=None if n_unknown else from_pico(known),
        next_usd=from_pico(asked),
        cap_usd=cap_above(needed),
    )


def _mean_pico_usd(ledger: Ledger, run_id: str) -> dict[ModelSpec, Decimal]:
    charges = model_charges(ledger, run_id)
    return {ModelSpec.of(one): Decimal(one.pico_usd) / one.n_samples for one in charges}
