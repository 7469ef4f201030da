"""Prints every comparison with recorded data: `python -m benchmarks.recorded [SHARED]`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.recorded import aider, openrouter, payloads, replays, trajectories
from harness.pricing.price_files import load_price_book
from harness.rendering.console import print_table


def main() -> int:
    """Print the tables; the folder is the argument, BENCHTAB_SHARED, or ../shared beside the checkout."""
    default = os.environ.get("BENCHTAB_SHARED", Path(__file__).resolve().parents[3] / "shared")
    data = Path(sys.argv[1] if len(sys.argv) > 1 else default) / "data"
    if not data.is_dir():
        print(f"no recorded data at {data}; pass the folder that holds data/", file=sys.stderr)
        return 2
    recorded, book = data / "recorded", load_price_book()
    tables = (
        payloads.table(payloads.compare(data / "usage/provider_usages_400.json")),
        openrouter.table(openrouter.price_responses(recorded / "openrouter_responses/responses.jsonl", book)),
        trajectories.table(trajectories.price_trajectories(recorded / "litellm_trajectories", book)),
        aider.table(aider.price_leaderboard(recorded / "aider_leaderboard/polyglot_leaderboard.yml", book)),
        replays.table(replays.read_replays(recorded / "provider_replays/replay.jsonl", book)),
    )
    for table in tables:
        print_table(table)
        print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
