"""How long the spend report over a large ledger takes, and one call beside genai-prices and litellm.

Run as `python -m benchmarks.costs [--attempts N ...]`; fills a temporary SQLite ledger with about N attempts, makes the
report that `benchtab report` prints of them and, for the smallest N, charges each attempt by itself as well.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from benchmarks.filled_ledger import fill_apart
from harness.costs import Served, cost_of, price_request
from harness.instants import from_us
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from harness.money import add
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.charger import usage_of_row
from harness.usage import Usage


def _reported(ledger: Ledger, book: PriceBook) -> tuple[Decimal, int]:
    """Give the report's total and how many attempts it has no usage of."""
    facts = [row.facts.solve for row in spend_report(ledger, book).rows]
    return add(spend.cost.total for spend in facts), sum(spend.n_unknown_usage for spend in facts)


def _row_by_row(ledger: Ledger, book: PriceBook) -> Decimal:
    amounts = []
    for row in attempt_rows(ledger):
        served = Served(
            provider=row.provider_asked,
            model=row.model_requested,
            at=from_us(row.finished_at_us or row.started_at_us),
            model_served=row.model_served,
            service_tier=row.service_tier,
            mode=row.mode,
            thinking=row.thinking,
        )
        amounts.append(price_request(book, usage_of_row(row), served).list_usd)
    return add(usd for usd in amounts if usd is not None)


def _measure(n: int, book: PriceBook, *, compare: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        fill_apart(path, n)
        with Ledger.open(path) as ledger:
            times, cpu_times = [], []
            for _ in range(3):
                began, cpu_began = time.perf_counter(), time.process_time()
                total, n_unknown = _reported(ledger, book)
                times.append(time.perf_counter() - began)
                cpu_times.append(time.process_time() - cpu_began)
            memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{n:>10,} attempts reported: {min(times):.3f} s best of 3 ({min(cpu_times):.3f} s CPU), ${total},"
                  f" {n_unknown} of unknown usage, peak memory {memory_mb:.0f} MB", flush=True)  # fmt: skip
            if compare:
                began = time.perf_counter()
                expected = _row_by_row(ledger, book)
                elapsed = time.perf_counter() - began
                same = "the same to the last digit" if expected == total else f"DIFFERENT: ${expected}"
                print(f"{n:>10,} attempts one by one: {elapsed:.3f} s ({elapsed / min(times):.0f}x), {same}")


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
