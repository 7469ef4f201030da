"""The edge of the frames ladder: reads runs of a ledger, has them charged, and compares what they showed of each video.

Data flows ledger + price book -> spend report -> `FramesLadder` values.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import InputError
from harness.ledger import Ledger
from harness.pricing.book import PriceBook
from harness.reports.facts.assembly import spend_report
from harness.reports.frames.frames_ladder import DEFAULT_MARGIN, FramesLadder, frames_ladders


def stored_ladders(
    ledger: Ledger, book: PriceBook, run_ids: Sequence[str] | None = None, *, margin: float = DEFAULT_MARGIN
) -> tuple[FramesLadder, ...]:
    """Make the frames ladders of stored runs.

    Args:
        run_ids: None = every complete run.
        margin: by how much a score may be lower and still count as not worse, as a share.

    Raises:
        InputError: no such run, or none that shows frames of videos.
    """
    found = frames_ladders(spend_report(ledger, book, run_ids), margin=margin)
    if not found:
        raise InputError(
            "none of these runs shows frames of videos",
            where=ledger.database,
            fix="benchtab run SUITE -m MODEL --frames 8, and again with another number",
        )
    return found
