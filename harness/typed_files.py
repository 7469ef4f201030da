"""Files that a person writes: read here, checked by the models of `suites`, `price_rows` and `nightly`."""

from __future__ import annotations

import tomllib
from typing import Any


def parse_toml(raw: bytes) -> dict[str, Any]:
    """Read a TOML document.

    Raises:
        ValueError: it is not UTF-8, not TOML, or nested deeper than any such file needs.
    """
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except RecursionError:
        raise ValueError("it is nested too deep") from None
