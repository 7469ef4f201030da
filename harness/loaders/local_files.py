"""Local data files: JSON Lines, JSON, CSV and Parquet, plain, gzipped or inside a tar archive, read as numbered rows.

Data flows a place (`gsm8k/test.jsonl`, `bbh/bbh.tar.gz!bbh/navigate.json`) -> `LocalFile` -> (row number, row).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from harness.errors import InputError
from harness.loaders.unpacking import UnreadableError, member_of, unpacked
from harness.messages import ImagePart

LONGEST_CELL = 2**30
FILE_STEM = "__file__"
"""Column that rows of a .json file get: the file's name without its ending (ARC's task id)."""
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LONGEST_ROW = 256 * 2**20
"""Bytes of one line of JSON Lines; images inside a row fit."""
LONGEST_TEXT = 2**20
PARQUET_ROWS = 1000
"""Rows decoded at a time: a file with images does not lie in memory twice."""
_HALF = re.compile("[\ud800-\udfff]")
Row = tuple[int, Mapping[str, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """One file of rows.

    Attributes:
        path: the file or the archive.
        member: path inside the archive, None for a plain file.
    """

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """As shown in errors."""
        return str(self.path) if self.member is None else f"{self.path}!{self.member}"

    @property
    def folder(self) -> Path:
        """Where relative image names start."""
        return self.path.parent

    def open(self) -> IO[bytes]:
        """Open the unpacked content for reading.

        Raises:
            UnreadableError: the archive's member is missing.
            OSError: the file cannot be opened.
        """
        if self.member is not None:
            return io.BytesIO(member_of(self.path, self.member))
        if self.path.suffix == ".gz":
            return unpacked(self.path)
        return self.path.open("rb")

    def read(self) -> bytes:
        """The whole content, unpacked.

        Raises:
            UnreadableError: the file or the archive's member cannot be read.
        """
        try:
            with self.open() as content:
                return content.read()
        except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
            raise UnreadableError(0, f"cannot be read: {error}") from None


def find_files(places: Sequence[str], folders: Sequence[Path]) -> tuple[LocalFile, ...]:
    """Find the first place that exists; a glob may match several files, taken in name order.

    Raises:
        InputError: a file that was found lies outside all folders: a suite may read only what its user gave it.
    """
    inside = [folder.resolve() for folder in folders]
    for folder in folders:
        for place in places:
            outer, _, member = place.partition("!")
            if found := _matching(folder, outer):
                for path in found:
                    _refuse_outside(path, place, inside)
                return tuple(LocalFile(path=path, member=member or None) for path in found)
    return ()


def _matching(folder: Path, pattern: str) -> list[Path]:
    """The file of that name, else what the pattern matches."""
    named = folder / pattern
    if named.is_file() or Path(pattern).is_absolute():
        return [named] if named.is_file() else []
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _refuse_outside(path: Path, place: str, folders: Sequence[Path]) -> None:
    real = path.resolve()
    if any(real.is_relative_to(folder) for folder in folders):
        return
    raise InputError(
        f"the data file leads out of the suite's folder: {place} is {real}",
        where=str(path),
        fix=f"copy it into the folder, or pass --data {real.parent} if the suite may read and send what lies there",
    )


def texts_beside(file: LocalFile, names: Sequence[str]) -> Mapping[str, str]:
    """Read small text files that lie beside a file of rows, by name; those that are not there are left out.

    Raises:
        InputError: a name leads out of the folder, or the file is no text or too large for one.
    """
    found: dict[str, str] = {}
    for name in names:
        path = file.folder / name
        if not path.is_file():
            continue
        _refuse_outside(path, name, [file.folder.resolve()])
        if path.stat().st_size > LONGEST_TEXT:
            raise InputError(f"a file beside the data is longer than {LONGEST_TEXT // 2**20} MiB", where=str(path))
        try:
            found[name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputError(f"a file beside the data is not UTF-8 text: {error}", where=str(path)) from None
    return found


def hub_copies(path: str, name: str | None, split: str) -> tuple[str, ...]:
    """Places where a copy of a hub data set would lie under its own layout."""
    roots = [path, path.rpartition("/")[2]]
    configs = [*([name] if name else []), "data", "default", "."]
    return tuple(
        f"{root}/{config}/{split}{tail}" for root in roots for config in configs for tail in ("-*.parquet", ".parquet")
    )


def files_sha256(files: Sequence[LocalFile]) -> str:
    """Digest over the files' content as they lie on disk."""
    digest = hashlib.sha256()
    for file in files:
        with file.path.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest() + (file.member or "").encode())
    return digest.hexdigest()


def rows_of(
    file: LocalFile, rows_key: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[Row | UnreadableError]:
    """Read rows with their number (from 1); a row that cannot be read comes as `UnreadableError`, in its place.

    Args:
        rows_key: key of the list of rows in a .json object.
        columns: names of the columns of a .csv or .tsv file without a header line.
    """
    if _is_lfs_pointer(file):
        yield UnreadableError(0, "is a Git LFS pointer, not the data: run `git lfs pull` in its repository")
        return
    suffix = Path((file.member or file.path.name).removesuffix(".gz")).suffix
    if suffix in (".jsonl", ".ndjson"):
        yield from _json_lines(file)
        return
    try:
        if suffix in (".csv", ".tsv"):
            yield from _csv_file(file, delimiter="\t" if suffix == ".tsv" else ",", columns=columns)
        elif suffix == ".parquet":
            yield from _parquet_rows(file.read())
        else:
            yield from _text_rows(file, file.read().decode("utf-8-sig"), suffix, rows_key)
    except UnreadableError as error:
        yield error
    except UnicodeDecodeError as error:
        yield UnreadableError(0, f"is not UTF-8 text: {error}")


def _text_rows(file: LocalFile, text: str, suffix: str, rows_key: str | None) -> Iterator[Row | UnreadableError]:
    if suffix == ".json":
        for row in _json_rows(text, rows_key):
            yield row if isinstance(row, UnreadableError) else (row[0], {FILE_STEM: file.path.stem, **row[1]})
    else:
        known = ".jsonl .json .csv .tsv .parquet, each also .gz"
        yield UnreadableError(0, f"has an unknown ending {suffix!r}; known: {known}")


def _json_lines(file: LocalFile) -> Iterator[Row | UnreadableError]:
    """Read line by line: such files can be larger than memory."""
    try:
        with file.open() as lines:
            for number, line in enumerate(iter(partial(lines.readline, LONGEST_ROW), b""), start=1):
                if len(line) == LONGEST_ROW:
                    yield UnreadableError(number, f"is longer than {LONGEST_ROW // 2**20} MiB")
                    return
                if line.strip():
                    yield _json_line(number, line)
    except UnreadableError as error:
        yield error
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        yield UnreadableError(0, f"cannot be read: {error}")


def _json_line(number: int, line: bytes) -> Row | UnreadableError:
    try:
        row = json.loads(line.decode("utf-8", "surrogatepass").removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        return UnreadableError(number, f"is not JSON: {error}")
    if not isinstance(row, dict):
        return UnreadableError(number, "is not a JSON object")
    return number, _whole(row) if b"\\u" in line or b"\xed" in line else row


def _whole(value: Any) -> Any:
    """Replace halves of characters (`\\ud83d` alone, as cut texts have them): no UTF-8 text can hold them."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(name): _whole(one) for name, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _json_rows(text: str, rows_key: str | None) -> Iterator[Row | UnreadableError]:
    try:
        document = _whole(json.loads(text))
    except (ValueError, RecursionError) as error:
        yield UnreadableError(0, f"is not JSON: {error}")
        return
    rows = document.get(rows_key) if rows_key and isinstance(document, dict) else document
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list):
        yield UnreadableError(
            0, f"holds no list of rows under {rows_key!r}" if rows_key else "is neither a list nor an object"
        )
        return
    for number, row in enumerate(rows, start=1):
        yield (number, row) if isinstance(row, dict) else UnreadableError(number, "is not a JSON object")


def _csv_file(file: LocalFile, *, delimiter: str, columns: Sequence[str] | None) -> Iterator[Row | UnreadableError]:
    """Read row by row: tables of long documents would lie in memory several times."""
    try:
        with file.open() as content, io.TextIOWrapper(content, encoding="utf-8-sig", newline="") as lines:
            yield from _csv_rows(lines, delimiter=delimiter, columns=columns)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        yield UnreadableError(0, f"cannot be read: {error}")


def _csv_rows(
    lines: Iterable[str], *, delimiter: str, columns: Sequence[str] | None
) -> Iterator[Row | UnreadableError]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0 if columns is None else 1
    try:
        header = next(reader, None) if columns is None else list(columns)
        if header is None:
            yield UnreadableError(0, "is empty")
            return
        number = 1
        for cells in reader:
            if cells and len(cells) != len(header):
                yield UnreadableError(number, f"has {len(cells)} cells under {len(header)} columns")
            elif cells:
                yield number, dict(zip(header, cells, strict=True))
            number += 1
    except csv.Error as error:
        open_quote = "unexpected end of data" in str(error)
        yield UnreadableError(number, "has a quote that is not closed" if open_quote else f"is not CSV: {error}")


def _is_lfs_pointer(file: LocalFile) -> bool:
    if file.member is not None:
        return False
    try:
        with file.path.open("rb") as content:
            return content.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return False


def _parquet_rows(data: bytes) -> Iterator[Row | UnreadableError]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(pa.BufferReader(data)).iter_batches(batch_size=PARQUET_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pa.ArrowException, MemoryError, OSError) as error:
        yield UnreadableError(number + 1 if number else 0, f"is not Parquet: {error}")


def image_part(value: object, folder: Path | None) -> ImagePart:
    """Make an image part of a file name, a data URL, raw bytes or the hub's {"bytes": ...} table.

    Raises:
        ValueError: this is no image, or a file name that leaves its folder.
        OSError: the file cannot be read.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    data = _image_bytes(value, folder) if isinstance(value, str) else value
    if not isinstance(data, bytes):
        raise ValueError(f"not an image: {type(data).__name__}")
    if data.startswith(LFS_POINTER):
        raise ValueError("a Git LFS pointer, not the image: run `git lfs pull` in its repository")
    for magic, media_type in _MAGIC.items():
        if data.startswith(magic):
            return ImagePart(media_type=media_type, data=data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ImagePart(media_type="image/webp", data=data)
    raise ValueError("not a PNG, JPEG, GIF or WebP image")


def _image_bytes(text: str, folder: Path | None) -> bytes:
    if text.startswith("data:"):
        return base64.b64decode(text.partition(",")[2])
    if folder is None:
        raise ValueError(f"image file {text!r} has no folder to lie in")
    for candidate in (folder / text, folder / "images" / text):
        if candidate.resolve().is_relative_to(folder.resolve()) and candidate.is_file():
            return candidate.read_bytes()
    raise ValueError(f"image file {text!r} is not in {folder} nor in {folder / 'images'}")
