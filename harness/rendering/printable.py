"""Texts of models and servers made safe to show: control characters and marks that turn or hide text become visible.

An escape sequence can write the clipboard (OSC 52), retitle a window or hide what follows; a bidirectional mark can
show a text in another order than it has. Each such character is written as its escape (`\\x1b`, `\\u202e`). Pure.
"""

from __future__ import annotations

import re
from html import escape

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks of writing direction
    "\u2028\u2029\u2060-\u2064\ufeff\ufff9-\ufffb\ufffe\uffff"  # line separators and characters without a shape
    "\ud800-\udfff\U000e0000-\U000e007f]"  # halves of characters, tags
)
_AT_LINE_START = re.compile("[\t\n]")


def printable(text: str) -> str:
    """Make every character of a text visible; tabs and line feeds stay as they are."""
    return _HIDDEN.sub(_escaped, text) if _HIDDEN.search(text) else text


def on_one_line(text: str) -> str:
    """Make a text fit one line of a table or a list: as `printable`, tabs and line feeds written as escapes."""
    return _AT_LINE_START.sub(_escaped, printable(text))


def as_json(document: str) -> str:
    """Make a JSON document printable; it stays the same document, since only its strings can hold such characters."""
    return _HIDDEN.sub(_json_escaped, document)


def as_xml(text: str) -> str:
    """Write a text into SVG or HTML: markup escaped, and none of the characters that XML does not allow."""
    return escape(on_one_line(text))


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape", "surrogatepass").decode("ascii")


def _json_escaped(match: re.Match[str]) -> str:
    halves = match.group().encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{halves[place : place + 4]}" for place in range(0, len(halves), 4))
