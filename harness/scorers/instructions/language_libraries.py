"""What needs a library or its data: tokens and parts of speech (nltk), syllables (syllapy), emoji (emoji).

All come with `benchtab[ifbench]` and are imported when a reply is first held to a rule that needs one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import util
from typing import Protocol

EXTRA = 'pip install "benchtab[ifbench]"'
TAGGER = "averaged_perceptron_tagger_eng"
_SENTENCE = re.compile(r"(?<=[.!?])([\"'”’)\]]*)\s+")
_NAME = re.compile("[A-Z][a-z]")
_TITLES = "mr mrs ms dr st jr sr lt col gen sen prof"
_ABBREVIATIONS = frozenset(f"{_TITLES} vs inc co corp no dept fig e.g i.e u.s u.k".split())


_LIBRARIES = ("emoji", "nltk", "syllapy")


def _is_installed(module: str) -> bool:
    return util.find_spec(module) is not None


def missing_libraries(is_installed: Callable[[str], bool] = _is_installed) -> str | None:
    """What must be said before replies are asked for that rules are held to; None = everything is here.

    Args:
        is_installed: whether a top-level module can be imported here.
    """
    missing = [library for library in _LIBRARIES if not is_installed(library)]
    if not missing:
        return None
    return f"replies to instructions that need {', '.join(missing)} stay unscored: not installed, {EXTRA}"


class LibraryMissing(Exception):
    """A rule cannot be checked on this machine; the text says what to install."""


class _Tagger(Protocol):
    def tag(self, tokens: list[str]) -> list[tuple[str, str]]: ...


class _Tokenizer(Protocol):
    def tokenize(self, text: str) -> list[str]: ...


def tokens_of(text: str) -> list[str]:
    """Words and marks as the Penn Treebank writes them, sentence by sentence: a final stop is a token of its own.

    Raises:
        LibraryMissing: nltk is not installed.
    """
    tokenizer = _tokenizer()
    return [token for part in _parts(text) for token in tokenizer.tokenize(part)]


def _parts(text: str) -> list[str]:
    """Rough sentences; all that depends on them is whether a stop inside the text stands apart from its word."""
    parts, start = [], 0
    for gap in _SENTENCE.finditer(text):
        *_, last = text[start : gap.start()].split() or [""]
        bare = last.lstrip("\"'“‘([").rstrip(".").casefold()
        initial = len(bare) < 2 and _NAME.match(text, gap.end()) is not None
        if not last.endswith(".") or not (initial or bare in _ABBREVIATIONS):
            parts.append(text[start : gap.end(1)])
            start = gap.end()
    return [*parts, text[start:]]


@cache
def _tokenizer() -> _Tokenizer:
    try:
        from nltk.tokenize.destructive import NLTKWordTokenizer
    except ImportError:
        raise LibraryMissing(f"its words are counted with nltk: {EXTRA}") from None
    made: _Tokenizer = NLTKWordTokenizer()
    return made


@cache
def _tagger() -> _Tagger:
    try:
        from nltk.tag.perceptron import PerceptronTagger
    except ImportError:
        raise LibraryMissing(f"parts of speech are told by nltk: {EXTRA}") from None
    try:
        made: _Tagger = PerceptronTagger()
    except LookupError:
        raise LibraryMissing(f"nltk lacks its tagger's data: python -m nltk.downloader {TAGGER}") from None
    return made


def starts_with_verb(text: str) -> bool:
    """Say whether the first token is tagged as a form of a verb.

    Raises:
        LibraryMissing: nltk or its tagger's data is not installed.
    """
    tokens = tokens_of(text)
    return bool(tokens) and _tagger().tag(tokens)[0][1].startswith("VB")


def syllables_in(word: str) -> int:
    """Count the syllables of a word; 0 where it holds a digit.

    Raises:
        LibraryMissing: syllapy is not installed.
    """
    try:
        import syllapy
    except ImportError:
        raise LibraryMissing(f"syllables are counted with syllapy: {EXTRA}") from None
    return int(syllapy.count(word))


def is_emoji(character: str) -> bool:
    """Say whether one character is an emoji by itself.

    Raises:
        LibraryMissing: emoji is not installed.
    """
    try:
        import emoji
    except ImportError:
        raise LibraryMissing(f"emoji are told by the library emoji: {EXTRA}") from None
    return bool(emoji.is_emoji(character))
