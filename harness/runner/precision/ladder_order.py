"""The order of a ladder: settings of one model from the least effort to the most."""

from __future__ import annotations

from collections.abc import Sequence

from harness.models import ModelSpec

_EFFORTS = ("none", "disabled", "off", "minimal", "low", "medium", "high", "xhigh", "max")
"""Words by which providers name efforts, the least first."""


def ladder_order(models: Sequence[ModelSpec]) -> tuple[ModelSpec, ...]:
    """Sort settings by effort, or by their number of tokens (`thinking=16000`); as typed where one is neither."""
    ranks = [_rank(model.setting) for model in models]
    known = [rank for rank in ranks if rank is not None]
    if len(known) < len(models):
        return tuple(models)
    return tuple(model for _, model in sorted(zip(known, models, strict=True), key=lambda pair: pair[0]))


def _rank(setting: str | None) -> float | None:
    """Words come before numbers: the only word beside numbers is one for none at all."""
    value = (setting or "").rpartition("=")[2].lower()
    if value in _EFFORTS:
        return _EFFORTS.index(value) - len(_EFFORTS)
    return float(value) if value.isascii() and value.isdigit() else None
