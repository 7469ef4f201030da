"""JSON as providers send it, without losing a digit: numbers with a fraction become Decimal, whole numbers stay int.

Data flows bytes -> Python objects; the usage readers take it from there.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def parse_json(text: bytes | str) -> Any:
    """Parse one JSON document; `0.1` becomes `Decimal("0.1")`, never a float.

    Raises:
        ValueError: the text is not JSON (`json.JSONDecodeError`), is not UTF-8, or has a whole number of more digits
            than Python converts (`sys.get_int_max_str_digits`).
    """
    return json.loads(text, parse_float=Decimal)
