"""A comparison as typed rows, for files that programs read; and what moved its costs, as a table.

Pure. Data flows `Comparison` -> the JSON values of `compare --json` -> `Table`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from harness.documents.table import Column, Table
from harness.reports.compare.comparison import ComparedRow, Comparison, comparison_object
from harness.reports.spend import wording
from harness.reports.spend.spend_tables import label
from harness.reports.trajectories.solving_costs import NAMES, solving_costs

_ESTIMATES = ("score_difference", "cost_ratio", "tokens_ratio")
_NAMES = ("suite", "provider", "model", "setting", "mark")
_COUNTS = ("n_common_samples", "n_base_samples", "n_head_samples")
_DOLLARS = ("base_cost_usd", "head_cost_usd", "base_cost_per_task_usd", "head_cost_per_task_usd")
_COLUMNS = (
    *(Column(name=name) for name in _NAMES),
    *(Column(name=name, kind="integer") for name in _COUNTS),
    *(Column(name=name, kind="usd", unit="USD") for name in _DOLLARS),
    *(Column(name=name, kind="ratio") for name in ("base_score", "head_score")),
    *(Column(name=f"{name}{end}", kind="ratio") for name in _ESTIMATES for end in ("", "_low", "_high")),
    *(Column(name=name, kind="ratio") for name in ("price_ratio", "usage_ratio")),
    Column(name="by_usage_usd", kind="decimal", unit="USD", description="Change of an answer's cost by other usage."),
    Column(name="by_price_usd", kind="decimal", unit="USD", description="Change of an answer's cost by other prices."),
    *(Column(name=name) for name in ("cause", "cost_verdict", "score_verdict", "verdict")),
    Column(name="more_samples_to_decide", kind="integer"),
    Column(name="reasons"),
    Column(name="level", kind="ratio", description="Of every interval."),
)

_OF_CONVERSATIONS = tuple(
    Column(name=f"{side}_{name}", kind="usd", unit="USD", description="Spent on all roles.")
    for side in ("base", "head")
    for name in NAMES
)


def comparison_rows(made: Comparison) -> Table:
    """Give every row of a comparison with a typed column for each fact of `compare --json`.

    Columns of conversations are there where some row has them.
    """
    has_turns = any(solving_costs(row.base, row.head) for row in made.rows)
    columns = (*_COLUMNS, *_OF_CONVERSATIONS) if has_turns else _COLUMNS
    rows = []
    for row, found in zip(made.rows, comparison_object(made)["rows"], strict=True):
        usage, price = moves(row) or (None, None)
        values = {**found, **dict(_ends(found)), "reasons": "; ".join(found["reasons"]), "level": made.level}
        values |= {"by_usage_usd": usage, "by_price_usd": price}
        rows.append(tuple(_typed(values.get(column.name), column) for column in columns))
    return Table(name="comparison", title="Comparison", columns=columns, rows=rows)


def _ends(found: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    for name in _ESTIMATES:
        for end, part in (("", "value"), ("_low", "ci_low"), ("_high", "ci_high")):
            yield f"{name}{end}", found[name][part]


def _typed(value: object, column: Column) -> object:
    return Decimal(str(value)) if column.kind == "usd" and value is not None else value


_MOVES = (
    Column(name="model", title="model"),
    Column(name="suite", title="suite"),
    Column(name="before", kind="usd", title="$/answer before"),
    Column(name="usage", kind="usd", title="by usage"),
    Column(name="price", kind="usd", title="by price"),
    Column(name="now", kind="usd", title="$/answer now"),
    Column(name="usage_ratio", kind="ratio", title="usage"),
    Column(name="price_ratio", kind="ratio", title="price"),
    Column(name="cause", title="moved by"),
)
_MOVE_NOTES = (
    "by usage: the tokens of now at the prices of before, against the bill of before; by price: the same tokens at the"
    " prices of now; means over all answers of each side",
)


def moves(row: ComparedRow) -> tuple[float, float] | None:
    """Split the change of the dollars of an answer: by usage, by price; None where it cannot be told."""
    before, now = row.base.cost_per_task_usd, row.head.cost_per_task_usd
    if before is None or now is None or row.usage_ratio is None or row.price_ratio is None:
        return None
    repriced = float(before) * row.usage_ratio
    return repriced - float(before), float(now) - repriced


def moves_table(made: Comparison) -> Table:
    """Say what moved the cost of each row: other usage, or other prices."""
    rows = []
    for row in made.rows:
        usage, price = moves(row) or (None, None)
        rows.append(
            (
                label(row.head),
                row.head.facts.suite,
                wording.dollars(row.base.cost_per_task_usd),
                wording.dollars(usage, sign=True),
                wording.dollars(price, sign=True),
                wording.dollars(row.head.cost_per_task_usd),
                _times(row.usage_ratio),
                _times(row.price_ratio),
                row.cause,
            )
        )
    return Table(name="moves", title="Price against usage", columns=_MOVES, rows=rows, notes=_MOVE_NOTES)


def _times(ratio: float | None) -> str:
    return wording.NOT_KNOWN if ratio is None else f"{ratio:.3g}x"
