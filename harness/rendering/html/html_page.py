"""Page -> one self-contained HTML file: no network, light and dark, phone and print, sortable table."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.documents.chart import Chart
from harness.documents.page import Page
from harness.documents.table import NUMBER_KINDS, Column
from harness.rendering.cells import readable
from harness.rendering.printable import printable
from harness.rendering.svg.axes import NARROW
from harness.rendering.svg.svg_charts import to_svg

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATES = Path(__file__).parent


def to_html(page: Page) -> str:
    """Write the page; every text from the ledger is escaped by the template."""
    from markupsafe import Markup

    def drawn(chart: Chart) -> Markup:
        both = to_svg(chart) + to_svg(chart, frame=NARROW)
        return Markup(both)  # noqa: S704  # every text inside is escaped by the SVG writer

    def sort_key(value: object, column: Column) -> str:
        return number_in(readable(value, column)) if column.kind in NUMBER_KINDS else readable(value, column).lower()

    return _template().render(page=page, drawn=drawn, readable=readable, number_kinds=NUMBER_KINDS, sort_key=sort_key)


@cache  # a process that writes several pages compiles it once
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


_NUMBER = re.compile(r"([+\-−]?)\s*\$?\s*([+\-−]?)(\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)([kMG](?![a-zA-Z]))?")
_SIZES = {"k": 1e3, "M": 1e6, "G": 1e9}


def number_in(text: str) -> str:
    """Read the first number of a cell for sorting, with sign and unit; empty for none.

    `>= $1,234.5` is 1234.5, `-$0.401` is -0.401, `12.3k` is 12300, `80.0 [74-85]` is 80.
    """
    found = _NUMBER.search(text)
    if found is None:
        return ""
    sign = -1 if "-" in (minus := found[1] + found[2]) or "−" in minus else 1
    return str(sign * float(found[3].replace(",", "")) * _SIZES.get(found[4] or "", 1.0))
