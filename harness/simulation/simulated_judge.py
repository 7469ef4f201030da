"""How a simulated model judges: it compares the reply's last answer line with the reference that stands in the prompt.

Data flows judge prompt (question, reference, reply) -> the text of a verdict.
"""

from __future__ import annotations

import re

_VALUES = (
    re.compile(r"^\**Answer:(?P<value>[^\n]+)$", re.MULTILINE),
    re.compile(r"^So the answer is (?P<value>[^\n]+)\.$", re.MULTILINE),
    re.compile(r"^#### (?P<value>[^\n]+)$", re.MULTILINE),
    re.compile(r"\\boxed\{(?P<value>[^\n]+)\}"),
)


def asks_for_verdict(prompt: str) -> bool:
    """Whether a prompt asks to judge a reply rather than to answer a question."""
    return "Verdict:" in prompt and "CORRECT" in prompt


def write_verdict(prompt: str) -> str:
    """Judge the reply inside a prompt: right when another line, the reference, ends with the same value."""
    found = [match for pattern in _VALUES for match in pattern.finditer(prompt)]
    if not found:
        word = "NOT_ATTEMPTED" if "NOT_ATTEMPTED" in prompt else "INCORRECT"
        return f"The reply settles on nothing.\n\nVerdict: {word}"
    last = max(found, key=lambda match: match.start())
    value = last["value"].strip(" *").casefold()
    others = (prompt[: last.start()] + prompt[last.end() :]).casefold().splitlines()
    same = any(re.search(rf"(?:^|[\s:>\"']){re.escape(value)}[\s\"'<.]*$", line) for line in others if value in line)
    return f"Compared with the reference.\n\nVerdict: {'CORRECT' if same else 'INCORRECT'}"
