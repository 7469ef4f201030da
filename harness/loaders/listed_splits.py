"""Splits that are lists of ids in a file beside the rows: `{"base": ["id", ...], "train": [...]}`.

Data flows `DatasetRef(split, split_file)` + rows -> the rows whose id the split lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from harness.errors import InputError
from harness.loaders.local_files import LocalFile
from harness.loaders.samples import column
from harness.loaders.unpacking import UnreadableError
from harness.suites.suite import DatasetRef

Row = Mapping[str, object] | UnreadableError


def listed_ids(file: LocalFile, split: str) -> frozenset[str]:
    """Read which ids a split lists.

    Raises:
        InputError: the file is no such table, or lacks the split.
    """
    try:
        table = json.loads(file.read())
    except (UnreadableError, ValueError) as error:
        raise InputError(f"the file of splits cannot be read: {error}", where=file.name) from None
    ids = table.get(split) if isinstance(table, dict) else None
    if not isinstance(ids, list):
        has = ", ".join(table) if isinstance(table, dict) else "no table"
        raise InputError(f"the file of splits lists no split {split!r}; it has {has}", where=file.name)
    return frozenset(map(str, ids))


def of_split(
    rows: Iterable[tuple[str, int, Row]], dataset: DatasetRef, ids: frozenset[str]
) -> Iterator[tuple[str, int, Row]]:
    """Rows whose id is listed; rows that cannot be read stay, to be told of."""
    id_column = dataset.fields.get("id", "id")
    for place, number, row in rows:
        if isinstance(row, UnreadableError) or not isinstance(id_column, str) or str(_id(row, id_column)) in ids:
            yield place, number, row


def _id(row: Mapping[str, object], id_column: str) -> object:
    try:
        return column(row, id_column)
    except KeyError:
        return None
