"""How replies are written: invisible characters, end marks and compatibility letters taken out before anything is read.

Pure; every pattern is linear. Data flows a reply -> the same reply in plain characters.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_REPLY = 1_000_000
"""Characters of a reply that are read, from its end, so that a hostile reply costs bounded time."""

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]"
)
_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029]")
_END_MARKS = re.compile(
    r"</s>|<eos>|<end_of_turn>|<[|｜](?:im_end|endoftext|eot_id|end|return|end_of_text|end▁of▁sentence|endofresponse|eom_id)[|｜]>",
    re.IGNORECASE,
)


SYMBOLS = "✅✔☑👉➡➜➔➤►▶•🎯🏆⭐🟢🔑💡"
"""Signs that models put before an answer."""


def even_lines(text: str) -> str:
    """Write every end of a line as one line feed."""
    return _LINE_END.sub("\n", text) if _LINE_END.search(text) else text


def without_marks(text: str) -> str:
    """Take out end-of-sequence marks that a server left in and characters that nobody sees; line ends become `\\n`."""
    text = even_lines(text)
    seen = text if text.isascii() else _INVISIBLE.sub("", text)
    return _END_MARKS.sub("", seen) if "<" in seen else seen


def plain_characters(text: str) -> str:
    """Write full-width, circled, mathematical and other compatibility letters as ordinary ones (NFKC).

    Not for numbers: it would turn 10³ into 103.
    """
    seen = without_marks(text)
    return seen if seen.isascii() else unicodedata.normalize("NFKC", seen)[-LONGEST_REPLY:]
