"""A large log into an empty ledger: how long it takes and how much memory, from `benchtab import` in its own process.

Data flows generated calls -> a JSON Lines file -> `benchtab import` -> its processor time and largest memory. Run as
`make bench-imports`.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("benchtab")
MODELS = ("gpt-4o-mini", "gpt-4o", "o3-mini")
TARGET_S, TARGET_MB = 60, 300


def write_calls(path: Path, n_calls: int) -> None:
    """Write calls as gateways see them: four repeats of each question, times over a month, a cached part, a score."""
    dice = random.Random(7)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(n_calls):
            sent, cached, written = dice.randint(200, 2_000), dice.choice((0, 128)), dice.randint(5, 900)
            usage = {
                "prompt_tokens": sent,
                "completion_tokens": written,
                "total_tokens": sent + written,
                "prompt_tokens_details": {"cached_tokens": cached},
                "completion_tokens_details": {"reasoning_tokens": 0},
            }
            call = {
                "id": f"req-{number}",
                "provider": "openai",
                "model": MODELS[number % 3],
                "usage": usage,
                "at": f"2025-06-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:00Z",
                "suite": "large",
                "sample": f"q{number // 12}",
                "epoch": number // 3 % 4,
                "score": number % 2,
            }
            stream.write(json.dumps(call) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what it took; 1 when the import failed or took more memory than it may."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    n_calls = parser.parse_args(arguments).calls
    with tempfile.TemporaryDirectory() as folder:
        log, ledger = Path(folder) / "calls.jsonl", Path(folder) / "ledger.db"
        write_calls(log, n_calls)
        began_s = time.monotonic()
        done = subprocess.run(
            [PROGRAM, "import", str(log), "--db", str(ledger), "--json"], capture_output=True, text=True, check=False
        )
        took_s = time.monotonic() - began_s
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            print(done.stderr)
            return 1
        (run,) = json.loads(done.stdout)["runs"]
        n_stored, most_mb = run["n_attempts"], used.ru_maxrss / 1024
        print(f"{n_stored:,} calls ({log.stat().st_size / 1e6:,.0f} MB) into {ledger.stat().st_size / 1e6:,.0f} MB")
        print(f"{took_s:,.1f} s by the clock (target {TARGET_S}), {used.ru_utime + used.ru_stime:,.1f} s of processor")
        print(f"{most_mb:,.0f} MB of memory at most (target {TARGET_MB}), the closing report included")
        return 0 if n_stored == n_calls and most_mb <= TARGET_MB else 1


if __name__ == "__main__":
    sys.exit(main())
