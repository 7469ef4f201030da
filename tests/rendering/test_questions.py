"""Questions on a terminal: yes goes on, everything else and a run that is being stopped do not."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from harness.models import parse_model
from harness.rendering.progress import ProgressDisplay
from harness.rendering.questions_asked import asked
from harness.runner.forecast.bills import BillForecast
from harness.runner.requests.attempt_ends import Spent

USD = 10**12
MODEL = parse_model("sim/reasoner")


@contextmanager
def typed(text: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Something that was typed, as the terminal holds it."""
    read, write = os.pipe()
    os.write(write, text.encode())
    with os.fdopen(read) as terminal, os.fdopen(write, "w"):
        monkeypatch.setattr("sys.stdin", terminal)
        yield


@pytest.mark.parametrize(
    ("text", "answer"), [("y\n", True), (" YES \n", True), ("n\n", False), ("\n", False), ("yeah\n", False)]
)
def test_only_yes_is_yes(text: str, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    with typed(text, monkeypatch):
        assert asked("go on?", stream=stream, is_over=lambda: False) is answer
    assert stream.getvalue() == "go on? [y/N] "


def test_a_run_that_is_being_stopped_does_not_wait_for_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with typed("", monkeypatch):
        assert asked("go on?", stream=io.StringIO(), is_over=lambda: True) is False


def test_what_was_spent_stands_beside_the_forecast_with_earlier_sessions_in_it() -> None:
    display = ProgressDisplay({MODEL: 10}, stream=io.StringIO())
    spent = Spent(input_tokens=1, output_tokens=1, usd=Decimal("0.42"))
    display.attempt_settled(MODEL, spent=spent, error=None)
    assert "$0.4200," in display.line()
    forecast = BillForecast(
        stage="pilot", share=0.02, n_seen=1, sources=(), spent=0, expected=41 * USD, low=37 * USD, high=46 * USD,
        ceiling=None,
    )  # fmt: skip
    display.forecast_made(forecast, spent=round(1.92 * USD))  # 1.50 before this session
    assert "$1.92 of about $41 [37-46]," in display.line()
    display.attempt_settled(MODEL, spent=spent, error=None)
    assert "$2.34 of about $41 [37-46]," in display.line()
