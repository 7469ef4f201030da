"""Addresses of the view: every page, and what it shows of it, has one that can be shared.

Pure. Data flows names and filters -> path and query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

RUNS, COMPARE, PRICES, BUDGETS, FORECASTS = "/", "/compare", "/prices", "/budgets", "/forecasts"


def as_part(name: str) -> str:
    """Write a name as one part of a path, whatever is in it; `named` reads it again.

    Servers take a quoted slash for a slash, and browsers dots alone for folders: these are written as `~2F`, `~2E`.
    """
    escaped = re.sub(r"[~%/]", lambda found: f"~{ord(found[0]):02X}", name)
    return quote(escaped.replace(".", "~2E") if escaped in (".", "..") else escaped, safe="")


def named(part: str) -> str:
    """Read a name from a part of a path."""
    return re.sub(r"~([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), part)


def run_address(run_id: str) -> str:
    """Address of a run."""
    return f"/runs/{as_part(run_id)}"


def live_address(run_id: str) -> str:
    """Address of the events of a run under way."""
    return f"{run_address(run_id)}/live"


def samples_address(run_id: str, **chosen: str | Iterable[str]) -> str:
    """Address of a run's samples, filtered and sorted by query."""
    return with_query(f"{run_address(run_id)}/samples", chosen)


def sample_address(run_id: str, cell_id: int, planned_id: int) -> str:
    """Address of one sample: a planned question on one model."""
    return f"{run_address(run_id)}/samples/{cell_id}/{planned_id}"


def question_address(run_id: str, planned_id: int) -> str:
    """Address of one question with the answers of all models of the run side by side."""
    return f"{run_address(run_id)}/questions/{planned_id}"


def price_address(provider: str, model: str) -> str:
    """Address of a model's prices."""
    return f"{PRICES}/{as_part(provider)}/{as_part(model)}"


def with_query(path: str, chosen: Mapping[str, str | Iterable[str]]) -> str:
    """Add a query to a path; empty values are left out, several of one name stand one after the other."""
    pairs = [
        (name, value)
        for name, given in chosen.items()
        for value in ([given] if isinstance(given, str) else given)
        if value
    ]
    return f"{path}?{urlencode(pairs)}" if pairs else path
