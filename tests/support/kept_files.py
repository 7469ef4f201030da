"""Kept files that say something else, in a form that fits: that they are read then shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path


def spoil_kept(folder: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the first part of every kept file: the whole text, or what is told of columns."""
    for path in folder.glob("*.kept"):
        head, _, body = path.read_bytes().partition(b"\n")
        form, depends_on, _, ends = json.loads(head)
        first = change(body[: ends[0]])
        rest = body[_aligned(ends[0]) :]
        more = _aligned(len(first)) - _aligned(ends[0])
        ends = [len(first), *(end + more for end in ends[1:])]
        padding = bytes(_aligned(len(first)) - len(first)) if rest else b""
        body = first + padding + rest
        digest = sha256(json.dumps(ends).encode() + body).hexdigest()
        path.write_bytes(json.dumps([form, depends_on, digest, ends]).encode() + b"\n" + body)


def _aligned(at: int) -> int:
    return -(-at // 64) * 64
