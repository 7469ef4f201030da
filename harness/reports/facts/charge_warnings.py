"""Warnings of the cost engine, told once each: those that differ only in an instant or an amount become one.

Pure. Data flows (text -> attempts that it was said of) -> sentences for a report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?Z")
_AMOUNT = re.compile(r"\d[\d,]*(?:\.\d+)?(?= USD\b)")


def told_once(warnings: Mapping[str, int]) -> list[str]:
    """Join warnings that say the same of several attempts; each tells how many, and from when to when."""
    alike: dict[str, dict[str, int]] = {}
    for text, count in warnings.items():
        template = _AMOUNT.sub("?", _INSTANT.sub("?", text))
        alike.setdefault(template, {})[text] = count
    return [_joined(texts) for texts in alike.values()]


def _joined(texts: Mapping[str, int]) -> str:
    count = sum(texts.values())
    text = min(texts, key=lambda one: _INSTANT.findall(one))
    if len(texts) == 1:
        return f"{text} ({count:,} attempts)" if count > 1 else text
    for first, last in zip(_INSTANT.findall(text), _lasts(texts), strict=True):
        if first != last:
            text = text.replace(first, f"{first} to {last}", 1)
    example = "" if len({tuple(_AMOUNT.findall(one)) for one in texts}) == 1 else ", amounts of one of them"
    return f"{text} ({count:,} attempts{example})"


def _lasts(texts: Mapping[str, int]) -> list[str]:
    return [max(instants) for instants in zip(*(_INSTANT.findall(one) for one in texts), strict=True)]
