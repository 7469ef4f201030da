"""Whole precision runs through the command line: some that nothing disturbs, others killed at random instants.

Run as `python -m benchmarks.precision_runs [--runs 30] [--kills 50]`. Suites are made up anew for each run; the truth
is what a simulated model would score on exactly these samples if it answered each of them many times.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.crashes import Findings, Victim, compare, simulating
from harness.errors import LedgerError
from harness.ledger import Ledger
from harness.models import ModelSpec, parse_model
from harness.precision import estimate
from harness.runner.plan import LoadedSuite
from harness.runner.precision.goals import Finding
from harness.runner.precision.outlook import Outlook
from harness.runner.preparation import load_suites
from harness.simulation.simulated_models import AnswerKey, Draw, answer, find_model, prompt_of
from harness.suites.sample import LoadedTask, Sample

TASK = """
[[tasks]]
name = "{name}"
prompt = "{{question}} End with the answer alone on the last line."
scorer = {{ name = "number" }}
epochs = {epochs}
weight = "1/{n_tasks}"
max_output_tokens = 16384
max_output_tokens_reasoning = 16384

[tasks.dataset]
source = "files"
path = "{name}"
revision = "1"
local = "{name}.jsonl"
fields = {{ sample_id = "id", question = "question", target = "answer" }}
"""
MODELS = ("sim/direct", "sim/reasoner@low", "sim/reasoner", "sim/reasoner@high")
TRUTH_DRAWS = 60
"""Answers to each sample from which the truth is made."""
RUN = "r"
SERVER = ("--delay-ms", "60", "--delay-log-sd", "0.5")
FEWEST_COVERED = 0.86
"""Of 30 intervals of 95 %, 26 or more hold the truth in 98 of 100 proofs."""


def write_index(folder: Path, draw: random.Random, *, largest: int) -> Path:
    """Write an index of three tasks: a large one, a middling one with a repeat, a small one with several."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [(draw.randint(largest // 2, largest), 1), (draw.randint(150, 300), 2), (draw.randint(40, 80), 6)]
    text = [f'name = "index-{folder.name}"', 'version = "1"', 'title = "Index"']
    for number, (n_samples, epochs) in enumerate(sizes):
        name, start = f"task-{number}", draw.randint(1, 10**9)
        rows = [
            {"id": f"{name}-{i}", "question": f"What is {start + i} + {i + 1}?", "answer": str(start + 2 * i + 1)}
            for i in range(n_samples)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        text.append(TASK.format(name=name, epochs=epochs, n_tasks=len(sizes)))
    path = folder / "index.toml"
    path.write_text("\n".join(text), encoding="utf-8")
    return path


def true_score(suite: LoadedSuite, model: ModelSpec) -> float:
    """What the model scores on these samples, its own chance taken out."""
    total = 0.0
    for task in suite.tasks:
        key = AnswerKey.from_samples((sample, task.task.scorer.name) for sample in task.samples)
        right = [_chance(key, task, sample, model) for sample in task.samples]
        total += float(task.task.weight or 0) * sum(right) / len(right)
    return total


def _chance(key: AnswerKey, task: LoadedTask, sample: Sample, model: ModelSpec) -> float:
    simulated = find_model(model.model)
    assert simulated is not None
    assert isinstance(sample.input, str)
    prompt = prompt_of([("user", sample.input)])
    effort = model.setting or "medium"
    draws = (Draw(seed=seed, model=simulated, effort=effort) for seed in range(1, TRUTH_DRAWS + 1))  # type: ignore[arg-type]
    cap = task.task.max_output_tokens
    return sum(bool(answer(key, one, prompt, max_output_tokens=cap).right) for one in draws) / TRUTH_DRAWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """One run that nothing disturbed."""

    model: str
    wanted: float
    half_width: float
    error: float
    is_covered: bool
    share: float
    n_waves: int


def whole_run(folder: Path, number: int, draw: random.Random) -> Whole:
    """Run one precision run through the command line and hold its interval against the truth."""
    suite, model = write_index(folder / f"s{number}", draw, largest=1_500), draw.choice(MODELS)
    wanted, database = draw.choice((2.5, 3.0, 4.0)), folder / f"{number}.db"
    command = [sys.executable, "-m", "harness", "run", str(suite), "-m", model, "--precision", f"{wanted:g}pt"]
    command += ["--db", str(database), "--run-id", RUN, "-q", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2_000:]}")
    json.loads(done.stdout)
    (loaded,) = load_suites([str(suite)], data_dir=None)
    truth = true_score(loaded, parse_model(model))
    with Ledger.open(database, create=False) as ledger:
        outlook = Outlook.of(ledger, RUN)
        (states,) = outlook.states.values()
        found = estimate(states.states)
        n_asked = len(ledger.draws(RUN))
        if n_asked != sum(one.n_attempts > 0 for one in ledger.outcomes(RUN).values()):
            raise SystemExit(f"run {number}: what was drawn is not what was asked")
    assert found.value is not None
    (finding,) = findings_of(outlook)
    asked_usd = sum(
        (state.usd_per_attempt or 0) * sum(state.passes) * state.stratum.unit_items for state in states.states
    )
    return Whole(
        model=model,
        wanted=wanted / 100,
        half_width=found.half_width,
        error=found.value - truth,
        is_covered=found.this_suite.low <= truth <= found.this_suite.high,
        share=asked_usd / (finding.best.usd or asked_usd),
        n_waves=states.n_waves,
    )


def findings_of(outlook: Outlook) -> list[Finding]:
    """What a run knows of its goals."""
    return [
        finding
        for goal in outlook.goals
        for finding in goal.findings([outlook.states[cell.cell_id] for cell in goal.cells])
    ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run drew and said in the end."""

    draws: Sequence[tuple[int, int, int, str, int, float]]
    sentences: Sequence[str]
    estimates: Sequence[Finding]


def outcome_of(database: Path) -> Outcome:
    """Read how a run ended."""
    with Ledger.open(database, create=False) as ledger:
        outlook = Outlook.of(ledger, RUN)
        draws = [
            (one.cell_id, one.planned_id, one.wave, one.stratum, one.draw_order, one.inclusion_probability)
            for one in ledger.draws(RUN)
        ]
        return Outcome(draws=draws, sentences=tuple(outlook.lines()), estimates=findings_of(outlook))


@dataclass(slots=True, kw_only=True)
class Killed:
    """What became of killed runs.

    Attributes:
        while_sending: kills that left requests in flight behind.
        differing: runs whose samples, stop or estimate are not those of the run that nothing disturbed.
        books: of each run, what the ledger and the server say.
    """

    n_kills: int = 0
    while_sending: int = 0
    differing: int = 0
    books: list[Findings] = field(default_factory=list)

    def total(self, of: Callable[[Findings], int]) -> int:
        """Add up over all runs."""
        return sum(map(of, self.books))


def killed_runs(folder: Path, *, kills: int, longest_s: float, seed: int) -> Killed:
    """Kill precision runs at random instants until there were so many kills; each goes on to its end."""
    draw, found = random.Random(seed), Killed()
    suite = write_index(folder / "killed", draw, largest=700)
    with simulating(suite, folder / "undisturbed.jsonl", *SERVER) as url:
        _to_the_end(_victim(suite, url, folder / "undisturbed.db"))
    wanted = outcome_of(folder / "undisturbed.db")
    while found.n_kills < kills:
        number = len(found.books)
        database, log = folder / f"killed-{number}.db", folder / f"killed-{number}.jsonl"
        with simulating(suite, log, *SERVER) as url:
            while found.n_kills < kills:
                victim = _victim(suite, url, database)
                if draw.random() < 0.9:
                    victim.wait_until_begun()
                if victim.ends_within(draw.uniform(0.0, longest_s)):
                    break
                victim.kill()
                found.n_kills += 1
                found.while_sending += _open_attempts(database) > 0
            _to_the_end(_victim(suite, url, database))
        found.differing += outcome_of(database) != wanted
        found.books.append(Findings())
        compare(database, log, found.books[-1])
    return found


def _victim(suite: Path, url: str, database: Path) -> Victim:
    return Victim(suite, url, database, RUN, "--precision", "3pt", "--timeout-s", "60", "-q")


def _to_the_end(victim: Victim) -> None:
    while not victim.ends_within(600.0):
        raise SystemExit("a run did not end")
    victim.kill()
    if victim.process.returncode != 0:
        raise SystemExit(f"benchtab run ended with {victim.process.returncode}:\n{victim.said[-2_000:]}")


def _open_attempts(database: Path) -> int:
    """Attempts that a killed run left in flight; none where it was killed before there was a ledger."""
    with contextlib.suppress(LedgerError), Ledger.open(database, create=False) as ledger:
        return sum(one.n_open for one in ledger.outcomes(RUN).values())
    return 0


def report_whole(runs: Sequence[Whole]) -> bool:
    """Print what undisturbed runs found; gives whether it holds."""
    for one in runs:
        print(
            f"{one.model:<18} +-{100 * one.wanted:g}: {one.n_waves} waves, {100 * one.share:5.1f} % of the bill,"
            f" +-{100 * one.half_width:.2f}, off by {100 * one.error:+.2f}{'' if one.is_covered else '  MISSED'}"
        )
    n_covered = sum(one.is_covered for one in runs)
    n_reached = sum(one.half_width <= one.wanted for one in runs)
    share = median(one.share for one in runs)
    print(
        f"{len(runs)} whole runs: {n_reached} reached their target, {n_covered} intervals hold the truth;"
        f" share of the bill: median {100 * share:.1f} %"
    )
    return n_reached == len(runs) and n_covered >= FEWEST_COVERED * len(runs)


def report_killed(found: Killed) -> bool:
    """Print what killed runs came to; gives whether it holds."""
    resent, unlogged = found.total(lambda one: len(one.resent)), found.total(lambda one: len(one.unlogged))
    billed = found.total(lambda one: len(one.differing) + len(one.above_bound))
    print(
        f"{found.n_kills} kills by SIGKILL ({found.while_sending} with requests in flight) over {len(found.books)}"
        f" runs: {found.differing} differ from an undisturbed run in samples, stop or estimate"
    )
    print(
        f"{found.total(lambda one: one.n_requests):,} requests; settled samples sent twice: {resent}; requests unknown"
        f" to the ledger: {unlogged}; bills that differ from the server's: {billed}"
    )
    return not (found.differing or resent or unlogged or billed)


def main() -> None:
    """Run the proof and end with 1 when it fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--longest-s", type=float, default=1.5, help="longest time from sending to a kill")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    started_s, draw = time.monotonic(), random.Random(arguments.seed)
    holds = True
    with tempfile.TemporaryDirectory(prefix="benchtab-precision-") as name:
        if arguments.kills:
            killed = killed_runs(Path(name), kills=arguments.kills, longest_s=arguments.longest_s, seed=arguments.seed)
            holds &= report_killed(killed)
        if arguments.runs:
            holds &= report_whole([whole_run(Path(name), number, draw) for number in range(arguments.runs)])
    print(f"{'holds' if holds else 'FAILS'} ({time.monotonic() - started_s:.0f} s)")
    raise SystemExit(0 if holds else 1)


if __name__ == "__main__":
    main()
