"""Containers of logs: read piece by piece, refused with file and place where they are cut, bent or without bound."""

from __future__ import annotations

import gzip
import json
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
import zstandard

from harness.imports.containers import csv_rows
from harness.imports.containers.archives import members
from harness.imports.containers.json_stream import Line, lines, walk
from harness.imports.containers.log_files import LogFile
from harness.imports.containers.sqlite_files import database
from harness.imports.log_records import Broken
from harness.imports.refusal import ImportRefused


def _file(folder: Path, content: bytes, name: str = "log.json") -> LogFile:
    path = folder / name
    path.write_bytes(content)
    return LogFile(path, name)


def test_a_long_array_is_given_element_by_element_and_the_rest_whole(tmp_path: Path) -> None:
    rows = [{"n": n, "text": 'a "quoted" }] text\\' * 9000} for n in range(12)]  # longer than a chunk together
    document: dict[str, object] = {
        "id": "e1",
        "results": {"version": 3, "rows": rows, "stats": [1, 2]},
        "empty": [],
        "after": None,
    }
    found = list(walk(_file(tmp_path, json.dumps(document, indent=1).encode()), ("results", "rows"), ("empty",)))
    assert [value for path, value in found if path == ("results", "rows")] == rows
    others = [(path, value) for path, value in found if path != ("results", "rows")]
    assert others == [
        (("id",), "e1"), (("results", "version"), 3), (("results", "stats"), [1, 2]), (("after",), None),
    ]  # fmt: skip


def test_a_header_behind_a_long_array_is_read_without_the_array(tmp_path: Path) -> None:
    file = _file(tmp_path, b'{"rows": [{"a": [1, {"b": "]"}]}, 2, "x"], "version": NaN, "name": "\\ud800"}')
    found = dict(walk(file, ("rows",), skip=True))
    assert found.keys() == {("version",), ("name",)}
    assert str(found["version",]) == "nan"
    assert found["name",] == "?"


def test_what_is_passed_over_may_be_longer_than_what_is_held_and_is_counted_by_its_brackets(tmp_path: Path) -> None:
    rows = [{"text": 'a "quoted" ]}[{ text\\' * 9000, "n": [n, {}]} for n in range(12)]
    file = _file(tmp_path, json.dumps({"before": 1, "rows": rows, "nest": {"rows": rows}, "after": 2}).encode())
    assert list(walk(file, ("rows",), ("nest",), skip=True)) == [(("before",), 1), (("after",), 2)]


@pytest.mark.parametrize("size", [20, 300_000, 700_000])
def test_a_document_that_is_cut_in_what_is_passed_over_is_refused(tmp_path: Path, size: int) -> None:
    whole = json.dumps({"rows": [{"text": "x" * 200_000}] * 4, "after": 2}).encode()
    with pytest.raises(ImportRefused, match="cut off"):
        list(walk(_file(tmp_path, whole[:size]), ("rows",), skip=True))


def test_arrays_on_the_way_are_walked_through(tmp_path: Path) -> None:
    file = _file(tmp_path, b'{"r": [{"name": "one", "s": [{"spans": [1, 2]}]}, {"s": [{"spans": [3]}]}]}')
    spans = [value for path, value in walk(file, ("r", "s", "spans")) if path == ("r", "s", "spans")]
    assert spans == [1, 2, 3]
    assert list(walk(_file(tmp_path, b" [1, [2], {}] "), ())) == [((), 1), ((), [2]), ((), {})]


@pytest.mark.parametrize("size", range(1, 60, 7))
def test_a_cut_document_is_refused_wherever_it_is_cut(tmp_path: Path, size: int) -> None:
    whole = b'{"version": 2, "rows": [{"a": "x\\"y"}, {"b": [true, null]}], "z": 1}'
    with pytest.raises(ImportRefused, match=r"cut off|not JSON"):
        list(walk(_file(tmp_path, whole[:size]), ("rows",)))


def test_what_stands_after_a_document_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="nothing after the document"):
        list(walk(_file(tmp_path, b'{"a": 1}\n{"a": 2}')))


def test_a_broken_line_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    found = list(lines(_file(tmp_path, b'{"a": 1}\n\n{"a": \n{"a": NaN}\n{"a": "cut', "log.jsonl")))
    assert [line.number for line in found if isinstance(line, Line)] == [1, 4]
    assert [line.where for line in found if isinstance(line, Broken)] == ["log.jsonl:3", "log.jsonl:5"]


def test_a_line_of_100_mb_is_refused_with_its_number(tmp_path: Path) -> None:
    with (tmp_path / "log.jsonl").open("wb") as stream:
        stream.write(b'{"a": 1}\n')
        stream.truncate(100 * 2**20)
    with pytest.raises(ImportRefused, match="longer than 64 MB") as refused:
        list(lines(LogFile(tmp_path / "log.jsonl", "log.jsonl")))
    assert refused.value.where == "log.jsonl:2"


def _zip_with_zstd(path: Path, name: str, packed: bytes, content: bytes) -> None:
    """Write an archive as tools with a newer Python do: method 93."""
    facts = struct.pack("<HHHHHIII", 20, 0, 93, 0, 0, zlib.crc32(content), len(packed), len(content))
    local = b"PK\x03\x04" + facts + struct.pack("<HH", len(name), 0) + name.encode()
    central = b"PK\x01\x02\x14\x00" + facts + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name.encode()
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(packed), 0)
    path.write_bytes(local + packed + central + end)


def test_a_member_packed_with_zstd_in_several_frames_is_read(tmp_path: Path) -> None:
    parts = [b'{"id": 1, "events": [', b'"a", "b"]}']
    packed = b"".join(zstandard.compress(part) for part in parts)
    _zip_with_zstd(tmp_path / "log.eval", "samples/1.json", packed, b"".join(parts))
    found = members(LogFile(tmp_path / "log.eval", "log.eval"))
    assert dict(walk(found["samples/1.json"])) == {("id",): 1, ("events",): ["a", "b"]}


def test_a_cut_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "whole.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", "{}" * 1000)
    whole = (tmp_path / "whole.zip").read_bytes()
    with pytest.raises(ImportRefused, match="without its directory"):
        members(_file(tmp_path, whole[: len(whole) // 2], "cut.eval"))


def test_a_member_whose_check_sum_is_wrong_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", json.dumps({"n": list(range(3000))}))
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[200] ^= 0xFF
    with pytest.raises(ImportRefused):
        list(walk(members(_file(tmp_path, bytes(content), "b.zip"))["a.json"]))


def test_a_zip_bomb_is_refused_by_its_directory_and_by_what_it_unpacks_to(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a", "w") as member:
        for _ in range(300):
            member.write(bytes(2**20))
    with pytest.raises(ImportRefused, match="would unpack to 300 MB"):
        members(LogFile(tmp_path / "bomb.zip", "bomb.zip"))
    squeezed = zstandard.ZstdCompressor().compress(bytes(300 * 2**20))
    _zip_with_zstd(tmp_path / "liar.eval", "a.json", squeezed, b"{}")  # says that it holds two bytes
    liar = members(LogFile(tmp_path / "liar.eval", "liar.eval"))["a.json"]
    with liar.open() as stream, pytest.raises(ImportRefused, match="unpacks to more than 256 MB"):
        while stream.read(2**20):
            pass


def test_lines_packed_with_gzip_are_read_and_a_cut_one_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a": 1}\n' * 5000)
    assert len(list(lines(_file(tmp_path, packed, "log.jsonl.gz")))) == 5000
    with pytest.raises(ImportRefused, match="cut or broken"):
        list(lines(_file(tmp_path, packed[:-12], "cut.jsonl.gz")))


def test_rows_that_only_the_write_ahead_log_holds_are_read_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "tool.db"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("CREATE TABLE turns (id INTEGER, answer TEXT)")
    writer.execute("INSERT INTO turns VALUES (1, 'yes'), (2, CAST(x'ff' AS TEXT))")
    writer.commit()
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir() if not one.name.endswith("-shm")}
    with database(LogFile(path, "tool.db")) as opened:
        assert opened.tables() == {"turns": ("id", "answer")}
        assert [row["answer"] for row in opened.rows("SELECT * FROM turns ORDER BY id")] == ["yes", "\ufffd"]
        with pytest.raises(ImportRefused, match="no such column"):
            list(opened.rows("SELECT model FROM turns"))
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir() if not one.name.endswith("-shm")} == before
    writer.close()


def test_csv_rows_come_by_name_and_short_ones_are_broken(tmp_path: Path) -> None:
    file = _file(tmp_path, b'\xef\xbb\xbfid,text\n1,"two\nlines"\n2\n3,\n', "rows.csv")
    assert csv_rows.header(file) == ("id", "text")
    first, broken, last = csv_rows.rows(file)
    assert isinstance(first, csv_rows.CsvRow)
    assert first.fields == {"id": "1", "text": "two\nlines"}
    assert isinstance(broken, Broken)
    assert broken.where == "rows.csv:4"
    assert isinstance(last, csv_rows.CsvRow)
    assert last.fields == {"id": "3", "text": None}
