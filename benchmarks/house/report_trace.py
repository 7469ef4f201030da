"""The way of a report: which modules work between the ledger and the printed tables, and how often work changes hands.

Run by `benchmarks.house` in a process of its own with a checkout first on the path, so it imports nothing but that
checkout's `harness`: five sums are asked of a simulated model, and the second of two reports is followed (the first
has filled what a process keeps, such as the price book's digest). Prints JSON: `{"modules": [...], "hops": n}`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

LOADERS_OF_PRICES = ("harness.pricing", "harness.price_files")
"""Where `load_price_book` is, and where it was in 0.1.0."""
SUITE = """
name = "sums"
version = "1"
title = "Sums"

[[tasks]]
name = "questions"
prompt = "{question} End with the answer alone on the last line."
scorer = { name = "number" }
max_output_tokens = 2000
max_output_tokens_reasoning = 2000

[tasks.dataset]
source = "files"
path = "sums"
revision = "1"
local = "rows.jsonl"
fields = { id = "id", question = "question", target = "answer" }
"""


class Trace:
    """Counts calls inside `harness`; a hop is a call from one of its modules into another."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.hops = 0
        self._begun: set[FrameType] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Note a call, as `sys.setprofile` tells it."""
        module = _module(frame)
        if event != "call" or module is None or _is_import(frame) or self._goes_on(frame):
            return
        self.modules.add(module)
        caller = frame.f_back
        while caller is not None and _module(caller) is None:
            caller = caller.f_back
        self.hops += caller is not None and _module(caller) != module

    def _goes_on(self, frame: FrameType) -> bool:
        """Whether a generator goes on where it waited, which is no new call."""
        if not frame.f_code.co_flags & inspect.CO_GENERATOR:
            return False
        goes_on = frame in self._begun
        self._begun.add(frame)
        return goes_on


def _module(frame: FrameType) -> str | None:
    name = str(frame.f_globals.get("__name__", ""))
    return name if name.split(".")[0] == "harness" else None


def _is_import(frame: FrameType) -> bool:
    return frame.f_code.co_name == "<module>"


def _write_suite(folder: Path) -> Path:
    rows = [{"id": f"sum-{i}", "question": f"What is {i} + {i + 1}?", "answer": str(2 * i + 1)} for i in range(5)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    suite = folder / "sums.toml"
    suite.write_text(SUITE, encoding="utf-8")
    return suite


def _load_price_book() -> Any:
    for name in LOADERS_OF_PRICES:
        module = importlib.import_module(name)
        if hasattr(module, "load_price_book"):
            return module.load_price_book()
    raise LookupError(f"no load_price_book in {', '.join(LOADERS_OF_PRICES)}")


def follow(report: Callable[[], None]) -> Trace:
    """Follow a report with its tables thrown away."""
    trace = Trace()
    with contextlib.redirect_stdout(io.StringIO()):
        report()
        sys.setprofile(trace)
        try:
            report()
        finally:
            sys.setprofile(None)
    return trace


def main() -> None:
    """Make a ledger, print its report twice, and say what the second one took."""
    import harness
    from harness.cli.report import print_report
    from harness.ledger import Ledger

    with tempfile.TemporaryDirectory() as folder:
        db = Path(folder) / "ledger.db"
        harness.run(str(_write_suite(Path(folder))), "sim/reasoner", db=db)
        book = _load_price_book()
        with Ledger.open(db) as ledger:
            trace = follow(lambda: print_report(ledger, book, None))
    print(json.dumps({"package": harness.__file__, "modules": sorted(trace.modules), "hops": trace.hops}))


if __name__ == "__main__":
    main()
