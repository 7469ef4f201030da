"""What all charts of pages are made of: axes, short names, colours of models, numbers on hover.

Pure. `narrow` in an expression is true on phones; `assets/charts.js` sets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from harness.documents.chart import Unit
from harness.rendering.short_names import short_names
from harness.rendering.svg.axes import OTHER, REASONING, LogScale

Spec: TypeAlias = dict[str, Any]

LETTERS, NARROW_LETTERS = 30, 17
"""Letters of a name beside an axis, at a desk and on phones."""
KINDS = {True: "reasoning models", False: "other models"}
_AMOUNTS = {
    "usd": "datum.value == 0 ? '$0' : datum.value >= 10 ? '$' + format(datum.value, ',.0f') "
    ": datum.value >= 0.0001 ? '$' + format(datum.value, '.3~g') : '$' + format(datum.value, '.1~e')",
    "tokens": "datum.value >= 1000 ? format(datum.value, '.3~s') : format(datum.value, '~g')",
    "percent": "format(datum.value, '~g')",
}


def written(value: float | None, unit: Unit) -> str:
    """Write a number in full: all digits that a float holds for sure."""
    if value is None:
        return "not known"
    if unit == "percent":
        return f"{value:.2f} %"
    if unit == "tokens":
        return f"{value:,.15g}" if value == int(value) else f"{value:,.1f}"
    exact = f"{round(Decimal(f'{value:.15g}'), 12):,f}".rstrip("0")
    cents = exact.partition(".")[2]
    return f"${exact}{'0' * (2 - len(cents))}"


def shown_on_hover(*fields: str) -> list[Spec]:
    """Show these fields of a datum, each with its own name, as they are written."""
    return [{"field": field, "type": "nominal"} for field in fields]


def amount_axis(unit: Unit, **more: Any) -> Spec:
    """Write an axis of amounts shortly."""
    return {"title": None, "labelExpr": _AMOUNTS[unit], "labelFlush": True, "tickCount": 5, **more}


def log_scale(values: Iterable[float], unit: Unit, *, title: str | None = None, **more: Any) -> Spec:
    """Give scale and axis of a logarithmic channel; no value may be zero or less."""
    scale = LogScale(list(values), 0.0, 1.0)
    return {
        "type": "quantitative",
        "scale": {"type": "log", "domain": [scale.low, scale.high], "clamp": True, "nice": False},
        "axis": amount_axis(unit, title=title, values=scale.ticks(), labelOverlap="greedy", **more),
    }


def rows_axis(names: Sequence[str]) -> tuple[Spec, list[Spec]]:
    """Give a channel that lists names from the top by the number of their row, and the parameters that it needs."""
    axis = {"title": None, "labelExpr": "(narrow ? narrow_names : names)[datum.value]", "labelLimit": 0,
            "ticks": False, "domain": False, "grid": False}  # fmt: skip
    params = [
        {"name": "names", "value": short_names(names, LETTERS)},
        {"name": "narrow_names", "value": short_names(names, NARROW_LETTERS)},
    ]
    return {"field": "row", "type": "ordinal", "sort": None, "axis": axis}, params


def kind_colour(kinds: Iterable[bool]) -> Spec:
    """Colour reasoning models and the others, with a legend of those that there are."""
    found = sorted(set(kinds), reverse=True)
    return {
        "field": "kind",
        "type": "nominal",
        "scale": {"domain": [KINDS[kind] for kind in found], "range": [REASONING if k else OTHER for k in found]},
        "legend": {"title": None, "columns": {"expr": "narrow ? 1 : 0"}},
    }


def leads_to(links: Mapping[str, str], label: str) -> Spec:
    """Give the part of a datum that says where a click on it leads; nothing where it leads nowhere."""
    return {"href": links[label]} if label in links else {}


def pointer(links: Mapping[str, str]) -> Spec:
    """Give marks that lead somewhere the pointer of links."""
    return {"cursor": "pointer"} if links else {}
