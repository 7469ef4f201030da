"""Formats of logs are recognised by their content; what has none is refused with what was looked for."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import zstandard

from harness.imports.containers.log_files import LogFile
from harness.imports.known_formats import FORMATS, format_named, recognised
from harness.imports.log_peeks import Peek, beginning, peek
from harness.imports.refusal import ImportRefused

CALL = {"id": "1", "provider": "openai", "model": "m", "usage": {"prompt_tokens": 1, "completion_tokens": 2}}


def _look(folder: Path, content: bytes, name: str = "some.log") -> Peek:
    (folder / name).write_bytes(content)
    return peek(LogFile(folder / name, name))


def test_a_document_on_one_long_line_is_no_json_lines(tmp_path: Path) -> None:
    rows = [{"n": n, "text": "x" * 1000} for n in range(400)]
    look = _look(tmp_path, json.dumps({"version": 3, "rows": rows}).encode())
    assert look.container == "json"
    assert look.top["version"] == 3


def test_lines_are_recognised_when_the_first_is_broken_or_long(tmp_path: Path) -> None:
    line = json.dumps(CALL).encode() + b"\n"
    assert _look(tmp_path, b'{"id": "1", "prov\n' + line).container == "lines"
    long = json.dumps({**CALL, "text": "x" * 300_000}).encode() + b"\n"
    assert recognised(_look(tmp_path, long + line))[0].name == "calls"


def test_a_document_over_many_lines_is_one_document(tmp_path: Path) -> None:
    look = _look(tmp_path, json.dumps({"a": [{"b": n} for n in range(90_000)], "z": 1}, indent=1).encode())
    assert look.container == "json"
    assert "a" in look.top


def test_the_beginning_of_a_document_is_parsed_up_to_its_last_whole_value() -> None:
    assert beginning(b'{"a": 1, "b": {"c": [1, 2, {"d": "x') == {"a": 1, "b": {"c": [1, 2, {}]}}
    assert beginning(b'{"a": tru') == {}


PAGES = {
    "a page with a line of JSON": b"# Calls\n\nOne a line:\n\n"
    b'{"id": "c1", "provider": "openai", "model": "gpt-4o", "usage": {"prompt_tokens": 3}}\n\nThat is all.\n',
    "a style sheet": b".a{color:red},[data-open] .b{color:blue},.c{}\n",
    "a script": b"(globalThis.x=globalThis.x||[]).push([e[0],a],[1] +2)\n",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_text_is_no_log_because_something_in_it_looks_like_one(tmp_path: Path, page: str) -> None:
    """The calls that a documentation page shows were imported as if they had been paid for."""
    with pytest.raises(ImportRefused, match="no known format"):
        recognised(_look(tmp_path, PAGES[page]))


def test_a_log_with_a_broken_first_line_is_recognised(tmp_path: Path) -> None:
    call = b'{"id": "c1", "provider": "openai", "model": "gpt-4o", "usage": {"prompt_tokens": 3}}\n'
    form, _ = recognised(_look(tmp_path, b"starting ...\n" + call * 2))
    assert form.name == "calls"


def test_an_unknown_file_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="no known format \\(JSON with hello\\)") as refused:
        recognised(_look(tmp_path, b'{"hello": 1}'))
    assert "calls: JSON Lines" in str(refused.value)
    with pytest.raises(ImportRefused, match="is empty"):
        recognised(_look(tmp_path, b"\n \n"))
    with pytest.raises(ImportRefused, match="no format 'cals'; similar: calls"):
        format_named("cals")


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_an_archive_or_a_database_compressed_once_more_is_refused_as_that(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    """They were called cut or broken, and were whole."""
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", "{}")
    with closing(sqlite3.connect(tmp_path / "log.db")) as opened:
        opened.execute("CREATE TABLE responses (id TEXT)")
    for name, kind in (("log.eval", "a zip archive"), ("log.db", "a SQLite database")):
        whole = (tmp_path / name).read_bytes()
        assert _look(tmp_path, whole).container in ("zip", "sqlite")
        with pytest.raises(ImportRefused, match=f"is {kind} that was compressed once more") as refused:
            _look(tmp_path, pack(whole))
        assert "unpack it with gunzip or unzstd first" in str(refused.value)


def test_every_format_has_its_own_name_and_says_what_it_is() -> None:
    assert len({one.name for one in FORMATS}) == len(FORMATS)
    assert [one.name for one in FORMATS if (one.read is None) == (one.refusal is None)] == []
