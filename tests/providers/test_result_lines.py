"""Lines of a results file: cut anywhere into chunks they are the same lines, and a giant one costs only itself."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.providers.batch_api.result_lines import LineCutter, RawLine, UnreadableLineError, documents_in
from harness.providers.wire.raw_answers import Document


def cut(chunks: list[bytes], limit_bytes: int = 2**20) -> list[RawLine]:
    cutter = LineCutter(limit_bytes)
    lines = [line for chunk in chunks for line in cutter.cut(chunk)]
    last = cutter.rest()
    return lines if last is None else [*lines, last]


def read(content: bytes) -> list[Document]:
    return documents_in(RawLine(number=1, content=content))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_chunks_may_end_anywhere(body: bytes, cuts: list[int]) -> None:
    ends = sorted({0, *(min(at, len(body)) for at in cuts), len(body)})
    chunks = [body[start:end] for start, end in itertools.pairwise(ends)]
    assert cut(chunks) == cut([body])


def test_lines_keep_the_numbers_that_an_editor_shows() -> None:
    assert [(line.number, line.content) for line in cut([b"\xef\xbb\xbfa\r\n\n\r\n b"])] == [(1, b"a"), (4, b"b")]


def test_a_giant_line_is_dropped_while_it_passes_and_its_neighbours_are_kept() -> None:
    lines = cut([b"a\n", *[b"x" * 1_000] * 50, b"\nb\n", *[b"y" * 1_000] * 50], limit_bytes=10_000)
    assert [(line.number, line.content) for line in lines] == [(1, b"a"), (2, None), (3, b"b"), (4, None)]
    with pytest.raises(UnreadableLineError, match="longer than"):
        documents_in(lines[1])


def test_a_line_of_many_chunks_is_joined_once() -> None:
    (line,) = cut([b"z"] * 200_000)
    assert line.content == b"z" * 200_000


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'{"cost": 0.1}', [{"cost": Decimal("0.1")}]),
        (b'{"n": 18446744073709551617}', [{"n": 2**64 + 1}]),
        (b'{"n": NaN, "m": -Infinity}', [{"n": "NaN", "m": "-Infinity"}]),
        (b'{"n": ' + b"9" * 5_000 + b"}", [{"n": "9" * 5_000}]),
        (b'{"s": "\\ud83d"}', [{"s": "\ufffd"}]),
        (b'{"s": "\xff"}', [{"s": "\ufffd"}]),
        (b'{"a": 1} {"b": 2}{"c": 3}', [{"a": 1}, {"b": 2}, {"c": 3}]),
        (b'[{"a": 1}, {"b": 2}]', [{"a": 1}, {"b": 2}]),
    ],
)
def test_what_json_allows_is_read(content: bytes, found: list[dict[str, object]]) -> None:
    assert read(content) == found


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{broken", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'[{"a": 1}, 5]', "not a JSON object"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a": ' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
    ],
)
def test_what_is_no_object_says_why(content: bytes, why: str) -> None:
    with pytest.raises(UnreadableLineError, match=why):
        read(content)
