"""SciCode's reference solutions pass, wrong ones fail, and what its package reads and compares we read and compare.

Needs the package `nvidia-scicode` for its problems. Without the real `test_data.h5` (DATA=DIR, in DIR/scicode) targets
of the dev problems are made by their reference solutions.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.scicode.mutants import mutants
from benchmarks.scicode.package_forms import compare_readers, compare_verdicts
from benchmarks.scicode.reference_targets import reference_values, write_targets
from harness.loaders import load_suite, load_task, suite_file
from harness.runner.scoring.checks import ScoringChecks
from harness.scorers import ProgramCheck, Score, score
from harness.suites import prompts
from harness.suites.sample import LoadedTask, Sample


def main() -> int:
    """Run everything and print counts; 0 when they are as they must be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with scicode/test_data.h5")
    parser.add_argument("--mutants", type=int, default=2, help="operators changed per solution")
    parser.add_argument("--pairs", type=int, default=2_000, help="pairs of values compared by both comparisons")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_proof(asked, Path(folder)))


async def _proof(asked: argparse.Namespace, folder: Path) -> int:
    data = asked.data or folder
    if asked.data is None:
        made = _make_targets(folder / "scicode" / "test_data.h5")
        print(f"targets of {made} dev steps made by their reference solutions; the real test_data.h5 was not given")
    task = load_suite("scicode").tasks[0]
    loaded = load_task(task, suite_path=suite_file("scicode"), data_dir=data)
    _count(loaded)
    solved = {one.sample_id: one for one in loaded.samples if one.metadata.get("reference_solution")}
    bad = 0
    async with ScoringChecks(unsafe_exec=False, notice=lambda text: print(text, file=sys.stderr)) as checks:
        bad += await _references(checks, solved, loaded)
        bad += await _mutants(checks, solved, loaded, most=asked.mutants)
        bad += await _without_targets(checks, solved, loaded)
    h5 = data / "scicode" / "test_data.h5"
    bad += compare_readers(h5, {one.sample_id: one.targets.count for one in loaded.samples if one.targets})
    bad += compare_verdicts(asked.pairs)
    print("as it must be" if not bad else f"{bad} not as it must be")
    return int(bool(bad))


def _make_targets(path: Path) -> int:
    task = load_suite("scicode").tasks[0]
    samples = load_task(task, suite_path=suite_file("scicode")).samples
    solved = {one.sample_id: one for one in samples if one.metadata.get("reference_solution")}
    targets = {}
    for sample in solved.values():
        if sample.metadata["n_targets"]:
            ready = _ready(sample, solved)
            program = f"{ready.metadata.get('earlier_code') or prompts.code_before(ready.metadata)}\n"
            cases = re.split(r"^target = targets\[\d+\]\n", sample.metadata["tests"], flags=re.MULTILINE)[1:]
            targets[sample.sample_id] = reference_values(program + sample.metadata["reference_solution"], cases)
    path.parent.mkdir(parents=True)
    write_targets(path, targets)
    return len(targets)


def _ready(sample: Sample, solved: Mapping[str, Sample]) -> Sample:
    """A sample after its earlier steps were answered with their reference solutions."""
    needed = sample.metadata.get("depends_on", ())
    return prompts.with_earlier_answers(sample, {one: _reply(solved[one]) for one in needed if one in solved})


def _reply(sample: Sample) -> str:
    return f"```python\n{sample.metadata['reference_solution']}\n```"


def _count(loaded: LoadedTask) -> None:
    dev = sum(1 for one in loaded.samples if one.metadata.get("reference_solution"))
    problems = len({one.metadata["group"] for one in loaded.samples})
    unbound = Counter(name for one in loaded.samples for name in _unbound(one))
    print(
        f"{problems} problems, {len(loaded.samples)} steps: {dev} dev steps with reference solutions, "
        f"{len(loaded.samples) - dev} test steps without; names that tests use and nobody gives: {dict(unbound) or 0}"
    )


def _unbound(sample: Sample) -> Iterator[str]:
    """Names of a step's tests that neither imports, steps, targets nor Python give."""
    import ast
    import builtins

    facts = sample.metadata
    given: dict[str, object] = {"targets": []}
    exec(facts["test_support"], given)  # noqa: S102 - the imports of the suite
    known = {*given, *dir(builtins), "__name__"}
    signatures = [*facts["earlier_signatures"].values(), facts["header"], facts["supplied_code"]]
    known |= {name for text in signatures for name in re.findall(r"(?:def|class)\s+(\w+)", text)}
    tree = ast.parse(facts["tests"])
    nodes = list(ast.walk(tree))
    known |= {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    known |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    known |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    known |= {(one.asname or one.name).split(".")[0] for node in nodes
              if isinstance(node, ast.Import | ast.ImportFrom) for one in node.names}  # fmt: skip
    yield from sorted({node.id for node in nodes if isinstance(node, ast.Name)} - known)


async def _verdict(checks: ScoringChecks, task: LoadedTask, sample: Sample, reply: str) -> Score:
    outcome = score(task.task.scorer, text=reply, sample=sample)
    if isinstance(outcome, ProgramCheck):
        return await checks.run_program(outcome)
    assert isinstance(outcome, Score)
    return outcome


async def _verdicts(checks: ScoringChecks, task: LoadedTask, asked: Sequence[tuple[Sample, str]]) -> Sequence[Score]:
    """Score replies, as many at a time as the sandbox takes."""
    return await asyncio.gather(*(_verdict(checks, task, sample, reply) for sample, reply in asked))


async def _references(checks: ScoringChecks, solved: Mapping[str, Sample], loaded: LoadedTask) -> int:
    asked = [(_ready(sample, solved), _reply(sample)) for sample in solved.values()]
    found = dict(zip(solved, await _verdicts(checks, loaded, asked), strict=True))
    passed = [one for one, verdict in found.items() if verdict.value == 1.0]
    problems = Counter(sample.metadata["group"] for sample in solved.values())
    whole = Counter(solved[one].metadata["group"] for one in passed)
    n_whole = sum(whole[one] == n for one, n in problems.items())
    told = f"{len(passed)} of {len(found)} steps, {n_whole} of {len(problems)} problems pass"
    print(f"reference solutions: {told}", flush=True)
    for one, verdict in found.items():
        if verdict.value != 1.0:
            print(f"  {one}: {verdict.reason or ''} {verdict.explanation}")
    return len(found) - len(passed)


async def _mutants(checks: ScoringChecks, solved: Mapping[str, Sample], loaded: LoadedTask, *, most: int) -> int:
    """Wrong solutions fail; those whose operator is changed may be right again, and are named."""
    made = [
        (one, what, _ready(sample, solved), f"```python\n{code}\n```")
        for one, sample in solved.items()
        for what, code in mutants(sample.metadata["reference_solution"], sample.metadata["entry_point"], most=most)
    ]
    verdicts = await _verdicts(checks, loaded, [(sample, reply) for _, _, sample, reply in made])
    right: dict[str, list[str]] = {"result": [], "operator": []}
    n = Counter[str]()
    for (one, what, _, _), verdict in zip(made, verdicts, strict=True):
        kind = "result" if what == "another result" else "operator"
        n[kind] += 1
        if verdict.value != 0.0:
            right[kind].append(f"{one} ({what}: {verdict.explanation})")
    for kind, listed in right.items():
        print(f"solutions with another {kind}: {n[kind] - len(listed)} of {n[kind]} fail", flush=True)
        for text in listed:
            print(f"  does not fail: {text}")
    return len(right["result"])


async def _without_targets(checks: ScoringChecks, solved: Mapping[str, Sample], loaded: LoadedTask) -> int:
    """A step whose targets are missing, in the file or as a file, is unscored: never right, never wrong."""
    wanting = [sample for sample in solved.values() if sample.targets is not None]
    n_unscored = 0
    for sample in wanting:
        assert sample.targets is not None
        lost = replace(_ready(sample, solved), targets=None)
        more = replace(sample.targets, count=sample.targets.count + 1)
        torn = replace(_ready(sample, solved), targets=more)
        n_unscored += (await _verdict(checks, loaded, lost, _reply(sample))).value is None
        n_unscored += (await _verdict(checks, loaded, torn, _reply(sample))).value is None
    print(f"steps without a target: {n_unscored} of {2 * len(wanting)} unscored, each with the reason")
    return 2 * len(wanting) - n_unscored


if __name__ == "__main__":
    sys.exit(main())
