"""A page of the view as a file: its addresses lead to other files of the copy, or are plain text.

Data flows a page's HTML -> its addresses (`links_of`), and its HTML with names of files in their place (`copied`).
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TypeAlias

FileOf: TypeAlias = Callable[[str], str | None]
"""An address of the view -> name of its file in the copy, None = it is not there."""

POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; img-src 'self' data: file:;"
    " form-action 'none'"
)
_IN_CHART = re.compile(r'"href":("(?:[^"\\]|\\.)*")')
_LIVE = "live.js"
"""The script that asks the server how a run goes on."""
_OF_ANY_TEXT = ("title", "lang", "dir")
"""Attributes that a link keeps where it leads nowhere."""
_EMPTY = frozenset({"area", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_Attributes: TypeAlias = list[tuple[str, str | None]]


@dataclass(slots=True)
class Links:
    """Where a page leads.

    Attributes:
        followed: addresses of its links, of marks in its charts, and of its files, in their order.
        next_part: the part of a list after this one.
    """

    followed: list[str] = field(default_factory=list)
    next_part: str | None = None


def links_of(page: str) -> Links:
    """Read where a page leads within the view."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.links


def copied(page: str, file_of: FileOf, *, note: str) -> str:
    """Rewrite a page.

    Args:
        file_of: says which addresses are in the copy.
        note: HTML put above what the page shows.
    """
    writer = _Writer(file_of, note)
    writer.feed(page)
    writer.close()
    return "".join(writer.written)


def _is_within(address: str | None) -> bool:
    return address is not None and address.startswith("/")


def _asks_server(tag: str, given: Mapping[str, str | None]) -> bool:
    return tag == "form" or (tag == "script" and (given.get("src") or "").endswith(f"/{_LIVE}"))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links = Links()

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        given = dict(attrs)
        for name in ("href", "src"):
            address = given.get(name)
            if address is not None and _is_within(address):
                self.links.followed.append(address)
                if tag == "a" and given.get("rel") == "next":
                    self.links.next_part = address

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.links.followed += [
                address for found in _IN_CHART.finditer(data) if _is_within(address := json.loads(found[1]))
            ]


class _Writer(HTMLParser):
    """Writes what it reads, except addresses, and what only a server could answer: filters, live parts."""

    def __init__(self, file_of: FileOf, note: str) -> None:
        super().__init__(convert_charrefs=False)
        self.written: list[str] = []
        self._file_of = file_of
        self._after = {
            "head": f'\n<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">',
            "main": note,
        }
        self._left_out: str | None = None
        self._is_text = False

    def handle_starttag(self, tag: str, attrs: _Attributes) -> None:
        given = dict(attrs)
        if self._left_out is not None or (tag == "meta" and "http-equiv" in given):
            return
        if _asks_server(tag, given):
            self._left_out = tag
        elif tag == "a" and self._leads_out(given.get("href")):
            self._is_text = True
            self._start("span", [pair for pair in attrs if pair[0] in _OF_ANY_TEXT])
        else:
            self._copy(tag, attrs)
            self.written.append(self._after.get(tag, ""))

    def _leads_out(self, address: str | None) -> bool:
        """Whether an address is one of the view that is not in the copy."""
        return address is not None and _is_within(address) and self._file_of(address) is None

    def handle_startendtag(self, tag: str, attrs: _Attributes) -> None:
        if self._left_out is None:
            self._copy(tag, attrs, end="/>")

    def handle_endtag(self, tag: str) -> None:
        if self._left_out is not None:
            self._left_out = None if tag == self._left_out else self._left_out
        elif tag == "a" and self._is_text:
            self._is_text = False
            self.written.append("</span>")
        elif tag not in _EMPTY:
            self.written.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            data = _IN_CHART.sub(self._mark, data)
        self._add(data)

    def handle_entityref(self, name: str) -> None:
        self._add(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._add(f"&#{name};")

    def handle_decl(self, decl: str) -> None:
        self._add(f"<!{decl}>")

    def _add(self, text: str) -> None:
        if self._left_out is None:
            self.written.append(text)

    def _copy(self, tag: str, attributes: _Attributes, end: str = ">") -> None:
        kept = [(name, self._value(name, value)) for name, value in attributes if name != "data-live"]
        self._start(tag, kept, end)

    def _start(self, tag: str, attributes: _Attributes, end: str = ">") -> None:
        written = (name if value is None else f'{name}="{html.escape(value)}"' for name, value in attributes)
        self.written.append(" ".join([f"<{tag}", *written]) + end)

    def _value(self, name: str, value: str | None) -> str | None:
        """Give an attribute's value in the copy; an address within the view that is not in it leads nowhere."""
        if name in ("href", "src") and value is not None and _is_within(value):
            return self._file_of(value) or "#"
        return value

    def _mark(self, found: re.Match[str]) -> str:
        address = json.loads(found[1])
        if not _is_within(address):
            return found[0]
        return f'"href":{json.dumps(self._file_of(address))}'
