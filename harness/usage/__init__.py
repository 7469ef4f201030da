"""Provider usage payloads, read into one shape and split into disjoint billable meters."""

from harness.usage.values import NORMALISER_VERSION, Flag, Meter, Usage

__all__ = ["NORMALISER_VERSION", "Flag", "Meter", "Usage"]
