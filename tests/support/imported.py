"""Logs read by a format's reader, and what their records sum to; for tests alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.imports.containers.log_files import LogFile
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_peeks import peek
from harness.imports.log_records import Noted, Record
from tests.support.foreign_logs import TOKENS, attempts_in, tokens_of


@dataclass(slots=True)
class Summed:
    """What a log's calls on one model sum to; a count that no call states is None."""

    attempts: int = 0
    failed: int = 0
    hidden_retries: int = 0
    without_usage: int = 0
    stated_cost_usd: Decimal | None = None
    input_uncached: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    output: int | None = None
    reasoning: int | None = None

    def add(self, name: str, count: int | None) -> None:
        if count is not None:
            setattr(self, name, (getattr(self, name) or 0) + count)


def source_of(form: Format, *paths: Path, texts: bool = False) -> Source:
    """Open files, and every file below folders, of which the format says that they are its own."""
    files = [path for one in paths for path in (sorted(one.rglob("*")) if one.is_dir() else [one]) if path.is_file()]
    looks = [peek(LogFile(path, path.name)) for path in files]
    named = [(look, form.role_of(look)) for look in looks]
    return Source(files=tuple(SourceFile(file=look.file, role=role) for look, role in named if role), texts=texts)


def records_of(form: Format, *paths: Path, texts: bool = False) -> list[Record]:
    """Read files as one unit."""
    assert form.read is not None
    return list(form.read(source_of(form, *paths, texts=texts)))


def notes_of(records: Iterable[Record]) -> dict[str, Noted]:
    return {one.name: one for one in records if isinstance(one, Noted)}


def summed(records: Iterable[Record]) -> dict[str, Summed]:
    """Add up the calls of each model, replays from a tool's cache left out."""
    found: dict[str, Summed] = {}
    for one in attempts_in(records):
        sums = found.setdefault(one.model or one.cell.model, Summed())
        if one.status == "reused":
            continue
        sums.attempts += 1
        sums.failed += one.status != "succeeded"
        sums.hidden_retries += one.hidden_retries
        if one.stated_cost_usd is not None:
            sums.stated_cost_usd = (sums.stated_cost_usd or Decimal(0)) + one.stated_cost_usd
        usage = one.usage.usage if one.usage is not None and not one.usage.tool_counted else None
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            sums.without_usage += 1
            continue
        for name, count in tokens_of(one).items():
            sums.add(name, count)
    return found


def expected(models: Mapping[str, Mapping[str, Any]], model_of: Callable[[str], str]) -> dict[str, Summed]:
    """Read independent sums of a log; a model's roles (`model#grader`) are added together."""
    found: dict[str, Summed] = {}
    for name, stated in models.items():
        sums = found.setdefault(model_of(name.partition("#")[0]), Summed())
        for count in ("attempts", "failed", "hidden_retries", "without_usage"):
            setattr(sums, count, getattr(sums, count) + stated[count])
        for count in TOKENS:
            sums.add(count, stated["tokens"][count])
        if stated["stated_cost_usd"] is not None:
            sums.stated_cost_usd = (sums.stated_cost_usd or Decimal(0)) + Decimal(stated["stated_cost_usd"])
    return found


def expected_files(folder: Path) -> dict[str, Any]:
    """Read the independent sums beside logs, by file."""
    return dict(json.loads((folder / "EXPECTED.json").read_text())["files"])
