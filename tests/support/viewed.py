"""A ledger to look at, and a browser's requests to the view of it, without a server."""

from __future__ import annotations

from pathlib import Path

from starlette.testclient import TestClient

from harness.ledger import Ledger
from harness.models import parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import RunSpec, run_suites
from harness.view.application import make_application
from harness.view.page_values import Sources
from tests.support.runs import Watcher, observing

HERE = "http://127.0.0.1"


def viewer(ledger: Ledger) -> TestClient:
    """Ask the application over a ledger, as a browser on this machine does."""
    return TestClient(make_application(Sources(ledger=ledger, book=load_price_book())), base_url=HERE)


def seen_run(folder: Path) -> Path:
    """Make a ledger with a run of six models: three simulated ones, each at two settings."""
    path = folder / "seen.db"
    names = ("sim/reasoner@low", "sim/reasoner@high", "sim/reasoner", "sim/direct", "sim/flaky", "sim/reasoner@medium")
    spec = RunSpec(suites=("starter",), models=tuple(map(parse_model, names)), epochs=2)
    with Ledger.open(path) as ledger:
        run_suites(spec, ledger=ledger, book=load_price_book(), observe=observing(Watcher()), run_id="seen")
    return path
