"""SciCode whole: a step is scored against numbers from `test_data.h5`, and never without them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.loaders import load_suite, load_task, suite_file
from harness.runner.scoring.checks import ScoringChecks
from harness.scorers import ProgramCheck, Score, score
from harness.suites import LoadedTask, Sample
from harness.suites.prompts import with_earlier_answers

h5py = pytest.importorskip("h5py")
TASK = load_suite("scicode").tasks[0]
STEPS: Mapping[str, tuple[str, str, float]] = {
    "62.1": ("class Block:\n    '''A block.'''", "", 0.0),
    "62.2": ("def area(block, k):", "block = Block(3.0)\nassert np.allclose(area(block, 2), target)", 6.0),
    "62.3": (
        "def drawn(n):",
        "np.random.seed(7)\nshift = np.random.rand()\nassert np.allclose(drawn(3) + shift, target)\n"
        "assert np.allclose(np.random.rand(), 0.9779895119966027)",
        0.0,
    ),
    "62.4": (
        "def banded(n):",
        "from scicode.compare.cmp import are_dicts_close\nassert are_dicts_close(banded(2), target)",
        0.0,
    ),
    "62.5": ("def integral(y):", "assert np.allclose(integral(np.ones(3)), target)", 2.0),
}
SOLUTIONS = {
    "62.2": "def area(block, k):\n    return block.length * k",
    "62.3": "def drawn(n):\n    return np.random.rand(n)",
    "62.4": "def banded(n):\n    return {'m': identity(n).tocsr(), 't': 'x'}",
    "62.5": "def integral(y):\n    return simps(y) if True else np.trapz(y)",
}


def write(folder: Path, *, without: str = "") -> None:
    """A problem of five steps, one of them supplied, and its targets."""
    import numpy as np

    steps = [
        {
            "step_number": number,
            "step_description_prompt": "Write it.",
            "function_header": header,
            "return_line": "    return it",
            "test_cases": [case] if case else [],
        }
        for number, (header, case, _) in STEPS.items()
    ]
    imports = "import numpy as np\nfrom scipy.sparse import kron, identity\nfrom scipy.integrate import simps"
    problem = {"problem_id": "62", "required_dependencies": imports, "sub_steps": steps}
    place = folder / "scicode"
    place.mkdir()
    (place / "problems_all.jsonl").write_text(json.dumps(problem) + "\n", encoding="utf-8")
    supplied = "class Block:\n    def __init__(self, length):\n        self.length = length\n"
    (place / "62.1.txt").write_text(supplied, encoding="utf-8")
    random = np.random.RandomState(7)
    shift = random.rand()
    targets: dict[str, Any] = {number: value for number, (_, _, value) in STEPS.items()}
    targets["62.3"] = random.rand(3) + shift
    with h5py.File(place / "test_data.h5", "w") as file:
        for number, value in targets.items():
            if number not in (without, "62.4"):
                file[f"{number}/test1/var1"] = value
        matrix = {"data": [1.0, 1.0], "indices": [0, 1], "indptr": [0, 1, 2], "shape": [2, 2]}
        for name, part in matrix.items():
            file[f"62.4/test1/var1/m/sparse_matrix/{name}"] = part
        file["62.4/test1/var1/t"] = "x"


def loaded_from(folder: Path) -> LoadedTask:
    return load_task(TASK, suite_path=suite_file("scicode"), data_dir=folder)


async def judged(samples: Mapping[str, Sample], solutions: Mapping[str, str]) -> dict[str, Score]:
    found: dict[str, Score] = {}
    async with ScoringChecks(unsafe_exec=True, notice=lambda _: None) as checks:

        async def one(number: str, sample: Sample) -> None:
            earlier = {step: f"```python\n{code}\n```" for step, code in SOLUTIONS.items()}
            ready = with_earlier_answers(sample, earlier)
            check = score(TASK.scorer, text=f"```python\n{solutions[number]}\n```", sample=ready)
            assert isinstance(check, ProgramCheck | Score)
            found[number] = await checks.run_program(check) if isinstance(check, ProgramCheck) else check

        await asyncio.gather(*(one(number, sample) for number, sample in samples.items()))
    return found


async def test_right_steps_pass_and_wrong_ones_fail_by_the_numbers_of_the_file(tmp_path: Path) -> None:
    write(tmp_path)
    loaded = loaded_from(tmp_path)
    assert not [one for one in loaded.warnings if "unscored" in one]
    samples = {one.sample_id: one for one in loaded.samples}
    assert list(samples) == list(SOLUTIONS), "the supplied step is asked of nobody"
    right = await judged(samples, SOLUTIONS)
    assert {one: (got.value, got.explanation) for one, got in right.items()} == dict.fromkeys(right, (1.0, "passed"))
    wrong = {
        "62.2": "def area(block, k):\n    return block.length + k",
        "62.3": "def drawn(n):\n    np.random.rand()\n    return np.random.rand(n)",
        "62.4": "def banded(n):\n    return {'m': 2 * identity(n).tocsr(), 't': 'x'}",
        "62.5": "def integral(y):\n    target = 2.0\n    return target + 1",
    }
    assert {one: got.value for one, got in (await judged(samples, wrong)).items()} == dict.fromkeys(wrong, 0.0)


async def test_a_program_cannot_bring_its_own_targets_or_comparisons(tmp_path: Path) -> None:
    write(tmp_path)
    samples = {one.sample_id: one for one in loaded_from(tmp_path).samples if one.sample_id in ("62.2", "62.4")}
    cheats = {
        "62.2": "targets = [1.0]\ntarget = 1.0\ndef area(block, k):\n    return 1.0\nnp.allclose = lambda *_: True",
        "62.4": "import sys, types\n"
        "sys.modules['scicode.compare.cmp'] = types.SimpleNamespace(are_dicts_close=lambda *_: True)\n"
        "def are_dicts_close(*_):\n    return True\ndef banded(n):\n    return {}",
    }
    assert {one: got.value for one, got in (await judged(samples, cheats)).items()} == dict.fromkeys(cheats, 0.0)


async def test_a_step_without_its_target_is_unscored_and_named_before_anything_is_asked(tmp_path: Path) -> None:
    write(tmp_path, without="62.5")
    loaded = loaded_from(tmp_path)
    assert any("1 samples will stay unscored" in one and "62.5" in one for one in loaded.warnings)
    samples = {one.sample_id: one for one in loaded.samples if one.sample_id == "62.5"}
    (got,) = (await judged(samples, SOLUTIONS)).values()
    assert (got.value, got.reason) == (None, "undecided")
    assert "numeric targets of this step are not on this machine" in (got.explanation or "")


async def test_targets_that_vanish_during_a_run_leave_answers_unscored(tmp_path: Path) -> None:
    write(tmp_path)
    samples = {one.sample_id: one for one in loaded_from(tmp_path).samples if one.sample_id == "62.2"}
    (tmp_path / "scicode" / "test_data.h5").unlink()
    (got,) = (await judged(samples, SOLUTIONS)).values()
    assert (got.value, got.reason) == (None, "undecided")
    assert "step 62.2" in (got.explanation or "")


def test_without_the_file_the_warning_says_where_it_goes(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "scicode" / "test_data.h5").unlink()
    (told,) = [one for one in loaded_from(tmp_path).warnings if "unscored" in one]
    assert "4 of 4 samples" in told
    assert "scicode/test_data.h5" in told


def test_other_targets_are_other_data(tmp_path: Path) -> None:
    write(tmp_path)
    before = loaded_from(tmp_path)
    with h5py.File(tmp_path / "scicode" / "test_data.h5", "a") as file:
        file["62.2/test1/var1"][()] = 7.0
    assert loaded_from(tmp_path).samples_sha256 != before.samples_sha256
    assert str(tmp_path) not in json.dumps([dict(one.metadata) for one in before.samples])


async def test_functions_of_the_program_can_be_handed_to_one_another_and_its_numbers_stay_what_they_are() -> None:
    program = (
        "import numpy as np\ndef twice(f, x):\n    return f(f(x))\ndef grown(x):\n    return x + 1\n"
        "def parts():\n    return [np.complex128(1 + 2j), np.float64(0.5), np.int64(3)]\n"
        "def types(values):\n    return [type(one).__name__ for one in values]\n"
    )
    tests = (
        "import numpy as np\nassert twice(grown, 1) == 3\n"
        "assert types(parts()) == ['complex128', 'float64', 'int64']\n"
        "assert [type(one) for one in parts()] == [np.complex128, np.float64, np.int64]\n"
    )
    async with ScoringChecks(unsafe_exec=True, notice=lambda _: None) as checks:
        got = await checks.run_program(ProgramCheck(program=program, tests=tests, timeout_s=60, is_numeric=True))
    assert (got.value, got.explanation) == (1.0, "passed")
