"""Chart values -> SVG: one look for page and files, in a wide form and in a narrow one for phones.

`standalone` files carry their own style and background.
"""

from __future__ import annotations

from harness.documents.chart import Bars, Chart, Scatter, Timeline
from harness.rendering.printable import as_xml
from harness.rendering.svg.axes import WIDE, Frame, text_at
from harness.rendering.svg.bar_charts import draw_bars, draw_spreads
from harness.rendering.svg.scatter_charts import draw_scatter
from harness.rendering.svg.timeline import draw_timeline

LIGHT = (
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',sans-serif;font-size:12px}"
    ".t{fill:#1f2328}.m{fill:#59636e}.g{stroke:#d1d9e0}.a{stroke:#59636e}.b{fill:#ffffff}.d{fill:#1f2328}"
    ".h{paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}"
)
HEADING = 28


def to_svg(chart: Chart, *, standalone: bool = False, frame: Frame = WIDE) -> str:
    """Draw a chart; `standalone` makes a complete file with its own style and background."""
    if isinstance(chart, Bars):
        body, height = draw_bars(chart, frame)
    elif isinstance(chart, Scatter):
        body, height = draw_scatter(chart, frame)
    elif isinstance(chart, Timeline):
        body, height = draw_timeline(chart, frame)
    else:
        body, height = draw_spreads(chart, frame)
    shift = HEADING if standalone else 0
    height += shift
    heading = ""
    if standalone:
        heading = f'<style>{LIGHT}</style><rect class="b" width="{frame.width}" height="{height}"/>'
        heading += text_at(8, 20, chart.title, extra=' font-weight="600"')
    ident = f"chart-{chart.name}{'-narrow' if frame.is_narrow else ''}"
    kind = ' class="narrow"' if frame.is_narrow else "" if standalone else ' class="wide"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {frame.width} {height}"{kind} role="img" '
        f'aria-labelledby="{ident}-title {ident}-description" width="{frame.width}" height="{height}">'
        f'<title id="{ident}-title">{as_xml(chart.title)}</title>'
        f'<desc id="{ident}-description">{as_xml(chart.description)}</desc>{heading}'
        f'<g transform="translate(0 {shift})">{body}</g></svg>'
    )
