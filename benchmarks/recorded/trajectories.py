"""Three recorded agent runs through litellm: the sum of our charges beside the instance cost that the agent kept.

Data flows *.traj.json -> one usage per call -> cost by the price book -> exact sums -> `table`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.costs import cost_of
from harness.documents.table import Column, Table
from harness.money import add, plain
from harness.pricing import PriceBook
from harness.usage import Usage, parse_json, read_usage

LITELLM_DEEPSEEK_CHAT_DATE = datetime(2026, 4, 10, tzinfo=UTC)
"""A date at which deepseek-chat still had the price that litellm kept for that name afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One run.

    Attributes:
        name: instance that was worked on, without its owner.
        asked, served: models asked for and named in the responses.
        n_calls: responses with usage.
        recorded_usd: instance cost as recorded, rounded from the float to 12 places.
        served_usd: our exact sum for the model that was served.
        asked_usd: our exact sum at the price that the asked name had before it was pointed to another model.
    """

    name: str
    asked: str
    served: tuple[str, ...]
    n_calls: int
    recorded_usd: Decimal
    served_usd: Decimal
    asked_usd: Decimal

    @property
    def difference_usd(self) -> Decimal:
        """Recorded minus ours."""
        return self.recorded_usd - self.served_usd


def price_trajectories(folder: Path, book: PriceBook) -> list[Trajectory]:
    """Price each recorded run, call by call."""
    return [_trajectory(path, book) for path in sorted(folder.glob("*.traj.json"))]


def _trajectory(path: Path, book: PriceBook) -> Trajectory:
    record = parse_json(path.read_bytes())
    provider, _, asked = record["info"]["config"]["model"]["model_name"].partition("/")
    responses = [message["extra"]["response"] for message in record["messages"] if _has_response(message)]
    calls = [(response, read_usage("litellm.usage", response["usage"])) for response in responses]
    served = [
        _list_usd(book, usage, provider, response["model"], datetime.fromtimestamp(response["created"], UTC))
        for response, usage in calls
    ]
    before = [_list_usd(book, usage, provider, asked, LITELLM_DEEPSEEK_CHAT_DATE) for _, usage in calls]
    recorded: Decimal = record["info"]["model_stats"]["instance_cost"]
    return Trajectory(
        name=record["instance_id"].rpartition("__")[2],
        asked=asked,
        served=tuple(sorted({response["model"] for response in responses})),
        n_calls=len(calls),
        # the agent added floats: 0.006691356000000001 stands for 0.006691356
        recorded_usd=round(recorded, 12).normalize(),
        served_usd=add(served),
        asked_usd=add(before),
    )


def _has_response(message: dict[str, Any]) -> bool:
    return bool((message.get("extra") or {}).get("response"))


def _list_usd(book: PriceBook, usage: Usage, provider: str, model: str, at: datetime) -> Decimal:
    cost = cost_of(book, usage, provider=provider, model=model, at=at)
    if cost.list_usd is None:
        raise LookupError(f"{provider}/{model} at {at:%Y-%m-%d}: {'; '.join(cost.warnings)}")
    return cost.list_usd


def table(trajectories: Sequence[Trajectory]) -> Table:
    """List the runs with recorded and own sums."""
    return Table(
        name="trajectories",
        title="Recorded litellm runs: our sums beside the recorded instance cost",
        columns=(
            Column(name="instance"),
            Column(name="asked"),
            Column(name="served"),
            Column(name="calls", kind="integer"),
            Column(name="recorded_usd", title="recorded"),
            Column(name="served_usd", title="ours USD"),
            Column(name="difference_usd", title="difference"),
            Column(name="asked_usd", title="at old name"),
        ),
        rows=[
            (
                run.name,
                run.asked,
                ", ".join(run.served),
                run.n_calls,
                plain(run.recorded_usd),
                plain(run.served_usd),
                plain(run.difference_usd),
                plain(run.asked_usd),
            )
            for run in trajectories
        ],
        notes=(
            "ours: the model that the responses name; difference: recorded - ours; at old name: our prices of the "
            "asked name before it was pointed to another model, which is what litellm went on charging",
        ),
    )
