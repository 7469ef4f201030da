"""A run of a log while it is imported: its id, what was counted of it, and the findings that its reports will carry.

Data flows `ImportedRun` + counts over its calls -> `RunRecord` and warnings.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.imports.log_records import ImportedAttempt, ImportedRun
from harness.imports.refusal import ImportRefused
from harness.ledger.records import LOWER_BOUND_NOTE, UPPER_BOUND_NOTE, RunRecord, SuiteRecord
from harness.ledger.writing.import_writer import ImportWriter
from harness.secrets import masked_settings, redact_texts

IMPORTED = "imported"
"""Key of a run's config under which an imported run says where it comes from."""


@dataclass(slots=True, kw_only=True)
class RunImport:
    """One run of a unit.

    Attributes:
        is_stored: it is in the ledger, from this import or an earlier one.
        was_stored: it was there before.
        notes: findings by name, written as warnings; those of earlier imports included.
    """

    run_id: str
    record: ImportedRun
    is_stored: bool = False
    was_stored: bool = False
    earlier: tuple[str, ...] = ()
    status_before: str | None = None
    notes: dict[str, str] = field(default_factory=dict)
    n_new: int = 0
    n_known: int = 0
    n_samples: int = 0
    n_without_time: int = 0
    n_hidden_retries: int = 0
    n_tool_counted: int = 0
    last_us: int = 0

    @classmethod
    def of(cls, record: ImportedRun, fmt: str, asked_id: str | None, writer: ImportWriter) -> RunImport:
        """Find the run in the ledger, or give it an id.

        Raises:
            ImportRefused: the id belongs to a run that is not this log's.
        """
        run_id = asked_id or made_id(record, fmt)
        stored = writer.run(run_id)
        if stored is None:
            return cls(run_id=run_id, record=record)
        origin = stored.config.get(IMPORTED)
        if not isinstance(origin, Mapping) or (origin.get("format"), origin.get("key")) != (
            fmt,
            redact_texts(record.key),
        ):
            raise ImportRefused(
                f"run {run_id} exists already, and is not this log's", where="--run-id", fix="name another"
            )
        return cls(
            run_id=run_id,
            record=record,
            is_stored=True,
            was_stored=True,
            earlier=stored.warnings,
            status_before=stored.status,
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings of this import, as reports will give them."""
        return tuple(self.notes.values())

    def add(self, other: RunImport) -> None:
        """Add what another unit brought to the same run."""
        self.n_new += other.n_new
        self.n_known += other.n_known
        self.n_samples += other.n_samples
        self.notes.update(other.notes)

    @property
    def changes_something(self) -> bool:
        """Whether there is anything to say about the run that the ledger does not hold."""
        return self.n_new > 0 or not self.was_stored or self.status_before != self.record.status

    def note(self, name: str, detail: str, *, lower_bound: bool = False, upper_bound: bool = False) -> None:
        """Add a finding; several of one name are written in one."""
        mark = LOWER_BOUND_NOTE if lower_bound else UPPER_BOUND_NOTE if upper_bound else ""
        said = f"{mark}{name}: {detail}"
        before = self.notes.get(name)
        self.notes[name] = said if before is None or before == said else _joined(before, detail, mark)

    def count(self, call: ImportedAttempt) -> None:
        """Count a call that is new."""
        self.n_new += 1
        self.n_hidden_retries += call.hidden_retries
        at_us = call.finished_at_us or call.started_at_us
        if at_us is None:
            self.n_without_time += 1
        elif at_us > self.last_us:
            self.last_us = at_us
        if call.usage is not None and call.usage.tool_counted and not call.usage.usage.is_missing:
            self.n_tool_counted += 1

    def warnings(self) -> tuple[str, ...]:
        """Write the findings, those of earlier imports that are not said anew included."""
        if self.n_hidden_retries:
            detail = f"{self.n_hidden_retries:,} further requests are known as a number only; what they used is not"
            self.note("retries_lost", detail, lower_bound=True)
        if self.n_without_time:
            self.note(
                "no_time", f"{self.n_without_time:,} calls have no time of their own; the run's decides their price"
            )
        if self.n_tool_counted:
            self.note("counted_by_tool", f"the tool counted the tokens of {self.n_tool_counted:,} calls from texts")
        names = {_name(said) for said in self.notes.values()}
        kept = [said for said in self.earlier if _name(said) not in names]
        return (*kept, *self.notes.values())


def _joined(before: str, detail: str, mark: str) -> str:
    marked = before if before.startswith(mark) else f"{mark}{before}"
    return marked if detail in before or len(before) > 600 else f"{marked}; {detail}"


def _name(said: str) -> str:
    return said.removeprefix(LOWER_BOUND_NOTE).removeprefix(UPPER_BOUND_NOTE).partition(":")[0]


def made_id(record: ImportedRun, fmt: str) -> str:
    """Make a run's id of the format, its name, and what the tool names it by: the same for every copy of its log."""
    name = re.sub(r"[^a-z0-9]+", "-", (record.name or "").lower()).strip("-")[:40].strip("-")
    digest = hashlib.sha256(record.key.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "-".join(part for part in (fmt.replace("_", "-"), name, digest) if part)


def stored_run(
    run: RunImport,
    fmt: str,
    *,
    models: list[str],
    suites: tuple[SuiteRecord, ...],
    created_at_us: int,
    price_book_sha256: str,
    harness_version: str,
) -> RunRecord:
    """Make the ledger's record of a new run."""
    record = run.record
    origin = {
        "format": fmt,
        "key": record.key,
        "tool": record.tool,
        "tool_version": record.tool_version,
        "name": record.name,
    }
    return RunRecord(
        run_id=run.run_id,
        created_at_us=created_at_us,
        plan_sha256=hashlib.sha256(f"{fmt}/{record.key}".encode("utf-8", "replace")).hexdigest(),
        harness_version=harness_version,
        price_book_sha256=price_book_sha256,
        config={IMPORTED: redact_texts(origin), "settings": masked_settings(record.config)},
        models=tuple(models),
        suites=suites,
    )
