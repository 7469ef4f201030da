"""A suite whose answers a judge scores: conversations with tools on the workbench's rows, and single questions.

Data flows the samples of suite `workbench` -> a suite file with its data, in a folder.
"""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.workbench_samples import N_SAMPLES, tool_row

_JUDGE = """
[tasks.scorer]
name = "judge"

[tasks.scorer.options]
version = "1"
max_output_tokens = 128
verdicts = { CORRECT = 1.0, INCORRECT = 0.0, NOT_ATTEMPTED = 0.0 }
prompt = '''
Question: {question}
Reference: {reference}
Reply: {reply}
End with "Verdict: CORRECT", "Verdict: INCORRECT" or "Verdict: NOT_ATTEMPTED".'''
"""
_SUITE = f"""
name = "judged"
version = "1"
title = "Answers that a judge scores"

[[tasks]]
name = "told"
prompt = "{{question}}"
solver = {{ name = "tools", environment = "workbench", max_turns = 12 }}
max_output_tokens = 512
max_output_tokens_reasoning = 4096
{_JUDGE}
[tasks.dataset]
source = "files"
path = "told"
revision = "1"
local = "told.jsonl"
fields = {{ id = "id", question = "request", target = "reference", start = "start", difficulty = "difficulty" }}
difficulty_range = [0, 1]
target_form = "json"

[[tasks]]
name = "said"
prompt = "{{question}} End with 'Answer: N'."
max_output_tokens = 200
max_output_tokens_reasoning = 200
{_JUDGE}
[tasks.dataset]
source = "files"
path = "said"
revision = "1"
local = "said.jsonl"
fields = {{ id = "id", question = "question", target = "answer" }}
"""


def write_judged_suite(folder: Path) -> Path:
    """Write the suite and its rows; gives its path."""
    told = [tool_row(number) for number in range(N_SAMPLES)]
    said = [{"id": f"sum-{n}", "question": f"What is {n} + {n + 1}?", "answer": str(2 * n + 1)} for n in range(20)]
    for name, rows in {"told": told, "said": said}.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "judged.toml"
    path.write_text(_SUITE, encoding="utf-8")
    return path
