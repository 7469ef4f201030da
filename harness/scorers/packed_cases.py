"""LiveCodeBench's packed test cases: base64 of zlib of a pickled JSON text, unpacked without trusting the pickle.

Data flows packed text -> bounded decompression -> a pickle that may hold nothing but a text -> cases.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib

from harness.scorers.values import ProgramCase

LARGEST_BYTES = 512 * 1024 * 1024


class _TextOnly(pickle.Unpickler):
    """Refuses every class and function: a pickled text needs none."""

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"a test case asks for {module}.{name}")


def unpack(packed: str) -> list[dict[str, object]]:
    """Read cases as stored: plain JSON, or packed.

    Raises:
        ValueError: this is neither, or larger than `LARGEST_BYTES`.
    """
    try:
        text = packed if packed.lstrip().startswith("[") else _unpacked(packed)
        if not isinstance(text, str | bytes):
            raise TypeError(f"{type(text).__name__} in place of a text")
        cases = json.loads(text)
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"the packed test cases cannot be read: {error}") from None
    if not isinstance(cases, list) or not all(isinstance(case, dict) for case in cases):
        raise ValueError("the packed test cases are not a list")
    return cases


def _unpacked(packed: str) -> object:
    decompressor = zlib.decompressobj()
    data = decompressor.decompress(base64.b64decode(packed, validate=True), LARGEST_BYTES)
    if decompressor.unconsumed_tail:
        raise ValueError(f"the packed test cases are larger than {LARGEST_BYTES} bytes")
    return _TextOnly(io.BytesIO(data)).load()


def program_case(case: dict[str, object], *, functional: bool) -> ProgramCase:
    """A stored case as the sandbox takes it; a functional one has one JSON argument a line."""
    given, expected = str(case["input"]), str(case["output"])
    if functional:
        given = json.dumps([json.loads(line) for line in given.split("\n") if line.strip()])
    return ProgramCase(input=given, expected=expected)
