"""How much has to be asked for a wanted precision, and what the answers then say: sampling design, plans, estimates.

Data flows strata + target -> pilot; states -> next wave or None; states -> estimate. Nothing here does I/O or draws a
random number: who asks keeps one fixed random order of units, and a draw is a prefix of it.
"""

from harness.precision.design import Draw, PrecisionError, Stratum, StratumState, Target
from harness.precision.estimator import Interval, PrecisionEstimate, estimate, estimate_by_task
from harness.precision.observed import Observed, UnitResult
from harness.precision.waves import Best, best_possible, forecast_passes, next_wave, pilot

__all__ = [
    "Best",
    "Draw",
    "Interval",
    "Observed",
    "PrecisionError",
    "PrecisionEstimate",
    "Stratum",
    "StratumState",
    "Target",
    "UnitResult",
    "best_possible",
    "estimate",
    "estimate_by_task",
    "forecast_passes",
    "next_wave",
    "pilot",
]
