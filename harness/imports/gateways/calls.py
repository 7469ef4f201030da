"""Calls of any other tool: JSON Lines, one model call a line, with a provider's own usage object; the smallest format.

A line is `{"id", "provider", "model", "usage", "at"}` and may have `usage_kind`, `run`, `suite`, `task`, `sample`,
`epoch`, `setting`, `purpose`, `status`, `model_served`, `service_tier`, `mode`, `cost_usd`, `score`, `scorer`,
`messages`, `answer`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import cast, get_args

from harness.declared import JsonObject
from harness.imports.containers.json_stream import lines
from harness.imports.containers.json_values import a_count, a_number, a_text, an_amount
from harness.imports.log_formats import Format, Source
from harness.imports.log_instants import instant_us
from harness.imports.log_peeks import Peek
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedScore,
    ImportedUsage,
    Record,
    Said,
    SampleKey,
)
from harness.imports.usages import provider_usage
from harness.ledger.records import PURPOSES, Purpose, SettledStatus
from harness.usage.kinds import KINDS, likely_kind

NAME = "calls"
_STATUSES = get_args(SettledStatus)


def role_of(look: Peek) -> str | None:
    """Recognise a file whose first line has an id, a provider, a model and a usage."""
    first = look.first
    return "calls" if {"id", "provider", "model", "usage"} <= first.keys() else None


def read(source: Source) -> Iterator[Record]:
    """Give each line as an attempt of the run that it names, and its score."""
    cell_of = cache(_cell)
    for file in source.files:
        seen: set[str] = set()
        for line in lines(file.file):
            if isinstance(line, Broken):
                yield line
                continue
            where = f"{file.name}:{line.number}"
            row = line.value if isinstance(line.value, dict) else {}
            if reason := _what_is_wrong(row):
                yield Broken(where=where, reason=reason)
                continue
            run = a_text(row.get("run")) or "calls"
            if run not in seen:
                seen.add(run)
                yield ImportedRun(key=run, tool=NAME, name=run, created_at_us=instant_us(row.get("at")))
            cell = cell_of(run, *[a_text(row.get(name)) for name in ("suite", "provider", "model", "setting")])
            yield from _call(row, cell, texts=source.texts)


def _what_is_wrong(row: JsonObject) -> str | None:
    if lacking := [name for name in ("id", "provider", "model") if not a_text(row.get(name))]:
        return f"lacks {', '.join(lacking)}"
    kind, status, purpose = row.get("usage_kind"), row.get("status"), row.get("purpose")
    if kind is not None and kind not in KINDS:
        return f"unknown usage_kind {kind!r}"
    if status is not None and status not in _STATUSES:
        return f"unknown status {status!r}: use one of {', '.join(_STATUSES)}"
    return None if purpose is None or purpose in PURPOSES else f"unknown purpose {purpose!r}"


def _cell(run: str, suite: str | None, provider: str | None, model: str | None, setting: str | None) -> ImportedCell:
    return ImportedCell(run=run, suite=suite or NAME, provider=provider or "", model=model or "", setting=setting)


def _call(row: JsonObject, cell: ImportedCell, *, texts: bool) -> Iterator[Record]:
    identity = f"{cell.run}/{row['id']}"
    sample, at_us = a_text(row.get("sample")), instant_us(row.get("at"))
    yield ImportedAttempt(
        cell=cell,
        identity=identity,
        sample=_sample(row, sample),
        purpose=cast("Purpose", row.get("purpose") or "solve"),
        model_served=a_text(row.get("model_served")),
        status=cast("SettledStatus", row.get("status") or "succeeded"),
        usage=_usage(row),
        started_at_us=at_us,
        finished_at_us=at_us,
        stated_cost_usd=an_amount(row.get("cost_usd")),
        mode=a_text(row.get("mode")),
        service_tier=a_text(row.get("service_tier")),
        provider_request_id=a_text(row.get("id")),
        said=_said(row) if texts else None,
    )
    if "score" in row and sample is not None:
        value = a_number(row["score"])
        scorer = a_text(row.get("scorer")) or "score"
        reason = None if value is not None else "no number"
        yield ImportedScore(attempt=identity, scorer=scorer, value=value, reason=reason, scored_at_us=at_us)


def _sample(row: JsonObject, sample: str | None) -> SampleKey | None:
    if sample is None:
        return None
    return SampleKey(sample_id=sample, task=a_text(row.get("task")), epoch=max(0, a_count(row.get("epoch")) or 0))


def _usage(row: JsonObject) -> ImportedUsage | None:
    raw = row.get("usage")
    if not isinstance(raw, dict):
        return None
    return provider_usage(a_text(row.get("usage_kind")) or likely_kind(str(row["provider"]), raw), raw)


def _said(row: JsonObject) -> Said:
    messages = row.get("messages")
    asked = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    return Said(messages=asked, answer=a_text(row.get("answer")))


FORMAT = Format(
    name=NAME,
    title="Calls of any tool",
    looks_for="JSON Lines whose lines have id, provider, model and usage",
    role_of=role_of,
    read=read,
    example="calls.jsonl",
    cannot_tell=("What a line leaves out is unknown.",),
)
