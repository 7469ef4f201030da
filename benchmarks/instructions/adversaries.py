"""Replies that are spoiled on purpose: what models put around an answer, and what trips a checker."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Spoil = Callable[[Random, str], str]
HOSTILE = (
    "...",
    "?!",
    '"',
    "12",
    "* * *",
    "- - -",
    "\n\n",
    "a",
    "ab",
    "É",
    "\r\nA.\r\nB.",
    "\"\"\" '''",
    "Mr. Smith met Dr. Jones at 3.5 p.m. in the U.S. She left. Ph.D. students vs. others...and more.",
    "İstanbul ß ﬁ Ⅳ ١٢٣ 3½",
    "<i></i>",
    "Question",
    "Zimbabwe",
    "1769-00-00, 1821-02-29",
    "see example.com. He said no.Yes. e.g. this",
    "(((((a)))))]",
    "'\"'\"'\"",
    "😀 😀. 😀",
    'StudentID\tSubject\tGrade\tSemester\tScore\n\t\t\t\t\n"\t\t\t\t\n\t\t\t\t',
    "don't can't gonna cannot 'tis they've",
)


def _words(change: Callable[[Random, list[str]], list[str]]) -> Spoil:
    return lambda rng, text: " ".join(change(rng, text.split(" ")))


def _lose_word(rng: Random, words: list[str]) -> list[str]:
    place = rng.randrange(len(words))
    return words[:place] + words[place + 1 :]


def _double_word(rng: Random, words: list[str]) -> list[str]:
    place = rng.randrange(len(words))
    return [*words[:place], words[place], *words[place:]]


def _swap(rng: Random, words: list[str]) -> list[str]:
    first, second = rng.randrange(len(words)), rng.randrange(len(words))
    words[first], words[second] = words[second], words[first]
    return words


def _put(rng: Random, text: str, mark: str) -> str:
    place = rng.randint(0, len(text))
    return text[:place] + mark + text[place:]


WRAPS: tuple[Callable[[str], str], ...] = (
    lambda text: f"Sure! Here is the answer:\n{text}",
    lambda text: f"{text}\nI hope this helps.",
    lambda text: f"Here you go:\n\n{text}\n\nLet me know.",
    lambda text: f"**{text}**",
    lambda text: f"```\n{text}\n```",
    lambda text: f'"{text}"',
    lambda text: text.upper(),
    lambda text: text.lower(),
    lambda text: text.replace(" ", "  "),
    lambda text: text.replace("\n", "\n\n"),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace(".", "!"),
    lambda text: text.replace(".", "..."),
    lambda text: text.replace(". ", ".\n"),
    lambda text: text.replace('"', "“").replace("'", "’"),
    lambda text: f"  {text}  ",
    lambda text: f"{text} {text}",
    lambda text: f"{text}\n\n{text}",
    lambda text: text[::-1],
)
CHANGES: tuple[Spoil, ...] = (
    lambda rng, text: text[: rng.randint(0, len(text))],
    lambda rng, text: text[rng.randint(0, len(text)) :],
    lambda rng, text: _put(rng, text, rng.choice(list(".,!?;:()[]{}\"'*-\n\t 7é😀…"))),
    lambda rng, text: _put(rng, text, rng.choice(["Mr. ", " e.g. ", " 3.14 ", " U.S.A. ", "...", " Inc. He ", " — "])),
    _words(_lose_word),
    _words(_double_word),
    _words(_swap),
    lambda rng, text: f"{text} {rng.choice(HOSTILE)}",
)


def spoiled(rng: Random, text: str) -> str:
    """Spoil a reply in one way, or put something else into its place."""
    way = rng.randrange(len(WRAPS) + len(CHANGES) + 1)
    if way < len(WRAPS):
        return WRAPS[way](text)
    return CHANGES[way - len(WRAPS)](rng, text) if way < len(WRAPS) + len(CHANGES) else rng.choice(HOSTILE)
