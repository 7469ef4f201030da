"""Shares as points of a score, the way people read them."""

from __future__ import annotations

from math import ceil, floor, log10


def points(share: float) -> str:
    """Write a share in points with three digits, at most two of them decimals."""
    value = 100 * share
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def points_up(share: float) -> str:
    """Write a positive share in points with two digits, rounded up: what is asked for by it can be had."""
    value = 100 * share
    unit = 10.0 ** (floor(log10(value)) - 1)
    return f"{ceil(round(value / unit, 6)) * unit:g}"


def wanted_points(share: float) -> str:
    """Write a target in points as it was asked for."""
    return f"{100 * share:g}"
