"""How near four workers together come to one provider's rate limit, and how many refusals that takes.

Run as `python -m benchmarks.worker_pacing [--workers 4] [--rate 10] [--seconds 60]`: `benchtab run --workers` against
`benchtab simulate --rate-limit` (a token bucket of one second's worth, which sends Retry-After), once with `--rpm` and
once without any option. Ideal is the time in which the bucket gives out that many requests.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.crashes import PROVIDER, read_books, simulating, write_suite
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows
from tests.support.postgres_server import serving

MOST_REFUSED = 0.01
MOST_TIMES_IDEAL = 1.1
DELAY_MS = 200
CONCURRENCY = 32
AFTER_S = 15.0
"""Refusals later than that are not those that it takes to learn the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """How one run went.

    Attributes:
        n_late: requests refused after the first seconds.
    """

    title: str
    n_samples: int
    n_answered: int
    n_requests: int
    n_refused: int
    n_late: int
    n_workers: int
    took_s: float
    ideal_s: float

    @property
    def ratio(self) -> float:
        """The time it took, in units of the ideal."""
        return self.took_s / self.ideal_s

    @property
    def refused_share(self) -> float:
        """The share of requests that were answered 429."""
        return self.n_refused / self.n_requests

    def line(self) -> str:
        """Say it in one line."""
        return (
            f"{self.title}: {self.n_answered} of {self.n_samples} answered by {self.n_workers} workers in"
            f" {self.took_s:.1f} s, ideal {self.ideal_s:.1f} s, ratio {self.ratio:.3f}; 429s: {self.n_refused} of"
            f" {self.n_requests} requests ({self.refused_share:.1%}), {self.n_late} of them after {AFTER_S:g} s"
        )


def run_paced(
    folder: Path, title: str, *, rate: float, seconds: float, n_workers: int, options: Sequence[str]
) -> Paced:
    """Have workers ask a server that allows `rate` requests a second, until it could have answered for so long."""
    n_samples = round(rate * seconds)
    folder.mkdir()
    suite, log = write_suite(folder, n_samples), folder / "billing.jsonl"
    with serving() as server:
        url = server.new_ledger()
        with simulating(suite, log, "--rate-limit", str(rate), "--delay-ms", str(DELAY_MS)) as base_url:
            words = [
                "run",
                str(suite),
                "-m",
                f"{PROVIDER}/sim-direct",
                "-q",
                "--base-url",
                base_url,
                "--no-transcripts",
            ]
            words += ["--concurrency", str(CONCURRENCY), "--workers", str(n_workers), *options]
            ended = subprocess.run(
                [sys.executable, "-m", "harness", *words, "--db", url], capture_output=True, text=True, check=False,
                env=dict(os.environ),
            )  # fmt: skip
        if ended.returncode:
            raise SystemExit(f"benchtab run ended with {ended.returncode}:\n{ended.stderr[-2_000:]}")
        with Ledger.open(url, create=False) as ledger:
            n_answered = sum(row.status == "succeeded" for row in attempt_rows(ledger))
    books = list(read_books(log).values())
    instants = [datetime.fromisoformat(row["at"]).timestamp() for row in books]
    refused = [at_s for row, at_s in zip(books, instants, strict=True) if row["status"] == 429]
    return Paced(
        title=title,
        n_samples=n_samples,
        n_answered=n_answered,
        n_requests=len(books),
        n_refused=len(refused),
        n_late=sum(at_s > min(instants) + AFTER_S for at_s in refused),
        n_workers=n_workers,
        took_s=max(instants) - min(instants),
        ideal_s=(n_samples - rate) / rate,
    )


def measure(folder: Path, *, rate: float = 10.0, seconds: float = 60.0, n_workers: int = 4) -> bool:
    """Run with and without the option and print both; says whether they hold what is promised.

    Without the option, refusals are what the limit is learned from: their share is stated, only the time is judged.
    """
    per_minute = f"{rate * 60:g}"
    given = run_paced(
        folder / "given", f"--rpm {per_minute}", rate=rate, seconds=seconds, n_workers=n_workers,
        options=("--rpm", per_minute),
    )  # fmt: skip
    print(given.line(), flush=True)
    learned = run_paced(folder / "learned", "no option", rate=rate, seconds=seconds, n_workers=n_workers, options=())
    print(learned.line(), flush=True)
    is_whole = all(one.n_answered == one.n_samples and one.ratio <= MOST_TIMES_IDEAL for one in (given, learned))
    return is_whole and given.refused_share <= MOST_REFUSED


def main() -> None:
    """Measure what the command line asks for; end with 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=10.0, help="requests a second that the server allows")
    parser.add_argument("--seconds", type=float, default=60.0, help="ideal length of each run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchtab-worker-pacing-") as name:
        held = measure(Path(name), rate=arguments.rate, seconds=arguments.seconds, n_workers=arguments.workers)
    verdict = "held" if held else "MISSED"
    print(f"time <= {MOST_TIMES_IDEAL} times the ideal, 429s <= {MOST_REFUSED:.0%} with --rpm: {verdict}")
    raise SystemExit(0 if held else 1)


if __name__ == "__main__":
    main()
