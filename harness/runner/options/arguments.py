"""Reads what a person hands to `harness.run(...)`: natural Python values become a checked `RunSpec`.

Data flows keyword -> value, as typed in a notebook -> `RunSpec`, or one `InputError` that lists every wrong keyword.
Names of the command line (`rpm`, `tpm`, `data`, `no_transcripts`) mean what they mean there.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex, cast

from harness.errors import Finding, InputError, did_you_mean
from harness.models import ModelSpec
from harness.money import parse_usd
from harness.pricing.model_names import read_model
from harness.runner.failed_samples import parse_max_failed
from harness.runner.forecast.pilot_size import parse_pilot
from harness.runner.options.frame_options import parse_frames
from harness.runner.options.precision_options import parse_confidence, parse_points
from harness.runner.spec import BudgetMode, RunSpec

OTHER_NAMES: Mapping[str, str] = {
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "data": "data_dir",
    "no_transcripts": "keep_transcripts",
}
"""Options of the command line that are called otherwise than their field of `RunSpec`."""


def spec_of(suites: object, models: object, options: Mapping[str, object]) -> RunSpec:
    """Make the spec of a run from values as a script has them.

    Args:
        suites: name or path, or several.
        models: `provider/model[@setting]` or `ModelSpec`, or several.
        options: fields of `RunSpec`, or the command line's names for them.

    Raises:
        InputError: with every keyword that does not exist and every value that cannot be used.
    """
    values: dict[str, Any] = {}
    findings: list[Finding] = []

    def read(field: str, name: str, reader: Callable[[object, str], object], value: object) -> None:
        if field in values:
            findings.append(Finding(where=name, message=f"is given twice: {field} means the same"))
            return
        try:
            values[field] = reader(value, name)
        except InputError as error:
            findings.append(Finding(where=name, message="; ".join(filter(None, (error.message, error.fix)))))

    read("suites", "suites", _suites, suites)
    read("models", "models", _models, models)
    for name, value in options.items():
        field = OTHER_NAMES.get(name, name)
        if field not in _READERS:
            findings.append(Finding(where=name, message=f"there is no such option{did_you_mean(name, known_names())}"))
        else:
            read(field, name, _negated if name == "no_transcripts" else _READERS[field], value)
    if findings:
        raise InputError("the options of this run are wrong", findings=findings, fix="see: help(harness.run)")
    return RunSpec(**values)


def known_names() -> tuple[str, ...]:
    """Every keyword of a run, with the command line's names."""
    return (*_READERS, *OTHER_NAMES)


def parse_budget_mode(text: object, where: str = "--budget-mode") -> BudgetMode:
    """Read `strict` or `expected`; anything else is refused, as a slip must not loosen a budget."""
    if text == "strict":
        return "strict"
    if text == "expected":
        return "expected"
    raise InputError(f"not a budget mode: {text!r}", where=where, fix="write strict or expected")


def existing_folder(path: str | os.PathLike[str], where: str) -> Path:
    """Return a folder that is there; what is wrong with it is said with its full path."""
    found = Path(path)
    if found.is_dir():
        return found
    what = "is a file, not a folder" if found.exists() else "does not exist"
    raise InputError(f"{found.absolute()} {what}", where=where, fix="name the folder that holds the files")


def _listed(given: object, one: tuple[type, ...]) -> list[object]:
    if isinstance(given, one):
        return [given]
    return list(given) if isinstance(given, Iterable) else [given]


def _suites(given: object, name: str) -> tuple[str, ...]:
    found = _listed(given, (str, os.PathLike))
    if not found:
        raise InputError("no suite named", where=name, fix='name one, for example "starter"')
    if wrong := [one for one in found if not isinstance(one, str | os.PathLike)]:
        raise _not("the name or path of a suite", wrong[0], 'write for example "starter" or "./mine.toml"')
    return tuple(os.fspath(cast("str | os.PathLike[str]", one)) for one in found)


def _models(given: object, name: str) -> tuple[ModelSpec, ...]:
    found = _listed(given, (str, ModelSpec))
    if not found:
        raise InputError("no model named", where=name, fix='name one, for example "openai/o1"')
    return tuple(_model(one, name) for one in found)


def _model(given: object, _name: str) -> ModelSpec:
    if isinstance(given, ModelSpec):
        return given
    if isinstance(given, str):
        return read_model(given)
    raise _not("a model name", given, 'write for example "openai/o3-mini@high"')


def _usd(given: object, name: str) -> Decimal:
    if isinstance(given, str | Decimal):
        return parse_usd(str(given), where=name)
    if isinstance(given, bool):
        raise _not("an amount of dollars", given, "write for example 5 or 0.25")
    if isinstance(given, SupportsIndex):
        return parse_usd(str(operator.index(given)), where=name)
    if isinstance(given, SupportsFloat):
        # a number is meant as it is written: 0.1 is ten cents, not the nearest binary fraction
        return parse_usd(str(float(given)), where=name)
    raise _not("an amount of dollars", given, "write for example 5 or 0.25")


def _whole(least: int | None = 1) -> Callable[[object, str], int]:
    def read(given: object, _name: str) -> int:
        if isinstance(given, bool) or not isinstance(given, SupportsIndex):
            raise _not("a whole number", given, "write for example 10")
        number = operator.index(given)
        if least is not None and number < least:
            raise _not(f"a whole number of {least} or more", number, f"use {least} or more")
        return number

    return read


def _number(least: float) -> Callable[[object, str], float]:
    def read(given: object, _name: str) -> float:
        if isinstance(given, bool | str) or not isinstance(given, SupportsFloat):
            raise _not("a number", given, "write for example 1.5")
        number = float(given)
        if not (math.isfinite(number) and number >= least):
            raise _not(f"a number of {least:g} or more", given, f"use {least:g} or more")
        return number

    return read


def _yes_or_no(given: object, _name: str) -> bool:
    if isinstance(given, bool):
        return given
    raise _not("True or False", given, "write True or False")


def _negated(given: object, name: str) -> bool:
    return not _yes_or_no(given, name)


def _text(given: object, _name: str) -> str:
    if isinstance(given, str) and given:
        return given
    raise _not("a text", given, "write it in quotes")


def _folder(given: object, name: str) -> Path:
    if isinstance(given, str | os.PathLike):
        return existing_folder(given, name)
    raise _not("a folder", given, 'write its path, for example "./data"')


def _share(given: object, name: str) -> float:
    if isinstance(given, bool):
        raise _not("a share of samples", given, 'write for example 0.05 or "5%"')
    return parse_max_failed(str(given), where=name)


def _points(given: object, name: str) -> float:
    if isinstance(given, str):
        return parse_points(given, name)
    if isinstance(given, bool) or not isinstance(given, SupportsFloat) or not 0 < float(given) < 0.5:
        raise _not("a precision", given, 'write points with their unit, "1pt", or a share, 0.01')
    return float(given)


def _confidence(given: object, name: str) -> float:
    if isinstance(given, str):
        return parse_confidence(given, name)
    if isinstance(given, bool) or not isinstance(given, SupportsFloat) or not 0.5 <= float(given) < 1:
        raise _not("a confidence", given, 'write "95%", or a share, 0.95')
    return float(given)


def _addresses(given: object, _name: str) -> str | tuple[str, ...]:
    if isinstance(given, Mapping):
        return tuple(f"{name}={url}" for name, url in given.items())
    found = _listed(given, (str,))
    if wrong := [one for one in found if not isinstance(one, str)]:
        raise _not("a base URL", wrong[0], 'write for example "http://127.0.0.1:8000/v1"')
    return given if isinstance(given, str) else tuple(map(str, found))


def _optional(reader: Callable[[object, str], object]) -> Callable[[object, str], object]:
    return lambda given, name: None if given is None else reader(given, name)


def _not(what: str, given: object, fix: str) -> InputError:
    shown = repr(given)
    return InputError(f"not {what}: {shown if len(shown) <= 60 else shown[:60] + '...'}", fix=fix)


def _pilot(given: object, name: str) -> str:
    return parse_pilot(given if isinstance(given, str) else str(_whole()(given, name)), where=name)


def _frames(given: object, name: str) -> str:
    return parse_frames(given if isinstance(given, str) else str(_whole()(given, name)), where=name)


_READERS: Mapping[str, Callable[[object, str], object]] = {
    "epochs": _optional(_whole()),
    "limit": _optional(_whole()),
    "sample_seed": _whole(None),
    "concurrency": _whole(),
    "budget_usd": _optional(_usd),
    "budget_mode": parse_budget_mode,
    "timeout_s": _number(0.001),
    "max_attempts": _whole(),
    "max_failed": _share,
    "data_dir": _optional(_folder),
    "temperature": _optional(_number(0)),
    "max_output_tokens": _optional(_whole()),
    "service_tier": _optional(_text),
    "base_url": _optional(_addresses),
    "keep_transcripts": _yes_or_no,
    "requests_per_minute": _optional(_number(0.1)),
    "tokens_per_minute": _optional(_number(1)),
    "unsafe_exec": _yes_or_no,
    "judge": _optional(_model),
    "user_model": _optional(_model),
    "max_usd_per_sample": _optional(_usd),
    "reuse": _yes_or_no,
    "batch": _yes_or_no,
    "batch_poll_s": _number(0.01),
    "stream": _optional(_yes_or_no),
    "pilot": _optional(_pilot),
    "frames": _optional(_frames),
    "precision": _optional(_points),
    "confidence": _confidence,
    "difference": _optional(_points),
    "against": _optional(_model),
    "bank": _yes_or_no,
}
