"""The end state of an environment decides: nothing is read in the reply, and nobody can score it by its text."""

from __future__ import annotations

from collections.abc import Mapping

from harness.scorers.values import Score
from harness.suites.sample import Sample
from harness.typed_files import Strict


class EnvironmentOptions(Strict):
    """Options of `environment`: there are none, the solver has the environment's."""


def score_environment(options: Mapping[str, object], *, text: str, sample: Sample) -> Score | None:  # noqa: ARG001
    """Say that a text alone has no score here: its conversation is played again for one."""
    return Score(reason="undecided", explanation="the end state of its environment decides, not the text")


def check_environment_target(sample: Sample) -> str | None:  # noqa: ARG001  # the interface
    """Accept every sample: what its end state has to be, its environment knows."""
    return None
