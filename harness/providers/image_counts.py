"""Which rule counts images for a model: its provider's, or its maker's behind a router that names makers."""

from __future__ import annotations

from harness.models import ModelSpec
from harness.providers.catalogue import entry_of
from harness.suites.image_sizes import Size
from harness.suites.image_tokens import UNKNOWN, CountImage, ImageTokens, count_unknown


def image_count(spec: ModelSpec) -> CountImage:
    """Find the rule that counts images for a model; without one, a typical image and the highest bound."""
    entry, model = entry_of(spec.provider), spec.model
    if entry.names_makers:
        maker, _, model = spec.model.partition("/")
        entry = entry_of(maker)
    rule = entry.images
    if rule is None:
        return count_unknown

    def count(size: Size | None) -> ImageTokens:
        return UNKNOWN if size is None else rule(size, model)

    return count
