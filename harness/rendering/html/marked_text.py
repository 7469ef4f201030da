"""Markdown with code and formulas, as models write it -> HTML in which nothing of the text is active.

Pure. Data flows text -> tokens of CommonMark without links, images and HTML -> elements that are made here. A link, an
image or a tag stays the text that it is; a formula becomes MathML of listed elements, or is shown as code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from html import escape, unescape
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from harness.rendering.printable import printable

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

LONGEST_FORMULA = 2_000
MOST_FORMULAS = 1_000
"""Of one text; further ones are shown as code."""
_PAIRS = (("$$", "$$", True), ("\\[", "\\]", True), ("\\(", "\\)", False), ("$", "$", False))
"""Signs around formulas, and whether such a formula stands on a line of its own."""
_DEFINING = ("newcommand", "renewcommand", "providecommand", "\\def", "\\let", "\\DeclareMathOperator")
"""Formulas that define names: what those stand for can double with every step."""
_ELEMENTS = frozenset((
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "ms", "mfrac", "msqrt", "mroot", "mstyle", "merror",
    "mpadded", "mphantom", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts",
    "mprescripts", "none", "mtable", "mtr", "mtd", "menclose",
))  # fmt: skip
_ATTRIBUTES = frozenset((
    "display", "displaystyle", "scriptlevel", "mathvariant", "stretchy", "fence", "separator", "form", "lspace",
    "rspace", "largeop", "movablelimits", "symmetric", "maxsize", "minsize", "accent", "accentunder",
    "linethickness", "width", "height", "depth", "voffset", "columnalign", "rowspacing", "columnspacing",
    "columnlines", "rowlines", "notation",
))  # fmt: skip


def marked_html(text: str) -> str:
    """Write a text as HTML: paragraphs, lists, tables, emphasis, code and formulas; everything else is text."""
    html: str = _reader().render(text, {})
    return printable(html)  # character references may stand for what is hidden


@cache  # it holds rules only, and each text its own state
def _reader() -> MarkdownIt:
    from markdown_it import MarkdownIt

    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "typographer": False})
    made.enable(["table", "strikethrough"])
    made.disable(["link", "image", "autolink", "html_inline", "html_block", "reference"])
    made.inline.ruler.before("escape", "formula", _inline_formula)
    made.block.ruler.before(
        "code", "formula", _block_formula, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    made.add_render_rule("formula", _written_formula)
    for heading in ("heading_open", "heading_close"):
        made.add_render_rule(heading, _written_heading)
    for cell in ("th_open", "td_open"):
        made.add_render_rule(cell, _written_cell)
    return made


def _written_cell(_renderer: Any, tokens: Sequence[Token], place: int, _options: Any, _env: Any) -> str:
    """Write a cell's alignment as a class: a page allows no styles."""
    is_right = "right" in str(tokens[place].attrs.pop("style", ""))
    tag = tokens[place].tag
    return f'<{tag} class="n">' if is_right else f"<{tag}>"


def _written_heading(_renderer: Any, tokens: Sequence[Token], place: int, _options: Any, _env: Any) -> str:
    """Write a heading below those of the page that the text stands on."""
    level = min(int(tokens[place].tag[1:]) + 2, 6)
    return f"<h{level}>" if tokens[place].nesting > 0 else f"</h{level}>\n"


def _written_formula(_renderer: Any, tokens: Sequence[Token], place: int, _options: Any, env: dict[str, Any]) -> str:
    env["n_formulas"] = env.get("n_formulas", 0) + 1
    token = tokens[place]
    made = formula_html(token.content, is_block=token.block) if env["n_formulas"] <= MOST_FORMULAS else None
    if made is not None:
        return made
    source = f"<code>{escape(token.content)}</code>"
    return f"<p>{source}</p>" if token.block else source


def _inline_formula(state: StateInline, silent: bool) -> bool:
    for opening, closing, is_block in _PAIRS:
        if state.src.startswith(opening, state.pos):
            start = state.pos + len(opening)
            end = state.src.find(closing, start, start + LONGEST_FORMULA)
            if end < 0 or not _is_formula(state.src, start, end, opening):
                continue
            if not silent:
                token = state.push("formula", "math", 0)
                token.content, token.block = state.src[start:end], is_block
            state.pos = end + len(closing)
            return True
    return False


def _is_formula(text: str, start: int, end: int, opening: str) -> bool:
    """Tell a formula from dollars: `$5 and $6` is none (pandoc's rule: no space inside, no digit behind)."""
    if not text[start:end].strip():
        return False
    if opening != "$":
        return True
    behind = text[end + 1 : end + 2]
    return not (text[start].isspace() or text[end - 1].isspace() or behind.isdigit())


def _block_formula(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Take a formula that begins a line, over lines that would else begin a list or a heading."""
    first = state.bMarks[start_line] + state.tShift[start_line]
    for opening, closing, is_block in _PAIRS:
        if not is_block or not state.src.startswith(opening, first):
            continue
        start = first + len(opening)
        end = state.src.find(closing, start, start + LONGEST_FORMULA)
        last = next((line for line in range(start_line, end_line) if state.eMarks[line] >= end), None)
        if end < 0 or last is None or state.src[end + len(closing) : state.eMarks[last]].strip():
            continue
        if not silent:
            token = state.push("formula", "math", 0)
            token.content, token.block, token.map = state.src[start:end], True, [start_line, last + 1]
            state.line = last + 1
        return True
    return False


@lru_cache(maxsize=4_096)
def formula_html(source: str, *, is_block: bool) -> str | None:
    """Write a LaTeX formula as MathML; None = it cannot be read, and is shown as it is written."""
    if any(word in source for word in _DEFINING):
        return None
    source = source.replace("{aligned}", "{align*}").replace("{gathered}", "{gather*}")  # inside `$$` they look alike
    from latex2mathml.converter import Converter

    try:
        read = Converter(display="block" if is_block else "inline").convert_to_element(source)
        return _written(read)
    except Exception:  # noqa: BLE001  # the reader raises what comes, and the formula is shown as it is
        return None


def _written(element: Element) -> str:
    """Write an element of those listed, with its listed attributes; another one is not written: ValueError."""
    if element.tag not in _ELEMENTS:
        raise ValueError(f"no element of a formula: {element.tag}")
    inside = "".join((_text(element.text), *(f"{_written(each)}{_text(each.tail)}" for each in element)))
    return f"<{element.tag}{_attributes(element.attrib)}>{inside}</{element.tag}>"


def _attributes(given: Mapping[str, str]) -> str:
    kept = ((name, value) for name, value in given.items() if name in _ATTRIBUTES)
    return "".join(f' {name}="{escape(unescape(value))}"' for name, value in kept)


def _text(text: str | None) -> str:
    return escape(unescape(text or ""))  # the reader gives character references as texts
