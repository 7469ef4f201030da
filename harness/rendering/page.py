"""Page -> one self-contained HTML file: no network, light and dark, phone and print, sortable table."""

from __future__ import annotations

from pathlib import Path

from harness.charts import Chart
from harness.pages import Page
from harness.rendering.cells import is_number, readable
from harness.rendering.printable import printable
from harness.rendering.svg import to_svg
from harness.tables import Column

TEMPLATES = Path(__file__).parent / "templates"


def to_html(page: Page) -> str:
    """Write the page; every text from the ledger is escaped by the template."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def drawn(chart: Chart) -> Markup:
        return Markup(to_svg(chart))  # noqa: S704  # every text inside is escaped by the SVG writer

    def sort_key(value: object, column: Column) -> str:
        return number_in(readable(value, column)) if is_number(column) else readable(value, column).lower()

    template = environment.get_template("page.html.j2")
    return template.render(page=page, drawn=drawn, readable=readable, is_number=is_number, sort_key=sort_key)


def number_in(text: str) -> str:
    """Read the first number of a cell for sorting (`>= $1,234.5` is 1234.5, `12.3k` is 12300); empty for none."""
    digits = ""
    for place, letter in enumerate(text.replace(",", "")):
        if letter.isdigit() or letter == ".":
            digits += letter
        elif digits:
            suffix = text.replace(",", "")[place]
            return str(float(digits) * {"k": 1e3, "M": 1e6, "G": 1e9}.get(suffix, 1.0))
    return str(float(digits)) if digits.strip(".") else ""
