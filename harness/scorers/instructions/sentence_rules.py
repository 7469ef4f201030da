"""Instructions about sentences: what each begins with, holds, or has more of than the one before."""

from __future__ import annotations

import string
from itertools import pairwise

from harness.scorers.instructions.language_libraries import is_emoji
from harness.scorers.instructions.sentences import sentences_of
from harness.scorers.instructions.stated_values import EDGES, Arguments, number, without_marks, words


def keyword_in_sentence(text: str, stated: Arguments) -> bool:
    """The N-th sentence holds a keyword, as part of a word too."""
    found, place = sentences_of(text), int(number(stated, "N"))
    return len(found) >= place and words(stated, "word").lower() in found[place - 1].lower()


def growing_alliteration(text: str, _: Arguments) -> bool:
    """Each sentence has more alliterating words than the one before; the first may have none."""
    counts = [_alliterating(sentence) for sentence in sentences_of(text)]
    return all(a < b for a, b in pairwise(counts))


def _alliterating(sentence: str) -> int:
    """Words that stand in runs of two or more with the same first letter."""
    bare = [word.lstrip(EDGES) for word in sentence.lower().split()]
    firsts = [word[0] for word in bare if word]
    alike = [a == b for a, b in pairwise(firsts)]
    runs = sum(here and not before for before, here in zip([False, *alike], alike, strict=False))
    return sum(alike) + runs


def growing_sentences(text: str, stated: Arguments) -> bool:
    """Each sentence has exactly so many more words than the one before."""
    counts = [len(without_marks(sentence).split()) for sentence in sentences_of(text)]
    more = number(stated, "small_n")
    return bool(counts) and all(b == a + more for a, b in pairwise(counts))


def story_through_the_alphabet(text: str, _: Arguments) -> bool:
    """26 sentences that start with A to Z; a sentence of nothing is none of them."""
    found = sentences_of(text)
    return [sentence[:1].lower()[:1] for sentence in found] == list(string.ascii_lowercase)


def emoji_after_each_sentence(text: str, _: Arguments) -> bool:
    """An emoji among the last two characters of each sentence, or as the first one of the next."""
    bare = [without_marks(sentence).strip() for sentence in sentences_of(text)]
    if not all(bare):
        return False
    following = [*(one[:1] for one in bare[1:]), ""]
    return all(_ends_in_emoji(one) or (after and is_emoji(after)) for one, after in zip(bare, following, strict=True))


def _ends_in_emoji(sentence: str) -> bool:
    return is_emoji(sentence[-1]) or is_emoji(sentence[-2:][0])
