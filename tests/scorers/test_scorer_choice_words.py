"""Letters that a reply states in words, behind signs and tags, after a correction; and those that it does not state."""

from __future__ import annotations

import pytest

from harness.scorers import score
from harness.scorers.values import Score
from harness.suites import Sample, ScorerRef

CHOICES = ("0", "30", "3", "10", "12", "50", "2", "100", "20", "5")
STATED = {
    "Therefore, the best answer is the third one: (C)": "C",
    "Therefore, the best answer is 'public, private, public': (D)": "D",
    "The answer is " + "a long text of an option, " * 15 + "and its end (D).": "D",
    "the answer is 30 V, (B)": "B",
    "Answer: 3, i.e., C": "C",
    "The correct answer is the third option, C.": "C",
    "x = 3. (C)": "C",
    "The answer is \\[ A \\].": "A",
    "Answer:\n1. C": "C",
    "Answer: ✅ C": "C",
    "✅ **C. 3**": "C",
    "Answer ➡ C": "C",
    "The answer is <b>C</b>": "C",
    "Answer: <B>C</B>": "C",
    "Answer: <B>": "B",
    "$\\text{Answer: } C$": "C",
    "\\boxed{\\textsf{C}}": "C",
    "__Answer: C__": "C",
    '{"choice": "C"}': "C",
    "Final verdict: [[C]]": "C",
    "Best guess: C": "C",
    "Reasons.\n#### C": "C",
    "=> C": "C",
    "Probably C": "C",
    "Question 1: C": "C",
    "Only (C) works.": "C",
    "C is correct.": "C",
    "C seems to be the best answer.": "C",
    "Thus, statement (C) is correct.": "C",
    "This leaves us. We are left with (C).": "C",
    "leaving (C) as the correct answer.": "C",
    "which makes C the most suitable answer": "C",
    "Among the choices, (C) is the best fit.": "C",
    "The value is closest to C.": "C",
    "So it is (C) 3": "C",
    "I'd say (C).": "C",
    "B or C? I'd go with C.": "C",
    "**A. 0**: no.\n**B. 30**: yes.\n\nTherefore, the cost is **B. 30**.": "B",
    "The answer is C; A and B are wrong.": "C",
    "The answer, based on x, is C": "C",
    "The answer becomes C": "C",
    "Answer: ~~B~~ C": "C",
    "The answer is (B).\n\nWait. That is wrong. It should be (C).": "C",
    "Answer: B\nCorrection: C": "C",
    "本题选B": "B",
    "B选项正确": "B",
}
NOT_STATED = (
    "Answer: B? C? D?",
    "Answer: B? or C?",
    "Answer: B, possibly C",
    "Answer:\n1. C\n2. D",
    "\\boxed{A \\text{ and } B}",
    "Answer: C and E are both",
    "The correct options are (B) and (C).",
    "The answer is between (B) and (C).",
    "The answer is 3 (not C).",
    "The answer is something other than (C)",
    "This makes option C a bad choice.",
    "making (C) the wrong answer",
    "leaving A and B.",
    "I guess I would need more",
    "The answer is I would say unclear",
    "Option B is correct only if x",
    "Now this is not **B. 30**",
    "Only I is correct.",
    "不选B",
)


def settled(reply: str) -> str | None:
    sample = Sample(task="t", sample_id="1", input="q", target="A", choices=CHOICES)
    found = score(ScorerRef(name="multiple_choice"), text=reply, sample=sample, finish_reason="stop")
    assert isinstance(found, Score)
    return found.answer


@pytest.mark.parametrize(("reply", "letter"), STATED.items())
def test_a_letter_is_found_however_it_is_stated(reply: str, letter: str) -> None:
    assert settled(reply) == letter


@pytest.mark.parametrize("reply", NOT_STATED)
def test_no_letter_is_taken_from_doubt_denial_or_several(reply: str) -> None:
    assert settled(reply) is None


@pytest.mark.parametrize("end", ["\r\n", "\r", "\u2028", "\x85"])
@pytest.mark.parametrize("form", ["Answer: 12{}", "**Answer:** **12**{}", "The answer is 12{}", "12{}", "#### 12{}x"])
def test_ends_of_lines_of_other_systems_are_no_part_of_an_answer(form: str, end: str) -> None:
    sample = Sample(task="t", sample_id="1", input="q", target="12")
    ref = ScorerRef(name="text", options={"find": ["answer_line", "hashes", "answer_is", "last_line"]})
    found = score(ref, text=form.format(end), sample=sample, finish_reason="stop")
    assert isinstance(found, Score)
    assert (found.value, found.answer) == (1.0, "12")
