"""Replies that are made to follow an instruction, mostly; one maker for each kind.

None is from a data set or a model.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random
from typing import Any

from harness.scorers.instructions.prescribed_replies import REPEATED
from harness.scorers.instructions.word_lists import NAMES, NORTHERN_CAPITALS

Maker = Callable[[Random, Mapping[str, Any]], str]
_ALPHABET = """amber basket candle dancer eagle forest garden harbour island jacket kettle lantern meadow needle orchard
pepper quarry ribbon saddle timber umbrella valley willow xylem yellow zebra"""
_PLAIN = _ALPHABET.split()
_CLUSTERED = ("stones", "block", "trust", "plant", "friend", "crisp", "strong", "branch", "drift", "spring", "clock")
_PALINDROMES = ["level", "radar", "civic", "rotor", "kayak", "refer", "madam", "tenet", "stats", "solos"]
_COUNTRIES = """
Zimbabwe;Zambia;Uganda;Tunisia;Togo;Tanzania;Sudan;South Sudan;South Africa;Somalia;Sierra Leone;
Seychelles;Senegal;São Tomé;Rwanda;Nigeria;Niger;Namibia;Mozambique;Morocco;Mauritius;Mauritania;
Mali;Malawi;Madagascar;Libya;Liberia;Lesotho;Kenya;Ivory Coast;Guinea-Bissau;Guinea;Ghana;Gambia;
Gabon;Ethiopia;Eswatini;Eritrea;Equatorial Guinea;Egypt;Djibouti;DR Congo;Congo;Comoros;Chad;
Central African Republic;Cape Verde;Cameroon;Burundi;Burkina Faso;Botswana;Benin;Angola;Algeria
"""


def _some(rng: Random, count: int) -> list[str]:
    return [rng.choice(_PLAIN) for _ in range(count)]


def _sentence(rng: Random, count: int = 6, end: str = ".") -> str:
    return " ".join(_some(rng, count)).capitalize() + end


def _different(count: int) -> list[str]:
    return [a + b for a in _PLAIN for b in ("", *string.ascii_lowercase)][:count]


def conjunctions(rng: Random, _: Mapping[str, Any]) -> str:
    return ", ".join(f"{word} {_some(rng, 1)[0]}" for word in ("and", "but", "for", "nor", "or", "so", "yet"))


def keywords(rng: Random, stated: Mapping[str, Any]) -> str:
    counts = (1, 2, 3, 5, 7)
    parts = [stated[f"keyword{n}"] for n, times in enumerate(counts, start=1) for _ in range(times)]
    rng.shuffle(parts)
    return " ".join(parts) + "."


def numbers(rng: Random, stated: Mapping[str, Any]) -> str:
    return " and ".join(str(rng.choice([7, "3.5", "1,200", 42])) for _ in range(int(stated["N"])))


def names(rng: Random, stated: Mapping[str, Any]) -> str:
    return ", ".join(rng.sample(NAMES, min(len(NAMES), int(stated["N"]) + 3))) + " met."


def pronouns(rng: Random, stated: Mapping[str, Any]) -> str:
    return " ".join(rng.choice(["she/her", "I", "they", "It", "ours,"]) for _ in range(int(stated["N"]))) + "."


def punctuation(rng: Random, _: Mapping[str, Any]) -> str:
    return f"Well, now: {rng.choice(_PLAIN)}; really? Yes! Truly{rng.choice(['?!', '!?', '‽'])} Done."


def unique_words(_: Random, stated: Mapping[str, Any]) -> str:
    return " ".join(_different(int(stated["N"]) + 1)) + "."


def word_range(rng: Random, stated: Mapping[str, Any]) -> str:
    return " ".join(_some(rng, rng.randint(int(stated["min_words"]), int(stated["max_words"])))) + "."


def japanese(rng: Random, stated: Mapping[str, Any]) -> str:
    every = int(stated["N"])
    words = _some(rng, every * 3)
    return " ".join("言葉" if place % every == 0 else word for place, word in enumerate(words, start=1))


def overlap(rng: Random, stated: Mapping[str, Any]) -> str:
    """Some of the reference, then characters that it lacks, until the share of common trigrams is right."""
    reference, wanted = str(stated["reference_text"]), float(stated["percentage"]) / 100
    own = len({reference[at : at + 3] for at in range(len(reference) - 2)})
    strange = round(own * (1 - wanted) / max(wanted, 0.01))
    alien = "".join(chr(0x4E00 + number) for number in range(strange))
    return reference + alien if rng.random() < 0.8 else reference


def two_to_one(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join([_sentence(rng), _sentence(rng), _sentence(rng, end="?")] * rng.randint(1, 3))


def balanced(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(_sentence(rng, end=end) for end in ".?!" * rng.randint(1, 3))


def equal_sentences(rng: Random, _: Mapping[str, Any]) -> str:
    six = [word for word in _PLAIN if len(word) == 6]
    return " ".join(" ".join(rng.sample(six, 4)).capitalize() + rng.choice(".!?") for _ in range(3))


def stop_words(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(_some(rng, 30)) + " the end."


def table(names_of: tuple[str, ...], rows: int, delimiter: str, *, quoted: bool) -> Maker:
    def made(rng: Random, _: Mapping[str, Any]) -> str:
        cells = [list(names_of), *([f"{rng.choice(_PLAIN)}{row}" for _ in names_of] for row in range(rows))]
        cells[1][2] = '"Smith & Sons"' if not quoted else cells[1][2]
        wrapped = [[f'"{cell}"' if quoted else cell for cell in row] for row in cells]
        return "\n".join(delimiter.join(row) for row in wrapped)

    return made


def dates(rng: Random, _: Mapping[str, Any]) -> str:
    return ", ".join(f"18{rng.randint(10, 15)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}" for _ in range(6))


def capitals(_: Random, __: Mapping[str, Any]) -> str:
    return ", ".join(NORTHERN_CAPITALS)


def questions(rng: Random, _: Mapping[str, Any]) -> str:
    parts = []
    for number in range(1, 5):
        options = "\n".join(f"{letter}) {rng.choice(_PLAIN)}" for letter in "ABCDE")
        parts.append(f"Question {number}: Who painted {' '.join(_some(rng, number * 4))}?\n{options}")
    return "\n\n".join(parts)


def countries(_: Random, __: Mapping[str, Any]) -> str:
    return "\n".join(name.strip() for name in _COUNTRIES.split(";"))


def alphabet_story(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(f"{letter}{' '.join(_some(rng, 4))}." for letter in string.ascii_uppercase)


def emoji_ends(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(f"{_sentence(rng, end='')} {rng.choice('😀🎉🌍')}." for _ in range(3))


def stairs(rng: Random, _: Mapping[str, Any]) -> str:
    return "\n".join(" " * depth * rng.randint(2, 2) + word for depth, word in enumerate(_some(rng, 5)))


def marked_list(rng: Random, stated: Mapping[str, Any]) -> str:
    return "\n".join(f"{stated['sep']} {word}" for word in _some(rng, 4))


def word_a_line(rng: Random, _: Mapping[str, Any]) -> str:
    return "\n".join(_some(rng, 8))


def sentences_then_bullets(rng: Random, _: Mapping[str, Any]) -> str:
    return f"{_sentence(rng)} {_sentence(rng)}\n* {_sentence(rng)}\n* {_sentence(rng)}"


def option(rng: Random, stated: Mapping[str, Any]) -> str:
    separator = next((one for one in ("/", "or") if one in stated["options"]), ",")
    return str(rng.choice(stated["options"].split(separator))).strip()


def brackets(rng: Random, _: Mapping[str, Any]) -> str:
    return f"{_sentence(rng)} (one [two {{three (four [five] four) three}} two] one)"


def quotes(rng: Random, _: Mapping[str, Any]) -> str:
    return f'He said "she said \'they said "{rng.choice(_PLAIN)}" there\' again" loudly'


def explained_quotes(rng: Random, _: Mapping[str, Any]) -> str:
    return f'"{rng.choice(_PLAIN)}" means a thing. “{rng.choice(_PLAIN)}” is another one.'


def sub_bullets(rng: Random, _: Mapping[str, Any]) -> str:
    return "\n".join(f"* {word}\n  {rng.choice('---+')} {rng.choice(_PLAIN)}" for word in _some(rng, 3))


def thesis(rng: Random, _: Mapping[str, Any]) -> str:
    tag = rng.choice(["i", "em"])
    return f"<{tag}>{_sentence(rng)}</{tag}>\n{_sentence(rng)}"


def titles(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(word.title() for word in _some(rng, 9)) + "."


def changed_request(_: Random, stated: Mapping[str, Any]) -> str:
    return " ".join(["Please", *str(stated["prompt_to_repeat"]).split()[1:]])


def span(_: Random, stated: Mapping[str, Any]) -> str:
    return " ".join(str(stated["prompt_to_repeat"]).split()[int(stated["n_start"]) : int(stated["n_end"])])


def growing_alliteration(rng: Random, _: Mapping[str, Any]) -> str:
    runs = ["Cold wind blew.", "Big bears rest.", "Big brown bears rest.", "Seven silly sailors sang softly."]
    return " ".join(runs[: rng.randint(2, 4)])


def growing_sentences(rng: Random, stated: Mapping[str, Any]) -> str:
    return " ".join(_sentence(rng, 3 + int(stated["small_n"]) * place) for place in range(3))


def keyword_sentence(rng: Random, stated: Mapping[str, Any]) -> str:
    place = int(stated["N"])
    return " ".join([*(_sentence(rng) for _ in range(place - 1)), f"Here is {stated['word']} now."])


def keyword_place(rng: Random, stated: Mapping[str, Any]) -> str:
    before = [_sentence(rng) for _ in range(int(stated["n"]) - 1)]
    words = [*_some(rng, int(stated["m"]) - 1), stated["keyword"], *_some(rng, 3)]
    return " ".join([*before, " ".join(words) + "."])


def alphabet(rng: Random, _: Mapping[str, Any]) -> str:
    start = rng.randrange(26)
    return " ".join(_PLAIN[(start + step) % 26] for step in range(rng.randint(5, 40)))


def clusters(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(rng.choice(_CLUSTERED) for _ in range(10))


def chained(rng: Random, _: Mapping[str, Any]) -> str:
    words = _some(rng, 4)
    return " ".join(f"{a.capitalize()} sees {b}." for a, b in pairwise(words))


def no_consecutive(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(rng.choice([_PLAIN[step % 13], _PLAIN[13 + step % 13]]) for step in range(12))


def syllables(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join([rng.choice(["cat", "dog", "sun"]), rng.choice(["garden", "yellow", "basket"])] * 5)


def palindromes(rng: Random, _: Mapping[str, Any]) -> str:
    return ", ".join(rng.sample(_PALINDROMES, 10)) + "."


def ringed(rng: Random, _: Mapping[str, Any]) -> str:
    return "\n\n".join(f"{word} {' '.join(_some(rng, 4))} {word}." for word in _some(rng, 3))


def primes(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(rng.choice(["it", "cat", "house", "morning"]) for _ in range(12))


def few_repeats(_: Random, __: Mapping[str, Any]) -> str:
    return " ".join(_PLAIN[:15]) + "."


def verb(rng: Random, _: Mapping[str, Any]) -> str:
    return f"{rng.choice(['Write', 'Consider', 'Walking', 'The'])} {' '.join(_some(rng, 5))}. {_sentence(rng)}"


def vowels(rng: Random, _: Mapping[str, Any]) -> str:
    return " ".join(rng.choice(["cat", "man", "hill", "top", "banana"]) for _ in range(10)) + "."


def second_words(rng: Random, stated: Mapping[str, Any]) -> str:
    return f"A {stated['keyword']} {' '.join(_some(rng, 5))}. {_sentence(rng)} Truly {stated['keyword']} end"


FOLLOWERS: dict[str, Maker] = {
    "count:conjunctions": conjunctions,
    "count:keywords_multiple": keywords,
    "count:numbers": numbers,
    "count:person_names": names,
    "count:pronouns": pronouns,
    "count:punctuation": punctuation,
    "count:unique_word_count": unique_words,
    "count:word_count_range": word_range,
    "count:words_japanese": japanese,
    "custom:character_reverse": lambda *_: "elgae dlab ehT",
    "custom:csv_city": table(("ID", "Country", "City", "Year", "Count"), 7, ",", quoted=False),
    "custom:csv_quotes": table(("StudentID", "Subject", "Grade", "Semester", "Score"), 3, "\t", quoted=True),
    "custom:csv_special_character": table(("ProductID", "Category", "Brand", "Price", "Stock"), 14, ",", quoted=False),
    "custom:date_format_list": dates,
    "custom:european_capitals_sort": capitals,
    "custom:mcq_count_length": questions,
    "custom:multiples": lambda *_: "14, 21, 28, 35, 42, 49",
    "custom:reverse_newline": countries,
    "custom:sentence_alphabet": alphabet_story,
    "custom:word_reverse": lambda *_: "States United the of symbol national the is eagle bald The",
    "format:emoji": emoji_ends,
    "format:line_indent": stairs,
    "format:list": marked_list,
    "format:newline": word_a_line,
    "format:no_bullets_bullets": sentences_then_bullets,
    "format:no_whitespace": lambda rng, _: "".join(_some(rng, 5)),
    "format:options": option,
    "format:output_template": lambda rng, _: f"My Answer: {_sentence(rng)} My Conclusion: x Future Outlook: y",
    "format:parentheses": brackets,
    "format:quote_unquote": explained_quotes,
    "format:quotes": quotes,
    "format:sub-bullets": sub_bullets,
    "format:thesis": thesis,
    "format:title_case": titles,
    "ratio:overlap": overlap,
    "ratio:sentence_balance": balanced,
    "ratio:sentence_type": two_to_one,
    "ratio:sentence_words": equal_sentences,
    "ratio:stop_words": stop_words,
    "repeat:repeat_change": changed_request,
    "repeat:repeat_simple": lambda *_: REPEATED,
    "repeat:repeat_span": span,
    "sentence:alliteration_increment": growing_alliteration,
    "sentence:increment": growing_sentences,
    "sentence:keyword": keyword_sentence,
    "words:alphabet": alphabet,
    "words:consonants": clusters,
    "words:keywords_specific_position": keyword_place,
    "words:last_first": chained,
    "words:no_consecutive": no_consecutive,
    "words:odd_even_syllables": syllables,
    "words:palindrome": palindromes,
    "words:paragraph_last_first": ringed,
    "words:prime_lengths": primes,
    "words:repeats": few_repeats,
    "words:start_verb": verb,
    "words:vowel": vowels,
    "words:words_position": second_words,
}
