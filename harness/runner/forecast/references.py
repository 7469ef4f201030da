"""Shipped lengths of answers, per task and kind of model, each with the page that published it.

Data flows suites/lengths/*.toml -> output tokens by task and by whether the model reasons.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from harness.resources import shipped
from harness.typed_files import Strict, parse_toml

ReferenceLengths = Mapping[tuple[str, bool], int]
"""(task, whether the model reasons) -> mean output tokens of an answer."""


class _Reference(Strict):
    reasons: bool
    model: str
    source: str
    output_tokens: dict[str, int]


class _References(Strict):
    reference: list[_Reference]


@cache
def reference_lengths() -> ReferenceLengths:
    """Read the shipped lengths."""
    found: dict[tuple[str, bool], int] = {}
    for path in sorted((shipped("suites") / "lengths").glob("*.toml")):
        for one in _References.model_validate(parse_toml(path.read_bytes())).reference:
            found.update({(task, one.reasons): tokens for task, tokens in one.output_tokens.items()})
    return found
