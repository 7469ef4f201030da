"""A small index of two suites of sums, a part of which cannot be measured: for tests of what reports say of it."""

from __future__ import annotations

import json
from pathlib import Path

MEMBERS = """
[[members]]
suite = "easy"
weight = "1/2"
epochs = 2

[[members]]
suite = "hard"
weight = "3/10"
"""
MISSING = """
[[missing]]
name = "Closed Evaluation"
weight = "1/5"
why = "its data is private"
"""


def small_index(folder: Path, *, n_easy: int = 6, n_hard: int = 4, missing: str = MISSING, name: str = "small") -> str:
    """Write the index, its members and their rows; gives the index file's path."""
    _member(folder, "easy", n_easy)
    _member(folder, "hard", n_hard)
    path = folder / f"{name}.toml"
    path.write_text(f'name = "{name}"\nversion = "1"\ntitle = "Small"\n{MEMBERS}{missing}', encoding="utf-8")
    return str(path)


def _member(folder: Path, name: str, count: int) -> None:
    rows = [
        {"id": f"{name}-{i}", "question": f"What is {i} + {i + 1}?", "answer": str(2 * i + 1)} for i in range(count)
    ]
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / f"{name}.toml").write_text(
        f"""
name = "{name}"
version = "1"
title = "Sums"

[[tasks]]
name = "{name}"
prompt = "{{question}} End with the answer alone on the last line."
scorer = {{ name = "number" }}
max_output_tokens = 2000
max_output_tokens_reasoning = 2000

[tasks.dataset]
source = "files"
path = "{name}"
revision = "1"
local = "{name}.jsonl"
fields = {{ id = "id", question = "question", target = "answer" }}
""",
        encoding="utf-8",
    )
