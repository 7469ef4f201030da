"""Estimates with intervals that hold for few samples, repeats and heavy tails; every formula names its source.

Data flows per-sample scores and costs -> `Estimate`; repeats of a sample are averaged first, so that the sample is
the observation and never its repeats. "Observation" here is what the rest of the package calls a sample.
"""

from harness.stats.costs import concentration, cost_of_pass, cost_per_correct, cost_ratio
from harness.stats.frontier import convex_hull, marginal_usd_per_point, pareto_front
from harness.stats.means import bounded_mean, pass_at_k, weighted_index
from harness.stats.paired import observations_to_decide, paired_difference
from harness.stats.values import Estimate

__all__ = [
    "Estimate",
    "bounded_mean",
    "concentration",
    "convex_hull",
    "cost_of_pass",
    "cost_per_correct",
    "cost_ratio",
    "marginal_usd_per_point",
    "observations_to_decide",
    "paired_difference",
    "pareto_front",
    "pass_at_k",
    "weighted_index",
]
