"""A formula's text cut into tokens; every character belongs to one, or the text is unreadable. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.formulas.values import UnreadableError

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>\d+(?:\.\d+|\.(?=\s*\\overline))?|\.\d+)"
    r"|(?P<text>\\(?:text|mbox|textbf|textit|textrm|operatorname)\s*\{(?P<content>[^{}]*)\})"
    r"|(?P<command>\\(?:[A-Za-z]+|[{}|\\]))"
    r"|(?P<letters>[A-Za-z]+)"
    r"|(?P<sign><=|>=|!=|\*\*|[-+*/^_=<>(){}\[\]|,;:!'&])"
)
MOST_TOKENS = 1_500


@dataclass(frozen=True, slots=True)
class Token:
    """`kind`: number, text, command, letters or sign; `spaced`: a space stands before it."""

    kind: str
    text: str
    spaced: bool = False


def tokens(text: str) -> list[Token]:
    """Cut a tidy formula into tokens.

    Raises:
        UnreadableError: a character that belongs to no formula, or far too many tokens.
    """
    found: list[Token] = []
    place = 0
    spaced = False
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise UnreadableError(f"{text[place : place + 10]!r} is not part of a formula")
        place = match.end()
        if match["space"] is not None:
            spaced = True
            continue
        if match["text"] is not None:
            found.append(Token("text", match["content"].strip(), spaced))
        else:
            kind = next(name for name in ("number", "command", "letters", "sign") if match[name] is not None)
            found.append(Token(kind, match.group(), spaced))
        spaced = False
        if len(found) > MOST_TOKENS:
            raise UnreadableError(f"more than {MOST_TOKENS} tokens")
    return found


class Cursor:
    """The tokens of one formula and the place that reading has reached."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._place = 0

    def _peek(self, ahead: int = 0) -> Token | None:
        place = self._place + ahead
        return self._tokens[place] if 0 <= place < len(self._tokens) else None

    def _at(self, *texts: str) -> bool:
        token = self._peek()
        return token is not None and token.kind != "text" and token.text in texts

    def _take(self) -> Token:
        token = self._peek()
        if token is None:
            raise UnreadableError("it ends too early")
        self._place += 1
        return token

    def _expect(self, text: str) -> None:
        if not self._at(text):
            raise UnreadableError(f"{text!r} is missing")
        self._place += 1

    def expect_end(self) -> None:
        """Refuse what is left over."""
        if (token := self._peek()) is not None:
            raise UnreadableError(f"{token.text!r} is left over")
