"""What every page of the view must be for those who read it by ear, by keyboard or in the dark: checked on its HTML.

Data flows HTML -> elements -> sentences about what is wrong; stylesheet -> colours of both themes -> contrasts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from starlette.routing import compile_path
from starlette.testclient import TestClient

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LEAST_CONTRAST = 4.5
"""Of text against what is behind it: WCAG 2.2, success criterion 1.4.3."""


@dataclass(slots=True)
class Element:
    """An element of a page, with all text inside it."""

    tag: str
    attributes: Mapping[str, str]
    inside: Sequence[Element]
    text: str = ""

    def within(self, tag: str) -> bool:
        """Tell whether it lies in an element of this kind."""
        return any(outer.tag == tag for outer in self.inside)

    @property
    def is_named(self) -> bool:
        """Whether a screen reader has something to say of it."""
        said = self.text.strip() or self.attributes.get("aria-label") or self.attributes.get("aria-labelledby")
        return bool(said)


@dataclass
class Page(HTMLParser):
    """A page taken apart."""

    html: str
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Element(tag, {name: value or "" for name, value in attrs}, tuple(self.open))
        self.elements.append(found)
        if tag not in VOID:
            self.open.append(found)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop().tag != tag:
            pass

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        """List elements of these kinds in the order of the page."""
        return [element for element in self.elements if element.tag in tags]


def faults(page: Page) -> list[str]:
    """Say what is wrong with a page."""
    return [*_structure(page), *_headings(page), *_fields(page), *_names(page), *_nothing_inline(page)]


def _structure(page: Page) -> Iterator[str]:
    root = page.all("html")
    if not root or not root[0].attributes.get("lang"):
        yield "no language"
    if not any(title.text.strip() for title in page.all("title")):
        yield "no title"
    if len(page.all("main")) != 1:
        yield f"{len(page.all('main'))} main elements"
    ids = Counter(element.attributes["id"] for element in page.elements if "id" in element.attributes)
    yield from (f"id {name!r} is there {count} times" for name, count in ids.items() if count > 1)
    for element in page.elements:
        for name in ("aria-labelledby", "aria-describedby", "for", "list"):
            for target in element.attributes.get(name, "").split():
                if target not in ids:
                    yield f"{name}={target!r} of a {element.tag} leads nowhere"
    for head in page.all("th"):
        if head.attributes.get("scope") not in ("col", "row", "colgroup", "rowgroup"):
            yield f"th {head.text.strip()!r} has no scope"


def _headings(page: Page) -> Iterator[str]:
    found = page.all("h1", "h2", "h3", "h4", "h5", "h6")
    levels = [int(heading.tag[1]) for heading in found]
    if levels.count(1) != 1:
        yield f"{levels.count(1)} h1"
    for before, now, heading in zip(levels, levels[1:], found[1:], strict=False):
        if now > before + 1:
            yield f"h{now} {heading.text.strip()!r} follows h{before}"
    yield from (f"an empty {heading.tag}" for heading in found if not heading.is_named)


def _fields(page: Page) -> Iterator[str]:
    named = {label.attributes.get("for") for label in page.all("label")}
    for entry in page.all("input", "select", "textarea", "meter", "progress"):
        if entry.attributes.get("type") in ("hidden", "submit"):
            continue
        labels = [outer for outer in entry.inside if outer.tag == "label" and outer.text.strip()]
        if not (labels or entry.attributes.get("aria-label") or entry.attributes.get("id", "-") in named):
            yield f"{entry.tag} {entry.attributes.get('name', '')!r} has no label"


def _names(page: Page) -> Iterator[str]:
    for element in page.all("a", "button", "summary"):
        if not element.is_named and not element.attributes.get("title"):
            yield f"{element.tag} without words: {dict(element.attributes)}"
    for picture in page.all("img"):
        if "alt" not in picture.attributes:
            yield f"img {picture.attributes.get('src', '')[:60]!r} has no alt"


def _nothing_inline(page: Page) -> Iterator[str]:
    for element in page.elements:
        yield from (f"{name} of a {element.tag}" for name in element.attributes if name == "style" or name[:2] == "on")
        if element.tag == "style":
            yield "a style element"
        is_data = element.attributes.get("type") == "application/json"
        if element.tag == "script" and "src" not in element.attributes and not is_data:
            yield "a script inside the page"
        for name in ("href", "src", "action"):
            address = element.attributes.get(name, "").strip()
            if urlsplit(address).scheme not in ("", "http", "https", "data"):
                yield f"{name}={address[:40]!r}"
            if urlsplit(address).netloc and element.tag != "a":
                yield f"{element.tag} asks another host: {address[:60]!r}"
            if urlsplit(address).netloc and "noopener" not in element.attributes.get("rel", ""):
                yield f"a link to another host without rel=noopener: {address[:60]!r}"


@dataclass(frozen=True, slots=True)
class Visited:
    """An address that was asked for, where a link to it was, and what came."""

    address: str
    linked_from: str
    status: int
    page: Page | None


def walk(
    client: TestClient, paths: Sequence[str], starts: Sequence[str] = ("/",), *, most_alike: int = 1
) -> Iterator[Visited]:
    """Follow the links of pages, from some on, to pages and files of this host; of those alike only the first.

    Args:
        paths: of pages, as Starlette writes routes: addresses of one of them with the same names in the query are
            alike, and so are files of one table; an address of none of them is like no other.
        most_alike: how many of those alike are asked for.
    """
    routes = [(path, compile_path(path)[0]) for path in paths]
    seen, alike = set(starts), Counter[tuple[str, ...]]()
    waiting = [(start, start) for start in starts]
    while waiting:
        address, linked_from = waiting.pop(0)
        answered = client.get(address)
        is_page = answered.headers.get("content-type", "").startswith("text/html")
        page = Page(answered.text) if is_page else None
        yield Visited(address, linked_from, answered.status_code, page)
        for link in _links(page, address) if page else ():
            shape = _shape(link, routes)
            if link not in seen and alike[shape] < most_alike:
                seen.add(link)
                alike[shape] += 1
                waiting.append((link, address))


def _links(page: Page, address: str) -> Iterator[str]:
    ids = {element.attributes.get("id") for element in page.elements}
    for link in page.all("a"):
        target = link.attributes.get("href", "")
        if target.startswith("#"):
            assert target[1:] in ids, f"{target} leads nowhere on {address}"
        elif target and not urlsplit(target).netloc:
            yield urljoin(address, target).partition("#")[0]


def _shape(address: str, routes: Sequence[tuple[str, re.Pattern[str]]]) -> tuple[str, ...]:
    """Name what addresses alike have in common: page and names in the query, of files the table and the form."""
    parts = urlsplit(address)
    path = next((path for path, route in routes if route.match(unquote(parts.path))), address)
    query = dict(parse_qsl(parts.query))
    if "format" in query:
        return (path, query["format"], query.get("table", ""))
    names = {"order" if name in ("sort", "page") else name for name in query}
    return (path, *sorted(names))


def colours(css: str) -> Mapping[str, Mapping[str, str]]:
    """Read the variables of a stylesheet in both themes: theme -> name -> `#rrggbb`."""
    blocks = re.findall(r"(@media \(prefers-color-scheme: dark\) \{\s*)?:root \{([^}]*)\}", css)
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for is_dark, block in blocks:
        (dark if is_dark else light).update(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6})\b", block))
    return {"light": light, "dark": {**light, **dark}}


def weak_contrasts(css: str) -> list[str]:
    """Say which colours of text are too near to what may be behind them: its own background, else page and card."""
    found = []
    rules = [rule for rule in re.findall(r"([^{}]+)\{([^{}]*)\}", css) if ":root" not in rule[0]]
    for theme, known in colours(css).items():
        for selector, body in rules:
            fore = re.search(r"(?<![a-z-])color: var\((--[a-z-]+)\)", body)
            back = re.search(r"background(?:-color)?: var\((--[a-z-]+)\)", body)
            if fore is None:
                continue
            for behind in (back[1],) if back else ("--back", "--card"):
                ratio = contrast(known[fore[1]], known[behind])
                if ratio < LEAST_CONTRAST:
                    found.append(f"{theme}: {selector.strip()[-40:]} {fore[1]} on {behind}: {ratio:.2f}")
    return found


def contrast(one: str, other: str) -> float:
    """Give the contrast of two colours `#rrggbb`, 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
