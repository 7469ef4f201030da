"""One run of a suite, measured from inside: CPU and wall seconds between the first request and the last score.

`python -m benchmarks.timed_run SUITE --model M --base-url U --db FILE --concurrency C` prints one JSON line. Nothing of
the harness is changed for it: an observer, as progress displays are, reads the clocks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from harness.errors import ProviderError
from harness.ledger import Ledger
from harness.models import ModelSpec, parse_model
from harness.pricing.price_files import load_price_book
from harness.runner import PreparedRun, RunSpec, run_suites
from harness.runner.forecast.bills import BillForecast
from harness.runner.precision.planned_bill import WavesPlan
from harness.runner.requests.attempt_ends import Spent


class Stopwatch:
    """Reads the process's CPU clock at the first request and at the last finished sample: reading it is not free."""

    def __init__(self, n_samples: int) -> None:
        self._n_left = n_samples
        self.first: tuple[float, float] | None = None
        self.last = (0.0, 0.0)
        self.n_failed = 0

    def attempt_sent(self, model: ModelSpec) -> None:  # noqa: ARG002
        if self.first is None:
            self.first = (time.process_time(), time.monotonic())

    def attempt_settled(self, model: ModelSpec, *, spent: Spent, error: ProviderError | None) -> None:  # noqa: ARG002
        self.n_failed += error is not None

    def waves_planned(self, plan: WavesPlan) -> None: ...

    def samples_planned(self, model: ModelSpec, n_samples: int) -> None: ...

    def sample_finished(self, model: ModelSpec, *, failed: bool) -> None:  # noqa: ARG002
        self._n_left -= 1
        if not self._n_left:
            self.last = (time.process_time(), time.monotonic())

    def forecast_made(self, forecast: BillForecast, *, spent: int) -> None: ...

    def ask(self, question: str, *, is_over: Callable[[], bool]) -> bool:  # noqa: ARG002
        return True

    def notice(self, text: str) -> None:
        print(text, file=sys.stderr)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suite")
    parser.add_argument("--model", required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--db", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    chosen = parser.parse_args()
    spec = RunSpec(
        suites=(chosen.suite,),
        models=(parse_model(chosen.model),),
        concurrency=chosen.concurrency,
        base_url=chosen.base_url,
    )
    watches: list[Stopwatch] = []

    def observe(prepared: PreparedRun) -> contextlib.nullcontext[Stopwatch]:
        watches.append(Stopwatch(len(prepared.items)))
        return contextlib.nullcontext(watches[0])

    with Ledger.open(chosen.db) as ledger:
        result = run_suites(spec, ledger=ledger, book=load_price_book(), observe=observe)
    (watch,) = watches
    if watch.first is None or watch.n_failed or result.status != "complete":
        raise SystemExit(f"the run is {result.status}, {watch.n_failed} attempts failed")
    cpu_s, wall_s = (last - first for last, first in zip(watch.last, watch.first, strict=True))
    print(json.dumps({"cpu_s": cpu_s, "wall_s": wall_s, "most_in_flight": result.most_in_flight}))


if __name__ == "__main__":
    main()
