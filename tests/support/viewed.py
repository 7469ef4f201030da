"""A ledger to look at, and a browser's requests to the view of it, without a server."""

from __future__ import annotations

import contextlib
import csv
import io
import sqlite3
from pathlib import Path

import zstandard
from starlette.testclient import TestClient

from harness.ledger import Ledger
from harness.models import parse_model
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec, SessionOptions, run_suites
from harness.view.application import make_application
from harness.view.page_addresses import sample_address
from harness.view.page_values import Sources
from tests.support.runs import QUICK, Watcher, observing

HERE = "http://127.0.0.1"


def viewer(ledger: Ledger, book: PriceBook | None = None) -> TestClient:
    """Ask the application over a ledger, as a browser on this machine does."""
    return TestClient(make_application(Sources(ledger=ledger, book=book or load_price_book())), base_url=HERE)


def csv_rows(asked: TestClient, address: str) -> list[dict[str, str]]:
    """Read the rows of the samples that an address chooses, from their file."""
    page = asked.get(f"{address}{'&' if '?' in address else '?'}format=csv&table=samples")
    assert page.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(page.text)))


def seen_run(folder: Path) -> Path:
    """Make a ledger with a run of six models: three simulated ones, each at two settings."""
    path = folder / "seen.db"
    names = ("sim/reasoner@low", "sim/reasoner@high", "sim/reasoner", "sim/direct", "sim/flaky", "sim/reasoner@medium")
    spec = RunSpec(suites=("starter",), models=tuple(map(parse_model, names)), epochs=2)
    session = SessionOptions(limits=QUICK)
    with Ledger.open(path) as ledger:
        run_suites(
            spec, ledger=ledger, book=load_price_book(), observe=observing(Watcher()), run_id="seen", session=session
        )
    return path


def answered_with(ledger: Path, text: str) -> str:
    """Put a text into a ledger as the answer of one sample of that run; gives the address of the sample's page."""
    with contextlib.closing(sqlite3.connect(ledger)) as connection, connection:
        attempt_id, cell_id, planned_id = connection.execute(
            "SELECT attempt_id, cell_id, planned_id FROM attempts JOIN transcripts USING (attempt_id) LIMIT 1"
        ).fetchone()
        connection.execute("DROP TRIGGER transcripts_no_update")  # of a ledger that is thrown away
        answer = zstandard.compress(text.encode())
        connection.execute("UPDATE transcripts SET answer = ? WHERE attempt_id = ?", (answer, attempt_id))
    return sample_address("seen", cell_id, planned_id)


def peak_mb(process_id: int) -> float:
    """Give the most memory that a process took so far."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
