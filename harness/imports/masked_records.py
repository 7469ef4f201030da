"""Records of a log without the keys that stood in it: names, ids, settings and usages as well as texts.

Pure. Data flows a reader's record -> `Masking.masked` -> the same record without secrets. Ids that held a key stay
different from each other, so that no two samples or calls become one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedSample,
    ImportedScore,
    ImportedUsage,
    Noted,
    Record,
    SampleKey,
)
from harness.secrets import holds_key, masked_settings, redact, redact_texts

T = TypeVar("T")
MOST_SHARED = 1_000
"""Cells and settings that are remembered: calls that do not share theirs must not fill the memory."""


class Masking:
    """Takes keys out of the records of one unit; what its records share is looked at once."""

    def __init__(self) -> None:
        self._cell = _Shared(_masked_cell)
        self._settings = _Shared[Mapping[str, object]](masked_settings)

    def masked(self, record: Record) -> Record:
        """Take the keys out of a record; its run's key stays, of which only a digest or a masked form is stored."""
        match record:
            case ImportedAttempt():
                return self._attempt(record)
            case ImportedSample(cell=cell, sample=sample):
                return replace(record, cell=self._cell.masked(cell), sample=_sample(sample))
            case ImportedScore():
                return _score(record)
            case ImportedRun():
                return replace(record, name=redact_texts(record.name), tool_version=redact_texts(record.tool_version))
            case Noted():
                return replace(record, detail=redact(record.detail))
            case Broken():
                return replace(record, where=redact_texts(record.where), reason=redact(record.reason))

    def _attempt(self, call: ImportedAttempt) -> ImportedAttempt:
        cell, usage = self._cell.masked(call.cell), _usage(call.usage)
        parameters = self._settings.masked(call.parameters) if call.parameters else call.parameters
        if cell is not call.cell or usage is not call.usage or parameters is not call.parameters:
            call = replace(call, cell=cell, usage=usage, parameters=parameters)
        if not holds_key(_named(call)):
            return call
        return replace(
            call,
            identity=_id(call.identity),
            retry_of=None if call.retry_of is None else _id(call.retry_of),
            sample=None if call.sample is None else _sample(call.sample),
            model=redact_texts(call.model),
            model_served=redact_texts(call.model_served),
            provider=redact_texts(call.provider),
            service_tier=redact_texts(call.service_tier),
            mode=redact_texts(call.mode),
            provider_request_id=redact_texts(call.provider_request_id),
            finish_reason=redact_texts(call.finish_reason),
            cost_note=redact_texts(call.cost_note),
        )


class _Shared(Generic[T]):
    """What many records share, masked once.

    Args:
        mask: gives an equal value where there is nothing to mask.
    """

    def __init__(self, mask: Callable[[T], T]) -> None:
        self._mask = mask
        self._known: dict[int, tuple[T, T]] = {}

    def masked(self, value: T) -> T:
        """Mask a value; itself where nothing was masked, so that records of it need not be made anew."""
        known = self._known.get(id(value))
        if known is None:
            if len(self._known) > MOST_SHARED:
                self._known.clear()
            masked = self._mask(value)
            # the value is kept, so that its id stays its own
            known = self._known[id(value)] = value, (value if masked == value else masked)
        return known[1]


def _masked_cell(cell: ImportedCell) -> ImportedCell:
    return replace(
        cell,
        suite=redact_texts(cell.suite),
        suite_version=redact_texts(cell.suite_version),
        provider=redact_texts(cell.provider),
        model=redact_texts(cell.model),
        setting=redact_texts(cell.setting),
        settings_sent=masked_settings(cell.settings_sent),
    )


def _usage(usage: ImportedUsage | None) -> ImportedUsage | None:
    if usage is None or usage.raw is None or not _has_text(usage.raw):
        return usage
    return replace(usage, raw=masked_settings(usage.raw))


def _named(call: ImportedAttempt) -> str:
    """Put together what names a call, to look at all of it at once."""
    sample = call.sample
    parts = (
        call.identity,
        sample and sample.sample_id,
        sample and sample.task,
        call.model,
        call.model_served,
        call.provider,
        call.service_tier,
        call.mode,
        call.provider_request_id,
        call.finish_reason,
        call.retry_of,
        call.cost_note,
    )
    return "\n".join([part for part in parts if part])


def _score(score: ImportedScore) -> ImportedScore:
    parts = (score.attempt, score.scorer, score.reason or "")
    if not holds_key("\n".join(parts)):
        return score
    return replace(
        score, attempt=_id(score.attempt), scorer=redact_texts(score.scorer), reason=redact_texts(score.reason)
    )


def _sample(sample: SampleKey) -> SampleKey:
    if not holds_key(f"{sample.sample_id}\n{sample.task}"):
        return sample
    return replace(sample, sample_id=_id(sample.sample_id), task=redact_texts(sample.task))


def _id(text: str) -> str:
    """Mask an id, with a digest of what it was: of a key nothing can be learned from it."""
    if not holds_key(text):
        return text
    return f"{redact_texts(text)}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _has_text(value: object) -> bool:
    if isinstance(value, int):  # nearly all of a usage, and whether it is a mapping takes ten times as long to ask
        return False
    if isinstance(value, Mapping):
        return any(_has_text(part) for part in value.values())
    return isinstance(value, str) or (isinstance(value, list | tuple) and any(_has_text(part) for part in value))
