"""What charts of the view share: colours that both themes can carry, and the parts of a specification.

Pure. Text, lines and rules without a colour of their own take the theme's (`assets/charts.js`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Spec: TypeAlias = Mapping[str, Any]
Datum: TypeAlias = Mapping[str, Any]

BLUE, ORANGE, GREEN, RED = "#3d83d6", "#c96a1b", "#2f9153", "#d5485a"
"""At least 3:1 on the cards of the light and of the dark theme."""


def layered(data: Sequence[Datum], *layers: Spec, **more: Any) -> Spec:
    """Lay marks over one another, all of them over the same data."""
    return {"data": {"values": list(data)}, "layer": list(layers), **more}


def tooltips(**titles: str) -> Sequence[Mapping[str, str]]:
    """Show fields of a datum, each under a title, where the pointer is."""
    return [{"field": name, "title": title, "type": "nominal"} for name, title in titles.items()]
