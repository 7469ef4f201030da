"""Cases found in the world, each with the right value, tried on this checkout: hostile scripts, scoring folders, usage.

`python -m benchmarks.cases --data DIR` prints a line a case and a table of the sets; exit 1 when one is not right.
Rows that describe a whole run in words are named as such and are held by the tests that are listed beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from harness.documents.table import Column, Table
from harness.rendering.console import print_table

PROGRAM = Path(sys.executable).with_name("benchtab")
ASKED = ("id", "provider", "model", "at", "service_tier", "usage_kind", "usage", "request", "model_served")
LIMIT_S = 300
Judgement = Literal["right", "wrong", "not tried"]

BY_TEST = {
    "h-suite-01": "test_row_answers.py::test_sample_id_and_id_name_the_same_field",
    "h-suite-02": "test_row_answers.py::test_a_csv_file_without_a_header_line_gets_its_column_names_from_the_suite",
    "h-suite-03": "test_row_answers.py::test_options_are_read_in_the_forms_that_data_sets_have",
}
"""Rows in words, and the test that holds each."""


WITHOUT_ITS_PREMISE: Mapping[str, tuple[str, str]] = {
    "scorer_math_orphans": (
        "0 of 0 math workers",
        "the comparison that it interrupts after 7 s is decided at once, so no worker is busy; "
        "tests/sandbox/test_math_worker_end.py ends the parent of one that is",
    ),
}
"""Scripts that cannot bring about what they look for any more: what they then print, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one case."""

    case: str
    verdict: Judgement
    said: str = ""


def hostile(folder: Path) -> Iterator[Result]:
    """Run every script; its exit code says whether the fault is there (2 = something is missing on this machine)."""
    scripts = sorted((folder / "hostile").glob("*.py"))
    verdicts: dict[int, Judgement] = {0: "right", 2: "not tried"}
    with ThreadPoolExecutor(2) as pool:
        for script, (code, said) in zip(scripts, pool.map(_script, scripts), strict=True):
            printed, reason = WITHOUT_ITS_PREMISE.get(script.stem, ("", ""))
            if printed and printed in said:
                yield Result(case=script.stem, verdict="not tried", said=reason)
            else:
                yield Result(case=script.stem, verdict=verdicts.get(code, "wrong"), said=said)


def _script(script: Path) -> tuple[int, str]:
    return _run([sys.executable, "-B", str(script)])


def scoring(folder: Path) -> Iterator[Result]:
    """Run every folder of data and replies through the program, with the runner that lies beside them."""
    tool = folder / "scoring" / "_tools" / "run_case.py"
    cases = sorted(path.parent for path in (folder / "scoring").glob("*/suite.toml"))
    with ThreadPoolExecutor(2) as pool:
        commands = [[sys.executable, "-B", str(tool), str(case)] for case in cases]
        for case, (code, said) in zip(cases, pool.map(_run, commands), strict=True):
            yield Result(case=case.name, verdict="right" if code == 0 else "wrong", said="" if code == 0 else said)


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Run a case against this checkout's program: its exit code and the line that tells most."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={**os.environ, "BENCHTAB": str(PROGRAM)},
        )
    except subprocess.TimeoutExpired:
        return 1, f"not finished within {LIMIT_S} s"
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("FAIL", "FAULT"))]
    return done.returncode, (telling or lines or [""])[-1]


def usage(folder: Path) -> Iterator[Result]:
    """Price every payload; dollars must be equal to the last digit."""
    cases = list(_rows(folder / "usage_cases.jsonl"))
    for case, got in zip(cases, _priced(cases), strict=True):
        wanted = case["expected_usd"]
        right = got["status"] == "unpriced" if wanted is None else _equal(got.get("usd"), wanted)
        yield Result(
            case=case["id"], verdict="right" if right else "wrong", said=f"{got.get('usd')}, expected {wanted}"
        )


def _priced(payloads: Sequence[Mapping[str, Any]], *options: str) -> list[dict[str, Any]]:
    lines = "".join(json.dumps({key: one[key] for key in ASKED if key in one}) + "\n" for one in payloads)
    done = subprocess.run(
        [PROGRAM, "price", *options], input=lines, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _equal(given: Any, wanted: Any) -> bool:
    return given is not None and Decimal(str(given)) == Decimal(str(wanted))


def found(folder: Path) -> Iterator[Result]:
    """Try what was found in real logs: replies on the scorers, programs in the sandbox, payloads on the price book."""
    for row in _rows(folder / "found_in_real_logs.jsonl"):
        area = row["area"]
        if area.startswith("scorer "):
            yield _scored(row, area.removeprefix("scorer "))
        elif area == "sandbox tests":
            yield _ran(row)
        elif area == "benchtab price":
            yield _priced_row(row)
        else:
            test = BY_TEST.get(row["id"])
            yield Result(case=row["id"], verdict="not tried", said=f"held by {test}" if test else "told in words")


def _scored(row: Mapping[str, Any], scorer: str) -> Result:
    from harness.sandbox.math_pool import MathWorkers
    from harness.scorers import MathCheck, Score, score
    from harness.suites import Sample, ScorerRef

    choices = row.get("choices")
    choices = tuple(json.loads(choices.replace("'", '"')) if isinstance(choices, str) else choices or ()) or None
    sample = Sample(task="t", sample_id="s", input="?", target=row["target"], choices=choices)
    outcome = score(ScorerRef(name=scorer), text=row["reply"], sample=sample)
    if isinstance(outcome, MathCheck):
        check = outcome

        async def compare() -> Score:
            workers = MathWorkers(1)
            try:
                return await workers.check(check)
            finally:
                await workers.aclose()

        outcome = asyncio.run(compare())
    given = outcome.value if isinstance(outcome, Score) else None
    answer = outcome.answer if isinstance(outcome, Score) else None
    *letters, wanted = str(row["expected"]).split(", ")
    right = (given or 0.0) == float(wanted) and (not letters or answer == letters[0])
    return Result(
        case=row["id"],
        verdict="right" if right else "wrong",
        said=f"{answer!r} {given}, expected {row['expected']}",
    )


def _ran(row: Mapping[str, Any]) -> Result:
    from harness.sandbox import Sandbox, Verdict
    from harness.scorers import ProgramCheck

    check = ProgramCheck(program=row["program"], tests=row["tests"], entry_point=row["entry_point"], timeout_s=30)

    async def run() -> Verdict:
        async with Sandbox() as sandbox:
            return await sandbox.run(check)

    given = asyncio.run(run())
    if given.passed is None:
        return Result(case=row["id"], verdict="not tried", said=given.detail)
    right = given.reason == row["expected"]
    return Result(case=row["id"], verdict="right" if right else "wrong", said=f"{given.reason} {given.detail}")


def _as_azure(row: Mapping[str, Any]) -> bool:
    own, azure = _priced([row["input"], row["input"] | {"provider": "azure"}])
    return own["usd"] is not None and own["usd"] == azure["usd"]


def _usd_of_utc(row: Mapping[str, Any]) -> Any:
    (got,) = _priced([row["input"]], "--assume-utc") or [{}]
    return got.get("usd")


PRICE_CHECKS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], bool]] = {
    "h-price-unknown-field-cached": lambda _, got: _equal(got["usd"], "0.00072345") or bool(got["warnings"]),
    "h-price-unknown-field-anthropic-inspect": lambda _, got: _equal(got["usd"], "0.0093") or bool(got["warnings"]),
    "h-price-openrouter-35-sonnet-6-30": lambda _, got: _equal(got["list_usd"], "0.002634"),
    "h-price-byok": lambda _, got: _equal(got["usd"], "0.0003253"),
    "h-price-zero-cost-paid-model": lambda _, got: got["usd"] is None or bool(got["warnings"]),
    "h-price-openrouter-responses-shape": lambda _, got: _equal(got["list_usd"], "0.002196"),
    "h-price-naive-time": lambda row, _: _equal(_usd_of_utc(row), "0.000028"),
    "h-price-azureai-alias": lambda row, _: _as_azure(row),
    "h-price-azure-gpt-4o-2024-11-20": lambda _, got: _equal(got["usd"], "0.000035"),
    "h-price-openrouter-dated-name": lambda _, got: _equal(got["usd"], "0.0000021"),
    "h-price-openrouter-free-variant": lambda _, got: got["status"] == "free",
}
"""What each row's words say must hold: 10 x 2.5 + 1 x 10 USD per million is 0.000035, and so on."""


def _priced_row(row: Mapping[str, Any]) -> Result:
    holds = PRICE_CHECKS.get(row["id"])
    if holds is None:
        return Result(case=row["id"], verdict="not tried", said=f"told in words: {row['expected']}")
    (got,) = _priced([row["input"]])
    said = f"{got['status']} {got.get('usd')} (list {got.get('list_usd')}), expected {row['expected']}"
    return Result(case=row["id"], verdict="right" if holds(row, got) else "wrong", said=said)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


SETS: Mapping[str, Callable[[Path], Iterator[Result]]] = {
    "hostile": hostile,
    "scoring": scoring,
    "usage": usage,
    "found": found,
}


def summary(results: Mapping[str, Sequence[Result]]) -> Table:
    """Count the verdicts of every set."""
    columns = ("set", "cases", "right", "wrong", "not tried")
    rows = [
        (name, len(ones), *(sum(one.verdict == word for one in ones) for word in columns[2:]))
        for name, ones in results.items()
    ]
    kinds = tuple(Column(name=name, kind="text" if name == "set" else "integer") for name in columns)
    return Table(name="cases", title="Cases found in the world", columns=kinds, rows=rows)


def main() -> int:
    """Try the sets that were asked for; 1 when a case is not right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with hostile/, scoring/ and the JSON Lines")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    asked = parser.parse_args()
    if not asked.data.is_dir():
        print(f"there are no cases at {asked.data}; name their folder: make proof-cases DATA=DIR")
        return 0
    results: dict[str, list[Result]] = {}
    for name in asked.sets:
        results[name] = []
        for one in SETS[name](asked.data):
            results[name].append(one)
            print(f"{name:8} {one.verdict:9} {one.case}: {one.said}"[:220], flush=True)
    print_table(summary(results))
    return int(any(one.verdict == "wrong" for ones in results.values() for one in ones))


if __name__ == "__main__":
    raise SystemExit(main())
