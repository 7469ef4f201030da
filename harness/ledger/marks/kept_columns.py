"""Columns of numbers in a kept file, with values of JSON that say what they are.

Data flows JSON + arrays of one dimension <-> parts of a `KeptFile`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from harness.ledger.marks.kept_files import KeptFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def keep_columns(place: KeptFile, told: object, columns: Sequence[NDArray[Any]]) -> None:
    """Keep columns; what JSON cannot hold to the digit is not kept."""
    import numpy as np

    own = [np.ascontiguousarray(column) for column in columns]
    try:
        head = orjson.dumps({"told": told, "kinds": [column.dtype.str for column in own]})
    except TypeError:  # integers past 64 bits, names that are no text
        return
    place.keep([head, *(column.view(np.uint8).data for column in own)])


def read_columns(place: KeptFile) -> tuple[Any, list[NDArray[np.generic]]] | None:
    """Give what was told and the columns; None where they are not kept."""
    import numpy as np

    parts = place.read()
    if parts is None:
        return None
    head = orjson.loads(parts[0])
    return head["told"], [np.frombuffer(part, kind) for part, kind in zip(parts[1:], head["kinds"], strict=True)]
