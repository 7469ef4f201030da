"""Records of runs as files in formats of others: Every Eval Ever and OTLP JSON; streamed, in place when complete.

Data flows ledger + price book -> records one by one -> lines of a file. Nothing holds more than some samples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InputError

if TYPE_CHECKING:
    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook

LINES = (".jsonl", ".ndjson")
RunIds = Sequence[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFormat:
    """A format that is no table.

    Attributes:
        unit: what is counted, in the plural.
        endings: of its files.
        takes_folder: whether a name without an ending is a folder to be filled.
        write: writes the records of some runs (None = all) and gives their number.
    """

    unit: str
    endings: tuple[str, ...]
    takes_folder: bool
    write: Callable[[Ledger, PriceBook, Path, RunIds], int]


def write_records(ledger: Ledger, book: PriceBook, name: str, output: Path, run_ids: RunIds = None) -> int:
    """Write the records of runs in one of `RECORDS`; a file appears when it is complete.

    Args:
        run_ids: None = every run.

    Raises:
        InputError: the output is not named as the format's files are.
    """
    form = RECORDS[name]
    if output.suffix.lower() not in form.endings and not (form.takes_folder and _is_folder(output)):
        endings = " or ".join(form.endings)
        told = f"end it in {endings}" + (", or name a folder" if form.takes_folder else "")
        raise InputError(f"{name} is not written to {output.name!r}", where="--output", fix=told)
    return form.write(ledger, book, output, run_ids)


def _is_folder(output: Path) -> bool:
    return output.is_dir() or not output.suffix or not output.suffix[1:].isalpha()


def _write_eee(ledger: Ledger, book: PriceBook, output: Path, run_ids: RunIds) -> int:
    """Write a data store's folder, or only the instance records as lines of one file."""
    from harness.reports.exports.eee_export import evaluations

    found = evaluations(ledger, book, run_ids)
    if output.suffix.lower() in LINES:
        return _write_lines(chain.from_iterable(each.instances() for each in found), output)[0]
    count = 0
    for each in found:
        folder = output / each.folder
        n_records, digest = _write_lines(each.instances(), folder / f"{each.file_id}_samples.jsonl")
        with in_place(folder / f"{each.file_id}.json") as unfinished:
            unfinished.write_bytes(_json(each.aggregate(digest), indent=True))
        count += n_records
    return count


def _write_otlp(ledger: Ledger, book: PriceBook, output: Path, run_ids: RunIds) -> int:
    """Write one trace export, or one a line as collectors read them; gives the number of spans."""
    from harness.reports.exports.otlp_export import resource_spans

    count = 0

    def counted() -> Iterator[Mapping[str, Any]]:
        nonlocal count
        for each in resource_spans(ledger, book, run_ids):
            count += sum(len(scope["spans"]) for scope in each["scopeSpans"])
            yield each

    if output.suffix.lower() in LINES:
        _write_lines(({"resourceSpans": [each]} for each in counted()), output)
        return count
    with in_place(output) as unfinished, unfinished.open("wb") as file:
        file.write(b'{"resourceSpans":[')
        for place, each in enumerate(counted()):
            file.write((b",\n" if place else b"\n") + _json(each))
        file.write(b"\n]}\n")
    return count


RECORDS: Mapping[str, RecordFormat] = {
    "eee": RecordFormat(unit="records", endings=LINES, takes_folder=True, write=_write_eee),
    "otlp": RecordFormat(unit="spans", endings=(".json", *LINES), takes_folder=False, write=_write_otlp),
}
"""By the name that `benchtab export` takes."""


def _write_lines(records: Iterable[Mapping[str, Any]], path: Path) -> tuple[int, str]:
    """Write JSON Lines; gives the number of records and the SHA-256 of the file."""
    digest, count = hashlib.sha256(), 0
    with in_place(path) as unfinished, unfinished.open("wb") as file:
        for record in records:
            line = _json(record) + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
    return count, digest.hexdigest()


@contextmanager
def in_place(path: Path) -> Iterator[Path]:
    """Give a name beside a file's final one, to which it is moved when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _json(value: Any, *, indent: bool = False) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None)
