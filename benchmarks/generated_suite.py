"""A suite of any size for benchmarks: multiple-choice questions of about a thousand characters, always the same ones.

Data flows a number of samples -> a data file and a suite file in a folder of the caller's.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

SUITE = '''
name = "generated"
version = "1"
title = "Generated multiple choice"

[[tasks]]
name = "generated"
prompt = """
Answer this multiple-choice question. Think it through; the last line of your reply must be
Answer: <letter>
with one of the letters {letters}.

{question}

{choices}"""
max_output_tokens = 4096

[tasks.scorer]
name = "multiple_choice"

[tasks.dataset]
source = "files"
path = "generated"
revision = "1"
local = "generated.jsonl"
target_form = "letter"
fields = { id = "id", question = "question", choices = "options", target = "answer" }
'''
WORDS = (
    "crate bolts nuts holds weighs more than every other between eleven forty kilograms train leaves station carries"
    " therefore counted opened shipped twice before after inspection remaining half third broken spare sorted"
)


def write_suite(folder: Path, n_samples: int) -> Path:
    """Write the suite and its data; returns the suite's file."""
    generator, words = random.Random(n_samples), WORDS.split()
    with (folder / "generated.jsonl").open("w") as file:
        for number in range(n_samples):
            story = " ".join(generator.choices(words, k=95))
            item = {
                "id": f"g{number}",
                "question": f"Crate {number}: {story}. Which statement about crate {number} follows?",
                "options": [f"Statement {letter} about crate {number} follows from its contents." for letter in "ABCD"],
                "answer": "ABCD"[number % 4],
            }
            file.write(json.dumps(item) + "\n")
    path = folder / "generated.toml"
    path.write_text(SUITE)
    return path
