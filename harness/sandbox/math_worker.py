"""The program that a math worker process runs: formulas in, verdicts out, one JSON line each, limits on itself first.

Data flows stdin {"answer", "target", "timeout_s"} -> `harness.formulas` -> stdout {"equal": true | false | null}.
Null means that they cannot be compared.
"""

from __future__ import annotations

import json
import logging
import resource
import sys

from harness.sandbox.process_limits import die_with_parent, limit_processor_time

MEMORY_BYTES = 1_500_000_000
RECURSION = 3_000


def limit_this_process() -> None:
    """Give up memory beyond a bound, writing of files, core dumps and child processes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(RECURSION)


def equal(answer: str, target: str) -> bool | None:
    """Compare two formulas exactly; None when either cannot be read in full."""
    from harness.formulas.equality import same
    from harness.formulas.parser import read
    from harness.formulas.tidying import tidy
    from harness.formulas.values import UnreadableError

    try:
        wanted, given = read(tidy(target)), read(tidy(answer))
    except UnreadableError:
        return None
    return same(wanted, given)


def main() -> None:
    """Answer line by line until stdin ends; the argument is the id of the parent process."""
    die_with_parent(int(sys.argv[1]))
    logging.disable(logging.CRITICAL)
    equal("\\sin x + 1", "1 + \\sin x")  # loads what comparing needs, before memory is limited
    limit_this_process()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        limit_processor_time(question["timeout_s"])
        try:
            verdict = equal(question["answer"], question["target"])
        except (MemoryError, RecursionError, Exception):  # noqa: BLE001 - hostile input may raise anything
            verdict = None
        print(json.dumps({"equal": verdict}), flush=True)


if __name__ == "__main__":
    main()
