"""How quickly pages of samples come over a large ledger, by HTTP from `benchtab view`, beside targets and a bare scan.

Run as `python -m benchmarks.view [--attempts N ...] [--db FILE ...]`; fills temporary SQLite ledgers of twelve models,
or uses the files given. Measured over the largest run of each: the first page (its index is read then), every filter
and every order of the view alone and together, pages of one sample and of one question, then the first page after a
restart. Beside them, in the same minutes: sqlite3 fetching the same columns, and numpy sorting as many numbers.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

import numpy as np

from benchmarks.filled_ledger import fill_apart
from harness.view.answers.sample_choice import ORDERS, VERDICTS
from harness.view.page_addresses import samples_address

MILLION = 1_000_000
SIZES = (MILLION, 10 * MILLION)
TARGETS_S = {"samples": 0.3, "one sample": 0.1, "one question": 0.1}
"""At the 95th percentile."""
N_SINGLE = 60
_FILTERS = (
    "", "model=openai/o3", "model=xai/grok-4.20&model=google/gemini-2.5-pro", "task=task+1", "reason=truncated",
    *(f"verdict={name}" for name in VERDICTS), "state=failed", "state=retried", "cost_min=0.01", "cost_max=0.001",
    "output_min=1000&output_max=2000", "share_min=90", "duration_min=10", "id=0001", "text=alphabet", "dearest=1",
    "task=task+2&verdict=wrong&output_min=500",
)  # fmt: skip
_ORDERS = ("", *ORDERS, *(f"-{name}" for name in ORDERS))
_SCANNED = (
    "attempt_id, cell_id, planned_id, purpose, status, try_number, usage_group_id, started_at_us, finished_at_us,"
    " first_byte_us, input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,"
    " reasoning_tokens"
)


@dataclass(slots=True)
class Served:
    """A server that is asked over one connection."""

    process: subprocess.Popen[str]
    port: int
    _connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)

    def get(self, address: str) -> tuple[str, float]:
        """Give a page and the seconds that it took."""
        began = time.perf_counter()
        self._connection.request("GET", address)
        answer = self._connection.getresponse()
        body = answer.read().decode()
        took_s = time.perf_counter() - began
        if answer.status != 200:
            raise SystemExit(f"{address}: {answer.status}\n{body[-500:]}")
        return body, took_s

    def until_read(self, address: str) -> float:
        """Ask for a list until its run is read; gives the seconds since the first question."""
        began = time.perf_counter()
        while 'http-equiv="refresh"' in self.get(address)[0]:
            time.sleep(0.05)
        return time.perf_counter() - began

    @property
    def cpu_s(self) -> float:
        """CPU seconds of the server so far: what pages cost when the machine has other things to do."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_mb(self) -> float:
        """The most memory that the server had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024


@contextmanager
def served(db: Path, cache: Path) -> Iterator[Served]:
    """Serve a ledger in a process of its own."""
    command = [sys.executable, "-m", "harness", "view", "--db", str(db), "--port", "0"]
    environment = {**os.environ, "BENCHTAB_CACHE": str(cache)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if "http://" in line)
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found is not None, line
        yield Served(process, int(found[1]))
    finally:
        process.terminate()
        process.wait()


def _p95(seconds: Sequence[float]) -> float:
    return float(np.percentile(seconds, 95))


def _line(name: str, seconds: Sequence[float], cpu_s: float) -> str:
    target = f", target {TARGETS_S[name]} s" if name in TARGETS_S else ""
    n, median = len(seconds), float(np.median(seconds))
    return (f"  {name:>14}: 95th percentile {_p95(seconds):.3f} s, median {median:.3f} s, longest {max(seconds):.3f} s"
            f" of {n} pages, {cpu_s / n:.3f} s of CPU each{target}")  # fmt: skip


def _lists(server: Served, run_id: str) -> tuple[list[float], list[str]]:
    """Ask for every filter and every order alone, and for a fixed draw of both together; gives samples found, too."""
    alone = [*itertools.product(_FILTERS, ("",)), *itertools.product(("",), _ORDERS)]
    both = random.Random(7).sample(list(itertools.product(_FILTERS[1:], _ORDERS[1:])), 100)
    seconds, found = [], []
    for chosen, order in (*alone, *both):
        query = "&".join(part for part in (chosen, f"sort={order}" if order else "") if part)
        body, took_s = server.get(f"{samples_address(run_id)}?{query}")
        seconds.append(took_s)
        found += re.findall(r'href="(/runs/[^"]+/(?:samples|questions)/\d+[^"]*)"', body)[:4]
        last = re.findall(r"of ([\d,]+)</span>", body)
        if last:  # far back in the list, too
            seconds.append(server.get(f"{samples_address(run_id)}?{query}&page={last[0].replace(',', '')}")[1])
    return seconds, list(map(unescape, found))


def _bare(db: Path, run_id: str) -> tuple[float, int, float]:
    """Give what sqlite3 takes to fetch columns of a run's attempts, how many they are, and numpy to sort as many."""
    connection = sqlite3.connect(f"file:{db}?mode=ro", uri=True)
    low, high = connection.execute(
        "SELECT min(attempt_id), max(attempt_id) FROM attempts WHERE cell_id IN"
        " (SELECT cell_id FROM cells WHERE run_id = ?)", (run_id,)
    ).fetchone()  # fmt: skip
    began, n = time.perf_counter(), 0
    cursor = connection.execute(f"SELECT {_SCANNED} FROM attempts WHERE attempt_id BETWEEN ? AND ?", (low, high))
    while rows := cursor.fetchmany(20_000):
        n += len(rows)
    scanned_s = time.perf_counter() - began
    numbers = np.random.default_rng(1).random(n)
    began = time.perf_counter()
    np.argsort(numbers, kind="stable")
    return scanned_s, n, time.perf_counter() - began


def _largest_run(db: Path) -> str:
    with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as connection:
        query = "SELECT run_id FROM planned_samples GROUP BY run_id ORDER BY count(*) DESC LIMIT 1"
        return str(connection.execute(query).fetchone()[0])


def measure(db: Path, cache: Path) -> None:
    """Measure one ledger and print it."""
    run_id = _largest_run(db)
    scanned_s, n, sorted_s = _bare(db, run_id)
    print(f"{db.name}: {db.stat().st_size / 1e6:,.0f} MB, its largest run {run_id} with {n:,} attempts", flush=True)
    print(f"  bare: sqlite3 fetches its columns in {scanned_s:.2f} s, numpy sorts as many numbers in {sorted_s:.3f} s")
    with served(db, cache) as server:
        first_s = server.until_read(samples_address(run_id))
        print(f"  first page: {first_s:.2f} s ({scanned_s and first_s / scanned_s:.1f} x the bare scan)", flush=True)
        cpu_s = server.cpu_s
        seconds, found = _lists(server, run_id)
        print(_line("samples", seconds, server.cpu_s - cpu_s), flush=True)
        chosen = random.Random(3).sample(found, len(found))
        for name, part in (("one sample", "/samples/"), ("one question", "/questions/")):
            singles = [address for address in chosen if part in address][:N_SINGLE]
            cpu_s = server.cpu_s
            seconds = [server.get(address)[1] for address in singles]
            print(_line(name, seconds, server.cpu_s - cpu_s), flush=True)
        print(f"  peak memory of the server: {server.peak_mb:,.0f} MB", flush=True)
    with served(db, cache) as server:
        print(f"  first page after a restart: {server.until_read(samples_address(run_id)):.2f} s,"
              f" peak memory {server.peak_mb:,.0f} MB", flush=True)  # fmt: skip


def main() -> None:
    """Fill, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attempts", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--db", type=Path, nargs="+", help="measure these ledgers and fill none")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for number, size in enumerate(chosen.db or chosen.attempts):
            db = size if isinstance(size, Path) else Path(folder) / f"{size}.db"
            if not isinstance(size, Path):
                fill_apart(db, size)
            measure(db, Path(folder) / f"cache-{number}")


if __name__ == "__main__":
    main()
