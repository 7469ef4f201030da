"""Small ledgers with known spend, for the tests of reports, exports and comparisons."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.instants import to_us
from harness.ledger import (
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    Ledger,
    PlannedRecord,
    RunRecord,
    ScoreRecord,
    SuiteRecord,
    TaskRecord,
    Transcript,
    UsageFacts,
)
from harness.ledger.records import SettledStatus

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
AT_US = to_us(AT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt on a sample: how it ended, what it used, how it was scored."""

    status: SettledStatus | None = "succeeded"
    usage: UsageFacts = field(default_factory=lambda: used(100, 50))
    score: float | None = 1.0
    reason: str | None = None
    finish_reason: str = "stop"
    purpose: str = "solve"
    billed: str = "unknown"
    reserved_pico_usd: int = 0


def used(
    input_tokens: int, output_tokens: int, reasoning_tokens: int | None = 0, *, cached: int = 0, **others: Any
) -> UsageFacts:
    """Usage as a provider stated it; `input_tokens` is uncached."""
    return UsageFacts(
        input_tokens=input_tokens,
        cache_read_tokens=cached,
        output_tokens=output_tokens,
        reasoning_tokens=reasoning_tokens,
        context_tokens=input_tokens + cached,
        usage_kind="openai.chat",
        usage_source="provider",
        **others,
    )


Tries = Mapping[tuple[str, int], Iterable[Try]]


async def add_run(
    ledger: Ledger,
    run_id: str,
    cells: Mapping[str, Tries],
    *,
    suite: str = "starter",
    at_us: int = AT_US,
    status: str = "complete",
    config: Mapping[str, Any] | None = None,
    tasks: tuple[TaskRecord, ...] = (),
) -> None:
    """Store a run: per model (`provider/model[@setting]`), per (sample, epoch), the attempts in order."""
    ledger.create_run(
        RunRecord(
            run_id=run_id,
            created_at_us=at_us,
            plan_sha256="0" * 64,
            harness_version="0.1",
            price_book_sha256="1" * 64,
            suites=(SuiteRecord(name=suite, version="1", sha256="2" * 64, tasks=tasks),),
            models=tuple(cells),
            config=config or {},
        )
    )
    keys = list(dict.fromkeys(key for tries in cells.values() for key in tries))
    planned = ledger.add_planned(
        run_id,
        [
            PlannedRecord(
                suite=suite, task="questions", sample_id=sample_id, epoch=epoch, draw_order=order,
                inclusion_probability=1.0, sample_sha256=sample_id,
            )
            for order, (sample_id, epoch) in enumerate(keys)
        ],
    )  # fmt: skip
    planned_ids = dict(zip(keys, planned, strict=True))
    cell_ids = ledger.add_cells(run_id, [_cell(name, suite) for name in cells])
    async with ledger.writer() as writer:
        for cell_id, (name, tries) in zip(cell_ids, cells.items(), strict=True):
            for key, attempts in tries.items():
                before: int | None = None
                for number, attempt in enumerate(attempts, 1):
                    request = f"{run_id}.{cell_id}.{key[0]}.{attempt.purpose}.e{key[1]}.t{number}"
                    before = await add_attempt(
                        writer, attempt, request, cell_id, planned_ids[key], name, number, before, at_us
                    )
    ledger.finish_run(run_id, status, finished_at_us=at_us + 60_000_000)  # type: ignore[arg-type]


def _cell(name: str, suite: str) -> CellRecord:
    provider, _, rest = name.partition("/")
    model, _, setting = rest.partition("@")
    return CellRecord(
        suite=suite,
        suite_version="1",
        suite_sha256="2" * 64,
        provider=provider,
        model=model,
        setting=setting or None,
        reasoning=model == "reasoner" or None,
        simulated=provider == "sim",
    )


async def add_attempt(
    writer: Any,
    attempt: Try,
    request_id: str,
    cell_id: int,
    planned_id: int,
    name: str,
    number: int,
    before: int | None,
    at_us: int,
) -> int:
    """Send one attempt on a sample, settle and score it as `attempt` says; gives its id."""
    attempt_id: int = await writer.send(
        AttemptStart(
            request_id=request_id,
            cell_id=cell_id,
            planned_id=planned_id,
            model_requested=name.partition("/")[2].partition("@")[0],
            started_at_us=at_us,
            purpose=attempt.purpose,  # type: ignore[arg-type]
            try_number=number,
            retry_of=before if attempt.purpose == "solve" else None,
            parameters={"temperature": 0},
            reserved_pico_usd=attempt.reserved_pico_usd,
        )
    )
    if attempt.status is None:
        return attempt_id
    scored = attempt.purpose == "solve" and (attempt.score is not None or attempt.reason is not None)
    score = ScoreRecord(
        attempt_id=attempt_id,
        planned_id=planned_id,
        cell_id=cell_id,
        scorer="choice",
        scorer_version="1",
        scored_at_us=at_us + 2_000_000,
        value_millionths=None if attempt.score is None else round(attempt.score * 1_000_000),
        reason=attempt.reason,
        answer="=B",
    )
    await writer.settle(
        AttemptOutcome(
            attempt_id=attempt_id,
            status=attempt.status,
            finished_at_us=at_us + 1_000_000,
            usage=attempt.usage,
            finish_reason=attempt.finish_reason,
            billed=attempt.billed,  # type: ignore[arg-type]
        ),
        transcript=Transcript(messages=[{"role": "user", "content": "?"}], answer="B"),
        score=score if scored else None,
    )
    return attempt_id


def many(
    n: int, right: float, output: int, *, seed: int = 1, reasoning: int | None = 0
) -> dict[tuple[str, int], list[Try]]:
    """`n` samples, answered right with a probability, with heavy-tailed output."""
    rng = random.Random(seed)
    found = {}
    for number in range(n):
        tokens = max(1, int(output * rng.lognormvariate(-0.5, 1.0)))
        part = None if reasoning is None else tokens * reasoning // 100
        usage = used(200, tokens, part)
        found[f"q{number:04d}", 0] = [Try(usage=usage, score=float(rng.random() < right))]
    return found


def open_ledger(folder: Path) -> Ledger:
    """Make an empty ledger."""
    return Ledger.open(folder / "ledger.db")
