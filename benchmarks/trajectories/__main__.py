"""Chaotic runs of conversations under caps: what the simulated server billed, and what it was asked, against them.

Run as `python -m benchmarks.trajectories [--runs 200]`: suite `workbench` and a judged one over HTTP, with models that
call 64 tools at once, loop, garble and fail; processes are killed and resumed. Prints what held; exit 1 on a miss.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.trajectories.talk_verdicts import report
from benchmarks.trajectories.tormented_runs import torment


def main() -> None:
    """Run the proof and end with 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first run: a part of them all")
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="an empty folder that keeps ledgers, logs and billing logs")
    arguments = parser.parse_args()
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="benchtab-trajectories-") as name:
        folder = arguments.keep or Path(name)
        numbers = range(arguments.first, arguments.first + arguments.runs)
        verdicts = torment(folder, numbers, at_once=arguments.at_once, seed=arguments.seed)
    holds = report(verdicts)
    print(f"{'holds' if holds else 'FAILS'} ({time.monotonic() - started_s:.0f} s)")
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
