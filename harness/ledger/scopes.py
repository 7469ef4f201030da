"""Budget scopes whose dollars are made up: a day's and a month's cap hold real and simulated spending apart.

A cap on a day or a month is set for both; simulated attempts count in the twin, so that they never fill a real cap.
"""

from __future__ import annotations

_PREFIX = "simulated-"


def simulated_twin(scope: str) -> str | None:
    """Name the scope that holds what simulated models spend of a day or a month; None for every other scope."""
    return f"{_PREFIX}{scope}" if scope.startswith(("day:", "month:")) else None


def is_twin(scope: str) -> bool:
    """Whether a scope holds simulated spending only."""
    return scope.startswith(_PREFIX)


def set_scope(scope: str) -> str:
    """Name the scope whose cap a person sets: that of a twin is set with its own."""
    return scope.removeprefix(_PREFIX)


SAMPLE = "sample:"
"""How the scope of one sample begins: there may be as many as samples, so that lists of budgets leave them out."""


def sample_scope(run_id: str, cell_id: int, planned_id: int) -> str:
    """Name the scope that holds all that is spent on one sample of one cell."""
    return f"{SAMPLE}{run_id}/{cell_id}/{planned_id}"
