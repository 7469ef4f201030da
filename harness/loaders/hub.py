"""Rows from the Hugging Face hub through `datasets`, at a pinned revision, kept in a cache of our own.

Data flows `DatasetRef` -> rows + the commit they came from. `datasets` is imported only when the cache does not answer.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from harness import resources
from harness.errors import InputError
from harness.loaders import samples
from harness.loaders.row_answers import BadRowError
from harness.suites.suite import DatasetRef

CACHE_VERSION = 1
HUB_TIMEOUT_S = 30.0
_BYTES = "__bytes__"
NumberedRow = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRows:
    """Rows that passed the data set's filters, with their number at the hub, the commit, and warnings."""

    rows: Iterable[NumberedRow]
    revision: str
    warnings: tuple[str, ...] = ()


def cache_folder() -> Path:
    """Where rows are kept: in the folder of caches, in the user's own where that is to keep nothing else."""
    user = {name: value for name, value in os.environ.items() if name != "BENCHTAB_CACHE"}
    return resources.cache_folder(os.environ) or resources.cache_folder(user) or Path.home() / ".cache" / "benchtab"


def read(dataset: DatasetRef, *, looked_in: Sequence[str] = (), cache: Path | None = None) -> HubRows:
    """Read a hub data set's rows, filtered and reduced to the columns that the suite maps.

    Args:
        looked_in: local places that were tried before, for the error's text.
        cache: folder of kept rows; None = `cache_folder()`.

    Raises:
        InputError: the hub cannot be reached, or wants a licence accepted; says where files may be put instead.
    """
    folder = (cache or cache_folder()) / "datasets"
    if dataset.revision != "main" and (kept := _kept(folder, dataset, dataset.revision)) is not None:
        return HubRows(rows=kept, revision=dataset.revision)
    try:
        commit, warnings = _commit(dataset)
        if (kept := _kept(folder, dataset, commit)) is None:
            kept = _keep(folder, dataset, commit, _selected(dataset, _download(dataset, commit)))
    except BadRowError:
        raise
    except Exception as error:  # every failure of the hub's libraries is re-labelled for the user
        raise _unreachable(dataset, error, looked_in) from error
    return HubRows(rows=kept, revision=commit, warnings=warnings)


def _commit(dataset: DatasetRef) -> tuple[str, tuple[str, ...]]:
    """The pinned commit, or the one that the hub has now, with a warning; asks the hub once, so that a
    machine without a network is told so at once and not after minutes of retries.
    """
    from huggingface_hub import HfApi

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    commit = HfApi().dataset_info(dataset.path, revision=dataset.revision, timeout=HUB_TIMEOUT_S).sha
    if dataset.revision != "main":
        return dataset.revision, ()
    if commit is None:
        raise InputError("the hub did not name a commit", where=dataset.path, fix="try again, or use --data DIR")
    return commit, (f"{dataset.path} is not pinned: its newest commit {commit} was loaded",)


def _download(dataset: DatasetRef, commit: str) -> Iterator[NumberedRow]:
    """Rows as the library gives them, images left undecoded."""
    from datasets import Image, disable_progress_bars, load_dataset

    disable_progress_bars()
    table = load_dataset(dataset.path, dataset.name, split=dataset.split, revision=commit, streaming=dataset.streaming)
    for name, feature in (table.features or {}).items():
        if isinstance(feature, Image):
            table = table.cast_column(name, Image(decode=False))
    yield from enumerate(table, start=1)


def _selected(dataset: DatasetRef, rows: Iterable[NumberedRow]) -> Iterator[NumberedRow]:
    """Filter and drop columns early: large sets are streamed once and only what is needed is kept."""
    if dataset.shape != "plain":
        yield from rows
        return
    needed = _columns(dataset) | dataset.filters.keys()
    for number, row in rows:
        if samples.passes(row, dataset.filters):
            yield number, {name: value for name, value in row.items() if name in needed}


def _columns(dataset: DatasetRef) -> set[str]:
    """The columns that the suite maps, by the first part of their path."""
    mapped = (columns if isinstance(columns, tuple) else (columns,) for columns in dataset.fields.values())
    names = (name for path in chain.from_iterable(mapped) for name in path.removesuffix("?").split("|"))
    return {name.split(".")[0] for name in names}


def _file(folder: Path, dataset: DatasetRef, commit: str) -> Path:
    facts = dataset.model_dump(mode="json", include={"path", "name", "split", "shape", "fields", "filters"})
    key = hashlib.sha256(samples.canonical([CACHE_VERSION, commit, facts]).encode()).hexdigest()
    return folder / f"{key}.jsonl.gz"


def _kept(folder: Path, dataset: DatasetRef, commit: str) -> Iterable[NumberedRow] | None:
    path = _file(folder, dataset, commit)
    return _read_kept(path) if path.is_file() else None


def _read_kept(path: Path) -> Iterator[NumberedRow]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            number, row = json.loads(line, object_hook=_with_bytes)
            yield number, row


def _with_bytes(value: dict[str, Any]) -> object:
    return base64.b64decode(value[_BYTES]) if value.keys() == {_BYTES} else value


def _as_json(value: object) -> object:
    return {_BYTES: base64.b64encode(value).decode()} if isinstance(value, bytes) else str(value)


def _keep(folder: Path, dataset: DatasetRef, commit: str, rows: Iterable[NumberedRow]) -> Iterable[NumberedRow]:
    """Write rows to the cache; the file appears under its name only when it is complete."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _file(folder, dataset, commit)
    handle, partial = tempfile.mkstemp(dir=folder, suffix=".partial")
    os.close(handle)
    try:
        with gzip.open(partial, "wt", encoding="utf-8", compresslevel=4) as kept:
            for number, row in rows:
                kept.write(json.dumps([number, row], default=_as_json, ensure_ascii=False) + "\n")
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)
    return _read_kept(path)


def _unreachable(dataset: DatasetRef, error: Exception, looked_in: Sequence[str]) -> InputError:
    reason = " ".join(str(error).split())[:300]
    places = ", ".join(looked_in) or "no local place: --data was not given"
    what = "is gated and could not be loaded" if dataset.gated else "could not be loaded from the hub"
    put = " or ".join(dataset.local_places) or "a copy of it"
    return InputError(
        f"data set {dataset.path!r} {what}: {type(error).__name__}: {reason}",
        where=f"revision {dataset.revision}; local files looked for: {places}",
        fix=dataset.access or f"connect to the hub, or put {put} into a folder and pass it as --data DIR",
    )
