"""Charts of pages: exact numbers on hover, marks that lead on, colours of roles."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.support.wait import WebDriverWait

from harness.documents.chart import Bars, Point, Scatter, Series, Spread, Spreads, TimeLine, Timeline, TimeStep
from harness.rendering.svg.axes import COLOURS
from harness.view.charts.vega_charts import vega_charts
from harness.view.charts.vega_parts import written
from tests.support.browsers import emulated, requested
from tests.support.view_servers import served

BARS = Bars(
    name="cost-to-run",
    title="Cost to run",
    unit="usd",
    categories=("openai/o1@high", "openai/gpt-4o"),
    series=(
        Series(name="reasoning", role="reasoning", values=(1.234567, None)),
        Series(name="answer", role="answer", values=(0.1, 0.25)),
    ),
    totals=(">= $1.33", "$0.250"),
    description="in words",
)
SCATTER = Scatter(
    name="score",
    title="Score against cost",
    x_title="USD",
    x_unit="usd",
    y_title="score, %",
    points=(
        Point(label="a", x=0.001, y=70, low=60, high=80, reasoning=True),
        Point(label="b", x=0.1, y=90, reasoning=False),
    ),
    description="in words",
    front=(0, 1),
    ladders=((0, 1),),
)  # fmt: skip
MAY, JUNE, JULY = (datetime(2025, month, 1, tzinfo=UTC) for month in (5, 6, 7))
TIMELINE = Timeline(
    name="prices",
    title="Prices",
    upper_title="list price, USD",
    lower_title="what a run cost, USD",
    lines=(
        TimeLine(
            label="a",
            steps=(TimeStep(at=None, value=None), TimeStep(at=MAY, value=8.0), TimeStep(at=JUNE, value=2.0)),
            points=((JUNE, 1.5), (JULY, 2.5)),
        ),
    ),
    description="in words",
)


def data_of(layer: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(layer["data"]["values"])


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(9.40123456, "usd", "$9.40123456"), (0.1, "usd", "$0.10"), (1234567.5, "usd", "$1,234,567.50"),
     (3, "usd", "$3.00"), (1e-7, "usd", "$0.0000001"), (0.0, "usd", "$0.00"),
     (1234567.0, "tokens", "1,234,567"), (None, "usd", "not known"),
     (12.345, "percent", "12.35 %")],
)  # fmt: skip
def test_a_number_on_hover_is_written_in_full(value: float | None, unit: Any, text: str) -> None:
    assert written(value, unit) == text


def test_a_part_of_a_bar_that_is_not_known_is_no_bar_of_zero() -> None:
    (made,) = vega_charts([BARS])
    bars, _ = made.spec["layer"]
    assert [(datum["model"], datum["part"], datum["amount"]) for datum in data_of(bars)] == [
        ("openai/o1@high", "reasoning", "$1.234567"),
        ("openai/o1@high", "answer", "$0.10"),
        ("openai/gpt-4o", "answer", "$0.25"),
    ]
    assert bars["encoding"]["color"]["scale"]["range"] == [COLOURS["reasoning"], COLOURS["answer"]]


def test_a_mark_leads_where_its_model_does_and_others_nowhere() -> None:
    bars, scatter = vega_charts([BARS, SCATTER], {"openai/gpt-4o": "/runs/r/samples?model=x", "a": "/a"})
    assert [datum.get("href") for datum in data_of(bars.spec["layer"][0])] == [None, None, "/runs/r/samples?model=x"]
    assert [datum.get("href") for datum in data_of(scatter.spec)] == ["/a", None]


def test_a_point_without_an_interval_says_so() -> None:
    (made,) = vega_charts([SCATTER])
    assert [datum["interval"] for datum in data_of(made.spec)] == ["60.00 % to 80.00 %", "not known"]
    lines = [layer for layer in made.spec["layer"] if layer["mark"]["type"] == "line"]
    assert len(lines) == 2  # the ladder and the front; a hull was not given


def test_a_cost_of_nothing_stands_at_the_start_of_a_logarithmic_axis() -> None:
    spread = Spread(label="a", quantiles=(0.0, 0.0, 0.01, 0.02, 0.03), mean=0.01)
    (made,) = vega_charts([Spreads(name="s", title="S", unit="usd", spreads=(spread,), description="d")])
    (datum,) = data_of(made.spec)
    assert datum["q5"] == 0.01
    assert datum["5 to 95 %"] == "$0.00 to $0.03"


def test_a_timeline_becomes_prices_and_runs_and_a_price_that_is_not_known_is_a_gap() -> None:
    prices, runs = vega_charts([TIMELINE])
    assert [datum["value"] for datum in data_of(prices.spec) if datum["starts"]] == [8.0, 2.0]
    assert [datum["cost"] for datum in data_of(runs.spec)] == ["$1.50", "$2.50"]
    assert runs.title == "What a run cost, USD"


def test_bars_of_a_run_of_which_nothing_is_known_yet_are_left_out() -> None:
    """Their axis had no end: Chromium was told to draw it at infinity."""
    nothing = replace(BARS, series=(Series(name="answer", role="answer", values=(None, None)),))
    assert vega_charts([nothing]) == ()
    assert len(vega_charts([BARS])) == 1


@pytest.mark.browser
def test_charts_draw_under_the_strict_policy_and_lead_to_samples(browser: Any, seen_ledger: Path) -> None:
    """No console message, no other host, no style in the page; hover tells exact numbers, a click opens samples."""
    with served(seen_ledger) as (host, port):
        here = f"http://{host}:{port}"
        with emulated(browser, scheme="dark"):
            requested(browser)
            browser.get_log("browser")
            browser.get(f"{here}/runs/seen")
            figures = browser.find_elements("css selector", "figure.chart")
            WebDriverWait(browser, 120).until(lambda _: all(one.get_attribute("data-drawn") for one in figures))
            assert len(figures) >= 7
            marks = "svg .mark-symbol path, svg .mark-rect path"
            assert all(one.find_elements("css selector", marks) for one in figures)
            assert browser.find_elements("css selector", "head style") == []
            bar = browser.find_element("css selector", "#chart-cost-to-run svg .mark-rect path")
            browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", bar)
            tip = browser.find_element("css selector", "dl.tip")
            places = itertools.cycle((0, 1))

            def hovered(_: Any) -> bool:
                """Move the mouse a little: a tip that scrolling hid comes back with the next move."""
                ActionChains(browser).move_to_element_with_offset(bar, next(places), 0).perform()
                return bool(tip.is_displayed())

            WebDriverWait(browser, 120).until(hovered)
            names, values = ([part.text for part in tip.find_elements("css selector", kind)] for kind in ("dt", "dd"))
            told = dict(zip(names, values, strict=True))
            assert re.fullmatch(r"\$0\.\d{2,12}", told["amount"])
            assert told["model"].endswith("(simulated)")
            ActionChains(browser).click(bar).perform()
            WebDriverWait(browser, 120).until(lambda _: "/samples?" in browser.current_url)
            assert "model=sim%2F" in browser.current_url
            assert browser.get_log("browser") == []
            assert {address for address in requested(browser) if not address.startswith(here)} == set()
