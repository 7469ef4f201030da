"""What an attempt costs in the ledger: CPU and bytes per attempt, time to acknowledge, and time of the grouped sums.

Run as `python -m benchmarks.ledger [--attempts N] [--sums N] [--db URL]`; prints one line per measurement, writes to a
temporary folder that is removed at the end (or to the empty database named by --db).
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.ledger import (
    AttemptOutcome,
    AttemptStart,
    CellRecord,
    Ledger,
    PlannedRecord,
    RunRecord,
    ScoreRecord,
    Transcript,
    UsageFacts,
)
from harness.ledger.reading.sums import usage_sums

START_US = 1_795_300_000_000_000
N_MODELS = 12
WORDS = ("the", "of", "a", "token", "model", "cost", "answer", "price", "question", "therefore", "seventeen", "apples")


def _raw_usage(generator: random.Random) -> dict[str, object]:
    reasoning = int(generator.lognormvariate(6, 1))
    return {
        "prompt_tokens": generator.randrange(80, 400),
        "completion_tokens": reasoning + generator.randrange(20, 200),
        "total_tokens": reasoning + 600,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _text(generator: random.Random, n_characters: int) -> str:
    parts: list[str] = []
    while sum(map(len, parts)) + len(parts) < n_characters:
        parts.append(generator.choice(WORDS) if generator.random() < 0.7 else str(generator.randrange(10**6)))
    return " ".join(parts)[:n_characters]


def _plan(ledger: Ledger, run_id: str, n_samples: int) -> tuple[list[int], list[int]]:
    ledger.create_run(
        RunRecord(run_id=run_id, created_at_us=START_US, plan_sha256="", harness_version="0", price_book_sha256="")
    )
    cells = [
        CellRecord(suite="bench", suite_version="1", suite_sha256="", provider="sim", model=f"model-{number}")
        for number in range(N_MODELS)
    ]
    planned = [
        PlannedRecord(
            suite="bench",
            task="task",
            sample_id=f"bench-{number:06}",
            epoch=0,
            draw_order=number,
            inclusion_probability=1.0,
            sample_sha256=f"{number:064x}",
        )
        for number in range(n_samples)
    ]
    return ledger.add_cells(run_id, cells), ledger.add_planned(run_id, planned)


def _starts(run_id: str, cells: list[int], planned: list[int], scopes: tuple[str, ...]) -> Iterator[AttemptStart]:
    parameters = {"max_completion_tokens": 4096, "model": "model", "temperature": 0.6, "top_p": 0.95}
    for number, planned_id in enumerate(planned):
        for cell_id in cells:
            yield AttemptStart(
                request_id=f"{run_id}.{cell_id}.{planned_id}.e0.t1",
                cell_id=cell_id,
                planned_id=planned_id,
                model_requested=f"model-{cell_id}",
                parameters=parameters,
                started_at_us=START_US + number * 50_000,
                reserved_pico_usd=10_000_000_000,
                reserved_input_tokens=400,
                reserved_output_tokens=4096,
                budget_scopes=scopes,
            )


def _outcome(attempt_id: int, start: AttemptStart, generator: random.Random) -> AttemptOutcome:
    raw = _raw_usage(generator)
    input_tokens, output_tokens = raw["prompt_tokens"], raw["completion_tokens"]
    assert isinstance(input_tokens, int)
    assert isinstance(output_tokens, int)
    return AttemptOutcome(
        attempt_id=attempt_id,
        status="succeeded",
        finished_at_us=start.started_at_us + generator.randrange(200_000, 20_000_000),
        usage=UsageFacts(
            input_tokens=input_tokens,
            cache_read_tokens=0,
            output_tokens=output_tokens,
            reasoning_tokens=output_tokens // 2,
            raw_usage=raw,
            usage_kind="openai.chat",
            usage_source="provider",
            context_tokens=input_tokens,
        ),
        charged_pico_usd=3_000_000_000,
        billed="yes",
        http_status=200,
        model_served=start.model_requested,
        provider_request_id=f"chatcmpl-{generator.getrandbits(96):024x}",
        first_byte_us=150_000,
        finish_reason="stop",
    )


def _score(attempt_id: int, start: AttemptStart) -> ScoreRecord:
    assert start.planned_id is not None
    return ScoreRecord(
        attempt_id=attempt_id,
        planned_id=start.planned_id,
        cell_id=start.cell_id,
        scorer="choice",
        scorer_version="1",
        scored_at_us=start.started_at_us + 1_000_000,
        value_millionths=1_000_000,
        answer="B",
        rule="last line",
    )


Texts = Callable[[AttemptStart], Transcript | None]


async def _fill(ledger: Ledger, starts: Iterator[AttemptStart], texts: Texts, *, n_workers: int) -> list[float]:
    """Insert and settle every attempt with a pool of workers; returns how long each `send` took, in seconds."""
    generator = random.Random(7)
    waits: list[float] = []
    async with ledger.writer() as writer:

        async def work() -> None:
            for start in starts:
                began = time.perf_counter()
                attempt_id = await writer.send(start)
                waits.append(time.perf_counter() - began)
                await writer.settle(
                    _outcome(attempt_id, start, generator), transcript=texts(start), score=_score(attempt_id, start)
                )

        await asyncio.gather(*(work() for _ in range(n_workers)))
    return waits


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _measure_writing(name: str, ledger: Ledger, n_attempts: int, *, budget: bool, bodies: bool) -> None:
    generator = random.Random(11)
    run_id = f"20261122T0800-{name.replace(' ', '-')}"
    cells, planned = _plan(ledger, run_id, n_attempts // N_MODELS)
    prompts = {planned_id: _text(generator, 1000) for planned_id in planned} if bodies else {}
    answers = [_text(generator, 1000) for _ in range(min(n_attempts, 5_000))]
    scopes = (f"run:{run_id}", "day:2026-11-22", "month:2026-11") if budget else ()
    if budget:
        ledger.set_budget(f"run:{run_id}", 10**18)

    def texts(start: AttemptStart) -> Transcript | None:
        if not bodies:
            return None
        assert start.planned_id is not None
        # unlike answers: the same text is not repeated with the same number in front
        answer = f"{start.request_id}: {answers[hash(start.request_id) % len(answers)]}"
        return Transcript(messages=[{"role": "user", "content": prompts[start.planned_id]}], answer=answer)

    starts = list(_starts(run_id, cells, planned, scopes))
    wall, cpu = time.perf_counter(), _cpu_s()
    waits = sorted(asyncio.run(_fill(ledger, iter(starts), texts, n_workers=200)))
    wall, cpu = time.perf_counter() - wall, _cpu_s() - cpu
    n_done = len(waits)
    print(
        f"{name}: {n_done} attempts, {cpu / n_done * 1e3:.3f} ms CPU each (send + settle + score),"
        f" {n_done / wall:,.0f} attempts/s, send acknowledged p50 {waits[n_done // 2] * 1e3:.2f} ms"
        f" p99 {waits[n_done * 99 // 100] * 1e3:.2f} ms"
    )


def _print_bytes(ledger: Ledger, n_attempts: int) -> None:
    """Print the size of the SQLite file after its log was written back, and the share of the attempts alone."""
    with ledger.reading() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes = connection.exec_driver_sql("SELECT name, sum(pgsize) FROM dbstat GROUP BY name").all()
    alone = sum(
        size for name, size in sizes if name.startswith(("attempts", "ix_attempts", "sqlite_autoindex_attempts"))
    )
    everything = Path(ledger.database).stat().st_size
    print(
        f"    bytes per attempt: {alone / n_attempts:,.0f} for the attempt and its indexes,"
        f" {everything / n_attempts:,.0f} with score, plan and transcript"
    )


def _measure_sums(ledger: Ledger, n_attempts: int) -> None:
    """Fill quickly (one statement per table, the same rows) and time the grouped sums over all of it."""
    cells, planned = _plan(ledger, "sums", n_attempts // N_MODELS)
    starts = list(_starts("sums", cells, planned, ()))
    asyncio.run(_fill(ledger, iter(starts), lambda _: None, n_workers=1000))
    for attempt in ("first", "second"):
        began = time.perf_counter()
        groups = list(usage_sums(ledger, ["sums"]))
        elapsed = time.perf_counter() - began
        print(f"grouped sums over {len(starts)} attempts ({attempt} read): {elapsed:.3f} s, {len(groups)} groups")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=24_000)
    parser.add_argument("--sums", type=int, default=0, help="attempts to sum over; 0 = skip (1,000,000 takes a minute)")
    parser.add_argument("--db", help="an empty database; default a temporary SQLite file per measurement")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, budget, bodies in (
            ("no transcripts", False, False),
            ("no transcripts, three budgets", True, False),
            ("transcripts of 1 kB + 1 kB", True, True),
        ):
            with Ledger.open(chosen.db or Path(folder) / f"{name[:14]}{budget}.db") as ledger:
                _measure_writing(name, ledger, chosen.attempts, budget=budget, bodies=bodies)
                if not chosen.db:
                    _print_bytes(ledger, chosen.attempts)
        if chosen.sums:
            with Ledger.open(chosen.db or Path(folder) / "sums.db") as ledger:
                _measure_sums(ledger, chosen.sums)


if __name__ == "__main__":
    main()
