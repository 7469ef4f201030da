"""Charts keep settings readable, colours meaning the same, and names off each other, on a desk and on a phone."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree

import pytest

from harness.documents.chart import Chart, Point, Scatter
from harness.rendering.svg.axes import LETTER, NARROW, OTHER, REASONING, WIDE, Frame
from harness.rendering.svg.svg_charts import to_svg
from harness.reports.spend.spend_charts import report_charts
from tests.support.spend_cases import direct, outcomes, reasoner, report

SETTINGS = ("low", "medium", "high")


def charts() -> tuple[Chart, ...]:
    cells = [
        replace(reasoner(), provider="openai-compatible", model="a-model-with-a-long-name-20250219", setting=setting,
                tasks=(outcomes([1] * n + [0] * (200 - n), cost_usd=100.0 * place),))
        for place, (setting, n) in enumerate(zip(SETTINGS, (120, 150, 170), strict=True), 1)
    ]  # fmt: skip
    return report_charts(report(*cells, direct()))


def texts(svg: str) -> list[tuple[str, float, float, str]]:
    root = ElementTree.fromstring(svg)  # noqa: S314  # our own output
    found = [one for one in root.iter() if one.tag.endswith("}text")]
    return [(one.text or "", float(one.attrib["x"]), float(one.attrib["y"]), one.attrib["text-anchor"]) for one in found
            if "transform" not in one.attrib]  # fmt: skip


@pytest.mark.parametrize("frame", [WIDE, NARROW])
def test_labels_are_shortened_in_the_middle_and_keep_their_settings(frame: Frame) -> None:
    for chart in charts():
        if chart.name == "prices-over-time":
            continue
        names = [text for text, *_ in texts(to_svg(chart, frame=frame)) if "@" in text]
        assert {name.rpartition("@")[2] for name in names} == set(SETTINGS), chart.name
        assert all(len(name) <= frame.letters + 6 for name in names)


@pytest.mark.parametrize("frame", [WIDE, NARROW])
def test_bars_and_distributions_write_inside_their_frame(frame: Frame) -> None:
    for chart in charts():
        for text, x, _, anchor in texts(to_svg(chart, frame=frame)):
            wide = (LETTER - 0.6) * len(text)
            left = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
            assert left > -2, text
            assert left + wide < frame.width + 2, text


def test_names_of_points_do_not_lie_on_each_other() -> None:
    points = tuple(Point(label=f"model-number-{n}@high", x=1.0 + n / 50, y=80.0 + n, reasoning=True) for n in range(8))
    chart = Scatter(name="s", title="s", x_title="x", x_unit="usd", y_title="y", points=points, description="d" * 31)
    found = [(x, y, (LETTER - 0.6) * len(text)) for text, x, y, _ in texts(to_svg(chart)) if "@high" in text]
    assert len(found) == 8
    for (x1, y1, wide1), (x2, y2, wide2) in combinations(found, 2):
        assert abs(y1 - y2) >= 12 or x1 + wide1 <= x2 or x2 + wide2 <= x1


def test_reasoning_models_have_one_colour_in_every_chart_that_tells_models_apart() -> None:
    scatter = next(chart for chart in charts() if chart.name.startswith("score-against-cost"))
    spread = next(chart for chart in charts() if chart.name == "cost-per-sample")
    assert to_svg(scatter).count(f'fill="{REASONING}">') == 3
    assert len(re.findall(f'<rect [^>]*fill="{REASONING}"', to_svg(spread))) == 3
    assert len(re.findall(f'<rect [^>]*fill="{OTHER}"', to_svg(spread))) == 1


def test_the_hull_is_drawn_straight_between_its_corners() -> None:
    """Mixtures of neighbours sag on a logarithmic axis and looked like a second, worse front."""
    points = tuple(Point(label=f"m{n}", x=10.0**n, y=50.0 + 10 * n, reasoning=False) for n in range(3))
    chart = Scatter(name="s", title="s", x_title="x", x_unit="usd", y_title="y", points=points, description="d" * 31,
                    front=(0, 1, 2), hull=(0, 2))  # fmt: skip
    lines = re.findall(r'<polyline class="a" points="([^"]+)"', to_svg(chart))
    assert [len(line.split()) for line in lines] == [3, 2]
