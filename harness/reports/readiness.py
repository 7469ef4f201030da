"""What is set up on this machine and what is not, each with what to do; nothing is sent and nothing is written.

Data flows environment, disk and sandbox -> `Check` values. A key is looked for, and neither shown nor tried.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.documents.table import Column, Table
from harness.errors import HarnessError, InputError
from harness.models import ModelSpec

State = Literal["ok", "note", "missing"]
_LEAST_ROOM_BYTES = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        state: `ok`; `note` = works without; `missing` = something asked for will not work.
        fix: what to do; empty where nothing is to be done.
    """

    name: str
    state: State
    found: str
    fix: str = ""


def examine(
    *, ledger: str, pricing: Path | None, models: Sequence[ModelSpec], environment: Mapping[str, str]
) -> list[Check]:
    """Look at everything that a run needs; keys of `models` must be there, other keys may."""
    return [
        Check(name="python", state="ok", found=f"{platform.python_version()} on {platform.system()}"),
        _sandbox(),
        *_keys(models, environment),
        _ledger(ledger),
        _prices(pricing),
        _cache(),
        *_proxies(environment),
        _room(ledger),
    ]


def doctor_table(checks: Sequence[Check]) -> Table:
    """Lay checks out, one a row."""
    columns = (Column(name="check"), Column(name="state"), Column(name="found"), Column(name="do"))
    rows = [(one.name, one.state, one.found, one.fix) for one in checks]
    return Table(name="doctor", title="What is set up", columns=columns, rows=rows)


def _sandbox() -> Check:
    from harness.sandbox.isolation import Unavailable, find_bubblewrap

    found = find_bubblewrap()
    if isinstance(found, Unavailable):
        consequence = f"{found.problem}: tasks that run programs stay unscored"
        return Check(name="sandbox", state="note", found=consequence, fix=found.fix)
    return Check(name="sandbox", state="ok", found="bubblewrap works")


def _keys(models: Sequence[ModelSpec], environment: Mapping[str, str]) -> Iterator[Check]:
    from harness.providers.catalogue import PROVIDERS

    known = [name for entry in PROVIDERS.values() if entry.adapter == "litellm" for name in entry.keys]
    if held := [name for name in known if environment.get(name)]:
        yield Check(name="keys", state="ok", found=f"set: {', '.join(held)}")
    elif not models:
        found = "none is set: only simulated models and your own endpoints"
        fix = "export OPENAI_API_KEY=... (or another provider's) to ask real models"
        yield Check(name="keys", state="note", found=found, fix=fix)
    for spec in models:
        yield _key_of(spec.provider, environment)


def _key_of(provider: str, environment: Mapping[str, str]) -> Check:
    from harness.providers.catalogue import entry_of
    from harness.providers.endpoints import COMPATIBLE, SIMULATED

    names, name = entry_of(provider).keys, f"key of {provider}"
    held = [one for one in names if environment.get(one)]
    if provider == SIMULATED:
        return Check(name=name, state="ok", found="needs none")
    if held:
        return Check(name=name, state="ok", found=f"{held[0]} is set")
    if provider == COMPATIBLE:
        return Check(name=name, state="note", found=f"{names[0]} is not set; an endpoint of your own may need none")
    if not names:
        return Check(name=name, state="note", found="which variable holds its key is not known here")
    return Check(name=name, state="missing", found=f"{' or '.join(names)}: not set", fix=f"export {names[0]}=...")


def _ledger(name: str) -> Check:
    from harness.ledger.connections import database_url, shown
    from harness.ledger.reading.holdings import ledger_facts

    try:
        url = database_url(name)
        if url.get_backend_name() == "sqlite" and not Path(shown(url)).exists():
            place = Path(shown(url)).absolute()
            return Check(name="ledger", state="note", found=f"none yet at {place}: the first run makes it")
        facts = ledger_facts(name)
    except HarnessError as error:
        return Check(name="ledger", state="missing", found=f"{error.message} ({error.where})", fix=error.fix or "")
    size = f"{facts['size_bytes'] / 1e6:,.1f} MB, {facts['rows'].get('runs', 0):,} runs"
    if facts["schema_version"] != facts["program_schema_version"]:
        found = f"{facts['database']}: schema {facts['schema_version']}, {size}"
        return Check(name="ledger", state="missing", found=found, fix="benchtab db upgrade")
    return Check(name="ledger", state="ok", found=f"{facts['database']}: {size}")


def _prices(pricing: Path | None) -> Check:
    from harness.pricing.price_files import load_price_book

    try:
        book = load_price_book(pricing)
    except InputError as error:
        return Check(name="prices", state="missing", found=str(error), fix=error.fix or "")
    providers = len({row.provider for row in book.rows})
    return Check(name="prices", state="ok", found=f"{len(book.rows):,} dated rows of {providers} providers")


def _cache() -> Check:
    from harness.loaders.hub import cache_folder

    folder = cache_folder()
    if not folder.exists():
        return Check(name="data cache", state="ok", found=f"empty ({folder}): the first run of a suite fills it")
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Check(name="data cache", state="ok", found=f"{n_bytes / 1e6:,.1f} MB in {folder}")


def _proxies(environment: Mapping[str, str]) -> Iterator[Check]:
    from harness.providers.http import PROXY_VARIABLE, idle_proxy_variables

    if idle := idle_proxy_variables(environment):
        found = f"{', '.join(idle)}: set, and not used for requests to models"
        yield Check(name="proxy", state="note", found=found, fix=f"export {PROXY_VARIABLE}=env to use it")


def _room(ledger: str) -> Check:
    folder = Path.cwd() if "://" in ledger else Path(ledger).absolute().parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < _LEAST_ROOM_BYTES:
        return Check(
            name="disk", state="missing", found=f"{free / 1e6:,.0f} MB free at {folder}", fix="free some space"
        )
    writable = os.access(folder, os.W_OK)
    return Check(
        name="disk",
        state="ok" if writable else "missing",
        found=f"{free / 1e9:,.1f} GB free at {folder}" + ("" if writable else ", which is not writable"),
        fix="" if writable else "make the folder writable, or name another ledger with --db",
    )
