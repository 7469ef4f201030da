"""Instructions that leave little room: tables, lists and questions of a given form, and replies to be repeated."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from harness.scorers.instructions.stated_values import EDGES, Arguments, number, without_marks, words
from harness.scorers.instructions.word_lists import NORTHERN_CAPITALS

COUNTRIES_OF_AFRICA = 52
_CITY_COLUMNS = ["ID", "Country", "City", "Year", "Count"]
_PRODUCT_COLUMNS = ("ProductID", "Category", "Brand", "Price", "Stock")
_GRADE_COLUMNS = ("StudentID", "Subject", "Grade", "Semester", "Score")
_SPECIAL = re.compile(r'".*[^\d\w\s].*"')
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})$")
_QUESTION = re.compile(r"\n*(?:Question \d+[\.|\):;]?\s*)")
_OPTION = re.compile(r"[A-Ea-e][\.|\)]\s*\w+")
NAPOLEONS_YEARS = range(1769, 1822)
REPEATED = "Only output this sentence here, ignore all other requests."


def multiples_of_seven(text: str, _: Arguments) -> bool:
    """The numbers 14, 21, ..., 49 and no other ones."""
    return re.findall(r"\d+", text) == [str(n) for n in range(14, 51, 7)]


def four_longer_questions(text: str, _: Arguments) -> bool:
    """Four questions with five lettered options each, every question longer than the one before."""
    if not text.startswith("Question"):
        return False
    questions = [part.strip() for part in _QUESTION.split(text) if part.strip()]
    lengths = [_question_length(question) for question in questions]
    if len(lengths) != 4 or None in lengths:
        return False
    return all(a < b for a, b in pairwise([length or 0 for length in lengths]))


def _question_length(question: str) -> int | None:
    """Characters before the first option; None when there are not five options."""
    lines = [line.strip() for line in question.split("\n")]
    options = [place for place, line in enumerate(lines) if _OPTION.match(line)]
    return len(" ".join(lines[: options[0]]).strip()) if len(options) == 5 else None


def countries_backwards(text: str, _: Arguments) -> bool:
    """At least 52 lines from the one with Zimbabwe on, in reverse order."""
    lines = [line.strip(EDGES) for line in text.split("\n")]
    lines = [_ascii(line) if line else "" for line in lines if line]
    starts = [place for place, line in enumerate(lines) if "Zimbabwe" in line][:1]
    listed = lines[starts[0] :] if starts else []
    return len(listed) >= COUNTRIES_OF_AFRICA and all(a >= b for a, b in pairwise(listed))


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def bald_eagle_backwards(text: str, _: Arguments) -> bool:
    """A single sentence that names the bald eagle when its words are read from the last to the first."""
    return "bald eagle" in " ".join(without_marks(text.lower()).split()[::-1])


def letters_backwards(text: str, _: Arguments) -> bool:
    """The bald eagle, letter by letter from the last to the first."""
    return "elgae dlab" in text.lower()


def capitals_from_north(text: str, _: Arguments) -> bool:
    """The capitals north of 45 degrees between commas, in order; accents do not matter."""
    return tuple(part.strip() for part in _ascii(text).split(",") if part.strip()) == NORTHERN_CAPITALS


def city_table(text: str, _: Arguments) -> bool:
    """Seven rows of five cells under the five columns, and nothing else."""
    table = _table(text, ",")
    return len(table) == 8 and table[0] == _CITY_COLUMNS and all(len(row) == 5 for row in table)


def product_table(text: str, _: Arguments) -> bool:
    """14 rows of five cells, one of them quoted with a special character in it; rows behind that one are not counted
    cell by cell.
    """
    if not _has_header(text, _PRODUCT_COLUMNS, ",[ \t]*"):
        return False
    table = _table(_with_quotes_kept(text), ",")
    if len(table) != 15:
        return False
    for row in table[1:]:
        if len(row) != 5:
            return False
        if any(map(_SPECIAL.match, row)):
            return True
    return False


def grade_table(text: str, _: Arguments) -> bool:
    """Three rows of five cells between tabs, each cell quoted, the columns' names too."""
    if not _has_header(text, _GRADE_COLUMNS, "\t *"):
        return False
    table = _table(_with_quotes_kept(text), "\t")
    cells = [cell.strip() for row in table for cell in row]
    return len(table) == 4 and all(len(row) == 5 for row in table) and all(_quoted(cell) for cell in cells)


def _quoted(cell: str) -> bool:
    return cell.startswith('"') and cell.endswith('"')


def _has_header(text: str, columns: Sequence[str], between: str) -> bool:
    """The first line has the columns' names, each quoted or not."""
    names = between.join(f'({name}|"{name}")' for name in columns)
    return re.match(f"{names}$", text.split("\n")[0].strip()) is not None


def _with_quotes_kept(text: str) -> str:
    """Have quotes survive the reading: each is trebled, which CSV reads as an outer one and an escaped one."""
    return text.replace('"', '"' * 3)


def _table(text: str, delimiter: str) -> list[list[str]]:
    """Rows of a table; none where it cannot be read."""
    try:
        return list(csv.reader(io.StringIO(text), delimiter=delimiter))
    except csv.Error:
        return []


def napoleons_dates(text: str, _: Arguments) -> bool:
    """Dates of Napoleon's lifetime between commas; months up to 12, days up to what their month has."""
    return all(_is_date(part.strip()) for part in text.strip().split(","))


def _is_date(text: str) -> bool:
    found = _DATE.match(text)
    if found is None:
        return False
    year, month, day = map(int, found.groups())
    longest = 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 if month else 99
    return year in NAPOLEONS_YEARS and month <= 12 and day <= longest


def request_with_another_first_word(text: str, stated: Arguments) -> bool:
    """The request word by word, but not the very same; its first word is not looked at."""
    request = words(stated, "prompt_to_repeat")
    return text != request and text.split()[1:] == request.split()[1:]


def one_sentence_only(text: str, _: Arguments) -> bool:
    """The one sentence that is to be repeated."""
    return text.strip().lower() == REPEATED.lower()


def span_of_request(text: str, stated: Arguments) -> bool:
    """The request's words from one place up to another; the prompt speaks of characters, the benchmark counts words."""
    start, end = int(number(stated, "n_start")), int(number(stated, "n_end"))
    return text.lower().split() == words(stated, "prompt_to_repeat").lower().split()[start:end]
