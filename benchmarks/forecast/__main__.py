"""What forecasts of bills promise, measured: how far they miss, how often intervals hold, and ceilings with runaways.

    python -m benchmarks.forecast [--models 1000] [--runs 30] [--seed 1]

Every simulated model is asked a pilot as a run would, its bill forecast by the arithmetic of runs, and then everything;
whole runs go through the command line. Prints each figure beside its bar and ends with 1 where one is missed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.forecast.experiments import CEILING_PILOTS, PILOT, RUNAWAYS, Figures, measure
from benchmarks.forecast.whole_runs import Runs, run_all
from benchmarks.judged_figures import Figure, print_figures


def bill_figures(found: Figures) -> list[Figure]:
    """How good the forecasts and ceilings of simulated models are."""
    bills = found.bills
    figures = [
        Figure(
            "E4", f"pilot of {PILOT} of the answers: median share of the money", _median(bills.shares), at_most=0.025
        ),
        Figure("E4", "bill within 10 % of the forecast", bills.within(0.1), at_least=0.9),
        Figure("E4", "bill within its 90 % interval", float(np.mean(bills.held)), at_least=0.86, at_most=0.94),
        Figure("E4", "median miss", _median([abs(miss) for miss in bills.misses])),
        Figure("E4", "mean miss: does it lean", float(np.mean(bills.misses)), at_least=-0.01, at_most=0.01),
    ]
    for size in CEILING_PILOTS:
        bar = 1.5 if size == max(CEILING_PILOTS) else None
        words = f"pilot of {size} answers: median ceiling / bill"
        figures.append(Figure("E5", words, _median(found.of_size(size)), at_most=bar, percent=False))
        for share in RUNAWAYS:
            exceeded = float(np.mean(found.ceilings[size, share].exceeded))
            figures.append(Figure("E5", f"the same, {share:.0%} runaways: ceiling exceeded", exceeded, at_most=0.05))
    return figures


def run_figures(runs: Runs) -> list[Figure]:
    """What whole runs came to; so few tell a broken interval from a good one, and not 86 % from 90 %."""
    share = 1 / runs.n_runs
    least = runs.n_runs * 0.9 - 3 * (runs.n_runs * 0.09) ** 0.5
    return [
        Figure("E4", f"{runs.n_runs} whole runs: intervals that held", runs.n_held * share, at_least=least * share),
        Figure("E4", "the same: median miss", _median(list(runs.misses)), at_most=0.2),
        Figure("E5", "the same: ceilings exceeded", runs.n_exceeded * share, at_most=0.1),
        Figure("E4", "the same: pilot first, nothing twice", runs.n_pilot_first * share, at_least=1.0),
        Figure("E4", "as many that a budget ends after the pilot", runs.n_stopped * share, at_least=1.0),
    ]


def _median(values: list[float]) -> float:
    return float(np.median(values))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, found = time.monotonic(), Figures()
    for number in range(options.models):
        measure(options.seed, number, found)
    figures = bill_figures(found)
    if options.runs:
        with tempfile.TemporaryDirectory() as folder:
            figures += run_figures(run_all(Path(folder), options.runs, options.seed))
    missed, seconds = print_figures(figures), time.monotonic() - began
    print(f"{options.models} simulated models, {options.runs} whole runs, seed {options.seed}, {seconds:.0f} s:"
          f" {missed} figures missed")  # fmt: skip
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
