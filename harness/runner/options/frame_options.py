"""`--frames 8` or `--frames every=2`: which frames of videos a run shows, in place of what its suites say. Pure."""

from __future__ import annotations

import re

from harness.errors import InputError
from harness.suites.suite import MOST_SHOWN_FRAMES, Frames

_CHOICE = re.compile(r"(?P<every>every=)?0*(?P<number>[1-9][0-9]{0,5})")


def parse_frames(text: str, where: str = "--frames") -> str:
    """Read a choice of frames; gives it as it is stored.

    Raises:
        InputError: it is neither a number of frames nor `every=K`.
    """
    found = _CHOICE.fullmatch(text.strip().lower())
    if found and (found["every"] or int(found["number"]) <= MOST_SHOWN_FRAMES):
        return f"{found['every'] or ''}{found['number']}"
    raise InputError(
        f"not a choice of frames: {text!r}",
        where=where,
        fix=f"write a number from 1 to {MOST_SHOWN_FRAMES} (evenly spaced), or every=2 for every second one",
    )


def frames_of(stored: str | None) -> Frames | None:
    """The choice that `parse_frames` read; None = as the suites say."""
    if stored is None:
        return None
    rule, is_every, number = stored.rpartition("every=")
    assert not rule
    return Frames(every=int(number)) if is_every else Frames(count=int(number))
