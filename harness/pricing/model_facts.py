"""What is known about models' reasoning: whether they reason, which settings they take, which parameters they refuse.

Data beside the prices, in the same layers: the user's folder, ours (pricing/models), then what litellm's map says
(pricing/imported/models, one model a line, found by name). Exact names; a name with a date behind it (`-2025-04-16`,
`-20250219`) means the same model; a [[family]] lists the beginnings of its models' names. Data flows provider and name
-> ModelFacts, name -> ModelFamily, or None.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """Models whose names begin alike, whoever serves them.

    Attributes:
        name: what the catalogue of providers calls them.
        provider: who makes them, and in whose tables they stand.
        prefixes: beginnings of their names, behind the last slash.
        extended_thinking: they think only when asked, adaptively or for a number of tokens, and at a temperature of 1.
        default_temperature: sent where none is asked for; None = nothing is.
    """

    name: str
    provider: str
    prefixes: tuple[str, ...]
    extended_thinking: bool = False
    default_temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """The tables of a folder; `same_models` gives the provider in whose tables another one's models stand."""

    models: Mapping[tuple[str, str], ModelFacts]
    families: tuple[ModelFamily, ...]
    same_models: Mapping[str, str]


_DATE = re.compile(r"-(20\d\d-\d\d-\d\d|20\d{6})$")
_own_folders: list[Path] = []


def lay_over(folder: Path | None) -> None:
    """Take a user's folder of price files into account: its `models/*.toml` come before the shipped ones.

    Raises:
        InputError: with every mistake in those files.
    """
    _own_folders[:] = [] if folder is None else [folder]
    facts_about.cache_clear()
    family_of.cache_clear()
    for own in _own_folders:
        _read(own / FOLDER)


@cache
def facts_about(provider: str, model: str) -> ModelFacts | None:
    """Find what is known about a model; None when no table names it."""
    for folder in (*_own_folders, shipped("pricing")):
        if (found := _listed(folder / FOLDER, provider, model)) is not None:
            return _with_limits(found, provider, model)
    return _imported(shipped("pricing") / "imported" / FOLDER, provider, model)


@cache
def family_of(model: str) -> ModelFamily | None:
    """Find the family that a model's name says it belongs to; None when no table lists such a beginning."""
    name = model.rpartition("/")[2]
    families = (each for folder in (*_own_folders, shipped("pricing")) for each in _read(folder / FOLDER).families)
    return next((family for family in families if name.startswith(family.prefixes)), None)


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
    models = _read(folder).models
    listed_as = _read(shipped("pricing") / FOLDER).same_models.get(provider, provider)
    for name in (model, _DATE.sub("", model)):
        if (found := models.get((listed_as, name))) is not None:
            return found
    return models.get((_OPEN_WEIGHTS, model.rpartition("/")[2].lower()))


def _imported(folder: Path, provider: str, model: str) -> ModelFacts | None:
    """Read the one line of a model; the files are long, and a run needs few models."""
    path = folder / f"{_provider_names().get(provider, provider)}.toml"
    if not path.is_file():
        return None
    text = path.read_text("utf-8")
    start = text.find(f"\n{{ names = [{json.dumps(model)}],") + 1
    if not start:
        return None
    line = text[start : text.index("\n", start)].rstrip(",")
    return _facts(tomllib.loads(f"row = {line}")["row"])


@cache
def _provider_names() -> Mapping[str, str]:
    """Other names of providers -> ours, from the table beside the prices."""
    content = tomllib.loads((shipped("pricing") / "providers.toml").read_text("utf-8"))
    return {row["name"]: row["provider"] for row in content["provider_alias"]}


@cache
def _read(folder: Path) -> _Folder:
    """Read the [[model]] and [[family]] tables of a folder; a folder without any is empty.

    Raises:
        InputError: with every mistake in them.
    """
    models: dict[tuple[str, str], ModelFacts] = {}
    families: list[ModelFamily] = []
    same_models: dict[str, str] = {}
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.toml")):
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            findings.append(Finding(where=str(path), message=f"not a TOML file: {error}"))
            continue
        if mistakes := [*_mistakes(path, content)]:
            findings += mistakes
            continue
        provider = str(content.get("provider"))
        for table in content.get("model", ()):
            models |= {(str(table.get("provider", provider)), name): _facts(table) for name in table["names"]}
        families += [_family(table, provider) for table in content.get("family", ())]
        same_models |= dict.fromkeys(content.get("same_models_at", ()), provider)
    if findings:
        raise InputError(
            f"{len(findings)} mistakes in the model facts", findings=findings, fix="correct the tables named"
        )
    return _Folder(models=models, families=tuple(families), same_models=same_models)


def _mistakes(path: Path, content: Mapping[str, Any]) -> Iterator[Finding]:
    for kind, keys in _KEYS.items():
        for number, table in enumerate(content.get(kind, ()), start=1):
            for message in _mistakes_of(kind, table, keys):
                yield Finding(where=f"{path} [[{kind}]] {number}", message=message)


def _mistakes_of(kind: str, table: Mapping[str, Any], keys: frozenset[str]) -> Iterator[str]:
    if not table.get(needed := "names" if kind == "model" else "prefixes"):
        yield f'names no model: {needed} = ["..."]'
    yield from (f"unknown key {key!r}" for key in sorted(table.keys() - keys))
    budget = table.get("budget")
    if budget is not None and not (isinstance(budget, list) and len(budget) == 2):
        yield "budget is the smallest and the largest number of thinking tokens: [1024, 128000]"


def _facts(table: Mapping[str, Any]) -> ModelFacts:
    lists = {key: tuple(table[key]) for key in ("efforts", "budget") if key in table}
    plain = {key: value for key, value in table.items() if key in _FACTS and key not in lists}
    return ModelFacts(**{"reasons": None, **plain, **lists})


def _family(table: Mapping[str, Any], provider: str) -> ModelFamily:
    return ModelFamily(
        name=str(table.get("name")),
        provider=provider,
        prefixes=tuple(table["prefixes"]),
        extended_thinking=table.get("extended_thinking", False),
        default_temperature=table.get("default_temperature"),
    )


_FACTS = {field.name for field in fields(ModelFacts)}
_SHARED_KEYS = {"source", "checked_on"}
_KEYS = {
    "model": frozenset(_FACTS | _SHARED_KEYS | {"names", "provider"}),
    "family": frozenset({"name", "prefixes", "extended_thinking", "default_temperature"} | _SHARED_KEYS),
}
"""Keys of each kind of table."""
