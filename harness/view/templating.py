"""Values -> HTML: every text is escaped, made printable, and has its secrets masked.

Data flows `Shown` -> template -> HTML.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from harness.documents.table import NUMBER_KINDS
from harness.rendering.cells import readable
from harness.rendering.html.html_page import number_in
from harness.rendering.printable import printable
from harness.secrets import redact_known
from harness.version import __version__
from harness.view import page_addresses

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Fill a template."""
    return _environment().get_template(template).render(**values)


@cache  # a process renders many pages
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_safe_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["readable"] = readable
    made.filters["sort_number"] = number_in
    made.filters["embedded"] = _embedded
    made.filters["two_lines"] = _two_lines
    made.filters["rendered_markdown"] = _rendered_markdown
    made.globals.update(number_kinds=NUMBER_KINDS, to=page_addresses, version=__version__)
    return made


def _safe_text(value: object) -> object:
    return redact_known(printable(value)) if type(value) is str else value


def _two_lines(heading: str) -> str:
    """Let a heading of a narrow column break at one space only: that which makes its longer line shortest."""
    words = heading.split(" ")
    breaks = [(" ".join(words[:at]), " ".join(words[at:])) for at in range(1, len(words))]
    lines = min(breaks, key=lambda pair: max(map(len, pair)), default=(heading,))
    return " ".join(line.replace(" ", "\N{NO-BREAK SPACE}") for line in lines)


def _rendered_markdown(text: str) -> Markup:
    """Render what a model wrote; its links, images and tags stay text."""
    from markupsafe import Markup

    from harness.rendering.html.marked_text import marked_html

    return Markup(marked_html(redact_known(printable(text))))  # noqa: S704  # made of our own elements


def _embedded(value: object) -> Markup:
    """Write a value as JSON inside a script element: nothing in it can end the element."""
    from markupsafe import Markup

    text = redact_known(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode())
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704  # no sign of markup is left
