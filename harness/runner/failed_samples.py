"""What samples that failed for good mean for a run: when it counts as failed, when a model is given up, what a new
session makes of them.

Pure decisions over counts; `SampleWork` and `run_suites` ask them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from harness.errors import ErrorClass, HarnessError, InputError
from harness.ledger.records import SampleOutcome
from harness.runner.requests.policy import ACTIONS, Action

MAX_FAILED = 0.05
"""The share of a model's samples that may fail for good before the run counts as failed, unless the user says."""

HOPELESS = 10
"""A model whose first samples fail for good, this many and none answered, is asked nothing more."""

_SHARE = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")

Outcomes = Mapping[tuple[int, int], SampleOutcome]


def parse_max_failed(text: str, *, where: str = "--max-failed") -> float:
    """Read a share of samples: `5%` or `0.05`.

    Raises:
        InputError: it is no share between 0 and 1.
    """
    percent = text.strip().endswith("%")
    number = text.strip().removesuffix("%").strip()
    share = float(number) / (100 if percent else 1) if len(number) < 20 and _SHARE.fullmatch(number) else -1.0
    if not 0 <= share <= 1:
        raise InputError(
            f"not a share of samples: {text[:40]!r}", where=where, fix="write for example 5% or 0.05, at most 100%"
        )
    return share


def too_many_failed(n_failed: int, n_samples: int, share: float) -> bool:
    """Whether more than a share of a model's samples failed for good."""
    return n_failed > share * n_samples + 1e-9


def hopeless(last: HarnessError, n_failed: int) -> HarnessError:
    """Say why a model is asked nothing more, with the last failure's words."""
    return HarnessError(
        f"its first {n_failed} samples failed and none was answered; the last one: {last.message}",
        fix="mend the cause, then go on with the run: it asks the failed samples again",
    )


def given_up(known: SampleOutcome, max_attempts: int) -> bool:
    """Whether an earlier session already tried a sample as often as it may, or met an error that no retry mends."""
    if known.last_try_number - known.n_open - known.n_cancelled >= max_attempts:
        return True
    return known.error_class is not None and ACTIONS[ErrorClass(known.error_class)] is Action.GIVE_UP


def with_new_tries(outcomes: Outcomes) -> Outcomes:
    """Let a session ask samples without an answer as if they had never been tried; numbers of tries go on."""
    return {
        key: outcome
        if outcome.attempt_id is not None
        else dataclasses.replace(outcome, n_open=0, n_cancelled=outcome.last_try_number, error_class=None)
        for key, outcome in outcomes.items()
    }
