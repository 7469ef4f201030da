"""What a row says about its answer: the options to choose from and the reference, in the forms that data sets have.

Data flows a column's value -> `Options` -> the reference answer in its scorer's form, or BadRowError. Pure.
Nothing that is not a text or a number becomes text in silence: None, not-a-number, tables and messages are named.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeGuard

from harness.suites.prompts import LETTERS
from harness.suites.suite import DatasetRef


class BadRowError(Exception):
    """A row cannot become a sample; `problems` are (field, message)."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a multiple-choice row in the order of the file.

    Attributes:
        labels: what the data set calls them ("1", "2", ...) where that is not A, B, ...; None elsewhere.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...] | None = None


def is_missing(value: object) -> bool:
    """Say whether a cell holds nothing: None or not-a-number, as tables of floats write it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_plain(value: object) -> bool:
    """Say whether a value has one obvious text: a text, a number, a truth value or a date."""
    return isinstance(value, str | int | float | bool | Decimal | date) and not is_missing(value)


def shown(value: object) -> str:
    """Show a value in an error, shortened."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def options_of(value: object) -> Options:
    """Read options from a list, a list written as text, a table of labels and texts, or a list of such pairs.

    Raises:
        BadRowError: fewer than two options, more than there are letters, or one that is no text.
    """
    value = _list_in_text(value) if isinstance(value, str) else value
    if (plain := _plain_texts(value)) is not None:
        return Options(texts=plain)
    labels, texts = _labels_and_texts(value)
    if len(texts) == 1 and isinstance(texts[0], list | tuple):  # [["a", "b"]], a list in a list
        texts = texts[0]
    texts = _filled(texts)
    if not 2 <= len(texts) <= len(LETTERS):
        raise BadRowError([("choices", f"needs a list of 2 to {len(LETTERS)} options, got {shown(value)}")])
    for number, text in enumerate(texts, start=1):
        if not is_plain(text) or not str(text).strip():
            raise BadRowError([("choices", f"option {number} is no text: {shown(text)}")])
    return Options(texts=tuple(str(text).strip() for text in texts), labels=_other_labels(labels, len(texts)))


def _filled(texts: Sequence[object]) -> Sequence[object]:
    """Options without the last columns, which only few rows fill."""
    while texts and is_missing(texts[-1]):
        texts = texts[:-1]
    return texts


def _other_labels(labels: Sequence[object] | None, n_options: int) -> tuple[str, ...] | None:
    """What the data set calls its options; None where that is nothing, or A, B, ..."""
    if not labels:
        return None
    kept = tuple(str(label).strip(" ().:") for label in labels[:n_options])
    if len(set(kept)) != n_options:
        raise BadRowError([("choices", f"the labels do not name the options one by one: {shown(labels)}")])
    return None if kept == tuple(LETTERS[:n_options]) else kept


def _plain_texts(value: object) -> tuple[str, ...] | None:
    """Read what nearly all rows hold, a list of texts; None for anything else."""
    if type(value) is not list or not 2 <= len(value) <= len(LETTERS) or any(type(one) is not str for one in value):
        return None
    texts = tuple(map(str.strip, value))
    return texts if all(texts) else None


def _labels_and_texts(value: object) -> tuple[Sequence[object] | None, Sequence[object]]:
    """Take options apart: {"text": [...], "label": [...]}, {"A": ..., "B": ...}, [{"label": ..., "text": ...}, ...]."""
    if isinstance(value, Mapping):
        return _columns_of(value) if "text" in value else (list(value), list(value.values()))
    if not _is_list(value):
        return None, []
    pairs = [pair for pair in map(_pair, value) if pair is not None]
    if not pairs or len(pairs) != len(value):
        return None, list(value)
    labels, texts = zip(*pairs, strict=True)
    return (None if any(map(is_missing, labels)) else labels), texts


def _columns_of(table: Mapping[str, object]) -> tuple[Sequence[object] | None, Sequence[object]]:
    labels, texts = table.get("label", table.get("labels")), table["text"]
    return (list(labels) if _is_list(labels) else None), list(texts) if _is_list(texts) else []


def _pair(option: object) -> tuple[object, object] | None:
    """The label (None where there is none) and the text of one option; None where it is no such table."""
    if not isinstance(option, Mapping):
        return None
    text = next((option[name] for name in ("text", "content", "value", "option") if name in option), None)
    label = next((option[name] for name in ("label", "key", "id", "letter", "name") if name in option), None)
    return None if text is None else (label, text)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _list_in_text(text: str) -> object:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def references_of(dataset: DatasetRef, value: object, options: Options | None) -> tuple[str, ...]:
    """Read the reference answer in the form that its scorer takes; several where a row lists several right ones.

    Raises:
        BadRowError: it is no text or number, or names no option.
    """
    form = dataset.target_form
    if form == "first_choice":
        return ("A",)
    if is_missing(value):
        return ("",)
    if form == "json":
        return (json.dumps(value, sort_keys=True, separators=(",", ":"), default=str),)
    found = tuple(_reference(dataset, one, options) for one in _listed(value))
    return tuple(dict.fromkeys(found))


def _listed(value: object) -> Sequence[object]:
    """One right answer, or several: a list, TriviaQA's {"value", "aliases"}, SQuAD's {"text": [...]}."""
    if isinstance(value, Mapping):
        first = value.get("value", value.get("text"))
        more = value.get("aliases", ())
        listed = [*(first if _is_list(first) else [first]), *(more if _is_list(more) else [more])]
    else:
        listed = list(value) if _is_list(value) else [value]
    if not listed or not all(map(is_plain, listed)):
        fix = "map a column of text, numbers or lists of them, or say target_form = json"
        raise BadRowError([("target", f"is not an answer or a list of answers: {shown(value)}; {fix}")])
    return listed


def _reference(dataset: DatasetRef, value: object, options: Options | None) -> str:
    text = str(value)
    if dataset.target_after is not None:
        _, mark, text = text.rpartition(dataset.target_after)
        if not mark:
            raise BadRowError([("target", f"has no {dataset.target_after!r}: {text[-60:]!r}")])
    text = text.strip()
    if dataset.target_form == "letter":
        return _letter_of_label(text.strip("(). "), options)
    if dataset.target_form == "index":
        return _letter_of_index(text, options)
    if options is not None and dataset.target_form == "text":
        return _letter_of_text(text, options)
    return text


def _letter_of_label(label: str, options: Options | None) -> str:
    if options is not None and options.labels is not None and label in options.labels:
        return LETTERS[options.labels.index(label)]
    return label.upper()


def _letter_of_index(text: str, options: Options | None) -> str:
    limit = len(options.texts) if options is not None else len(LETTERS)
    text = text.removesuffix(".0")  # a column of whole numbers with gaps is read as floats
    if not text.isascii() or not text.isdigit() or int(text) >= limit:
        raise BadRowError([("target", f"index {text!r} is not between 0 and {limit - 1}")])
    return LETTERS[int(text)]


def _letter_of_text(text: str, options: Options) -> str:
    same = [index for index, choice in enumerate(options.texts) if choice == text]
    if len(same) != 1:
        raise BadRowError(
            [("target", f"{text!r} equals {len(same)} of the options; say target_form = letter or index")]
        )
    return LETTERS[same[0]]
