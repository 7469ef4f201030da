"""How what was said in some attempts begins: bounded however long the texts are, read with one query.

Data flows compressed columns -> the first bytes of each text, unpacked no further than they are asked for.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Sequence
from typing import NamedTuple

import zstandard

from harness.ledger.connections import Readable
from harness.ledger.reading.batch_rows import IDS_PER_QUERY, batches, listed
from harness.ledger.reading.viewed.long_texts import Which, beginning_of

MOST_PACKED_BYTES = 1_000_000
"""Of a text that is read together with others; a longer one is read on its own, from its beginning."""
_COLUMNS: tuple[tuple[Which, str], ...] = (
    ("prompt", "prompts.body"),
    ("answer", "transcripts.answer"),
    ("reasoning", "transcripts.reasoning"),
)
_FIRST_CONTENT = re.compile(r'"content":\s*\[?\s*"((?:[^"\\]|\\.)*)')


class Said(NamedTuple):
    """What was said, from its beginning.

    Attributes:
        prompt: the messages as JSON, which may be cut anywhere.
        reasoning: None = there is none, or it was not kept.
    """

    prompt: str
    answer: str
    reasoning: str | None


def said_beginnings(ledger: Readable, attempt_ids: Sequence[int], *, most_bytes: int) -> dict[int, Said]:
    """Read the beginnings of what was said in these attempts; those whose texts were not kept are left out."""
    found: dict[int, Said] = {}
    parts = ", ".join(
        f"length({column}), CASE WHEN length({column}) <= {MOST_PACKED_BYTES} THEN {column} END"
        for _, column in _COLUMNS
    )
    for start in range(0, len(attempt_ids), IDS_PER_QUERY):
        query = f"""
            SELECT attempt_id, {parts} FROM transcripts JOIN prompts USING (prompt_id)
            WHERE attempt_id IN {listed(attempt_ids[start : start + IDS_PER_QUERY])}
        """
        for rows in batches(ledger, query):
            for attempt_id, *sizes in rows:
                texts = [
                    _beginning(ledger, attempt_id, which, size, packed, most_bytes)
                    for (which, _), size, packed in zip(_COLUMNS, sizes[::2], sizes[1::2], strict=True)
                ]
                found[attempt_id] = Said(texts[0] or "", texts[1] or "", texts[2])
    return found


def _beginning(
    ledger: Readable, attempt_id: int, which: Which, size: int | None, packed: bytes | None, most_bytes: int
) -> str | None:
    if size is None:
        return None
    if packed is None:
        long = beginning_of(ledger, attempt_id, which, most_bytes=most_bytes)
        return None if long is None else long.text
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)) as reader:
        first = reader.read(most_bytes)
    return codecs.getincrementaldecoder("utf-8")("surrogatepass").decode(first)


def first_message(prompt: str) -> str:
    """Give the first text of messages that were cut somewhere."""
    match = _FIRST_CONTENT.search(prompt)
    if match is None:
        return ""
    try:
        return str(json.loads(f'"{match[1]}"', strict=False))
    except ValueError:  # cut inside an escape
        return match[1]
