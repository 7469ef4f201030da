"""Rows from the Hugging Face hub through `datasets`, at a pinned revision, kept in a cache of our own.

Data flows `DatasetRef` -> rows + the commit they came from. `datasets` is imported only when the cache does not answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import InputError
from harness.suites import DatasetRef


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRows:
    """Rows with their place and number, the commit, and warnings; `filtered` = the filters were applied already."""

    rows: Iterable[tuple[str, int, Mapping[str, Any]]]
    revision: str
    warnings: tuple[str, ...] = ()
    filtered: bool = False


def read(dataset: DatasetRef, *, looked_in: Sequence[str] = ()) -> HubRows:
    """Read a hub data set.

    Args:
        looked_in: local places that were tried before, for the error's text.

    Raises:
        InputError: the hub cannot be reached, or wants a licence accepted; says where files may be put instead.
    """
    commit, warnings = _commit(dataset, looked_in)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    from datasets import load_dataset

    try:
        table = load_dataset(
            dataset.path, dataset.name, split=dataset.split, revision=commit, streaming=dataset.streaming
        )
    except Exception as error:
        raise _unreachable(dataset, error, looked_in) from error
    return HubRows(rows=_numbered(dataset, table), revision=commit, warnings=warnings)


def _numbered(dataset: DatasetRef, table: Any) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    for number, row in enumerate(table, start=1):
        yield dataset.path, number, row


def _commit(dataset: DatasetRef, looked_in: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The pinned commit, or the one that the hub has now, with a warning."""
    if dataset.revision != "main":
        return dataset.revision, ()
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(dataset.path, revision="main").sha
    except Exception as error:
        raise _unreachable(dataset, error, looked_in) from error
    if commit is None:
        raise InputError("the hub did not name a commit", where=dataset.path, fix="try again, or use --data DIR")
    return commit, (f"{dataset.path} is not pinned: its newest commit {commit} was loaded",)


def _unreachable(dataset: DatasetRef, error: Exception, looked_in: Sequence[str]) -> InputError:
    reason = " ".join(str(error).split())[:300]
    places = ", ".join(looked_in) or "no local place: --data was not given"
    what = "is gated and could not be loaded" if dataset.gated else "could not be loaded from the hub"
    return InputError(
        f"data set {dataset.path!r} {what}: {type(error).__name__}: {reason}",
        where=f"revision {dataset.revision}; local files looked for: {places}",
        fix=dataset.access
        or f"connect to the hub, or put {dataset.local or 'a copy'} into a folder and pass --data DIR",
    )
