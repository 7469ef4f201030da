"""The report page is one file that needs no network, escapes what models wrote, and works in a real browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.documents.chart import Bars, Scatter
from harness.pricing import Price, PriceBook
from harness.rendering.chart_files import write_charts
from harness.rendering.html.html_page import number_in, to_html
from harness.rendering.svg.axes import COLOURS
from harness.rendering.svg.svg_charts import to_svg
from harness.reports.compare.verdict import ladder_table, pairs_table
from harness.reports.facts.report_facts import RunCost
from harness.reports.prices.price_history import price_histories, price_timeline
from harness.reports.spend.cost_statistics import repeats_table, statistics_table
from harness.reports.spend.repeats import passes
from harness.reports.spend.report import SpendReport
from harness.reports.spend.spend_charts import report_charts
from harness.reports.spend.spend_page import report_page
from harness.usage.values import Meter
from tests.support.browsers import emulated, requested
from tests.support.spend_cases import direct, outcomes, reasoner, report, unpriced


def ladder() -> SpendReport:
    """Three settings of one reasoning model and two other models, on the same samples."""
    low = replace(reasoner(), setting="low", tasks=(outcomes([1] * 120 + [0] * 80, cost_usd=100.0),))
    high = replace(reasoner(), tasks=(outcomes([1] * 170 + [0] * 30, cost_usd=652.5),))
    hostile = replace(unpriced(), model='<script>alert("1")</script>')
    cheap = replace(low.solve, cost=replace(low.solve.cost, output=low.solve.cost.output / 6, reasoning=None))
    return report(replace(low, solve=cheap), high, direct(), hostile)


class Addresses(HTMLParser):
    """Collects everything that a browser could load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "poster")]


def test_the_page_loads_nothing() -> None:
    page = to_html(report_page(ladder()))
    reader = Addresses()
    reader.feed(page)
    assert reader.found == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page


def test_model_names_are_escaped_everywhere() -> None:
    page = to_html(report_page(ladder()))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert page.count("<script>") == 1


def test_the_page_says_simulated_beside_its_title() -> None:
    assert '<span class="mark">simulated</span></h1>' in to_html(report_page(ladder()))


def test_every_chart_has_a_text_alternative() -> None:
    charts = report_charts(ladder())
    assert {chart.name for chart in charts} >= {
        "cost-to-run", "output-tokens", "score-against-cost-starter-1", "score-against-output-tokens-starter-1",
        "effort-ladder-starter-1", "cost-per-answer", "cost-per-sample",
    }  # fmt: skip
    for chart in charts:
        root = ElementTree.fromstring(to_svg(chart))  # noqa: S314  # our own output
        names = [child.tag.rpartition("}")[2] for child in root]
        assert names[:2] == ["title", "desc"]
        assert root.attrib["role"] == "img"
        assert len(chart.description) > 30


def test_an_unpriced_model_has_no_place_on_a_cost_axis() -> None:
    scatter = next(chart for chart in report_charts(ladder()) if chart.name.startswith("score-against-cost"))
    assert isinstance(scatter, Scatter)
    assert not any("script" in point.label for point in scatter.points)
    bars = next(chart for chart in report_charts(ladder()) if chart.name == "cost-to-run")
    assert isinstance(bars, Bars)
    assert "unpriced" in bars.totals


def test_stacked_parts_add_up_to_the_bill() -> None:
    bars = next(chart for chart in report_charts(report(reasoner())) if chart.name == "cost-to-run")
    assert isinstance(bars, Bars)
    assert sum(part.values[0] or 0 for part in bars.series) == pytest.approx(652.5)


def test_colours_stay_apart_in_greyscale_and_hue() -> None:
    """Parts that lie beside each other differ in lightness as well, for readers without colours and for print."""

    def lightness(colour: str) -> float:
        red, green, blue = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for left, right in (("input", "cache"), ("reasoning", "answer"), ("first", "second"), ("input", "reasoning")):
        assert abs(lightness(COLOURS[left]) - lightness(COLOURS[right])) > 0.04  # type: ignore[index]
    assert len(set(COLOURS.values())) >= 7


def test_charts_are_written_as_svg_and_png(tmp_path: Path) -> None:
    n = write_charts(report_charts(ladder()), tmp_path)
    assert len(list(tmp_path.glob("*.svg"))) == len(list(tmp_path.glob("*.png"))) == n
    for path in tmp_path.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_numbers_are_read_from_cells_for_sorting() -> None:
    cells = [">= $1,234.50", "12.3k", "80.0 [74-85]", "unpriced", "–", "$0.000670", "4 kinds"]
    assert [number_in(cell) for cell in cells] == ["1234.5", "12300.0", "80.0", "", "", "0.00067", "4.0"]


def test_sorting_honours_signs_and_units() -> None:
    """Points ascending were +2.5, -3.3, +6.7."""
    cells = [
        "+2.5 [-1.0, +6.0]",
        "-3.3 [-9.0, +2.0]",
        "+6.7 [+1.0, +9.9]",
        "-$0.401",
        "+$1.23M",
        "1,305x [1,030-1,600]",
    ]
    assert [float(number_in(cell)) for cell in cells] == [2.5, -3.3, 6.7, -0.401, 1_230_000.0, 1305.0]


def test_the_ladder_prices_a_point_only_where_scores_differ() -> None:
    table = ladder_table(ladder())
    (step,) = table.rows
    assert step[2] == "low to high"
    assert step[3] == "+$552.50"
    assert step[5] == "$22.10"  # 552.5 dollars for 25 points
    same = replace(reasoner(), setting="low")
    (flat,) = ladder_table(report(reasoner(), same)).rows
    assert flat[5] == "no effect"


def test_reasoning_models_are_paired_with_the_others_on_the_same_samples() -> None:
    rows = pairs_table(report(reasoner(), direct())).rows
    assert len(rows) == 1
    assert rows[0][-1] == 200
    assert rows[0][3].startswith("1,305x")


def test_the_statistics_name_concentration_and_waste() -> None:
    table = statistics_table(report(reasoner(), direct()))
    columns = [column.name for column in table.columns]
    line = dict(zip(columns, table.rows[1], strict=True))
    assert line["model"] == "direct (simulated)"
    assert line["wasted"] == "$0.0100"
    assert re.fullmatch(r"[\d.]+ %", line["top_percent"])
    assert line["possibly"] == "$0.0123"


def test_a_page_of_two_hundred_rows_stays_small() -> None:
    many = [replace(reasoner(), model=f"model-{number}") for number in range(200)]
    assert len(to_html(report_page(report(*many)))) < 3_000_000


@pytest.mark.browser
def test_the_page_works_in_a_browser(browser: Any, tmp_path: Path) -> None:
    """No console message, no request leaves, and a click on a heading sorts by number, the unknown last."""
    path = tmp_path / "report.html"
    path.write_text(to_html(report_page(ladder())), encoding="utf-8")
    browser.get_log("browser"), requested(browser)
    browser.get(path.as_uri())
    assert browser.get_log("browser") == []
    assert requested(browser) == {path.as_uri()}
    table = browser.find_element("css selector", "table.sortable")
    place = [head.text for head in table.find_elements("css selector", "th")].index("cost")
    table.find_elements("css selector", "th button")[place].click()
    cells = [
        row.find_elements("css selector", "td")[place].text for row in table.find_elements("css selector", "tbody tr")
    ]
    assert cells[-1] == "unpriced"
    amounts = [float(number_in(cell)) for cell in cells[:-1]]
    assert amounts == sorted(amounts)
    sorts = [head.get_attribute("aria-sort") for head in table.find_elements("css selector", "th")]
    assert sorts[place] == "ascending"
    assert set(sorts[:place] + sorts[place + 1 :]) == {"none"}
    table.find_elements("css selector", "th button")[place].click()
    assert table.find_elements("css selector", "tbody tr td")[place].text == "$652.50"


CUT_TEXTS = """
const found = {charts: 0, cut: []};
for (const svg of document.querySelectorAll("figure svg")) {
  const box = svg.getBoundingClientRect();
  if (!box.width) continue;
  found.charts += 1;
  for (const text of svg.querySelectorAll("text")) {
    const own = text.getBoundingClientRect();
    if (own.left < box.left - 1 || own.right > box.right + 1) found.cut.push(text.textContent);
  }
}
return found;
"""


@pytest.mark.browser
def test_no_label_of_a_chart_is_cut_at_a_desk(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_html(report_page(ladder())), encoding="utf-8")
    browser.get(path.as_uri())
    cut = browser.execute_script(CUT_TEXTS)
    assert cut["charts"] > 0
    assert cut["cut"] == []


@pytest.mark.browser
def test_the_page_fits_a_phone(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_html(report_page(ladder())), encoding="utf-8")
    with emulated(browser, width_px=390):
        browser.get(path.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        cut = browser.execute_script(CUT_TEXTS)
    assert cut["charts"] > 0
    assert cut["cut"] == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_schemes(browser: Any, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(to_html(report_page(ladder())), encoding="utf-8")
    with emulated(browser, scheme=scheme):
        browser.get(path.as_uri())
        text, back = browser.execute_script(
            "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]"
        )

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(text), luminance(back)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) > 7  # WCAG 2.2, level AAA
    assert (luminance(back) < 0.1) == (scheme == "dark")


def test_a_price_change_and_what_runs_cost_are_drawn_over_time() -> None:
    book = PriceBook(
        rows=(
            Price(provider="acme", model="m", rates={Meter.OUTPUT: Decimal(60)}),
            Price(provider="acme", model="m", rates={Meter.OUTPUT: Decimal(15)},
                  effective_from=datetime(2026, 3, 1, tzinfo=UTC)),
        )
    )  # fmt: skip
    runs = [
        RunCost(run_id=day, created_at=datetime.fromisoformat(f"{day}T12:00:00+00:00"), usd=Decimal(usd))
        for day, usd in (("2026-02-01", "8"), ("2026-11-01", "2"))
    ]
    cell = replace(reasoner(), provider="acme", model="m", run_costs=runs)
    (history,) = price_histories(book, [cell])
    assert history.steps == ((None, Decimal(60)), (datetime(2026, 3, 1, tzinfo=UTC), Decimal(15)))
    chart = price_timeline([history])
    assert chart is not None
    assert "$60.00 per million output tokens, $15.00 per million output tokens from 2026-03-01" in chart.description
    drawing = to_svg(chart)
    assert "acme/m, 2026-02-01: $8" in drawing
    assert "acme/m, 2026-11-01: $2" in drawing
    ElementTree.fromstring(drawing)  # noqa: S314  # our own output
    assert price_timeline([replace(history, runs=())]) is None


def test_pass_at_k_is_shown_only_where_samples_have_twice_k_answers() -> None:
    task = replace(outcomes([1, 0], cost_usd=1.0), score_sums=[2.0, 0.0], score_counts=[4, 4], n_solves=[4, 4])
    found = {entry.k: entry.estimate.value for entry in passes([task])}
    # of four answers two right: 1 - C(2, 2) / C(4, 2) = 5/6; the other sample never
    assert found == {1: 0.25, 2: pytest.approx(5 / 12)}
    assert not list(passes([replace(task, score_counts=[4, 1])]))
    assert not list(passes([replace(task, score_sums=[1.5, 0.0])]))
    table = repeats_table(report(replace(reasoner(), tasks=(task,))))
    assert [row[3] for row in table.rows] == [1, 2]
