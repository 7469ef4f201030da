"""Many workers, one ledger: that their runs are one run, whatever happens to them, and what they cost.

Run as `python -m benchmarks.workers [--only chaos ...] [--runs 200]`: real processes, a PostgreSQL of the proof's own,
the simulated server's billing log as the other side's books. Prints what held and what was missed; exit 1 on a miss.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.workers.capacity import capacity
from benchmarks.workers.chaos import torment
from benchmarks.workers.equality import equal
from benchmarks.workers.throughput import throughput
from benchmarks.workers.verdicts import report


def chaos(arguments: argparse.Namespace, folder: Path) -> bool:
    """Runs in which processes are killed, stopped and woken, and the database is restarted."""
    verdicts, writes = torment(folder, runs=arguments.runs, at_once=arguments.at_once, seed=arguments.seed)
    return report(verdicts, writes=writes)


def equality(arguments: argparse.Namespace, folder: Path) -> bool:
    """The same run by one process, by several workers, by a Ray cluster."""
    return equal(folder, requests=arguments.requests)


def requests(arguments: argparse.Namespace, folder: Path) -> bool:
    """Requests a second and what one costs, PostgreSQL included."""
    return throughput(folder, requests=arguments.requests)


def ledger(arguments: argparse.Namespace, _: Path) -> bool:
    """Leases and reservations that one PostgreSQL takes a second."""
    return capacity(seconds=arguments.seconds)


PARTS = {"equality": equality, "chaos": chaos, "throughput": requests, "capacity": ledger}


def main() -> None:
    """Carry out the parts and end with 1 when one of them does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--runs", type=int, default=200, help="chaotic runs")
    parser.add_argument("--at-once", type=int, default=2, help="chaotic runs at once")
    parser.add_argument("--requests", type=int, default=20_000, help="of each run that is equal or timed")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each load on the ledger")
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
