"""Which headers of an answer are kept: those on rate limits, request ids and redirects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

_KEPT_NAMES = frozenset({
    "retry-after", "retry-after-ms", "x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "cf-ray",
    "location",
})  # fmt: skip
_KEPT_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")


@lru_cache(maxsize=1_000)
def kept_name(name: str) -> str | None:
    """The name under which a header is kept; None = it is dropped."""
    lowered = name.lower()
    return lowered if lowered in _KEPT_NAMES or lowered.startswith(_KEPT_PREFIXES) else None


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep rate-limit, request-id and redirect headers under lower-cased names; drop the rest (cookies, ...)."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        if (lowered := kept_name(name)) is not None:
            kept[lowered] = value
    return kept
