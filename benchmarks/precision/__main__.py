"""What precision-targeted runs promise, measured: coverage, cost, bias, ladders, a bank, and the trap of quick answers.

    python -m benchmarks.precision [--models 1000] [--seed 1] [--report]

Every simulated model is asked through the real planner and judged by the real estimator; only the answers are made up.
Prints each figure beside its bar and ends with 1 where one is missed (`--report`: never).
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from benchmarks.judged_figures import Figure, print_figures
from benchmarks.precision.experiments import BANK_MODELS, Column, Figures, Ladders, lean, measure

COVERAGE = 0.936


def figures(found: Figures) -> list[Figure]:
    """Every figure with its bar; those without one are printed for the picture."""
    narrow, wide, banked, shuffled = found.narrow, found.wide, found.banked, found.shuffled
    bank = f"bank of {BANK_MODELS}"
    cheaper = np.mean(np.array(narrow.shares + wide.shares) <= np.array(narrow.uniform + wide.uniform))
    dearer = float(np.mean(shuffled.shares) / np.mean(narrow.shares))
    return [
        *_design("E1", "+-1.0", narrow, median=0.21, tenth=0.28, over=1.12),
        Figure("E1", f"+-1.0, {bank}: median share", _median(banked.shares), at_most=0.18),
        Figure("E1", f"+-1.0, {bank}: the same, knowing every variance", _median(banked.knowing)),
        *_design("E2", "+-2.0", wide, median=0.085),
        Figure("E3", "runs no dearer than pooled uniform sampling", float(cheaper), at_least=0.99),
        Figure("E3", "pooled uniform sampling, known variance, +-1.0: median share", _median(narrow.uniform)),
        _lean("E3", "mean error of all runs in standard errors", lean(narrow, wide)),
        Figure("E3", "+-1.0 alone", lean(narrow), percent=False),
        Figure("E3", "+-2.0 alone", lean(wide), percent=False),
        *_ladder("two large tasks", found.large_ladders, at_most=0.6),
        *_ladder("the index, small tasks used up", found.ladders, at_most=None),
        Figure("E8", f"{bank}: median effective sample", _median(found.gains), at_least=1.3, percent=False),
        Figure("E8", f"{bank}, +-1.0: covered", banked.coverage, at_least=COVERAGE),
        Figure("E8", "shuffled bank, +-1.0: mean cost / without", dearer, at_most=1.03, percent=False),
        Figure("E8", "shuffled bank, +-1.0: covered", shuffled.coverage, at_least=COVERAGE),
        _lean("E9", "quick answers right more often: mean error in standard errors", lean(found.trap)),
        Figure("E9", "the same: covered", found.trap.coverage, at_least=COVERAGE),
        Figure("E9", "the same: what the quicker half of answers alone would add", float(np.mean(found.quick_half))),
    ]


def _lean(name: str, words: str, value: float) -> Figure:
    return Figure(name, words, value, at_least=-2.0, at_most=2.0, percent=False)


def _design(
    name: str, words: str, column: Column, *, median: float, tenth: float | None = None, over: float | None = None
) -> list[Figure]:
    knowing = _median(column.knowing)
    return [
        Figure(name, f"{words}: covered", column.coverage, at_least=COVERAGE),
        Figure(name, f"{words}: median share of the bill", _median(column.shares), at_most=median),
        Figure(name, f"{words}: 90th percentile", float(np.quantile(column.shares, 0.9)), at_most=tenth),
        Figure(name, f"{words}: the median share, knowing every variance", knowing),
        Figure(name, f"{words}: median of cost / that", column.over_knowing, at_most=over, percent=False),
        Figure(name, f"{words}: most waves, pilot included", float(max(column.waves)), at_most=12, percent=False),
        Figure(name, f"{words}: median share of the pilot", _median(column.pilots)),
    ]


def _ladder(words: str, ladders: Ladders, *, at_most: float | None) -> list[Figure]:
    ratio = _median(ladders.ratios)
    return [
        Figure("E7", f"ladder of three, +-2.0, {words}: bill / three unpaired", ratio, at_most=at_most),
        Figure("E7", "the same: differences covered", float(np.mean(ladders.covered)), at_least=COVERAGE),
    ]


def _median(values: list[float]) -> float:
    return float(np.median(values))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="print, and end with 0 whatever was measured")
    options = parser.parse_args()
    began, found = time.monotonic(), Figures()
    for number in range(options.models):
        measure(options.seed, number, found)
    made = figures(found)
    missed = print_figures(made)
    seconds = time.monotonic() - began
    print(f"{options.models} simulated models, seed {options.seed}, {seconds:.0f} s: {missed} figures missed")
    return 1 if missed and not options.report else 0


if __name__ == "__main__":
    sys.exit(main())
