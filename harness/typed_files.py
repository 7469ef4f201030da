"""Files that a person writes: TOML read, and what is wrong with it told with key path, plain words and near names.

Data flows bytes -> `parse_toml` -> a pydantic model of `suites`, `pricing` or `nightly`; `ValidationError` and the
model that refused -> `mistakes` -> findings.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from harness.errors import Finding, InputError, did_you_mean

MOST_SHOWN = 20
"""Findings that an error lists."""


class Strict(BaseModel):
    """A frozen table of a user's file: a typo is an error with its key path."""

    # most tables are only ever read as parts of another: their own validators are not built before they are asked for
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def parse_toml(raw: bytes, *, parse_float: Callable[[str], object] = float) -> dict[str, Any]:
    """Read a TOML document.

    Args:
        parse_float: reads a fraction (`Decimal` keeps its digits).

    Raises:
        ValueError: it is not UTF-8, not TOML, or nested deeper than any such file needs.
    """
    try:
        return tomllib.loads(raw.decode("utf-8"), parse_float=parse_float)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def refusal(what: str, findings: Sequence[Finding], *, where: str | None = None, fix: str | None = None) -> InputError:
    """One error for everything that is wrong with `what`: the first 20 findings and how many there are."""
    shown = list(findings[:MOST_SHOWN])
    if (more := len(findings) - len(shown)) > 0:
        shown.append(Finding(where="...", message=f"and {more} more of {len(findings)} findings"))
    counted = "1 mistake" if len(findings) == 1 else f"{len(findings)} mistakes"
    return InputError(f"{what} has {counted}", where=where, findings=shown, fix=fix)


def mistakes(error: ValidationError, model: type[BaseModel], *, below: Sequence[int | str] = ()) -> list[Finding]:
    """List every mistake with its key path.

    Args:
        model: what the document was read as; its keys are the known ones.
        below: key path under which the document stands in its file.
    """
    return [
        Finding(where=key_path((*below, *one["loc"])), message=_in_plain_words(one, model)) for one in error.errors()
    ]


def key_path(loc: Sequence[int | str]) -> str:
    """Write a place in a document: `tasks[1].dataset.path`, counted from 1."""
    text = ""
    for part in loc:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the file"


def _in_plain_words(error: ErrorDetails, model: type[BaseModel]) -> str:
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        *place, key = error["loc"]
        return f"is not a known key{did_you_mean(str(key), _keys(model, place))}"
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return f"{_asked(kind, limits) or error['msg']} (got {_shown(error.get('input'))})"


def _asked(kind: str, limits: Mapping[str, object]) -> str | None:
    """What would have been right; None for kinds that pydantic's own words tell as well."""
    bounds = {
        "greater_than_equal": ("ge", "must be {} or more"),
        "greater_than": ("gt", "must be more than {}"),
        "less_than_equal": ("le", "must be {} or less"),
        "literal_error": ("expected", "must be {}"),
        "string_pattern_mismatch": ("pattern", "must match {}"),
    }
    if kind in bounds:
        name, words = bounds[kind]
        return words.format(limits.get(name))
    return _TYPES.get(kind.removesuffix("_type").removesuffix("_parsing"))


_TYPES = {
    "int": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float": "must be a number, without quotes",
    "bool": "must be true or false, without quotes",
    "string": "must be a text in quotes",
    "tuple": "must be a list",
    "list": "must be a list",
    "model": "must be a table",
    "dict": "must be a table",
    "mapping": "must be a table",
}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def _keys(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Known keys of the table at a place in the document."""
    here = model
    for part in place:
        field = here.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is not None:
            here = next(_models(field.annotation), here)
    return list(here.model_fields)


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Find the models inside an annotation such as `tuple[Task, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
