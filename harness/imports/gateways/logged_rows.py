"""Rows of a log, in whichever container its tool or its user put them: JSON Lines, a list, a page, one object, CSV.

Data flows a file -> rows with their place in it, one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import blake2b

import orjson

from harness.declared import Json, JsonObject
from harness.imports.containers import csv_rows
from harness.imports.containers.json_stream import lines, members_of, walk
from harness.imports.containers.json_values import a_list, an_object
from harness.imports.log_formats import SourceFile
from harness.imports.log_peeks import Peek
from harness.imports.log_records import Broken

Row = tuple[str, JsonObject]
"""A place ("log.jsonl:3") and what stands there."""


def first_row(look: Peek, *pages: str) -> JsonObject:
    """Give the first row of a file as far as it was seen; of CSV, its columns without values.

    Args:
        pages: members under which pages keep their rows.
    """
    if look.columns:
        return dict.fromkeys(look.columns)
    if isinstance(look.document, list):
        return an_object(next(iter(look.document), None))
    for page in pages:
        if isinstance(look.top.get(page), list):
            return an_object(next(iter(a_list(look.top[page])), None))
    return look.first or look.top


def rows_in(file: SourceFile, *pages: str) -> Iterator[Row | Broken]:
    """Give every row of a file.

    Raises:
        ImportRefused: a document is cut or no JSON.
    """
    look = file.look
    if look.container == "csv":
        yield from _csv_rows(file)
    elif look.container == "lines":
        yield from line_rows(file)
    elif isinstance(look.document, list) or any(isinstance(look.top.get(page), list) for page in pages):
        yield from _listed(file, [(page,) for page in pages] if look.top else [()])
    else:
        yield file.name, members_of(file.file)


def _csv_rows(file: SourceFile) -> Iterator[Row | Broken]:
    for row in csv_rows.rows(file.file):
        yield row if isinstance(row, Broken) else (f"{file.name}:{row.number}", dict(row.fields))


def line_rows(file: SourceFile) -> Iterator[Row | Broken]:
    """Give every line of JSON Lines; what is no object is an empty one."""
    for line in lines(file.file):
        yield line if isinstance(line, Broken) else (f"{file.name}:{line.number}", an_object(line.value))


def _listed(file: SourceFile, lists: list[tuple[str, ...]]) -> Iterator[Row]:
    """Give the members of these lists of a document, counted through all of them."""
    found = (value for path, value in walk(file.file, *lists) if path in lists)
    for number, value in enumerate(found, 1):
        yield f"{file.name}: row {number}", an_object(value)


def digest_of(value: Json) -> str:
    """Give what is equal for equal JSON, whatever the order of its members."""
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=16).hexdigest()


def unpacked(value: Json) -> JsonObject:
    """Give an object that is stored as such, or as JSON in a text, as databases keep it; an empty one for all else."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return an_object(value)
