"""Instructions about numbers and shares: how many words, names, numbers, how large a part of the reply."""

from __future__ import annotations

import re

from harness.scorers.instructions.sentences import sentences_of
from harness.scorers.instructions.stated_values import EDGES, Arguments, number, without_marks, words
from harness.scorers.instructions.word_lists import COORDINATING, NAMES, PRONOUNS, STOP_WORDS

_WORD = re.compile(r"\w+")
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
KEYWORD_COUNTS = {"keyword1": 1, "keyword2": 2, "keyword3": 3, "keyword4": 5, "keyword5": 7}
OVERLAP_MARGIN = 2
"""Percentage points by which the share of common trigrams may miss the stated one."""


def word_range(text: str, stated: Arguments) -> bool:
    """Between so many and so many words, which are runs of letters, digits and underscores."""
    return number(stated, "min_words") <= len(_WORD.findall(text)) <= number(stated, "max_words")


def unique_words(text: str, stated: Arguments) -> bool:
    """At least N different words, marks around them ignored; all words of marks alone count as one."""
    return len({word.strip(EDGES) for word in text.lower().split()}) >= number(stated, "N")


def stop_word_share(text: str, stated: Arguments) -> bool:
    """No more than so many percent stop words; a reply without words has no share, and does not follow."""
    found = _WORD.findall(text)
    stops = sum(word.lower() in STOP_WORDS for word in found)
    return bool(found) and (stops / len(found)) * 100 <= number(stated, "percentage")


def conjunctions(text: str, stated: Arguments) -> bool:
    """At least so many coordinating conjunctions; "and", "And" and "and," are three different ones to the benchmark."""
    found = {word for word in text.split() if word.strip(EDGES).lower() in COORDINATING}
    return len(found) >= number(stated, "small_n")


def person_names(text: str, stated: Arguments) -> bool:
    """At least N of the listed names, as parts of words too."""
    return sum(name in text for name in NAMES) >= number(stated, "N")


def exact_numbers(text: str, stated: Arguments) -> bool:
    """Exactly N numbers; a number with a point or commas is one."""
    return len(re.findall(r"\d+", without_marks(text))) == number(stated, "N")


def pronouns(text: str, stated: Arguments) -> bool:
    """At least N personal, possessive or reflexive pronouns."""
    found = without_marks(text.replace("/", " ").lower()).split()
    return sum(word in PRONOUNS for word in found) >= number(stated, "N")


def every_punctuation_mark(text: str, _: Arguments) -> bool:
    """All six of . , ! ? ; : and an interrobang besides, which may be written as two marks or one."""
    if not any(mark in text for mark in ("?!", "!?", "‽")):
        return False
    pair = "?!" if "?!" in text else "!?"
    return set(".,!?;:") <= set(text.replace(pair, "", 1))


def keywords_so_often(text: str, stated: Arguments) -> bool:
    """Five keywords one, two, three, five and seven times, as parts of words too."""
    lowered = text.lower()
    return all(lowered.count(words(stated, name).strip().lower()) == times for name, times in KEYWORD_COUNTS.items())


def japanese_every_nth(text: str, stated: Arguments) -> bool:
    """Every N-th word holds a Japanese character, or is a number or marks alone."""
    every = number(stated, "N")
    for place, word in enumerate(text.split(), start=1):
        bare = word.strip(EDGES)
        if place % every == 0 and bare and not bare.isdigit() and not _JAPANESE.search(bare):
            return False
    return True


def trigram_overlap(text: str, stated: Arguments) -> bool:
    """The share of the reply's different trigrams of characters that a reference has too, within two points."""
    own, reference = _trigrams(text), _trigrams(words(stated, "reference_text"))
    if not own:  # fewer than three characters
        return False
    share, wanted = len(own & reference) / len(own) * 100, number(stated, "percentage")
    return wanted - OVERLAP_MARGIN <= share <= wanted + OVERLAP_MARGIN


def _trigrams(text: str) -> set[str]:
    return {text[start : start + 3] for start in range(len(text) - 2)}


def two_statements_a_question(text: str, _: Arguments) -> bool:
    """Twice as many sentences that end in a stop as in a question mark."""
    ends = _ends(text)
    return ends.count(".") == 2 * ends.count("?")


def balanced_sentences(text: str, _: Arguments) -> bool:
    """As many sentences of each of the three kinds."""
    ends = _ends(text)
    return ends.count(".") == ends.count("?") == ends.count("!")


def _ends(text: str) -> str:
    return "".join(sentence[-1:] for sentence in sentences_of(text))


def three_equal_sentences(text: str, _: Arguments) -> bool:
    """Three sentences of the same length; that their words differ is asked and not checked by the benchmark."""
    lengths = [len(sentence) for sentence in sentences_of(text)]
    return len(lengths) == 3 and len(set(lengths)) == 1
