"""Fenced code blocks in a reply, as CommonMark has them and as models write them. Pure; nothing inside is rewritten.

Data flows reply -> `CodeBlock`s and the text around them. Lines end at a line feed only: a form feed or U+2028 may
stand inside a string of a program.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

DEEPER = 3  # a closing fence may be indented this much more than the opening one (CommonMark 0.31, section 4.5)
_FENCE = re.compile(r"(?P<lead>[ \t>]*)(?P<fence>`{3,}|~{3,})(?P<info>[^\r]*)\r?")
_FENCE_AFTER_WORDS = re.compile(r"[^`]*\S[ \t]*(?P<fence>`{3,})(?P<info>(?:python|py)\d?)[ \t]*\r?", re.IGNORECASE)
_WORD = re.compile(r"[\s{.]*([\w+#-]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock:
    """One fenced block.

    Attributes:
        text: what stands between the fences, without the indentation of the opening one.
        language: the first word behind the opening fence in lower case; may be empty.
        closed: a closing fence was found.
    """

    text: str
    language: str = ""
    closed: bool = True


@dataclass(frozen=True, slots=True)
class _Opening:
    lead: str
    fence: str
    language: str

    def closes(self, line: str, *, deeper: int = DEEPER) -> bool:
        """Whether a line is this block's end: the same sign, as long at least, and nothing else."""
        found = _FENCE.fullmatch(line)
        return (
            found is not None
            and found["fence"].startswith(self.fence)
            and not found["info"].strip()
            and len(found["lead"]) <= len(self.lead) + deeper
        )

    def is_followed_by(self, line: str) -> _Opening | None:
        """The opening of the next block when this one was never closed; text about blocks may hold blocks."""
        found = _opening(line)
        if self.language in ("markdown", "md") or found is None or not found.language:
            return None
        return found if found.fence[0] == self.fence[0] and len(found.lead) <= len(self.lead) + DEEPER else None


def split(text: str) -> tuple[list[CodeBlock], str]:
    """The blocks of a reply in order, and all lines that stand outside of them."""
    blocks: list[CodeBlock] = []
    outside: list[str] = []
    inside: list[str] = []
    opening: _Opening | None = None
    for line in text.split("\n"):
        if opening is None:
            opening = _opening(line)
            inside = []
            if opening is None:
                outside.append(line)
        elif opening.closes(line):
            blocks.append(_block(opening, inside, closed=True))
            opening = None
        elif (following := opening.is_followed_by(line)) is not None:
            blocks.append(_block(opening, inside, closed=False))
            opening, inside = following, []
        else:
            inside.append(line)
    if opening is not None:
        blocks.append(_block(opening, inside, closed=False))
    return blocks, "\n".join(outside)


def code_blocks(text: str) -> list[CodeBlock]:
    """The blocks of a reply that hold something."""
    return [block for block in split(text)[0] if block.text.strip()]


def code_block(text: str) -> str | None:
    """The last fenced code block that holds something; one that is never closed counts to the end."""
    return next((block.text for block in reversed(code_blocks(text))), None)


def _opening(line: str) -> _Opening | None:
    found = _FENCE.fullmatch(line)
    if found is not None and ("`" not in found["info"] or found["fence"][0] == "~"):
        return _Opening(found["lead"], found["fence"], _language(found["info"]))
    glued = _FENCE_AFTER_WORDS.fullmatch(line) if "```" in line else None
    return None if glued is None else _Opening("", glued["fence"], _language(glued["info"]))


def _language(info: str) -> str:
    found = _WORD.match(info)
    return found[1].lower() if found else ""


def _block(opening: _Opening, lines: Sequence[str], *, closed: bool) -> CodeBlock:
    """Put a block together; one without an end may have an untidy one: indented deeply, or behind a statement."""
    kept: list[str] = []
    for line in lines:
        if not closed and opening.closes(line, deeper=len(line)):
            closed = True
            break
        code = line.rstrip()
        if not closed and code.endswith(opening.fence) and opening.fence[0] == "`":
            kept.append(code.rstrip("`"))
            closed = True
            break
        kept.append(line)
    text = "\n".join(_without(opening.lead, line) for line in kept)
    return CodeBlock(text=text, language=opening.language, closed=closed)


def _without(lead: str, line: str) -> str:
    """A line without the indentation that its block's fence has."""
    for prefix in (lead, lead.rstrip()):
        if line.startswith(prefix):
            return line[len(prefix) :]
    return line[min(len(lead), len(line) - len(line.lstrip(" \t"))) :]
