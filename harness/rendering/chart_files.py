"""Chart values -> SVG and PNG files, one of each per chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.documents.chart import Chart
from harness.rendering.svg.svg_charts import to_svg

PNG_SCALE = 2
"""Pixels per SVG unit: sharp on high-density screens and in print."""


def write_charts(charts: Sequence[Chart], folder: Path) -> int:
    """Write every chart as `<name>.svg` and `<name>.png`; returns how many."""
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    for chart in charts:
        svg = to_svg(chart, standalone=True)
        (folder / f"{chart.name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{chart.name}.png").write_bytes(vl_convert.svg_to_png(svg, scale=PNG_SCALE))
    return len(charts)
