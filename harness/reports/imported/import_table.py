"""What an import brought: one row per run, with its tokens and its bill, and every finding below.

Data flows what became of each unit + the ledger + prices -> `ImportedRow`s -> a `Table`, or a JSON object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.documents.table import Column, Table
from harness.imports.into_ledger import Imported
from harness.imports.log_runs import RunImport
from harness.imports.log_units import Refused
from harness.ledger import Ledger
from harness.ledger.columns import TOKEN_COLUMNS, TokenCounts
from harness.ledger.reading.holdings import sample_counts
from harness.ledger.reading.sums import calls_saying
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.reports.facts.assembly import run_spends
from harness.reports.facts.report_facts import Spend, TokenSums
from harness.reports.spend import wording

MOST_BROKEN_TOLD = 10
NO_CALLS: TokenCounts[int] = TokenCounts(**dict.fromkeys(TOKEN_COLUMNS, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow:
    """One run, with what the ledger holds of it now.

    Attributes:
        spend: of all its attempts, whatever their purpose.
        n_samples: different samples of the run.
        n_saying: of how many calls each count of tokens is known.
    """

    format: str
    run: RunImport
    spend: Spend
    n_samples: int
    n_saying: TokenCounts[int]

    @property
    def tokens(self) -> TokenSums | None:
        """All its tokens; None = they are known of no call, which is not none used."""
        return self.spend.known_tokens

    @property
    def cache_read_tokens(self) -> int | None:
        """Tokens read from a cache; None = no call says how many, which is not none."""
        return self._said(self.spend.tokens.cache_read_tokens, self.n_saying.cache_read_tokens)

    @property
    def cache_write_tokens(self) -> int | None:
        """Tokens written to a cache; None = no call says how many, which is not none."""
        return self._said(self.spend.tokens.cache_write_tokens, self.n_saying.cache_write_tokens)

    def _said(self, n_tokens: int, n_saying: int) -> int | None:
        is_silent = n_tokens == n_saying == 0 and self.spend.tokens.entered_tokens > 0
        return None if is_silent or self.tokens is None else n_tokens


def imported_rows(ledger: Ledger, book: PriceBook, done: Sequence[Imported]) -> list[ImportedRow]:
    """Read what the ledger holds of the runs that were imported; a run of several units is one row."""
    runs: dict[str, tuple[str, RunImport]] = {}
    for unit in done:
        for run in unit.runs:
            if run.run_id in runs:
                runs[run.run_id][1].add(run)
            else:
                runs[run.run_id] = unit.format.name, run
    if not runs:  # all were refused
        return []
    spends, counts = run_spends(ledger, book, list(runs)), sample_counts(ledger, list(runs))
    saying = calls_saying(ledger, list(runs))
    return [
        ImportedRow(
            format=name,
            run=run,
            spend=spends[run_id],
            n_samples=counts.get(run_id, 0),
            n_saying=saying.get(run_id, NO_CALLS),
        )
        for run_id, (name, run) in runs.items()
    ]


COLUMNS = (
    Column(name="run_id", title="run", whole=True),
    Column(name="format", drops=4),
    Column(name="status", drops=5),
    Column(name="n_samples", kind="integer", title="samples", drops=3),
    Column(name="n_new", kind="integer", title="new calls", drops=1),
    Column(name="n_known", kind="integer", title="known", drops=6),
    Column(name="tokens_in", kind="decimal", title="tok in", drops=2),
    Column(name="tokens_out", kind="decimal", title="tok out", drops=2),
    Column(name="cost", kind="usd", title="cost"),
)


def import_table(
    rows: Sequence[ImportedRow], done: Sequence[Imported], refused: Sequence[Refused], *, dry: bool
) -> Table:
    """Lay out what was imported, or would be, for people."""
    title = "Would be imported" if dry else "Imported"
    return Table(
        name="imported",
        title=title,
        columns=COLUMNS,
        rows=[_cells(row) for row in rows],
        notes=(*_findings(rows), *_broken(done), *_unread(refused)),
    )


def _cells(row: ImportedRow) -> tuple[str, ...]:
    tokens, run = row.tokens, row.run
    return (
        run.run_id,
        row.format,
        run.record.status,
        wording.count(row.n_samples),
        wording.count(run.n_new),
        wording.count(run.n_known),
        wording.tokens(None if tokens is None else tokens.entered_tokens),
        wording.tokens(None if tokens is None else tokens.output_tokens),
        wording.whole(row.spend),
    )


def _findings(rows: Sequence[ImportedRow]) -> list[str]:
    said: dict[str, list[str]] = {}
    for row in rows:
        for note in row.run.findings:
            said.setdefault(note, []).append(row.run.run_id)
        if row.spend.n_unknown_usage:
            text = f"{row.spend.n_unknown_usage:,} of {row.spend.n_attempts:,} calls with unknown tokens"
            said.setdefault(text, []).append(row.run.run_id)
        if row.spend.n_unpriced_attempts:
            text = f"{row.spend.n_unpriced_attempts:,} of {row.spend.n_attempts:,} calls without a price"
            said.setdefault(text, []).append(row.run.run_id)
    return [f"{runs[0]}{f' and {len(runs) - 1} more' if len(runs) > 1 else ''}: {text}" for text, runs in said.items()]


def _broken(done: Sequence[Imported]) -> list[str]:
    n_broken = sum(unit.n_broken for unit in done)
    told = [f"lost {one.where}: {one.reason}" for unit in done for one in unit.broken][:MOST_BROKEN_TOLD]
    more = [f"and {n_broken - len(told):,} more broken lines"] if n_broken > len(told) else []
    return [*told, *more]


def _unread(refused: Sequence[Refused]) -> list[str]:
    others = [one.name for one in refused if not one.asked_for]
    if not others:
        return []
    more = f" and {len(others) - 3:,} more" if len(others) > 3 else ""
    return [f"no logs, left out: {', '.join(others[:3])}{more}"]


def import_object(
    rows: Sequence[ImportedRow], done: Sequence[Imported], refused: Sequence[Refused], *, dry: bool
) -> dict[str, Any]:
    """Write what was imported as a JSON object; fields are only ever added."""
    return {
        "dry_run": dry,
        "runs": [_row_object(row) for row in rows],
        "files": [{"format": unit.format.name, "files": list(unit.files)} for unit in done],
        "n_broken_lines": sum(unit.n_broken for unit in done),
        "broken_lines": [{"where": one.where, "reason": one.reason} for unit in done for one in unit.broken],
        "refused": [
            {"file": one.name, "reason": one.error.message, "where": one.error.where}
            for one in refused
            if one.asked_for
        ],
        "left_out": [one.name for one in refused if not one.asked_for],
    }


def _row_object(row: ImportedRow) -> dict[str, Any]:
    run, spend, tokens = row.run, row.spend, row.tokens
    known = spend.known_usd
    return {
        "run_id": run.run_id,
        "format": row.format,
        "tool": run.record.tool,
        "tool_version": run.record.tool_version,
        "status": run.record.status,
        "n_samples": row.n_samples,
        "n_new": run.n_new,
        "n_known": run.n_known,
        "n_attempts": spend.n_attempts,
        "n_failed_attempts": spend.n_failed_attempts,
        "n_reused": spend.n_reused,
        "n_unknown_usage_attempts": spend.n_unknown_usage,
        "n_unpriced_attempts": spend.n_unpriced_attempts,
        "input_tokens": None if tokens is None else tokens.input_tokens,
        "cache_read_tokens": row.cache_read_tokens,
        "cache_write_tokens": row.cache_write_tokens,
        "output_tokens": None if tokens is None else tokens.output_tokens,
        "reasoning_tokens": None if tokens is None else tokens.reasoning_tokens,
        "cost_usd": None if known is None else plain(known),
        "cost_is_lower_bound": spend.is_lower_bound,
        "findings": list(run.findings),
    }
