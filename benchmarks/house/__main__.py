"""Measure how the code base is built, beside what is wanted of it; exit 1 where that does not hold.

Run as `python -m benchmarks.house [--at FOLDER ...] [--list WORDS] [--report]`: one column for each checkout (default:
this one), the verdict for the last. `--list "loose modules"` shows what was counted, `--report` never fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.house.checkout import Checkout, Measured
from benchmarks.house.functions import any_per_thousand, branching_functions, long_signatures
from benchmarks.house.imports import longest_chain, modules_in_cycles
from benchmarks.house.journeys import hops_of_a_report, modules_of_a_report
from benchmarks.house.knowledge import COLUMN, additions_tried, knows_providers, names_column, sql_outside_ledger
from benchmarks.house.rooms import code_lines, largest_floor, largest_folder, loose_modules, repeated_names
from benchmarks.house.violations import violations_that_pass
from tests.support.planting import PLANTS

HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Measure:
    """What is counted, and the most or the least there may be; neither = fewer than in the first checkout."""

    name: str
    take: Callable[[Checkout], Measured]
    at_most: int | None = None
    at_least: int | None = None

    @property
    def wanted(self) -> str:
        """The wish in words."""
        if self.at_least is not None:
            return f">= {self.at_least}"
        return "fewer" if self.at_most is None else f"<= {self.at_most}" if self.at_most else "0"

    def holds(self, values: list[int]) -> bool | None:
        """Whether the last checkout is as wanted; None = there is nothing to compare it with."""
        if self.at_least is not None:
            return values[-1] >= self.at_least
        if self.at_most is None:
            return values[-1] < values[0] if len(values) > 1 else None
        return values[-1] <= self.at_most


MEASURES = (
    Measure("loose modules in harness/", loose_modules, 11),
    Measure("most files in one folder", largest_folder, 18),
    Measure("most files on a floor of ledger, reports", largest_floor, 10),
    Measure("file names used more than once", repeated_names, 0),
    Measure(f"of {len(PLANTS)} planted violations pass the contracts", violations_that_pass, 0),
    Measure("modules in import cycles", modules_in_cycles, 0),
    Measure("longest import chain", longest_chain, 16),
    Measure("files that know a provider by name", knows_providers, 1),
    Measure(f"files that name {COLUMN}", names_column, 8),
    Measure("files outside the ledger with SQL", sql_outside_ledger, 0),
    Measure("functions of complexity from 11", branching_functions, 45),
    Measure("functions past 6 parameters, commands apart", long_signatures, 5),
    Measure("Any per 1,000 lines", any_per_thousand, 10),
    Measure("modules between ledger and printed report", modules_of_a_report, 20),
    Measure("calls from module to module on that way", hops_of_a_report, 180),
    Measure("things to add whose files a test counts", additions_tried, at_least=7),
    Measure("lines of code", code_lines),
)
_VERDICTS = {True: "yes", False: "NO", None: "-"}


def measure(checkouts: list[Checkout]) -> tuple[Table, bool]:
    """Measure every checkout; gives the table, and whether the last one is as wanted."""
    table = Table("measure", *(checkout.root.name for checkout in checkouts), "wanted", "holds", box=SIMPLE_HEAD)
    is_as_wanted = True
    for item in MEASURES:
        values = [item.take(checkout).value for checkout in checkouts]
        verdict = item.holds(values)
        is_as_wanted = is_as_wanted and verdict is not False
        table.add_row(item.name, *(f"{value:,}" for value in values), item.wanted, _VERDICTS[verdict])
    for column in table.columns[1:-1]:
        column.justify = "right"
    return table, is_as_wanted


def print_things(checkout: Checkout, words: str) -> None:
    """Print what was counted by every measure whose name holds the words."""
    for item in MEASURES:
        if words.lower() in item.name.lower():
            measured = item.take(checkout)
            print(f"{item.name}: {measured.value:,}", *measured.things, sep="\n  ")


def main() -> int:
    """Read the options, print the table; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.house", description=__doc__)
    parser.add_argument("--at", metavar="FOLDER", type=Path, action="append", help="a checkout; repeatable")
    parser.add_argument("--list", metavar="WORDS", help="show what the measures with these words counted")
    parser.add_argument("--report", action="store_true", help="exit 0 whatever is found")
    options = parser.parse_args()
    checkouts = [Checkout(root.resolve()) for root in options.at or [HERE]]
    if options.list is not None:
        print_things(checkouts[-1], options.list)
        return 0
    table, is_as_wanted = measure(checkouts)
    Console(width=140 if not sys.stdout.isatty() else None).print(table)
    return 0 if is_as_wanted or options.report else 1


if __name__ == "__main__":
    sys.exit(main())
