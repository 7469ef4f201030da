"""What a report, its page and each export take over a large ledger, in time, memory and bytes, beside the targets.

Run as `python -m benchmarks.reports [--attempts N] [--only NAME ...]`; fills a temporary SQLite ledger with N attempts
of twelve models (retries, cut answers, missing usage and context tiers among them), then measures every output in a
process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.filled_ledger import fill_apart
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book

TARGETS = {"attempts.parquet": "20 s, 400 MB", "samples.parquet": "300 MB", "page.html": "3 MB file (six models)"}


def _report(db: Path, output: Path) -> None:
    from harness.rendering.console import print_table
    from harness.reports.facts.assembly import spend_report
    from harness.reports.spend.spend_tables import summary_table

    with Ledger.open(db) as ledger, output.open("w") as file:
        print_table(summary_table(spend_report(ledger, load_price_book())), file=file, width=120)


def _page(db: Path, output: Path) -> None:
    from harness.rendering.html.html_page import to_html
    from harness.reports.facts.assembly import spend_report
    from harness.reports.spend.spend_page import report_page

    with Ledger.open(db) as ledger:
        report = spend_report(ledger, load_price_book())
        output.write_text(to_html(report_page(report)), encoding="utf-8")


def _export(db: Path, output: Path) -> None:
    from harness.rendering.export_files import export_table

    with Ledger.open(db) as ledger:
        export_table(ledger, load_price_book(), output.stem, output)


OUTPUTS: dict[str, Callable[[Path, Path], None]] = {
    "report.txt": _report,
    "page.html": _page,
    **{f"{table}.{kind}": _export for table in ("samples", "attempts", "scores", "charges", "report")
       for kind in ("parquet", "csv")},
}  # fmt: skip


def _measure(name: str, db: Path, output: Path) -> None:
    """Make one output in this process and print what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    OUTPUTS[name](db, output)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    target = f"  (target {TARGETS[name]})" if name in TARGETS else ""
    print(f"{name:>17}: {wall:6.1f} s wall, {cpu:6.1f} s CPU, peak memory {memory_mb:4.0f} MB,"
          f" file {output.stat().st_size / 1e6:8.2f} MB{target}", flush=True)  # fmt: skip


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=OUTPUTS, default=list(OUTPUTS))
    parser.add_argument("--db", type=Path, help="keep the ledger in this file, and use it when it exists")
    parser.add_argument("--one", choices=OUTPUTS, help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        _measure(chosen.one, chosen.db, chosen.output)
        return
    with tempfile.TemporaryDirectory() as folder:
        db = chosen.db or Path(folder) / "bench.db"
        if not db.exists():
            began = time.perf_counter()
            fill_apart(db, chosen.attempts)
            print(f"{chosen.attempts:,} attempts filled in {time.perf_counter() - began:.0f} s,"
                  f" ledger {db.stat().st_size / 1e6:,.0f} MB", flush=True)  # fmt: skip
        for name in chosen.only:
            one = ("--one", name, "--db", str(db), "--output", str(Path(folder) / name))
            subprocess.run([sys.executable, "-m", "benchmarks.reports", *one], check=True)


if __name__ == "__main__":
    main()
