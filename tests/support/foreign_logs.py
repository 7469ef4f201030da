"""Logs of other tools, written or found by a test, read unit by unit, and their calls summed by model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.imports.containers.log_files import LogFile
from harness.imports.known_formats import recognised
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_peeks import peek
from harness.imports.log_records import Broken, ImportedAttempt, ImportedScore, Noted, Record
from harness.imports.refusal import ImportRefused

TOKENS = ("input_uncached", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning")
Units = dict[Path, list[Record]]


def write_lines(path: Path, *rows: object) -> Path:
    """Write JSON Lines; a text is written as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def write_json(path: Path, document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def read_units(form: Format, *paths: Path, texts: bool = False, first: Sequence[Format] = ()) -> Units:
    """Read files, and all below folders, that are of one format, grouped into the units that it says.

    Args:
        first: formats that are asked before this one, as `known_formats.FORMATS` orders them.
    """
    files = [path for one in paths for path in (sorted(one.rglob("*")) if one.is_dir() else [one]) if path.is_file()]
    found: dict[Path, list[SourceFile]] = {}
    for path in files:
        look = peek(LogFile(path, path.name))
        role = None if look.container == "empty" else form.role_of(look)
        if role is not None and not any(one.role_of(look) for one in first):
            found.setdefault(form.unit_of(path, role), []).append(SourceFile(file=look.file, role=role))
    assert form.read is not None
    return {unit: list(form.read(Source(files=tuple(group), texts=texts))) for unit, group in found.items()}


def read_one(form: Format, *paths: Path, texts: bool = False) -> list[Record]:
    """Read files that are one unit."""
    (records,) = read_units(form, *paths, texts=texts).values()
    return records


def attempts_in(records: Iterable[Record]) -> list[ImportedAttempt]:
    return [one for one in records if isinstance(one, ImportedAttempt)]


def scores_in(records: Iterable[Record]) -> list[ImportedScore]:
    return [one for one in records if isinstance(one, ImportedScore)]


def notes_in(records: Iterable[Record]) -> dict[str, str]:
    return {one.name: one.detail for one in records if isinstance(one, Noted)}


def broken_in(records: Iterable[Record]) -> list[str]:
    return [f"{one.where} {one.reason}" for one in records if isinstance(one, Broken)]


def tokens_of(attempt: ImportedAttempt) -> dict[str, int | None]:
    """Give the disjoint counts of one call."""
    if attempt.usage is None:
        return dict.fromkeys(TOKENS)
    usage = attempt.usage.usage
    parts = (usage.cache_read_tokens, usage.cache_write_5m_tokens, usage.cache_write_1h_tokens)
    uncached = None if usage.input_tokens is None else usage.input_tokens - sum(part or 0 for part in parts)
    return dict(zip(TOKENS, (uncached, *parts, usage.output_tokens, usage.reasoning_tokens), strict=True))


def model_of(attempt: ImportedAttempt) -> str:
    return attempt.model_served or attempt.model or attempt.cell.model


def sums_of(
    records: Iterable[Record], name_of: Callable[[ImportedAttempt], str] = model_of
) -> dict[str, dict[str, Any]]:
    """Sum the calls of each model, as `EXPECTED.json` of the recorded data does; a call of two files counts once."""
    models: dict[str, dict[str, Any]] = {}
    for attempt in {one.identity: one for one in reversed(attempts_in(records))}.values():
        sums = models.setdefault(
            name_of(attempt),
            {"attempts": 0, "failed": 0, "without_usage": 0, "tokens": dict.fromkeys(TOKENS), "stated_cost_usd": None},
        )
        sums["attempts"] += 1
        sums["failed"] += attempt.status in ("failed", "timed_out", "cancelled")
        tokens = tokens_of(attempt)
        sums["without_usage"] += attempt.usage is None or attempt.usage.usage.is_missing
        for name, count in tokens.items():
            if count is not None:
                sums["tokens"][name] = (sums["tokens"][name] or 0) + count
        if attempt.stated_cost_usd is not None:
            sums["stated_cost_usd"] = (sums["stated_cost_usd"] or Decimal(0)) + attempt.stated_cost_usd
    return models


def wanted_of(models: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Take the part of expected sums that `sums_of` makes."""
    return {
        model: {
            "attempts": sums["attempts"],
            "failed": sums["failed"],
            "without_usage": sums["without_usage"],
            "tokens": dict(sums["tokens"]),
            "stated_cost_usd": None if sums["stated_cost_usd"] is None else Decimal(sums["stated_cost_usd"]),
        }
        for model, sums in models.items()
    }


def why_refused(form: Format, *paths: Path) -> ImportRefused:
    """Read a unit to its end and give the reason for which it was refused."""
    try:
        read_units(form, *paths)
    except ImportRefused as refused:
        return refused
    raise AssertionError(f"{[path.name for path in paths]} was not refused")


def format_of(path: Path) -> str:
    """Name the format that a file is recognised as."""
    return recognised(peek(LogFile(path, path.name)))[0].name
