"""How much has to be asked for a wanted precision, and what the answers then say: sampling design, plans, estimates.

Data flows strata + target -> pilot; states -> next wave or None; states -> estimate. Nothing here does I/O or draws a
random number: who asks keeps one fixed random order of units, and a draw is a prefix of it.
"""

from harness.precision.bank import Bank, Layer, bank_of, layered
from harness.precision.design import Draw, PrecisionError, Stratum, StratumState, Target
from harness.precision.differences import DifferenceEstimate, PairState, difference, next_difference_wave
from harness.precision.estimator import Interval, PrecisionEstimate, estimate, estimate_by_task
from harness.precision.ladder import next_ladder_wave
from harness.precision.observed import Observed, UnitResult
from harness.precision.waves import Best, best_possible, forecast_passes, next_wave, pilot

__all__ = [
    "Bank",
    "Best",
    "DifferenceEstimate",
    "Draw",
    "Interval",
    "Layer",
    "Observed",
    "PairState",
    "PrecisionError",
    "PrecisionEstimate",
    "Stratum",
    "StratumState",
    "Target",
    "UnitResult",
    "bank_of",
    "best_possible",
    "difference",
    "estimate",
    "estimate_by_task",
    "forecast_passes",
    "layered",
    "next_difference_wave",
    "next_ladder_wave",
    "next_wave",
    "pilot",
]
