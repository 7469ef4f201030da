"""Provider usage payloads, read into one shape and split into disjoint billable meters."""

from harness.usage.kinds import FOLDS, KINDS, READERS, read_usage
from harness.usage.meters import meters
from harness.usage.parsing import parse_json
from harness.usage.stream_events import sse_events
from harness.usage.values import NORMALISER_VERSION, Flag, Meter, Usage

__all__ = [
    "FOLDS",
    "KINDS",
    "NORMALISER_VERSION",
    "READERS",
    "Flag",
    "Meter",
    "Usage",
    "meters",
    "parse_json",
    "read_usage",
    "sse_events",
]
