"""A large ledger, filled in bulk: complete runs of twelve models with a score for each answer.

Retries, cut answers, missing usage, context tiers, a batch and priced windows are among its attempts; the first of each
run have transcripts. Data flows a number of attempts -> SQLite file; `python -m benchmarks.filled_ledger FILE N` fills
one in a process of its own: 10,000,000 attempts take minutes.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.ledger import CellRecord, Ledger, PlannedRecord, RunRecord, SuiteRecord
from harness.ledger.encoding import Compression, canonical_json
from harness.pricing.price_files import load_price_book
from harness.usage.context_sizes import context_bucket, slot

MODELS = (
    ("openai", "o3", None),
    ("openai", "gpt-5", "flex"),
    ("openai", "gpt-5.4", None),
    ("openai", "gpt-5.6-luna", "batch"),
    ("anthropic", "claude-sonnet-4-6", None),
    ("anthropic", "claude-haiku-5-5", None),
    ("google", "gemini-2.5-pro", "priority"),
    ("google", "gemini-2.5-flash", None),
    ("deepseek", "deepseek-v4-pro", None),
    ("deepseek", "deepseek-v4-flash", None),
    ("xai", "grok-4.20", None),
    ("mistral", "mistral-large-latest", None),
)
START_US = 1_786_320_000_000_000  # 2026-08-10
PER_S = 60
N_TASKS = 4
SEED = 20261122
MILLION = 1_000_000
N_TRANSCRIPTS = 2_000
"""Attempts of a run whose transcripts are kept."""

_ATTEMPT = (
    "attempt_id", "request_id", "cell_id", "planned_id", "try_number", "retry_of", "status", "error_class",
    "model_requested", "model_served", "service_tier", "provider_request_id", "started_at_us", "finished_at_us",
    "first_byte_us", "input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens", "raw_usage",
    "usage_source", "billed", "finish_reason", "usage_group_id",
)  # fmt: skip
_ADD_ATTEMPT = (
    f"INSERT INTO attempts ({', '.join(_ATTEMPT)}, purpose, usage_kind, parameter_set_id, normaliser_version,"
    " reserved_pico_usd, reserved_input_tokens, reserved_output_tokens, refused)"
    f" VALUES ({', '.join('?' * len(_ATTEMPT))}, 'solve', 'openai.chat', 1, 1, 10000000000, 400, 4096, 0)"
)
_SCORE = ("attempt_id", "planned_id", "cell_id", "value_millionths", "reason", "answer", "scored_at_us")
_ADD_SCORE = (
    f"INSERT INTO scores ({', '.join(_SCORE)}, scorer, scorer_version, rule)"
    f" VALUES ({', '.join('?' * len(_SCORE))}, 'multiple_choice', '1', 'last line')"
)
_GROUP = ("provider", "model", "service_tier", "slot_us", "context_bucket", "usage_known", "itemised", "truncated")
_ADD_GROUP = (
    f"INSERT INTO usage_groups (usage_group_id, {', '.join(_GROUP)}, refused)"
    f" VALUES (?, {', '.join('?' * len(_GROUP))}, 0)"
)
_ANSWERS = (
    "SELECT attempt_id, planned_id, cell_id, finish_reason, finished_at_us FROM attempts WHERE status = 'succeeded'"
)
_USAGE = (
    '{"completion_tokens": %d, "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": %d},'
    ' "prompt_tokens": %d, "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": %d}, "total_tokens": %d}'
)
_PARAMETERS = '{"max_completion_tokens":4096,"temperature":0.6,"top_p":0.95}'


def run_sizes(n_attempts: int) -> list[int]:
    """Share attempts out over runs: one run up to a million; beyond it one of two million and many smaller ones."""
    sizes: list[int] = []
    for size in itertools.chain((MILLION, 2 * MILLION), itertools.repeat(MILLION // 2)):
        left = n_attempts - sum(sizes)
        if left <= size:
            return [*sizes, left]
        sizes.append(size)
    raise AssertionError("runs never end")


def fill(path: Path, n_attempts: int) -> None:
    """Make a ledger of complete runs with about that many attempts, and a score for each answer."""
    with Ledger.open(path) as ledger:
        planned = [_plan(ledger, number, size) for number, size in enumerate(run_sizes(n_attempts))]
    with sqlite3.connect(path, isolation_level=None) as connection:
        for setting in ("synchronous = OFF", "journal_mode = MEMORY", "cache_size = -262144", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN EXCLUSIVE")
        with _without_upkeep(connection):
            _add_rows(connection, planned)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


@dataclass(frozen=True, slots=True)
class Planned:
    """What one run planned: ids of its cells, one a model, and of its samples."""

    run_id: str
    cells: Sequence[int]
    samples: Sequence[int]


def _plan(ledger: Ledger, number: int, n_attempts: int) -> Planned:
    run_id = f"bench-{number:02}" if number else "bench"
    ledger.create_run(
        RunRecord(
            run_id=run_id,
            created_at_us=START_US + number,
            plan_sha256="",
            harness_version="0",
            price_book_sha256=load_price_book().sha256,
            suites=(SuiteRecord(name="bench", version="1", sha256=""),),
            models=tuple(f"{provider}/{model}" for provider, model, _ in MODELS),
        )
    )
    cells = ledger.add_cells(
        run_id,
        [
            CellRecord(suite="bench", suite_version="1", suite_sha256="", provider=provider, model=model)
            for provider, model, _ in MODELS
        ],
    )
    samples = ledger.add_planned(
        run_id,
        [
            PlannedRecord(
                suite="bench",
                task=f"task {place % N_TASKS}",
                sample_id=f"bench-{place:06}",
                epoch=0,
                draw_order=place,
                inclusion_probability=1.0,
                sample_sha256=f"{place:064x}",
                reference="B",
            )
            for place in range(max(1, round(n_attempts / len(MODELS) / 1.02)))
        ],
    )
    ledger.finish_run(run_id, "complete", finished_at_us=START_US + number)
    return Planned(run_id, cells, samples)


@contextmanager
def _without_upkeep(connection: sqlite3.Connection) -> Iterator[None]:
    """Leave out indexes and triggers while rows are added, and make them again afterwards: five times as quick."""
    upkeep = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ('attempts', 'scores', 'transcripts')"
        " AND type IN ('index', 'trigger') AND sql IS NOT NULL ORDER BY type"
    ).fetchall()
    for kind, name, _ in upkeep:
        connection.execute(f"DROP {kind} {name}")
    yield
    for _, _, made in upkeep:
        connection.execute(made)


def _add_rows(connection: sqlite3.Connection, planned: Sequence[Planned]) -> None:
    connection.execute("INSERT INTO parameter_sets VALUES (1, 'bench', ?)", (_PARAMETERS,))
    groups: dict[tuple[Any, ...], int] = {}
    last = 0
    for place, run in enumerate(planned):
        connection.executemany(_ADD_ATTEMPT, _attempts(run, last, random.Random(SEED + place), groups))
        first, last = last + 1, connection.execute("SELECT max(attempt_id) FROM attempts").fetchone()[0]
        answers = connection.execute(f"{_ANSWERS} AND attempt_id BETWEEN ? AND ?", (first, last))
        connection.executemany(_ADD_SCORE, map(_score, answers))
        spoken = connection.execute(f"{_ANSWERS} AND attempt_id BETWEEN ? AND ?", (first, first + N_TRANSCRIPTS))
        _add_transcripts(connection, spoken.fetchall())
    connection.executemany(_ADD_GROUP, ((number, *key) for key, number in groups.items()))


def _attempts(
    run: Planned, last: int, generator: random.Random, groups: dict[tuple[Any, ...], int]
) -> Iterator[tuple[Any, ...]]:
    """Give the rows of a run's attempts, numbered after the `last` one."""
    number = last
    for planned_id in run.samples:
        for cell_id, (provider, model, tier) in zip(run.cells, MODELS, strict=True):
            before = None
            while True:
                number += 1
                fails = before is None and generator.random() < 0.02
                row = _attempt(generator, number, groups, provider, model, tier, fails)
                yield number, f"{run.run_id}.{cell_id}.{number}", cell_id, planned_id, 1 + bool(before), before, *row
                if not fails:
                    break
                before = number


def _add_transcripts(connection: sqlite3.Connection, answers: Sequence[tuple[Any, ...]]) -> None:
    """Keep what was said in the first attempts of a run, so that a page of one sample has something to show."""
    compression = Compression()
    for attempt_id, planned_id, _, finish_reason, _ in answers:
        question = f"Question {planned_id}: which of these is the second letter?\nA) a\nB) b\nC) c\nD) d"
        body = canonical_json([{"content": question, "role": "user"}]).encode()
        digest = hashlib.sha256(body).digest()
        made = (digest, compression.pack(body))
        connection.execute("INSERT OR IGNORE INTO prompts (sha256, body) VALUES (?, ?)", made)
        (prompt_id,) = connection.execute("SELECT prompt_id FROM prompts WHERE sha256 = ?", (digest,)).fetchone()
        answer = "" if finish_reason == "length" else "It is **b**.\n\nAnswer: B"
        reasoning = f"The alphabet begins with a, then b. (Thought {attempt_id}.)"
        packed = map(compression.pack, (answer.encode(), reasoning.encode()))
        connection.execute(
            "INSERT INTO transcripts (attempt_id, prompt_id, answer, reasoning) VALUES (?, ?, ?, ?)",
            (attempt_id, prompt_id, *packed),
        )


def _attempt(
    generator: random.Random,
    number: int,
    groups: dict[tuple[Any, ...], int],
    provider: str,
    model: str,
    tier: str | None,
    fails: bool,
) -> tuple[Any, ...]:
    started_us = START_US + number * 1_000_000 // PER_S
    finished_us = started_us + generator.randrange(200_000, 20_000_000)
    size = generator.choice((150_000, 230_000, 300_000)) if number % 200 == 0 else generator.randrange(80, 4000)
    cached = generator.randrange(size) if number % 3 == 0 else 0
    reasoning = min(4000, int(generator.lognormvariate(6, 1)))
    output = reasoning + generator.randrange(20, 200)
    known, cut = number % 500 != 0, generator.random() < 0.01
    key = (provider, model, tier, slot(finished_us), context_bucket(size) if known else None, int(known), int(known),
           int(cut and not fails))  # fmt: skip
    group = groups.setdefault(key, len(groups) + 1)
    usage = _USAGE % (output, reasoning, size, cached, size + output)
    tokens = (size - cached, cached, output, reasoning, usage) if known else (None,) * 5
    return (
        "failed" if fails else "succeeded",
        "server_error" if fails else None,
        model,
        model,
        tier,
        f"chatcmpl-{generator.getrandbits(96):024x}",
        started_us,
        finished_us,
        150_000,
        *tokens,
        "provider" if known else "missing",
        "yes" if known else "unknown",
        None if fails else "length" if cut else "stop",
        group,
    )


def _score(answer: tuple[Any, ...]) -> tuple[Any, ...]:
    attempt_id, planned_id, cell_id, finish_reason, finished_us = answer
    cut = finish_reason == "length"
    value = None if cut else 1_000_000 * (attempt_id * 2_654_435_761 % 100 < 60)
    return attempt_id, planned_id, cell_id, value, "truncated" if cut else None, None if cut else "B", finished_us


def fill_apart(path: Path, n_attempts: int) -> None:
    """Fill a ledger in a process of its own, whose memory does not count."""
    subprocess.run([sys.executable, "-m", "benchmarks.filled_ledger", str(path), str(n_attempts)], check=True)


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
