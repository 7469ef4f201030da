"""How long it takes to charge and total a large ledger, and one call beside genai-prices and litellm.

Run as `python -m benchmarks.costs [--attempts N ...]`; fills a temporary SQLite ledger with N attempts (context tiers,
time windows, batches and unknown usage among them), charges it by groups and, for the smallest N, row by row as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.costs import cost_of
from harness.costs.stretches import GroupTerms, GroupUsage, charge_groups, total_usd
from harness.ledger import CellRecord, Ledger, RunRecord
from harness.money import add
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.usage import Meter, Usage
from harness.usage.context_sizes import CONTEXT_BOUNDS, SLOT_US, context_bucket, slot

START = datetime(2026, 8, 10, tzinfo=UTC)
N_RUNS = 30
RUN_US = 40 * 60 * 1_000_000
N_SUITES = 8
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
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GROUP = ("provider", "model", "service_tier", "slot_us", "context_bucket", "usage_known")


def _attempts(n: int) -> Iterator[tuple[int, int, str, str, str | None, int, int | None, int, int, int]]:
    """Invent attempts: cell, suite, model, instant, uncached and cached input, output, reasoning."""
    generator = random.Random(20261122)
    for number in range(n):
        suite, place = number % N_SUITES, number // N_SUITES % len(MODELS)
        provider, model, tier = MODELS[place]
        day_us = 86_400_000_000 * (number * N_RUNS // n)
        at_us = (
            (START - _EPOCH) // timedelta(microseconds=1) + day_us + generator.randrange(RUN_US) + place * 3_600_000_000
        )
        size = generator.choice((150_000, 230_000, 300_000)) if number % 100 == 0 else generator.randrange(80, 4000)
        cached = generator.randrange(size) if number % 3 == 0 else 0
        output = generator.randrange(20, 12_000)
        known = number % 500 != 0
        yield suite, place, provider, model, tier, at_us, size if known else None, cached, output, output // 2


def _fill(path: Path, n: int) -> None:
    with Ledger.open(path) as ledger:
        ledger.create_run(
            RunRecord(run_id="bench", created_at_us=0, plan_sha256="", harness_version="0", price_book_sha256="")
        )
        cells = ledger.add_cells(
            "bench",
            [
                CellRecord(suite=f"suite-{suite}", suite_version="1", suite_sha256="", provider=provider, model=model)
                for provider, model, _ in MODELS
                for suite in range(N_SUITES)
            ],
        )
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("INSERT INTO parameter_sets VALUES (1, 'bench', '{}')")
        groups: dict[tuple[Any, ...], int] = {}
        connection.executemany(_INSERT, _rows(n, cells, groups))
        connection.executemany(
            f"INSERT INTO usage_groups (usage_group_id, {', '.join(_GROUP)}, itemised, truncated, refused)"
            f" VALUES (?, {', '.join('?' * len(_GROUP))}, 1, 0, 0)",
            ((number, *key) for key, number in groups.items()),
        )


_COLUMNS = (
    "attempt_id", "request_id", "cell_id", "usage_group_id", "service_tier", "finished_at_us", "input_tokens",
    "cache_read_tokens", "output_tokens", "reasoning_tokens", "usage_source",
)  # fmt: skip
_INSERT = (
    f"INSERT INTO attempts ({', '.join(_COLUMNS)}, purpose, try_number, status, model_requested, parameter_set_id,"
    " started_at_us, normaliser_version, reserved_pico_usd, reserved_input_tokens, reserved_output_tokens, refused)"
    f" VALUES ({', '.join('?' * len(_COLUMNS))}, 'solve', 1, 'succeeded', '', 1, 0, 1, 0, 0, 0, 0)"
)


def _rows(n: int, cells: list[int], groups: dict[tuple[Any, ...], int]) -> Iterator[tuple[Any, ...]]:
    for number, (suite, place, provider, model, tier, at_us, size, cached, output, reasoning) in enumerate(
        _attempts(n), 1
    ):
        known = size is not None
        key = (provider, model, tier, slot(at_us), context_bucket(size), int(known))
        group = groups.setdefault(key, len(groups) + 1)
        tokens = (size - cached, cached, output, reasoning) if size is not None else (None, None, None, None)
        cell = cells[place * N_SUITES + suite]
        yield number, f"r{number}", cell, group, tier, at_us, *tokens, "provider" if known else "missing"


_SUMS = """
    SELECT cell_id, usage_group_id, count(*), sum(input_tokens), sum(cache_read_tokens), sum(output_tokens),
        sum(reasoning_tokens)
    FROM attempts WHERE status <> 'sent' AND other_meters IS NULL AND stated_cost_usd IS NULL
    GROUP BY cell_id, purpose, status, usage_group_id
"""


def _groups(connection: sqlite3.Connection) -> Iterator[GroupUsage]:
    terms = _terms(connection)
    for cell, group, n, plain_input, cached, output, reasoning in connection.execute(_SUMS):
        if plain_input is None:
            continue
        quantities = {
            Meter.INPUT: plain_input,
            Meter.CACHE_READ: cached,
            Meter.OUTPUT: output - reasoning,
            Meter.REASONING: reasoning,
        }
        yield GroupUsage(owner=cell, terms=terms[group], quantities=quantities, n_attempts=n)


def _terms(connection: sqlite3.Connection) -> dict[int, GroupTerms]:
    above = dict(zip(CONTEXT_BOUNDS, (*(bound - 1 for bound in CONTEXT_BOUNDS[1:]), None), strict=True))
    return {
        number: GroupTerms(
            provider=provider,
            model=model,
            service_tier=tier,
            start_us=slot_us,
            span_us=SLOT_US,
            thinking=True,
            least_context_tokens=bucket,
            most_context_tokens=above[bucket],
        )
        for number, provider, model, tier, slot_us, bucket, _ in connection.execute(
            f"SELECT usage_group_id, {', '.join(_GROUP)} FROM usage_groups WHERE usage_known"
        )
    }


def _no_rows(group: GroupUsage) -> Iterable[GroupUsage]:
    raise AssertionError(f"a shipped price changes inside a group: {group.terms}")


def _grouped_total(path: Path, book: PriceBook) -> tuple[Decimal, int]:
    with sqlite3.connect(path) as connection:
        return total_usd(charge_groups(book, _groups(connection), _no_rows))


def _row_by_row_total(n: int, book: PriceBook) -> Decimal:
    amounts = []
    for _, _, provider, model, tier, at_us, size, cached, output, reasoning in _attempts(n):
        if size is None:
            continue
        usage = Usage(input_tokens=size, output_tokens=output, cache_read_tokens=cached, reasoning_tokens=reasoning)
        at = _EPOCH + timedelta(microseconds=at_us)
        cost = cost_of(book, usage, provider=provider, model=model, at=at, service_tier=tier, thinking=True)
        assert cost.list_usd is not None, cost.warnings
        amounts.append(cost.list_usd)
    return add(amounts)


def _measure(n: int, book: PriceBook, *, compare: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        _fill(path, n)
        times, cpu_times = [], []
        for _ in range(3):
            began, cpu_began = time.perf_counter(), time.process_time()
            total, n_unpriced = _grouped_total(path, book)
            times.append(time.perf_counter() - began)
            cpu_times.append(time.process_time() - cpu_began)
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{n:>10,} attempts by groups: {min(times):.3f} s best of 3 ({min(cpu_times):.3f} s CPU), ${total},"
              f" {n_unpriced} unpriced, peak memory {memory_mb:.0f} MB")  # fmt: skip
        if compare:
            began = time.perf_counter()
            expected = _row_by_row_total(n, book)
            elapsed = time.perf_counter() - began
            same = "the same to the last digit" if expected == total else f"DIFFERENT: ${expected}"
            print(f"{n:>10,} attempts row by row: {elapsed:.3f} s ({elapsed / min(times):.0f}x), {same}")


def _per_call(name: str, call: Callable[[], object], n: int = 2000) -> float:
    call()
    began = time.perf_counter()
    for _ in range(n):
        call()
    each_us = (time.perf_counter() - began) / n * 1e6
    print(f"{name:>14}: {each_us:.0f} us per call")
    return each_us


def _compare_calls(book: PriceBook) -> None:
    """Price 1,000 tokens in (100 cached) and 500 out of o3 with each library that is installed."""
    at = datetime(2026, 8, 1, tzinfo=UTC)
    usage = Usage(input_tokens=1000, output_tokens=500, cache_read_tokens=100)
    ours = _per_call("benchtab", lambda: cost_of(book, usage, provider="openai", model="o3", at=at))
    others: dict[str, Callable[[], object]] = {}
    if importlib.util.find_spec("genai_prices"):
        from genai_prices import Usage as GenaiUsage
        from genai_prices import calc_price

        theirs = GenaiUsage(input_tokens=1000, output_tokens=500, cache_read_tokens=100)
        others["genai-prices"] = lambda: calc_price(theirs, "o3", provider_id="openai", genai_request_timestamp=at)
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    others["litellm"] = lambda: litellm.cost_per_token(
        model="o3", prompt_tokens=1000, completion_tokens=500, cache_read_input_tokens=100
    )
    for name, call in others.items():
        print(f"{'':>14}  {_per_call(name, call) / ours:.1f}x ours")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, nargs="+", default=[100_000, 1_000_000])
    chosen = parser.parse_args()
    book = load_price_book()
    for n in sorted(chosen.attempts):
        _measure(n, book, compare=n == min(chosen.attempts))
    _compare_calls(book)


if __name__ == "__main__":
    main()
