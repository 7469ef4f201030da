"""What is known about models' reasoning: whether they reason, which settings they take, which parameters they refuse.

Data beside the prices, in the same layers: the user's folder, ours (pricing/models), then what litellm's map says
(pricing/imported/models, one model a line, found by name). Exact names; a name with a date behind it (`-2025-04-16`,
`-20250219`) means the same model. Data flows provider and name -> ModelFacts or None.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import Finding, InputError
from harness.resources import shipped

FOLDER = "models"

FAMILY_OF_PROVIDER: Mapping[str, str] = {
    "openai": "openai",
    "azure": "openai",
    "anthropic": "anthropic",
    "google": "google",
    "gemini": "google",
    "vertex_ai": "google",
    "xai": "xai",
    "x-ai": "xai",
    "deepseek": "deepseek",
    "groq": "groq",
    "mistral": "mistral",
    "perplexity": "perplexity",
    "sim": "sim",
}
"""Providers that share one table of models; every other provider is a host of open weights."""

_OPEN_WEIGHTS = "*"
"""The provider of models that any host serves: the part behind the last slash of a name, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What one model does about reasoning.

    Attributes:
        reasons: what it does when no setting is given; None = not known.
        efforts: effort labels that it takes, `none` included where reasoning can be switched off by label.
        budget: smallest and largest number for `@thinking=N`, None when it takes no number.
        can_disable: whether reasoning can be switched off.
        efforts_reason: whether an effort label (other than `none`) switches reasoning on.
        adaptive: Anthropic: thinking is asked for as `adaptive` with an effort.
        responses_api: OpenAI: served by the responses interface only.
        fixed_sampling: refuses `temperature` while it reasons (or always, when it always reasons).
        settings_known: False where only its price list is known: its provider decides then what it takes.
        max_input_tokens, max_output_tokens: most tokens in and out; None = not known.
    """

    reasons: bool | None
    efforts: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    can_disable: bool = False
    efforts_reason: bool = True
    adaptive: bool = False
    responses_api: bool = False
    fixed_sampling: bool = False
    settings_known: bool = True
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None


_SHARED_KEYS = {"source", "checked_on"}
_DATE = re.compile(r"-(20\d\d-\d\d-\d\d|20\d{6})$")
_own_folders: list[Path] = []


def lay_over(folder: Path | None) -> None:
    """Take a user's folder of price files into account: its `models/*.toml` come before the shipped ones.

    Raises:
        InputError: with every mistake in those files.
    """
    _own_folders[:] = [] if folder is None else [folder]
    facts_about.cache_clear()
    for own in _own_folders:
        _tables(own / FOLDER)


@cache
def facts_about(provider: str, model: str) -> ModelFacts | None:
    """Find what is known about a model; None when no table names it."""
    for folder in (*_own_folders, shipped("pricing")):
        if (found := _listed(folder / FOLDER, provider, model)) is not None:
            return _with_limits(found, provider, model)
    return _imported(shipped("pricing") / "imported" / FOLDER, provider, model)


def _with_limits(found: ModelFacts, provider: str, model: str) -> ModelFacts:
    """Take the sizes from the imported line where a table of ours names none."""
    imported = _imported(shipped("pricing") / "imported" / FOLDER, provider, model)
    if imported is None:
        return found
    return replace(
        found,
        max_input_tokens=found.max_input_tokens or imported.max_input_tokens,
        max_output_tokens=found.max_output_tokens or imported.max_output_tokens,
    )


def _listed(folder: Path, provider: str, model: str) -> ModelFacts | None:
    tables = _tables(folder)
    family = FAMILY_OF_PROVIDER.get(provider, provider)
    for name in (model, _DATE.sub("", model)):
        if (found := tables.get((family, name))) is not None:
            return found
    return tables.get((_OPEN_WEIGHTS, model.rpartition("/")[2].lower()))


def _imported(folder: Path, provider: str, model: str) -> ModelFacts | None:
    """Read the one line of a model; the files are long, and a run needs few models."""
    path = folder / f"{_NAMES.get(provider, provider)}.toml"
    if not path.is_file():
        return None
    text = path.read_text("utf-8")
    start = text.find(f"\n{{ names = [{json.dumps(model)}],") + 1
    if not start:
        return None
    line = text[start : text.index("\n", start)].rstrip(",")
    return _facts(tomllib.loads(f"row = {line}")["row"])


_NAMES = {
    "azure_ai": "azure",
    "bedrock_converse": "bedrock",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "meta_llama": "meta",
    "moonshotai": "moonshot",
    "together_ai": "together",
    "vertex_ai": "google",
    "x-ai": "xai",
    "z-ai": "zai",
}


@cache
def _tables(folder: Path) -> Mapping[tuple[str, str], ModelFacts]:
    """Read the [[model]] tables of a folder; a folder without any is empty.

    Raises:
        InputError: with every mistake in them.
    """
    found: dict[tuple[str, str], ModelFacts] = {}
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            findings.append(Finding(where=str(path), message=f"not a TOML file: {error}"))
            continue
        for number, table in enumerate(content.get("model", ()), start=1):
            where = f"{path} [[model]] {number}"
            findings += [Finding(where=where, message=message) for message in _mistakes(table)]
            if not findings:
                names = table["names"]
                found |= {(str(table.get("provider", content.get("provider"))), name): _facts(table) for name in names}
    if findings:
        raise InputError(
            f"{len(findings)} mistakes in the model facts", findings=findings, fix="correct the tables named"
        )
    return found


def _mistakes(table: Mapping[str, Any]) -> Iterator[str]:
    if not table.get("names"):
        yield 'names no model: names = ["..."]'
    unknown = table.keys() - _KEYS - _SHARED_KEYS - {"names", "provider"}
    yield from (f"unknown key {key!r}" for key in sorted(unknown))
    budget = table.get("budget")
    if budget is not None and not (isinstance(budget, list) and len(budget) == 2):
        yield "budget is the smallest and the largest number of thinking tokens: [1024, 128000]"


def _facts(table: Mapping[str, Any]) -> ModelFacts:
    lists = {key: tuple(table[key]) for key in ("efforts", "budget") if key in table}
    plain = {key: value for key, value in table.items() if key in _KEYS and key not in lists}
    return ModelFacts(**{"reasons": None, **plain, **lists})


_KEYS = {field.name for field in fields(ModelFacts)}
