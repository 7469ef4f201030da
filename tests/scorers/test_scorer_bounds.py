"""No reply, however odd or long, stops scoring: its time is linear in its length, and nothing raises."""

from __future__ import annotations

import random
import resource
import subprocess
import sys
from math import ceil

import pytest

from harness.scorers import SCORERS, score
from harness.suites import Sample, ScorerRef

LONG = 200_000
CPU_LIMIT_S = 5
"""For one shape: the slowest takes a third of a second, the quickest pattern that is quadratic eleven."""
UNITS = {
    "spaces": " ",
    "lines": "\n",
    "markup": "*",
    "backslashes": "\\",
    "opening braces": "{",
    "closing braces": "}",
    "opening brackets": "(",
    "opening boxes": "\\boxed{",
    "boxes": "\\boxed{1}",
    "nouns": "answer ",
    "sentences": "the answer is ",
    "empty answer lines": "Answer:\n",
    "announcements": "answer:",
    "digits": "1",
    "digit groups": "1,",
    "fences": "```\n",
    "nested lists": "[[",
    "grids cut off": "[[1,",
    "json fields": '"answer": "',
    "letter lines": "A\n",
    "options": "option A ",
    "expanding characters": "\ufdfa",
    "words without spaces": "答案是",
    "signs": "-1",
    "fractions": "\\frac",
    "quotes": "'",
    "thoughts": "<think>",
    "closed thoughts": "</think>",
    "choices": "choose ",
    "powers": "10^",
    "bullets": "> ",
    "verdicts": "verdict:",
}
SHAPES = {name: (unit * (LONG // len(unit) + 1))[:LONG] for name, unit in UNITS.items()} | {
    "brackets behind an answer line": "Answer: " + "(" * LONG + "!",
    "pairs of brackets": "(" * (LONG // 2) + ")" * (LONG // 2),
    "tabs before an answer": "\t" * LONG + "Answer",
}
OPTIONS: dict[str, dict[str, object]] = {
    "text": {
        "normalise": ["unicode", "markup", "case", "punctuation", "articles", "outer_brackets", "all_spaces"],
        "find": ["whole"],
        "leading_letter": True,
    },
    "judge": {"prompt": "{question} {reference} {reply}"},
}
KINDS = ("sentence:keyword", "custom:csv_quotes", "custom:mcq_count_length", "format:line_indent", "format:quotes")
METADATA = {"instructions": {"instructions": KINDS, "arguments": [{"N": 2, "word": "x"}] * len(KINDS)}}
TARGETS = {"multiple_choice": "A", "grid_match": "[[[1]]]"}


def read(scorer: str, text: str) -> None:
    choices = ("one", "two", "three", "four") if scorer == "multiple_choice" else None
    facts = METADATA.get(scorer, {})
    target = TARGETS.get(scorer, "1")
    sample = Sample(task="t", sample_id="1", input="?", target=target, choices=choices, metadata=facts)
    score(ScorerRef(name=scorer, options=OPTIONS.get(scorer, {})), text=text, sample=sample, finish_reason="stop")


def test_a_long_reply_of_any_shape_is_read_in_bounded_time_by_every_scorer() -> None:
    """The process is killed at its limit of processor time, whatever else the machine does; it begins anew each time.

    One process reads all of them, and says what it begins with: the last is the one that took too long.
    """
    program = "from tests.scorers.test_scorer_bounds import read_all; read_all()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    begun = done.stdout.splitlines()
    assert done.returncode == 0, (begun[-1:], done.stderr)
    assert begun == [f"{scorer}: {shape}" for scorer in READING for shape in SHAPES]


READING = [name for name in SCORERS if name != "program"]


def read_all() -> None:
    for scorer in READING:
        for shape, text in SHAPES.items():
            print(f"{scorer}: {shape}", flush=True)
            used = resource.getrusage(resource.RUSAGE_SELF)
            limit = ceil(used.ru_utime + used.ru_stime) + CPU_LIMIT_S
            resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
            read(scorer, text)


CASE_TRAPS = [
    "option \u212a",
    "option \u0130",
    "option \u0131",
    "option \u017f",
    "Answer: \u1e9e",
    "answer is \ufb03",
    "choose \u01c5",
    "\u212a",
]


@pytest.mark.parametrize("text", CASE_TRAPS)
def test_letters_that_change_when_their_case_changes_do_not_end_a_run(text: str) -> None:
    for scorer in ("multiple_choice", "text", "number", "math"):
        read(scorer, text)


def test_odd_replies_raise_nothing() -> None:
    generator = random.Random(7)
    words = [*UNITS.values(), *CASE_TRAPS, *"AaBI1٣½²−–%$€/^_:.,;()[]{}<>\"'`#|\\√π∞\u200b\ud800\x00\r"]
    words += [
        "Answer",
        "answer is",
        " not ",
        "\\frac{1}{2}",
        "\\text{",
        "\\boxed",
        "1,234",
        "1e9",
        "10^3",
        "3 1/2",
        "12:30",
        "Antwort:",
    ]
    for _ in range(3_000):
        text = "".join(generator.choices(words, k=generator.randint(1, 12)))
        for scorer in SCORERS:
            read(scorer, text) if scorer != "program" else None
