"""Replies to a multiple-choice question, scored: four colours, or as many stones as a test needs."""

from __future__ import annotations

from harness.scorers import Score, score
from harness.suites import Sample, ScorerRef

SAMPLE = Sample(task="t", sample_id="1", input="?", target="B", choices=("red", "green", "blue", "none of these"))


def scored(text: str, sample: Sample = SAMPLE) -> Score:
    outcome = score(ScorerRef(name="multiple_choice"), text=text, sample=sample, finish_reason="stop")
    assert isinstance(outcome, Score)
    return outcome


STONES = ("granite", "basalt", "marble", "slate")


TEN_STONES = ("gneiss", "granite", "basalt", "marble", "slate", "chalk", "flint", "shale", "chert", "tuff")


def stone(text: str, target: str, choices: tuple[str, ...] = STONES) -> Score:
    return scored(text, Sample(task="t", sample_id="1", input="?", target=target, choices=choices))
