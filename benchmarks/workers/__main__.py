"""Many workers, one ledger: that their runs are one run, whatever happens to them, and what they cost.

Run as `python -m benchmarks.workers [--only chaos ...] [--runs 200]`: real processes, a PostgreSQL of the proof's own,
the simulated server's billing log as the other side's books. Prints what held and what was missed; exit 1 on a miss.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.workers.chaos import torment
from benchmarks.workers.verdicts import report


def chaos(arguments: argparse.Namespace, folder: Path) -> bool:
    """Runs in which processes are killed, stopped and woken, and the database is restarted."""
    verdicts, writes = torment(folder, runs=arguments.runs, lanes=arguments.lanes, seed=arguments.seed)
    return report(verdicts, n_lanes=arguments.lanes, writes=writes)


PARTS = {"chaos": chaos}


def main() -> None:
    """Carry out the parts and end with 1 when one of them does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--runs", type=int, default=200, help="chaotic runs")
    parser.add_argument("--lanes", type=int, default=2, help="chaotic runs at once")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    holds = True
    for name in arguments.only:
        started_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="benchtab-workers-") as folder:
            held = PARTS[name](arguments, Path(folder))
        print(f"{name}: {'held' if held else 'MISSED'} ({time.monotonic() - started_s:.0f} s)", flush=True)
        holds &= held
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
