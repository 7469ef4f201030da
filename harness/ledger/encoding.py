"""How values become column contents: canonical JSON text, storable text, compressed bodies, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
import zstandard

LONGEST_PAYLOAD = 2**18
"""Characters of a usage object; real ones have a few hundred."""
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS


def canonical_json(value: object) -> str:
    """Write JSON with sorted keys and no spaces; decimals keep their digits; never raises on a provider's odd data."""
    try:
        return orjson.dumps(value, default=_exact, option=_OPTIONS).decode()
    except TypeError:  # integers past 64 bits, lone surrogates
        pass
    try:
        return orjson.dumps(_spelled_out(value), option=_OPTIONS).decode()
    except (TypeError, ValueError, RecursionError) as error:  # nested too deep, numbers of 5,000 digits
        return orjson.dumps({"not_stored": f"{type(error).__name__}: {error}"[:200]}).decode()


def stored_payload(value: object) -> str:
    """Write a provider's object for storing; one that is far larger than any real one leaves a note of its size."""
    text = canonical_json(value)
    if len(text) <= LONGEST_PAYLOAD:
        return text
    return canonical_json({"not_stored": f"{len(text):,} characters"})


def _exact(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value)) if value.is_finite() else str(value)
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, frozenset | set) else str(value)


def _spelled_out(value: object) -> object:
    """Write each number and text on its own, as JSON allows and orjson does not."""
    if isinstance(value, Mapping):
        return {str(key).encode("utf-8", "replace").decode(): _spelled_out(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_spelled_out(part) for part in value]
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return orjson.Fragment(json.dumps(value))
    return value if value is None or isinstance(value, bool | float) else _exact(value)


def read_json(text: str | None) -> Any:
    """Read a JSON column; fractions come back as Decimal, an empty column as None."""
    return None if text is None else json.loads(text, parse_float=Decimal)


def storable(text: object, longest: int | None = None) -> str | None:
    """Make a text storable on both databases: NUL and lone surrogates become the replacement character.

    Args:
        text: None stays None; a value that is no text, where a provider should have sent one, is written out.
        longest: characters that are kept, the last of which is then an ellipsis; None = all.
    """
    if text is None:
        return None
    if not isinstance(text, str):
        text = repr(text)
    if longest is not None and len(text) > longest:
        text = f"{text[: longest - 1]}…"
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def text_bytes(text: str) -> bytes:
    """Encode a text for compression; lone surrogates survive."""
    return text.encode("utf-8", "surrogatepass")


class Compression:
    """zstd with one reused context; one instance per thread."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=3, write_checksum=False, write_content_size=True)
        self._decompressor = zstandard.ZstdDecompressor()

    def pack(self, body: bytes) -> bytes:
        """Compress."""
        return self._compressor.compress(body)

    def unpack(self, packed: bytes) -> bytes:
        """Decompress."""
        return self._decompressor.decompress(packed)

    def unpack_text(self, packed: bytes) -> str:
        """Decompress a text."""
        return self._decompressor.decompress(packed).decode("utf-8", "surrogatepass")
