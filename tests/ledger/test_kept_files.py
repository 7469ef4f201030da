"""Kept files: each is read as it was written by whoever asks for the same, or not at all; folders have bounds."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.ledger.marks.kept_columns import keep_columns, read_columns
from harness.ledger.marks.kept_files import KeptFile, Shelf

PARTS = [b"", b"one\n", b"x" * 200, b""]


def _shelf(folder: Path) -> Shelf:
    return Shelf(folder=folder, most_bytes=10_000, most_files=3)


@pytest.fixture
def place(tmp_path: Path) -> KeptFile:
    """A file that was written."""
    place = KeptFile(shelf=_shelf(tmp_path / "kept"), name=["run", "\udcff"], depends_on={"program": 1})
    place.keep(PARTS)
    return place


def test_parts_are_read_as_they_were_written_and_are_the_reader_s_own(place: KeptFile) -> None:
    found = place.read()
    assert found is not None
    assert [bytes(part) for part in found] == PARTS
    found[2][0] = 0
    again = place.read()
    assert again is not None
    assert bytes(again[2]) == PARTS[2]
    assert place.path.stat().st_mode & 0o077 == place.shelf.folder.stat().st_mode & 0o077 == 0


def test_a_file_of_another_name_or_that_rests_on_something_else_is_foreign(place: KeptFile) -> None:
    assert replace(place, depends_on={"program": 2}).read() is None
    other = replace(place, name="other")
    assert other.read() is None
    place.path.rename(other.path)
    assert other.read() is None


def test_every_damage_to_a_file_is_seen(place: KeptFile) -> None:
    whole = place.path.read_bytes()
    for at in range(len(whole)):
        place.path.write_bytes(whole[:at])
        assert place.read() is None, f"cut at {at}"
        place.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert place.read() is None, f"a bit at {at}"
    place.path.write_bytes(whole + b"x")
    assert place.read() is None


def test_the_files_not_asked_for_longest_make_room(tmp_path: Path) -> None:
    places = [KeptFile(shelf=_shelf(tmp_path), name=number, depends_on=0) for number in range(4)]
    for number, place in enumerate(places[:3]):
        place.keep([b"x"])
        os.utime(place.path, ns=(number, number))
    assert places[0].read() is not None
    (tmp_path / "another program's").write_bytes(bytes(20_000))
    places[3].keep([b"x"])
    assert [place.read() is not None for place in places] == [True, False, True, True]
    places[1].keep([bytes(9_700)])
    assert [place.read() is not None for place in places] == [False, True, False, False]


def test_a_file_that_cannot_be_written_to_its_end_leaves_nothing(place: KeptFile) -> None:
    with pytest.raises(TypeError):
        place.keep(["a text, no bytes"])  # type: ignore[list-item]
    assert [path.name for path in place.shelf.folder.iterdir()] == [place.path.name]


def test_columns_come_back_with_their_types_and_what_is_told_of_them(tmp_path: Path) -> None:
    place = KeptFile(shelf=_shelf(tmp_path), name=0, depends_on=0)
    columns = [np.array([1, 2**62]), np.array([], np.int8), np.array([1.5, np.nan]), np.arange(9, dtype=np.int16)[::3]]
    keep_columns(place, {"a": [1, None]}, columns)
    found = read_columns(place)
    assert found is not None
    told, read = found
    assert told == {"a": [1, None]}
    for one, other in zip(read, columns, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
        one[:1] = 0
    keep_columns(replace(place, name=1), 2**70, columns)
    assert read_columns(replace(place, name=1)) is None
