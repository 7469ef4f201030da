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
from typing import Any

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


def is_missing(value: Any) -> bool:
    """Say whether a cell holds nothing: None or not-a-number, as tables of floats write it."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_plain(value: Any) -> bool:
    """Say whether a value has one obvious text: a text, a number, a truth value or a date."""
    return isinstance(value, str | int | float | bool | Decimal | date) and not is_missing(value)


def shown(value: Any) -> str:
    """Show a value in an error, shortened."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:99]}…"


def options_of(value: Any) -> Options:
    """Read options from a list, a list written as text, a table of labels and texts, or a list of such pairs.

    Raises:
        BadRowError: fewer than two options, more than there are letters, or one that is no text.
    """
    value = _list_in_text(value) if isinstance(value, str) else value
    if (plain := _plain_texts(value)) is not None:
        return Options(texts=plain)
    labels, texts = _labels_and_texts(value)
    if len(texts) == 1 and isinstance(texts[0], list | tuple):  # [["a", "b"]], a list in a list
        texts = list(texts[0])
    while texts and is_missing(texts[-1]):  # a last column that only few rows fill
        texts = texts[:-1]
    if not 2 <= len(texts) <= len(LETTERS):
        raise BadRowError([("choices", f"needs a list of 2 to {len(LETTERS)} options, got {shown(value)}")])
    for number, text in enumerate(texts, start=1):
        if not is_plain(text) or not str(text).strip():
            raise BadRowError([("choices", f"option {number} is no text: {shown(text)}")])
    kept = tuple(str(label).strip(" ().:") for label in labels[: len(texts)]) if labels else None
    if kept is not None and (len(kept) != len(texts) or len(set(kept)) != len(kept)):
        raise BadRowError([("choices", f"the labels do not name the options one by one: {shown(labels)}")])
    own = kept == tuple(LETTERS[: len(texts)])
    return Options(texts=tuple(str(text).strip() for text in texts), labels=None if own else kept)


def _plain_texts(value: Any) -> tuple[str, ...] | None:
    """Read what nearly all rows hold, a list of texts; None for anything else."""
    if type(value) is not list or not 2 <= len(value) <= len(LETTERS) or any(type(one) is not str for one in value):
        return None
    texts = tuple(map(str.strip, value))
    return texts if all(texts) else None


def _labels_and_texts(value: Any) -> tuple[list[Any] | None, list[Any]]:
    """Take options apart: {"text": [...], "label": [...]}, {"A": ..., "B": ...}, [{"label": ..., "text": ...}, ...]."""
    if isinstance(value, Mapping):
        if "text" in value:
            labels = value.get("label", value.get("labels"))
            return (list(labels) if _is_list(labels) else None), list(value["text"]) if _is_list(value["text"]) else []
        return list(value), list(value.values())
    if not _is_list(value):
        return None, []
    pairs = [_pair(one) for one in value if isinstance(one, Mapping)]
    found = [pair for pair in pairs if pair is not None]
    if not found or len(found) != len(value):
        return None, list(value)
    labels = [label for label, _ in found]
    return (None if any(map(is_missing, labels)) else labels), [text for _, text in found]


def _pair(option: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """The label (None where there is none) and the text of one option; None where it is no such table."""
    text = next((option[name] for name in ("text", "content", "value", "option") if name in option), None)
    label = next((option[name] for name in ("label", "key", "id", "letter", "name") if name in option), None)
    return None if text is None else (label, text)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _list_in_text(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def references_of(dataset: DatasetRef, value: Any, options: Options | None) -> tuple[str, ...]:
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


def _listed(value: Any) -> Sequence[Any]:
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


def _reference(dataset: DatasetRef, value: Any, options: Options | None) -> str:
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
