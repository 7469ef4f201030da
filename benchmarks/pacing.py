"""How near a run comes to a provider's rate limit, and how many refusals that takes.

Run as `python -m benchmarks.pacing [--rates 10 50 200] [--seconds 15]`: `benchtab run` against `benchtab simulate
--rate-limit` (a token bucket of one second's worth). Ideal is the time in which the bucket
gives out that many requests.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.crashes import PROVIDER, read_books, simulating, write_suite
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows

TARGET = 1.3


def measure(folder: Path, *, rate: float, seconds: float, concurrency: int, delay_ms: float) -> bool:
    """Run at one rate limit and print it; says whether the target is met."""
    samples = max(10, round(rate * seconds))
    suite, log, database = write_suite(folder, samples), folder / "billing.jsonl", folder / "ledger.db"
    with simulating(suite, log, "--rate-limit", str(rate), "--delay-ms", str(delay_ms)) as url:
        command = [sys.executable, "-m", "harness", "run", str(suite), "-m", f"{PROVIDER}/sim-direct", "-q"]
        command += ["--base-url", url, "--db", str(database), "--concurrency", str(concurrency), "--no-transcripts"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"benchtab run ended with {ended.returncode}:\n{ended.stderr[-2_000:]}")
    with Ledger.open(database, create=False) as ledger:
        rows = list(attempt_rows(ledger))
    took_s = (max(row.finished_at_us or 0 for row in rows) - min(row.started_at_us for row in rows)) / 1e6
    ideal_s = max((samples - rate) / rate, samples * delay_ms / 1000 / concurrency) + delay_ms / 1000
    refused = sum(row["status"] == 429 for row in read_books(log).values())
    answered = sum(row.status == "succeeded" for row in rows)
    print(
        f"{rate:6g}/s, {concurrency:3d} in flight, {delay_ms:4g} ms: {answered} of {samples} answered in"
        f" {took_s:.2f} s, ideal {ideal_s:.2f} s, ratio {took_s / ideal_s:.2f}; 429s seen: {refused}"
    )
    return took_s <= TARGET * ideal_s and answered == samples


def main() -> None:
    """Measure what the command line asks for; end with 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[5.0, 20.0, 100.0])
    parser.add_argument("--seconds", type=float, default=15.0, help="ideal length of each run")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 128])
    parser.add_argument("--delay-ms", type=float, nargs="+", default=[0.0, 300.0])
    arguments = parser.parse_args()
    met = []
    for rate in arguments.rates:
        for concurrency in arguments.concurrency:
            for delay_ms in arguments.delay_ms:
                with tempfile.TemporaryDirectory(prefix="benchtab-pacing-") as name:
                    met.append(
                        measure(
                            Path(name),
                            rate=rate,
                            seconds=arguments.seconds,
                            concurrency=concurrency,
                            delay_ms=delay_ms,
                        )
                    )
    print(f"{sum(met)} of {len(met)} within {TARGET} times the ideal")
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
