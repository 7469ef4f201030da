"""Local stand-ins for data sets that cannot be shipped: made-up items in the real layouts, columns and sizes.

`python -m tests.support.stand_ins DIR` writes all seven members of the index suite and a few others, for `--data DIR`.
"""

from __future__ import annotations

import base64
import csv
import gzip
import json
import pickle
import sys
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

OPTIONS = ("north", "east", "south", "west", "up", "down", "left", "right", "in", "out")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def mmlu_pro(folder: Path) -> None:
    """12,032 ten-option questions."""
    rows = (
        {
            "question_id": number,
            "question": f"Which way points needle {number}?",
            "options": list(OPTIONS),
            "answer": "ABCDEFGHIJ"[number % 10],
            "answer_index": number % 10,
            "category": ("physics", "law", "history")[number % 3],
            "src": "stand-in",
        }
        for number in range(12_032)
    )
    path = folder / "mmlu_pro/mmlu_pro_test.jsonl.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def hle(folder: Path) -> None:
    """2,684 text questions and a few with an image, which the suite leaves out."""
    rows = (
        {
            "id": f"hle-{number}",
            "question": f"What is {number} times {number}?",
            "image": "" if number < 2_684 else "data:image/png;base64,AAAA",
            "answer": str(number * number),
            "answer_type": "exactMatch",
            "category": "Math",
        }
        for number in range(2_700)
    )
    write_jsonl(folder / "hle/test.jsonl", rows)


def gpqa_diamond(folder: Path) -> None:
    """198 questions as CSV, the right answer in its own column."""
    path = folder / "gpqa/gpqa_diamond.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    header = [
        "Question",
        "Correct Answer",
        "Incorrect Answer 1",
        "Incorrect Answer 2",
        "Incorrect Answer 3",
        "Subdomain",
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for number in range(198):
            writer.writerow([f"What is {number} + 1?", *(str(number + add) for add in (1, 2, 3, 4)), "Arithmetic"])


def aime(folder: Path, year: int) -> None:
    """30 problems with whole-number answers."""
    names = ("ID", "Problem", "Answer") if year == 2024 else ("id", "problem", "answer")
    rows = (dict(zip(names, (f"{year}-{n}", f"What is {n} times 7?", n * 7), strict=True)) for n in range(30))
    write_jsonl(folder / f"aime_{year}/test.jsonl", rows)


def math_500(folder: Path) -> None:
    """500 problems over five levels."""
    rows = (
        {
            "unique_id": f"test/algebra/{number}.json",
            "problem": f"Find ${number}/7$ as a fraction.",
            "answer": f"\\frac{{{number}}}{{7}}",
            "subject": "Algebra",
            "level": 1 + number % 5,
        }
        for number in range(500)
    )
    write_jsonl(folder / "math500/test.jsonl", rows)


def scicode(folder: Path) -> None:
    """80 problems with 341 sub-steps, of which the benchmark supplies three: 338 remain."""
    problems = [_scicode_problem(number) for number in range(1, 81)]
    write_jsonl(folder / "scicode/problems_dev.jsonl", problems[:15])
    write_jsonl(folder / "scicode/problems_test.jsonl", problems[15:])


def _scicode_problem(number: int) -> dict[str, Any]:
    steps = {13: 6, 76: 4, 80: 6}.get(number, 4 if number <= 76 else 5)
    steps += 1 if number <= 15 and number != 13 else 0
    return {
        "problem_id": str(number),
        "required_dependencies": "import math",
        "sub_steps": [
            {
                "step_number": f"{number}.{step}",
                "step_description_prompt": f"Write a function that adds {step} to its argument.",
                "step_background": "Addition." if step > 1 else "",
                "function_header": f"def step_{number}_{step}(x):\n    '''Add {step}.'''",
                "test_cases": [f"assert step_{number}_{step}(1) == target"],
                "return_line": "    return total",
                "targets": [1 + step],
                "ground_truth_code": f"def step_{number}_{step}(x):\n    return x + {step}",
            }
            for step in range(1, steps + 1)
        ],
    }


def livecodebench(folder: Path) -> None:
    """315 problems inside the window and 30 outside it; every second one completes starter code."""
    dates = ["2024-07-01T00:00:00", "2024-10-15T00:00:00", "2025-01-01T00:00:00"]
    inside = [_livecodebench_row(number, dates[number % 3]) for number in range(315)]
    outside = [_livecodebench_row(number, "2024-06-30T00:00:00") for number in range(315, 330)]
    outside += [_livecodebench_row(number, "2025-01-02T00:00:00") for number in range(330, 345)]
    write_jsonl(folder / "livecodebench/test.jsonl", inside[:100])
    write_jsonl(folder / "livecodebench/test2.jsonl", inside[100:] + outside)


def packed(cases: list[dict[str, str]]) -> str:
    """Pack cases the way the data set does."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(cases)))).decode()


def _livecodebench_row(number: int, contest_date: str) -> dict[str, Any]:
    functional = number % 2 == 1
    cases = [{"input": str(n), "output": str(n + number), "testtype": "functional"} for n in (1, 2)]
    body = f"return n + {number}" if functional else ""
    solution = f"def add(n):\n    {body}" if functional else f"print(int(input()) + {number})"
    return {
        "question_title": f"Add {number}",
        "question_content": f"Add {number} to the given number.",
        "platform": "stand-in",
        "question_id": f"lcb_{number}",
        "contest_date": contest_date,
        "starter_code": "def add(n):\n    pass" if functional else "",
        "difficulty": "easy",
        "public_test_cases": json.dumps(cases[:1]),
        "private_test_cases": packed(cases[1:]),
        "metadata": json.dumps({"func_name": "add"} if functional else {}),
        "reference_solution": solution,
    }


def arc_agi_2(folder: Path, tasks: int = 120) -> None:
    """Tasks whose rule is to add one to every cell; every third has two test inputs."""
    for number in range(tasks):
        pairs = [_arc_pair(number + extra) for extra in range(4)]
        path = folder / f"arc_agi_2/evaluation/{number:08x}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"train": pairs[:2], "test": pairs[2 : 4 if number % 3 == 0 else 3]}))


def _arc_pair(seed: int) -> dict[str, list[list[int]]]:
    grid = [[(seed + row * column) % 9 for column in range(3)] for row in range(2)]
    return {"input": grid, "output": [[cell + 1 for cell in row] for row in grid]}


def write_stand_ins(folder: Path) -> Path:
    """Write every member of the index suite; returns the folder."""
    for write in (mmlu_pro, hle, gpqa_diamond, math_500, scicode, livecodebench, arc_agi_2):
        write(folder)
    aime(folder, 2024)
    aime(folder, 2025)
    return folder


if __name__ == "__main__":
    write_stand_ins(Path(sys.argv[1]))
