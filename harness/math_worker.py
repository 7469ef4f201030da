"""The program that a math worker process runs: formulas in, verdicts out, one JSON line each, limits on itself first.

Data flows stdin {"answer", "target"} -> math-verify -> stdout {"equal": true | false | null}; null = not comparable.
"""

from __future__ import annotations

import json
import logging
import resource
import sys

MEMORY_BYTES = 1_500_000_000
RECURSION = 3_000


def limit_this_process() -> None:
    """Give up memory beyond a bound, writing of files, core dumps and child processes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(RECURSION)


def equal(answer: str, target: str) -> bool | None:
    """Compare two formulas symbolically; None when either cannot be read."""
    from math_verify import parse, verify

    wanted = parse(f"${target}$", parsing_timeout=None)
    given = parse(f"${answer}$", parsing_timeout=None)
    if not wanted or not given:
        return None
    return bool(verify(wanted, given, timeout_seconds=None))


def main() -> None:
    """Answer line by line until stdin ends."""
    logging.disable(logging.CRITICAL)
    from math_verify import parse

    parse("$1$", parsing_timeout=None)
    limit_this_process()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        question = json.loads(line)
        try:
            verdict = equal(question["answer"], question["target"])
        except (MemoryError, RecursionError, Exception):  # noqa: BLE001 - hostile input may raise anything
            verdict = None
        print(json.dumps({"equal": verdict}), flush=True)


if __name__ == "__main__":
    main()
