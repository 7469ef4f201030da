"""What a report, its page and each export take over a large ledger, beside a bare scan of the same columns and targets.

Run as `python -m benchmarks.reports [--attempts N] [--only NAME ...]`; fills a temporary SQLite ledger with N attempts
of twelve models (retries, cut answers, missing usage and context tiers among them), then makes every output, and scans
its columns with sqlite3 and with the Arrow driver, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.bare_scans import QUERIES, SCANS
from benchmarks.filled_ledger import fill_apart
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book

TARGETS: dict[str, dict[int, tuple[float, int]]] = {
    "report.txt": {1_000_000: (1.5, 250), 10_000_000: (12, 400)},
    "again.txt": {1_000_000: (0.3, 250), 10_000_000: (0.3, 400)},
    "added.txt": {10_000_000: (12, 400)},
    "page.html": {1_000_000: (1.5, 250), 10_000_000: (12, 400)},
    "attempts.parquet": {1_000_000: (4, 300), 10_000_000: (40, 300)},
    "scores.parquet": {1_000_000: (2, 300), 10_000_000: (20, 300)},
    "charges.parquet": {1_000_000: (6, 300), 10_000_000: (60, 300)},
    "attempts.csv": {1_000_000: (8, 300), 10_000_000: (80, 300)},
}
"""Seconds and megabytes by output and attempts."""
COMMANDS = frozenset({"report.txt", "again.txt", "added.txt", "page.html"})
"""Outputs made by the command itself, its start included: the process that is measured is its parent."""
NEAR = 0.05
"""How far a number of attempts may be from that of a target."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took; the processes that it started are counted apart."""

    wall_s: float
    cpu_s: float
    memory_mb: float
    helper_mb: float


def _report(db: Path, output: Path) -> None:
    _command(db, output, "--recount")


def _again(db: Path, output: Path) -> None:
    _command(db, output)


def _added(db: Path, output: Path) -> None:
    _command(db, output, kept="kept-of-others")


def _report_others(db: Path, output: Path) -> None:
    """Make the report over all runs but the newest, as it was before that one was added."""
    with Ledger.open(db) as ledger:
        others = [run.run_id for run in ledger.runs()][:-1]
    if others:
        _command(db, output, *others, kept="kept-of-others")


def _page(db: Path, output: Path) -> None:
    _command(db, output, "--recount", "-o", str(output))


def _command(db: Path, output: Path, *words: str, kept: str = "kept") -> None:
    """Run the command as a person does; what it keeps lies beside its output."""
    environment = {**os.environ, "BENCHTAB_CACHE": str(output.parent / kept), "COLUMNS": "120"}
    command = [sys.executable, "-m", "harness", "report", "--db", str(db), *words]
    told = subprocess.run(command, env=environment, check=True, capture_output=True)
    if "-o" not in words:
        output.write_bytes(told.stdout)


def _export(db: Path, output: Path) -> None:
    from harness.rendering.export_files import export_table

    with Ledger.open(db) as ledger:
        export_table(ledger, load_price_book(), output.stem, output)


OUTPUTS: dict[str, Callable[[Path, Path], None]] = {
    "report.txt": _report,
    "again.txt": _again,
    "added.txt": _added,
    "page.html": _page,
    **{f"{table}.{kind}": _export for table in ("samples", "attempts", "scores", "charges", "report")
       for kind in ("parquet", "csv")},
}  # fmt: skip


@contextmanager
def _printed(*, is_command: bool) -> Iterator[None]:
    """Print what the block took as JSON; of a command, what it took itself."""
    began = time.perf_counter()
    yield
    wall_s = time.perf_counter() - began
    own, started = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu_s = sum(used.ru_utime + used.ru_stime for used in (own, started))
    memory = [started.ru_maxrss, 0] if is_command else [own.ru_maxrss, started.ru_maxrss]
    print(json.dumps(asdict(Took(wall_s, cpu_s, *(kilobytes / 1024 for kilobytes in memory)))))


def _apart(*arguments: str) -> Took:
    """Run one measurement in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.reports", *arguments]
    return Took(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _row(name: str, db: Path, output: Path, n_attempts: int) -> str:
    """Measure an output and what it reads."""
    if name == "again.txt":  # something must have been told before
        _report(db, output)
    elif name == "added.txt":
        _report_others(db, output)
    took = _apart("--one", name, "--db", str(db), "--output", str(output))
    read = "report" if name in COMMANDS else output.stem
    scans = [_apart("--scan", how, "--one", f"{read}.csv", "--db", str(db)).wall_s for how in SCANS if read in QUERIES]
    beside = "".join(f"{seconds:9.2f} {took.wall_s / seconds:5.1f}x" for seconds in scans) or " " * 32
    return (f"{name:>16} {took.wall_s:7.1f} {took.cpu_s:7.1f} {took.memory_mb:6.0f} + {took.helper_mb:3.0f}"
            f" {output.stat().st_size / 1e6:9.2f} {beside}  {_verdict(name, took, n_attempts)}")  # fmt: skip


def _verdict(name: str, took: Took, n_attempts: int) -> str:
    for n, (seconds, memory_mb) in TARGETS.get(name, {}).items():
        if abs(n_attempts - n) < NEAR * n:
            missed = [word for word, is_so in (("time", took.wall_s > seconds), ("memory", took.memory_mb > memory_mb))
                      if is_so]  # fmt: skip
            return f"{seconds:g} s, {memory_mb} MB: {' and '.join(missed) + ' missed' if missed else 'met'}"
    return "no target"


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=OUTPUTS, default=list(OUTPUTS))
    parser.add_argument("--db", type=Path, help="keep the ledger in this file, and use it when it exists")
    parser.add_argument("--one", choices=OUTPUTS, help=argparse.SUPPRESS)
    parser.add_argument("--scan", choices=SCANS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        with _printed(is_command=chosen.one in COMMANDS and not chosen.scan):
            if chosen.scan:
                SCANS[chosen.scan](chosen.db, QUERIES[Path(chosen.one).stem])
            else:
                OUTPUTS[chosen.one](chosen.db, chosen.output)
        return
    with tempfile.TemporaryDirectory() as folder:
        db = chosen.db or Path(folder) / "bench.db"
        if not db.exists():
            began = time.perf_counter()
            fill_apart(db, chosen.attempts)
            print(f"filled in {time.perf_counter() - began:.0f} s")
        with closing(sqlite3.connect(db)) as connection:
            ((n_attempts,),) = connection.execute("SELECT max(attempt_id) FROM attempts")
        print(f"{n_attempts:,} attempts, ledger {db.stat().st_size / 1e6:,.0f} MB")
        print(f"{'':>16}  wall s   CPU s  MB + helper   file MB   sqlite3 ratio     adbc ratio  target", flush=True)
        for name in chosen.only:
            print(_row(name, db, Path(folder) / name, n_attempts), flush=True)
            (Path(folder) / name).unlink()


if __name__ == "__main__":
    main()
