"""Kill runs at random instants and hold the ledger against the server's own books.

Run as `python -m benchmarks.crashes [--kills 200] [--samples 2000]`: `benchtab run` asks `benchtab simulate` over
HTTP, is ended by SIGKILL, and goes on with the same run id, again and again; a new run begins when one is complete.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.costs import cost_of
from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows
from harness.money import to_pico_ceiling
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.usage import read_usage

PROVIDER = "openai-compatible"
SUITE = """
name = "sums"
version = "1"
title = "Sums"

[[tasks]]
name = "sums"
prompt = "{question} End with the answer alone on the last line."
scorer = { name = "number" }
max_output_tokens = 16384
max_output_tokens_reasoning = 16384

[tasks.dataset]
source = "files"
path = "sums"
revision = "1"
local = "sums.jsonl"
fields = { sample_id = "id", question = "question", target = "answer" }
"""


def write_suite(folder: Path, n_samples: int) -> Path:
    """Write a suite of sums; gives its path."""
    rows = [
        {"id": f"sum-{i}", "question": f"What is {i} + {i + 1}?", "answer": str(2 * i + 1)} for i in range(n_samples)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "sums.toml"
    path.write_text(SUITE, encoding="utf-8")
    return path


@contextlib.contextmanager
def simulating(suite: Path, billing_log: Path, *options: str) -> Iterator[str]:
    """Serve the simulated models with their books; give their base URL. The books are whole once this ends."""
    command = [sys.executable, "-m", "harness", "simulate", "--port", "0", "--suite", str(suite)]
    command += ["--billing-log", str(billing_log), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            if not url:
                raise SystemExit("benchtab simulate did not start")
            yield url
        finally:
            server.terminate()
            server.wait(timeout=30)


def read_books(billing_log: Path) -> dict[str, dict[str, Any]]:
    """Read the server's billing log by request id; a request that it saw twice is an error of its own."""
    books: dict[str, dict[str, Any]] = {}
    for line in billing_log.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["request_id"] in books:
            raise SystemExit(f"the server saw request {row['request_id']} twice")
        books[row["request_id"]] = row
    return books


def billed_pico(book: PriceBook, row: Mapping[str, Any]) -> int:
    """Price one row of the server's books with our price book, in whole picodollars."""
    if not row["billed"]:
        return 0
    usage = read_usage("openai.chat", row["usage"])
    cost = cost_of(book, usage, provider=PROVIDER, model=row["model"], at=datetime.fromisoformat(row["at"]))
    assert cost.usd is not None
    return to_pico_ceiling(cost.usd)


@dataclass(slots=True, kw_only=True)
class Findings:
    """What the kills did, and what the two sets of books say.

    Attributes:
        kills_while_sending: kills that left requests in flight behind.
        resent: samples that were sent again although their answer was in the ledger.
        unlogged: requests that the server saw and the ledger does not know.
        differing: settled attempts whose bill differs from the server's.
        above_bound: possibly billed attempts that the server billed above their reservation.
        takeovers_refused: resumes that found the dead process's lock still held.
    """

    n_kills: int = 0
    kills_while_sending: int = 0
    n_runs: int = 0
    n_samples: int = 0
    n_answered: int = 0
    n_requests: int = 0
    resent: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    above_bound: list[str] = field(default_factory=list)
    takeovers_refused: int = 0
    ledger_pico: int = 0
    server_pico: int = 0
    possibly_billed: int = 0
    possibly_billed_server_pico: int = 0
    possibly_billed_bound_pico: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, sent twice or billed otherwise."""
        wrong = self.resent or self.unlogged or self.differing or self.above_bound or self.takeovers_refused
        return not wrong and self.n_answered == self.n_samples and self.ledger_pico == self.server_pico


class Victim:
    """One `benchtab run` that will be killed, or end first."""

    def __init__(self, suite: Path, url: str, database: Path, run_id: str, *options: str) -> None:
        self.said = ""
        self._database = database
        command = [sys.executable, "-m", "harness", "run", str(suite), "-m", f"{PROVIDER}/sim-reasoner"]
        command += ["--base-url", url, "--db", str(database), "--run-id", run_id, *options]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, bufsize=0
        )

    def wait_until_begun(self) -> None:
        """Wait until the first requests are in the ledger (its journal changes after the plan is said), or the end."""
        assert self.process.stderr is not None
        self.process.stderr.readline()
        before = self._journal()
        while self.process.poll() is None and self._journal() == before:
            time.sleep(0.002)

    def _journal(self) -> tuple[int, int]:
        try:
            found = self._database.with_name(self._database.name + "-wal").stat()
        except FileNotFoundError:
            return (0, 0)
        return (found.st_size, found.st_mtime_ns)

    def says_within(self, words: str, seconds: float) -> bool:
        """Whether it says something on stderr within a time."""
        assert self.process.stderr is not None
        until_s = time.monotonic() + seconds
        while words not in self.said and (left_s := until_s - time.monotonic()) > 0:
            readable, _, _ = select.select([self.process.stderr], [], [], left_s)
            if readable:
                self.said += os.read(self.process.stderr.fileno(), 65_536).decode(errors="replace")
        return words in self.said

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends by itself within a time."""
        assert self.process.stderr is not None
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            readable, _, _ = select.select([self.process.stderr], [], [], left_s)
            if readable:
                said = os.read(self.process.stderr.fileno(), 65_536)
                self.said += said.decode(errors="replace")
                if not said:
                    self.process.wait()
                    return True
        return False

    def kill(self) -> None:
        """End it by SIGKILL, with everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


def torment(folder: Path, *, kills: int, samples: int, concurrency: int, longest_s: float, seed: int) -> Findings:
    """Kill runs so many times, let the last one finish, and compare the books."""
    findings, draw = Findings(), random.Random(seed)
    suite, database, log = write_suite(folder, samples), folder / "ledger.db", folder / "billing.jsonl"
    options = ("--concurrency", str(concurrency), "--timeout-s", "60", "-q")
    with simulating(suite, log, "--delay-ms", "120", "--delay-log-sd", "0.5") as url:
        run_number = 1
        while findings.n_kills < kills:
            victim = Victim(suite, url, database, f"run-{run_number}", *options)
            if draw.random() < 0.9:
                victim.wait_until_begun()
                patience_s = draw.uniform(0.0, longest_s)
            else:
                patience_s = draw.uniform(0.0, 1.0)  # while it starts
            if victim.ends_within(patience_s):
                run_number += _completed(victim, findings)
                continue
            victim.kill()
            findings.n_kills += 1
            findings.kills_while_sending += _left_open(database, f"run-{run_number}", findings)
        last = Victim(suite, url, database, f"run-{run_number}", *options)
        while not last.ends_within(600.0):
            raise SystemExit("the last run did not end")
        _completed(last, findings)
    findings.n_runs = run_number
    findings.n_samples = run_number * samples
    compare(database, log, findings)
    return findings


def _completed(victim: Victim, findings: Findings) -> bool:
    """Whether a run that ended by itself is complete; the only other end allowed, and counted, is a held lock."""
    victim.kill()
    if victim.process.returncode == 0:
        return True
    if "worked on by another process" not in victim.said:
        raise SystemExit(f"benchtab run ended with {victim.process.returncode}:\n{victim.said[-2_000:]}")
    findings.takeovers_refused += 1
    return False


def _left_open(database: Path, run_id: str, findings: Findings) -> bool:
    if not database.exists():
        return False
    with contextlib.suppress(Exception), Ledger.open(database, create=False) as ledger:
        n_open = sum(one.n_open for one in ledger.outcomes(run_id).values())
        grew = n_open > findings.possibly_billed
        findings.possibly_billed = n_open
        return grew
    return False


def compare(database: Path, billing_log: Path, findings: Findings) -> None:
    """Hold every attempt of the ledger against the server's row of the same request id."""
    book, books = load_price_book(), read_books(billing_log)
    tries: defaultdict[str, list[int]] = defaultdict(list)
    for request_id in books:
        stem, _, number = request_id.rpartition(".t")
        tries[stem].append(int(number))
    with Ledger.open(database, create=False) as ledger:
        rows = {row.request_id: row for row in attempt_rows(ledger)}
    findings.n_requests = len(books)
    findings.unlogged = sorted(books.keys() - rows.keys())
    findings.possibly_billed = 0
    for request_id, row in rows.items():
        billed = billed_pico(book, books[request_id]) if request_id in books else 0
        if row.status == "sent":
            _possibly_billed(row, billed, findings)
            continue
        findings.ledger_pico += row.charged_pico_usd or 0
        findings.server_pico += billed
        if row.charged_pico_usd != billed:
            findings.differing.append(request_id)
        if row.status == "succeeded":
            findings.n_answered += 1
            stem = request_id.rpartition(".t")[0]
            if max(tries[stem]) > row.try_number:
                findings.resent.append(stem)


def _possibly_billed(row: AttemptRow, billed: int, findings: Findings) -> None:
    findings.possibly_billed += 1
    findings.possibly_billed_server_pico += billed
    findings.possibly_billed_bound_pico += row.reserved_pico_usd
    if billed > row.reserved_pico_usd:
        findings.above_bound.append(row.request_id)


def report(findings: Findings) -> None:
    """Print what was found."""
    usd = 1e12
    print(
        f"{findings.n_kills} kills by SIGKILL ({findings.kills_while_sending} with requests in flight) over"
        f" {findings.n_runs} run(s), {findings.n_requests} requests; {findings.n_answered} of {findings.n_samples}"
        f" samples answered once\n"
        f"settled samples sent twice: {len(findings.resent)}; requests unknown to the ledger: {len(findings.unlogged)};"
        f" settled bills that differ from the server's: {len(findings.differing)}\n"
        f"settled attempts: ledger ${findings.ledger_pico / usd:.6f}, server ${findings.server_pico / usd:.6f}"
        f" (difference {findings.ledger_pico - findings.server_pico} picodollars)\n"
        f"possibly billed: {findings.possibly_billed} attempts, server billed"
        f" ${findings.possibly_billed_server_pico / usd:.6f}, bound ${findings.possibly_billed_bound_pico / usd:.6f};"
        f" above their bound: {len(findings.above_bound)}\n"
        f"resumes refused because of a dead process's lock: {findings.takeovers_refused}"
    )


def main() -> None:
    """Run the proof and end with 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--samples", type=int, default=2_000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--longest-s", type=float, default=0.6, help="longest time from sending to a kill")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="benchtab-crashes-") as name:
        started_s = time.monotonic()
        findings = torment(
            Path(name),
            kills=arguments.kills,
            samples=arguments.samples,
            concurrency=arguments.concurrency,
            longest_s=arguments.longest_s,
            seed=arguments.seed,
        )
        report(findings)
        print(f"{'holds' if findings.holds else 'FAILS'} ({time.monotonic() - started_s:.0f} s)")
    raise SystemExit(0 if findings.holds else 1)


if __name__ == "__main__":
    main()
