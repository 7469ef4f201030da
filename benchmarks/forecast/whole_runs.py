"""Whole runs with a pilot through the command line, on simulated models; judged by what the ledger keeps of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import attempt_rows

MODELS = ("sim/reasoner", "sim/reasoner@low", "sim/reasoner@high", "sim/direct")
TASKS = {"short": 240, "long": 120, "few": 40}
"""Samples of each task."""
_TASK = """
[[tasks]]
name = "{name}"
prompt = "{{question}} End with the answer alone on the last line."
scorer = {{ name = "number" }}
max_output_tokens = 16384

[tasks.dataset]
source = "files"
path = "{name}"
revision = "1"
local = "{name}.jsonl"
fields = {{ sample_id = "id", question = "question", target = "answer" }}
"""


@dataclass(frozen=True, slots=True)
class Runs:
    """What whole runs came to."""

    n_runs: int
    n_held: int
    n_exceeded: int
    misses: tuple[float, ...]
    n_pilot_first: int
    n_stopped: int


def write_suite(folder: Path, number: int) -> Path:
    """Write a suite of sums that no other number gives; the longer the sum, the harder."""
    random, parts = Random(number), [f'name = "sums-{number}"\nversion = "1"\ntitle = "Sums"\n']
    for place, (name, n_samples) in enumerate(TASKS.items()):
        rows = []
        for item in range(n_samples):
            terms = [random.randrange(10, 10_000) for _ in range(2 + 2 * place)]
            question = f"What is {' + '.join(map(str, terms))}?"
            rows.append({"id": f"{name}-{item}", "question": question, "answer": str(sum(terms))})
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        parts.append(_TASK.format(name=name))
    path = folder / "sums.toml"
    path.write_text("".join(parts), encoding="utf-8")
    return path


def run_all(folder: Path, n_runs: int, seed: int) -> Runs:
    """Run each suite whole with a pilot, and once with a budget that cannot hold it; read the record."""
    database = folder / "ledger.db"
    for number in range(n_runs):
        of_run = folder / f"suite-{number}"
        of_run.mkdir()
        suite = write_suite(of_run, 1000 * seed + number)
        words = ["run", str(suite), "-m", MODELS[number % len(MODELS)], "--pilot", "10%", "--db", str(database)]
        _benchtab([*words, "--run-id", f"whole-{number}"], exits=0)
        _benchtab([*words, "--run-id", f"stopped-{number}", "--budget-usd", "0.000001"], exits=3)
    said = json.loads(_benchtab(["forecasts", "--json", "--db", str(database)], exits=0))
    pilots = [one for one in said["forecasts"] if one["stage"] == "pilot" and one["model"] is None]
    whole = [one for one in pilots if one["run_id"].startswith("whole")]
    with Ledger.open(database, create=False) as ledger:
        first = [_pilot_came_first(ledger, one["run_id"]) for one in whole]
        stopped = [_asks_only_its_pilot(ledger, f"stopped-{number}") for number in range(n_runs)]
    return Runs(
        n_runs=len(whole),
        n_held=sum(one["held"] for one in whole),
        n_exceeded=sum(one["ceiling_exceeded"] for one in whole),
        misses=tuple(abs(one["miss"]) for one in whole),
        n_pilot_first=sum(first),
        n_stopped=sum(stopped),
    )


def _pilot_came_first(ledger: Ledger, run_id: str) -> bool:
    """Whether every sample was asked once, those of the pilot before all others."""
    pilot = {draw.planned_id for draw in ledger.draws(run_id)}
    asked = [row.planned_id for row in attempt_rows(ledger, [run_id])]
    return set(asked[: len(pilot)]) == pilot and len(asked) == len(set(asked)) == sum(TASKS.values())


def _asks_only_its_pilot(ledger: Ledger, run_id: str) -> bool:
    """Whether a run that its budget could not hold asked nothing beyond its pilot."""
    asked = {row.planned_id for row in attempt_rows(ledger, [run_id])}
    return asked <= {draw.planned_id for draw in ledger.draws(run_id)}


def _benchtab(words: Sequence[str], *, exits: int) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "BENCHTAB_DB"}
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != exits:
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}, wanted {exits}: {done.stderr[-2000:]}")
    return done.stdout
