"""Instructions about single words: their letters, lengths, order and repetition."""

from __future__ import annotations

import string
from collections import Counter
from itertools import pairwise

from harness.scorers.instructions.language_libraries import starts_with_verb, syllables_in, tokens_of
from harness.scorers.instructions.sentences import sentences_of
from harness.scorers.instructions.stated_values import EDGES, Arguments, number, without_marks, words

CONSONANTS = frozenset(string.ascii_lowercase) - frozenset("aeiou")
PRIMES = frozenset(n for n in range(2, 100) if all(n % d for d in range(2, n)))
"""Lengths of words; longer words than 97 letters are not prime to the benchmark."""


def through_the_alphabet(text: str, _: Arguments) -> bool:
    """Each word starts with the next letter, from any first one, with A after Z."""
    found = without_marks(text).lower().split()
    letters = string.ascii_lowercase
    if not found or found[0][0] not in letters:
        return False
    first = letters.index(found[0][0])
    return all(word[0] == letters[(first + step) % 26] for step, word in enumerate(found))


def three_vowels(text: str, _: Arguments) -> bool:
    """One line, with no more than three different vowels in all."""
    line = text.strip()
    return "\n" not in line and len(set(line.lower()) & set("aeiou")) <= 3


def consonant_clusters(text: str, _: Arguments) -> bool:
    """Two consonants side by side in every word; y is one."""
    return all(any(a in CONSONANTS and b in CONSONANTS for a, b in pairwise(word)) for word in text.lower().split())


def palindromes(text: str, _: Arguments) -> bool:
    """Ten words of five letters or more that read the same backwards; the same one again counts again."""
    found = without_marks(text).lower().split()
    return sum(len(word) >= 5 and word == word[::-1] for word in found) >= 10


def prime_lengths(text: str, _: Arguments) -> bool:
    """Every word's length is a prime number, marks not counted."""
    return all(len(word) in PRIMES for word in without_marks(text).split())


def few_repeats(text: str, stated: Arguments) -> bool:
    """No word more often than stated."""
    counts = Counter(without_marks(text.lower()).split())
    return max(counts.values(), default=0) <= number(stated, "small_n")


def no_same_first_letters(text: str, _: Arguments) -> bool:
    """No word starts with the letter that the one before starts with."""
    return all(a[0] != b[0] for a, b in pairwise(without_marks(text.lower()).split()))


def odd_and_even_syllables(text: str, _: Arguments) -> bool:
    """Words with an odd and an even number of syllables take turns."""
    odd = [syllables_in(word) % 2 for word in without_marks(text).lower().split()]
    return all(a != b for a, b in pairwise(odd))


def verb_first(text: str, _: Arguments) -> bool:
    """The first word is a verb."""
    return starts_with_verb(text)


def chained_sentences(text: str, _: Arguments) -> bool:
    """Each sentence's last word is the next one's first; a sentence without words is in no chain."""
    for one, following in pairwise(sentences_of(text)):
        last, first = one.rstrip(EDGES).split()[-1:], following.lstrip(EDGES).split()[:1]
        if not last or not first or last[0].lower() != first[0].lower():
            return False
    return True


def ringed_paragraphs(text: str, _: Arguments) -> bool:
    """Each line that is not blank ends with the word that it starts with."""
    for line in filter(str.strip, text.split("\n")):
        found = line.strip().lower().strip(EDGES).split()
        if not found or found[0] != found[-1]:
            return False
    return True


def keyword_at_place(text: str, stated: Arguments) -> bool:
    """A keyword is the m-th token of the n-th sentence."""
    sentence, place = int(number(stated, "n")), int(number(stated, "m"))
    found = sentences_of(text)
    if len(found) < sentence:
        return False
    tokens = tokens_of(found[sentence - 1])
    return len(tokens) >= place and tokens[place - 1] == words(stated, "keyword").strip()


def keyword_second_and_second_last(text: str, stated: Arguments) -> bool:
    """A keyword is the second token and the last but one; a final mark is a token."""
    tokens = tokens_of(text)
    return len(tokens) > 1 and tokens[1] == tokens[-2] == words(stated, "keyword").strip()


def title_case(text: str, _: Arguments) -> bool:
    """No token starts with a small letter and goes on in letters of one case; a single small letter may stand."""
    return not any(token[0].islower() and (token[1:].islower() or token[1:].isupper()) for token in tokens_of(text))
