"""Reference pages of the files that people write: suites, prices, the nightly job."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from docs.markdown import attributes, prose, table
from harness.models import ModelSpec
from harness.usage.values import Meter

NAMES: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Decimal: "amount as text",
    datetime: "date or instant",
    date: "date",
    Meter: "meter",
    ModelSpec: "`provider/model[@setting]`",
    Any: "any value",
    object: "any value",
    type(None): "nothing",
}
RATE_UNITS = {"_per_1k": "USD per 1,000 calls", "_each": "USD each"}


MEANINGS = {
    "Suite": {
        "name": "lower case; reports and the ledger call the suite so",
        "version": "raise it when scores of the old and the new suite must not be compared",
        "title": "for people",
        "description": "for people",
        "citation": "paper or site that the suite follows",
        "tasks": "see below",
        "members": "in place of tasks: other suites with weights",
    },
    "Task": {
        "name": "unique in the suite",
        "dataset": "see below",
        "system": "system message",
        "scorer": "see below",
        "solver": "what drives a sample's conversation; one request where nothing is said",
        "epochs": "repeats of each sample; they are averaged before any interval is computed",
        "shuffle_options_seed": "shuffles the options of each question; the order shown is stored",
        "weight": "share of the suite's index; give all tasks one, or none",
    },
    "DatasetRef": {
        "streaming": "read rows from the hub without downloading the whole set",
        "gated": "needs an account and consent at the hub",
        "licence": "of the data",
        "source": "`hub` = downloadable through `datasets`; `files` = files of the user only; `package` = inside an"
        " installed Python package",
        "name": "the hub's configuration of the data set",
        "split": "the hub's split",
        "revision": "commit of the data set; `main` = not known: the loaded commit is recorded, with a warning",
    },
    "ScorerRef": {"name": "see the list of scorers", "options": "options of that scorer"},
    "SolverRef": {
        "name": "`single_turn` = one request and its answer; `tools` = the model calls tools of an environment until it"
        " answers; `user_simulation` = besides, a second model plays the user",
        "options": "options of the environment",
    },
    "PriceRow": {
        "provider": "in place of the file's",
        "model": "exact name; free and unpriced rows only: `*` for every model of a provider, `*:free` for an ending",
        "effective_from": "first instant of this price (a date is 00:00 UTC), or `open` = since ever",
        "effective_until": "first instant at which it holds no more; empty = until the next row begins",
        "free": "costs nothing: no rates then. An absent price is not free but unknown",
        "hardware_per_hour": "your own hardware: USD per hour of busy time, shared by the requests under way",
        "power_kw": "its power while it is busy",
        "usd_per_kwh": "what that costs",
        "source": "who says so: an address or a document",
        "checked_on": "when somebody looked there",
        "confidence": "begins with `high`, `medium`, `low`, `declared` or `imported`",
        "status": "`announced` rows are shown and never charged; `unpriced`: charged for, at a price that is not known",
        "corrected_on": "takes the place of the row with the same start, which was wrong; say why in `note`",
        "note": "for people",
        "when": "see below",
    },
    "When": {
        "multiply": "factor on every rate",
        "spare": "meters that the factor leaves alone",
        "tier": "service tiers (`flex`, `priority`, `batch`, ...)",
        "speed": "speeds that the answer states",
        "geo": "regions that the answer states",
        "thinking": "whether thinking was on",
        "over": "context larger than so many tokens",
        "at_least": "context of at least so many tokens",
        "up_to": "context of at most so many tokens",
        "hours": "stretches of the day in UTC: `16:30-00:30`",
        "weekdays": "`monday` to `sunday`, in UTC",
        "except_dates": "days on which it does not hold",
        "effective_from": "first instant at which it holds",
        "effective_until": "first instant at which it holds no more",
        "note": "for people",
    },
    "AliasRow": {
        "provider": "in place of the file's",
        "model": "the other name",
        "to": "the model that it stands for",
        "to_provider": "its provider; empty = the same",
        "multiply": "factor on every rate",
        "effective_from": "first instant, or `open`",
        "effective_until": "first instant at which it holds no more",
        "source": "who says so",
        "checked_on": "when somebody looked there",
        "corrected_on": "as above",
        "note": "for people",
    },
    "ProviderAliasRow": {"name": "the other name", "provider": "the provider that it stands for"},
    "NightlyConfig": {
        "matrix": "what is run",
        "run": "how it is run",
        "budget": "caps in dollars",
        "gate": "what is tolerated",
        "baseline": "what a night is compared with",
        "output": "where files go",
    },
    "Matrix": {
        "suites": "names of shipped suites, or paths of suite files",
        "models": "`provider/model[@setting]`, or tables as below",
    },
    "MatrixModel": {"model": "with a setting here, it is the only one"},
    "RunTable": {
        "epochs": "repeats of each sample; empty = as each task says",
        "limit": "first N samples in draw order of each task",
        "sample_seed": "decides which samples come first; the same seed draws the same samples every night",
        "concurrency": "requests in flight, over all models",
        "timeout_s": "seconds per attempt",
        "max_attempts": "requests per sample",
        "temperature": "empty = the provider's default",
        "max_output_tokens": "empty = as the suite says",
        "service_tier": "empty = the provider's default",
        "base_url": "`URL` of the openai-compatible models, `NAME=URL` of a provider or model, or a list of them",
        "judge": "model for judged tasks",
        "user_model": "model that plays the user of conversations; wins over the suites'",
        "rpm": "requests per minute and model, at most",
        "tpm": "tokens per minute and model, at most",
        "batch": "use the provider's batch interface",
        "transcripts": "store prompts and answers",
        "unsafe_exec": "run programs without a sandbox",
    },
    "Budget": {
        "run_usd": "cap on each night's run",
        "per_sample_usd": "cap on each sample, over model, simulated user and judge",
        "day_usd": "cap on everything in the ledger on one day (UTC)",
        "month_usd": "cap on everything in the ledger in one month (UTC)",
        "mode": "`strict` reserves each worst case, `expected` what answers usually cost",
    },
    "Gate": {
        "max_cost_increase": "regression when the cost surely rose by more",
        "max_score_drop": "regression when the score surely fell by more",
    },
    "Baseline": {
        "rule": "the newest complete night of the same suites, versions and epochs that its gate let pass",
        "run": "this run, whatever the rule says",
    },
    "Output": {"folder": "relative to the config file", "history": "nights on the history page, at most"},
}
"""What keys mean that neither a field's description nor a docstring explains."""


def suites() -> str:
    """Write the suite file format."""
    from harness.scorers import SCORERS
    from harness.suites import FIELDS, DatasetRef, Member, ScorerRef, SolverRef, Suite, Task

    parts = [
        "# Suite files\n",
        "One TOML file is one suite. `benchtab suites check FILE` lists every mistake at once. A `[defaults]` table is"
        " laid\nunder every task; its `dataset` and `scorer` are merged key by key.\n",
        *_section("the file", Suite, leave_out=("sha256",)),
        *_section("`[[tasks]]`", Task, leave_out=("origin",)),
        *_section("`[tasks.dataset]`", DatasetRef),
        "## Names that `fields` may map\n",
        "Any other name becomes metadata of the sample, and can be asked for in the prompt.\n",
        table(("name", "meaning"), [(f"`{name}`", meaning) for name, meaning in FIELDS.items()]),
        *_section("`scorer`", ScorerRef),
        *_section("`solver`", SolverRef),
        *_section("`[[members]]` (an index)", Member),
        "## Scorers\n",
        table(("name", "does"), [(f"`{name}`", _first_line(scorer.score)) for name, scorer in SCORERS.items()]),
    ]
    for name, scorer in SCORERS.items():
        if scorer.options.model_fields:
            parts += _section(f"options of `{name}`", scorer.options)
    return "\n".join(parts)


def prices() -> str:
    """Write the price file format."""
    from harness.pricing.typed_rows import AliasRow, PriceRow, ProviderAliasRow, Rates, When

    rates = [
        (f"`{name}`", next((unit for end, unit in RATE_UNITS.items() if name.endswith(end)), "USD per million tokens"))
        for name in Rates.model_fields
    ]
    keys = tuple(Rates.model_fields)
    parts = [
        "# Price files\n",
        "A folder of TOML files. The shipped ones are in `pricing/`; `--pricing DIR` lays yours over them, and a row of"
        " yours wins\nwherever both are in force. Rows are append-only: a new price is a new row with its own"
        " `effective_from`; the last row that\nbegan on or before an instant holds. `benchtab prices check --pricing"
        " DIR` lists every mistake at once. `provider` stands at\nthe top of a file, or in each row.\n",
        "## Rates\n",
        "Amounts are strings, as published.\n",
        table(("key", "unit"), rates),
        *_section("`[[price]]`", PriceRow, leave_out=keys),
        "Besides: the rates above.\n",
        *_section("`[[price.when]]`", When, leave_out=keys),
        "Besides: the rates above. Conditions in one table hold together; of several tables that hold, later rates win"
        " and\nfactors multiply.\n",
        *_section("`[[alias]]`", AliasRow),
        *_section("`[[provider_alias]]`", ProviderAliasRow),
    ]
    return "\n".join(parts)


def nightly() -> str:
    """Write the nightly config format."""
    from harness.nightly import config

    parts = [
        "# nightly.toml\n",
        "`benchtab nightly nightly.toml` runs it. Paths are relative to the file.\n",
        *_section("the file", config.NightlyConfig),
        *_section("`[matrix]`", config.Matrix),
        *_section("an entry of `models`", config.MatrixModel),
        "A plain name stands for a table with that `model`.\n",
        *_section("`[run]`", config.RunTable),
        *_section("`[budget]`", config.Budget),
        *_section("`[gate]`", config.Gate),
        'Thresholds carry their unit: `max_cost_increase = "10%"`, `max_score_drop = "1pt"` (percentage points).\n',
        *_section("`[baseline]`", config.Baseline),
        *_section("`[output]`", config.Output),
    ]
    return "\n".join(parts)


def _section(title: str, model: type[BaseModel], leave_out: Sequence[str] = ()) -> list[str]:
    told = attributes(model)
    rows = [
        (
            f"`{name}`",
            written(field.annotation),
            _default(field),
            _meaning(model, name, field.description or told.get(name)),
        )
        for name, field in model.model_fields.items()
        if name not in leave_out
    ]
    heading = title[0].upper() + title[1:]
    about = [f"{prose(model)}\n"] if prose(model) else []
    return [f"## {heading}\n", *about, table(("key", "value", "default", "meaning"), rows)]


def _meaning(model: type[BaseModel], name: str, told: str | None) -> str:
    return MEANINGS.get(model.__name__, {}).get(name) or told or ""


def written(kind: Any) -> str:
    """Say in words what values a type has."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return written(parts[0])
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(written(part) for part in parts if part is not type(None)))
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin is tuple:
        inner = written(parts[0])
        return f"list of {inner}" if parts[-1] is Ellipsis else f"list of {len(parts)}: {inner}"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table of {written(parts[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "table"
    return NAMES.get(kind) or f"`{getattr(kind, '__name__', kind)}`"


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    if field.default is PydanticUndefined or field.default is None or isinstance(field.default, BaseModel):
        return ""
    if field.default in ("", ()):
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _first_line(thing: Any) -> str:
    lines = prose(thing).splitlines()
    return lines[0] if lines else ""


def imports() -> str:
    """Write every format of logs: how it is recognised, the command, and what it cannot tell."""
    from harness.imports.known_formats import FORMATS

    parts = [
        "# Formats of logs\n",
        "What `benchtab import` reads, in the order in which formats are tried, and what is known and refused;"
        " [Your logs, priced](../your-logs.md) says what becomes of them.\n",
    ]
    for one in FORMATS:
        parts += [f"## {one.title}\n", f"`--format {one.name}`. Recognised by: {one.looks_for}.\n"]
        if one.read is None:
            parts.append(f"Not imported: {one.refusal}.\n")
            continue
        parts += ["```sh", f"benchtab import {one.example}", "```\n", "What it cannot tell:\n"]
        parts += [*(f"- {text}" for text in one.cannot_tell), ""]
    return "\n".join(parts)
