"""The same run by one process, by several workers and on a Ray cluster: its report is the same, byte for byte.

Data flows a suite -> `benchtab run` against the simulated server, each time in an empty ledger -> report and samples,
from which only named times and ids are taken out.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.crashes import PROVIDER, simulating, write_suite
from tests.support.postgres_server import serving

MODELS = ("sim-reasoner", "sim-direct")
RUN = "equal"
TIMES = ("seconds_per_task", "seconds_to_first_byte", "made_at", "spent_then_usd")
"""Keys of the report that hold durations, the instant of a forecast, and what had been spent at that instant.
It holds no id but the run's, which is the same here."""
MOST_SHOWN = 12
SAMPLE_TIMES_AND_IDS = ("duration_s", "time_to_first_byte_s", "attempt_id")
"""Columns of the samples that hold durations, and the number of an attempt in the order in which they were sent."""
_TIME = re.compile(rf'("(?:{"|".join(TIMES)})": )(?:null|-?[0-9.e+-]+|"[0-9T:.+-]+")(,?)$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a run tells: its report and its samples without times and ids."""

    report: str
    samples: str


def without_times(report: str) -> str:
    """Take durations and instants out of a report's JSON; everything else stays as it is, to the byte."""
    return _TIME.sub(r"\1null\2", report)


def without_times_and_ids(samples: str) -> str:
    """Take durations and numbers of attempts out of exported samples."""
    rows = list(csv.reader(io.StringIO(samples)))
    kept = [place for place, name in enumerate(rows[0]) if name not in SAMPLE_TIMES_AND_IDS]
    made = io.StringIO()
    csv.writer(made).writerows([[row[place] for place in kept] for row in rows])
    return made.getvalue()


def told(folder: Path, suite: Path, ledger_url: str, workers: str | None) -> tuple[Told, float]:
    """Carry the run out and have it told; gives that, and the seconds that the run took."""
    log = folder / "billing.jsonl"
    with simulating(suite, log, "--delay-ms", "5") as base_url:
        words = ["run", str(suite), "--base-url", base_url, "--run-id", RUN, "--db", ledger_url, "-q", "--json"]
        words += [word for model in MODELS for word in ("-m", f"{PROVIDER}/{model}")] + ["--concurrency", "64"]
        started_s = time.monotonic()
        _benchtab(*words, *(() if workers is None else ("--workers", workers)))
        wall_s = time.monotonic() - started_s
    log.unlink()
    exported = folder / "samples.csv"
    _benchtab("export", "samples", "--run", RUN, "--db", ledger_url, "-o", str(exported))
    report = _benchtab("report", RUN, "--db", ledger_url, "--json")
    samples = exported.read_text(encoding="utf-8")
    return Told(report=without_times(report), samples=without_times_and_ids(samples)), wall_s


def _benchtab(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"benchtab {' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2_000:]}")
    return done.stdout


def equal(folder: Path, *, requests: int) -> bool:
    """Run with one process and with several workers, print which reports are equal; says whether all are."""
    suite = write_suite(folder, requests // len(MODELS))
    ways = {"1 worker": "1", "2 workers": "2", "4 workers": "4"}
    if importlib.util.find_spec("ray") is not None:
        ways["4 actors of a local Ray cluster"] = "ray:local:4"
    else:
        print("Ray is not installed (pip install 'benchtab[ray]'): its actors are not shown")
    first, wall_s = told(folder, suite, str(folder / "one.db"), None)
    print(f"{requests:,} requests, one process on SQLite: {wall_s:.1f} s, report of {len(first.report):,} characters")
    print(f"left out of the comparison: {', '.join(TIMES)} of the report, {', '.join(SAMPLE_TIMES_AND_IDS)} of samples")
    holds = True
    with serving() as server:
        for name, workers in ways.items():
            other, wall_s = told(folder, suite, server.new_ledger(), workers)
            differing = [part for part in ("report", "samples") if getattr(first, part) != getattr(other, part)]
            holds &= not differing
            verdict = f"MISSED: {' and '.join(differing)} differ" if differing else "held: report and samples are equal"
            print(f"{name:32s} {wall_s:7.1f} s  {verdict}", flush=True)
            for part in differing:
                _show_differences(part, getattr(first, part), getattr(other, part))
    return holds


def _show_differences(part: str, one: str, other: str) -> None:
    """Name what differs: keys of the report, lines of the samples."""
    ours, theirs = (_by_key(json.loads(told), "") if part == "report" else _by_line(told) for told in (one, other))
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    print(f"    {len(keys)} differ in the {part}")
    for key in keys[:MOST_SHOWN]:
        print(f"    {key}: {ours.get(key, 'is missing'):.120s} | {theirs.get(key, 'is missing'):.120s}")


def _by_line(told: str) -> dict[str, str]:
    return {f"line {number}": line for number, line in enumerate(told.splitlines(), start=1)}


def _by_key(found: object, path: str) -> dict[str, str]:
    """Flatten JSON: `cells[0].forecasts[1].share` -> its value as JSON."""
    if isinstance(found, dict):
        parts = [_by_key(inner, f"{path}.{key}".lstrip(".")) for key, inner in found.items()]
    elif isinstance(found, list):
        parts = [_by_key(inner, f"{path}[{place}]") for place, inner in enumerate(found)]
    else:
        return {path: json.dumps(found)}
    return {key: value for part in parts for key, value in part.items()}
