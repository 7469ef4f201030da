"""What an imported run's log says that it lacks: with it, what its rows come to is a bound and no total.

Pure. Data flows the warnings of a stored run -> counts that a report adds to its sums, and the sentences themselves.
"""

from __future__ import annotations

from harness.imports.log_runs import IMPORTED
from harness.ledger import RunRecord
from harness.ledger.records import LOWER_BOUND_NOTE, UPPER_BOUND_NOTE
from harness.reports.facts.report_facts import Spend


def log_gaps(run: RunRecord) -> Spend:
    """Count what makes a bound of the run's spend; nothing where the run was no log, or its log is whole."""
    said = bound_reasons(run)
    return Spend(
        n_lossy_logs=any(one.startswith(LOWER_BOUND_NOTE) for one in said),
        n_uncached_logs=any(one.startswith(UPPER_BOUND_NOTE) for one in said),
    )


def bound_reasons(run: RunRecord) -> tuple[str, ...]:
    """Give the warnings of an imported run that say why its spend is a bound."""
    marks = (LOWER_BOUND_NOTE, UPPER_BOUND_NOTE)
    return tuple(warning for warning in run.warnings if IMPORTED in run.config and warning.startswith(marks))
