"""What the names of a batch's files and the ids of its lines say: which files belong together, which sample a line is.

Pure but for the names beside a file. Data flows a path -> its batch; an id -> suite, task, sample and epoch.
"""

from __future__ import annotations

import re
from pathlib import Path

from harness.imports.log_records import SampleKey

_ROLE_WORDS = re.compile(
    r"(?:^|[-_. ])(?:inputs?|outputs?|errors?|results?|requests?|responses?|batch|job|status)(?=$|[-_. ])",
    re.IGNORECASE,
)
_PATH_ID = re.compile(r"(?P<suite>[^/]+)/(?P<task>[^/]+)/(?P<sample>.+)/e(?P<epoch>[0-9]{1,6})")
_ENDS_IN_EPOCH = re.compile(r"(?P<sample>.+?)[-_./:](?:e|epoch[-_]?)(?P<epoch>[0-9]{1,6})")


def batch_of(path: Path, role: str) -> Path:  # noqa: ARG001  # one of several rules of `Format.unit_of`
    """Say which files are of one batch: those of a folder whose names differ in words like input and output alone.

    A file that is called nothing else ("requests.jsonl") belongs to the one batch that the folder names, if it is one.
    """
    own = _without_roles(path)
    if own:
        return path.parent / own
    others = {_without_roles(one) for one in path.parent.iterdir() if _ROLE_WORDS.search(one.name.partition(".")[0])}
    named = others - {""}
    return path.parent / named.pop() if len(named) == 1 else path.parent


def _without_roles(path: Path) -> str:
    return _ROLE_WORDS.sub("", path.name.partition(".")[0]).strip("-_. ")


def item_of(key: str) -> tuple[str | None, SampleKey]:
    """Read suite, task, sample and epoch out of an id where it is built like "suite/task/sample/e0" or "sample_e0"."""
    if (found := _PATH_ID.fullmatch(key)) is not None:
        sample = SampleKey(sample_id=found["sample"], task=found["task"], epoch=int(found["epoch"]))
        return found["suite"], sample
    if (found := _ENDS_IN_EPOCH.fullmatch(key)) is not None:
        return None, SampleKey(sample_id=found["sample"], epoch=int(found["epoch"]))
    return None, SampleKey(sample_id=key)
