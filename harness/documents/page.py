"""A page as a value: a heading, a few large figures, charts, tables and notes. Renderers turn it into HTML.

Pure. Data flows reports -> `Page` -> `harness.rendering.html.html_page`.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.documents.chart import Chart
from harness.documents.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A large number with its words: what it is, and what to know about it."""

    value: str
    caption: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table with a heading; `folded` starts closed."""

    table: Table
    folded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One self-contained report page.

    Attributes:
        marks: words shown beside the title, for example `simulated`.
        leading: what comes before everything else, such as a gate's verdict.
        verdict: what the page says, in sentences; shown next.
        warnings: what a reader must know before trusting a number.
        commands: how to make the page again, one command line each.
        footer: versions and digests.
    """

    title: str
    subtitle: str
    figures: tuple[Figure, ...]
    charts: tuple[Chart, ...]
    main: Table
    sections: tuple[Section, ...] = ()
    marks: tuple[str, ...] = ()
    leading: tuple[Section, ...] = ()
    verdict: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    footer: tuple[str, ...] = ()
