"""Numeric targets reach tests and nobody else: read with bounds from a file that may be hostile, handed over as data,
compared by the benchmark's rules, with random numbers that a seed in the tests means for the program, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import sympy

from harness.errors import InputError
from harness.loaders import hdf5_values
from harness.loaders.hdf5_values import TargetError
from harness.loaders.numeric_targets import missing_steps, read_targets
from harness.sandbox.sandboxed import numeric_comparisons
from harness.sandbox.sandboxed.values import NotPlainError, decode, encode
from harness.suites.sample import TargetsRef

h5py = pytest.importorskip("h5py")


def refused(data: object) -> object:
    raise NotPlainError(str(data))


def read(path: Path, step: str = "1.1", count: int = 1) -> list[Any]:
    found = read_targets(TargetsRef(path=str(path), step=step, count=count))
    return [decode(one, refused) for one in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test_data.h5"


def test_targets_are_read_as_the_file_lays_them_out(path: Path) -> None:
    matrix = scipy.sparse.csr_matrix(np.array([[0, 1.5], [2, 0]]))
    with h5py.File(path, "w") as file:
        file["1.1/test1/var1"] = 2.5
        file["1.1/test2/var1"], file["1.1/test2/var2"] = np.arange(6).reshape(2, 3), "text"
        file["1.1/test3/var1/list/var1"], file["1.1/test3/var1/list/var2"] = np.ones(2), np.ones(3)
        file["1.1/test4/var1/1.5"], file["1.1/test4/var1/name"], file["1.1/test4/var1/x"] = 7, "text", np.zeros(2)
        for name in ("data", "indices", "indptr", "shape"):
            file[f"1.1/test5/var1/sparse_matrix/{name}"] = getattr(matrix, name)
    number, several, listed, named, sparse = read(path, count=5)
    assert (type(number), number) == (np.float64, 2.5)
    assert several[0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert several[1] == "text"
    assert [one.tolist() for one in listed] == [[1, 1], [1, 1, 1]]
    assert (named[1.5], named["name"], named["x"].tolist()) == (7, "text", [0, 0])
    assert (sparse.format, sparse.toarray().tolist()) == ("csr", [[0, 1.5], [2, 0]])


def test_a_step_without_its_targets_is_named(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["1.1/test1/var1"] = 1.0
    assert missing_steps(path, {"1.1": 1, "1.2": 1, "2.1": 0}) == ["1.2"]
    assert missing_steps(path, {"1.1": 2}) == ["1.1"]
    with pytest.raises(TargetError, match=r"step 1.1 in .*/1.1/test2 is missing"):
        read(path, count=2)


def linked(file: Any, other: Path) -> None:
    file["1.1/test1/var1"] = h5py.ExternalLink(str(other), "/secret")


def soft(file: Any, _: Path) -> None:
    file["elsewhere"] = 1.0
    file["1.1/test1/var1"] = h5py.SoftLink("/elsewhere")


def outside(file: Any, other: Path) -> None:
    raw = other.with_suffix(".raw")
    raw.write_bytes(b"12345678")
    file.create_dataset("1.1/test1/var1", shape=(1,), dtype="f8", external=[(str(raw), 0, 8)])


def virtual(file: Any, other: Path) -> None:
    layout = h5py.VirtualLayout(shape=(1,), dtype="f8")
    layout[:] = h5py.VirtualSource(str(other), "secret", shape=(1,))
    file.create_virtual_dataset("1.1/test1/var1", layout)


def bomb(file: Any, _: Path) -> None:
    file.create_dataset("1.1/test1/var1", shape=(2**40,), dtype="f8", chunks=(2**16,), compression="gzip")


def many_bombs(file: Any, _: Path) -> None:
    for number in range(9):
        file.create_dataset(f"1.1/test1/var{number}", shape=(2**21,), dtype="f8", chunks=(2**16,), compression="gzip")


def wide(file: Any, _: Path) -> None:
    group = file.create_group("1.1/test1/var1/sparse_matrix")
    for name, value in (("data", [1.0]), ("row", [0]), ("col", [0]), ("shape", [10**6, 10**6])):
        group[name] = value


def nested(file: Any, _: Path) -> None:
    file["1.1/test1/var1/list/var1/deeper"] = 1.0


def looped(file: Any, _: Path) -> None:
    group = file.create_group("1.1/test1/var1")
    group["var1"] = group


def empty(file: Any, _: Path) -> None:
    file["1.1/test1/var1"] = h5py.Empty("f8")


def compound(file: Any, _: Path) -> None:
    file["1.1/test1/var1"] = np.zeros(2, dtype=[("a", "f8"), ("b", "i4")])


HOSTILE = {
    linked: "ExternalLink",
    soft: "SoftLink",
    outside: "keeps its data in other files",
    virtual: "keeps its data in other files",
    bomb: "larger than 128 MiB",
    many_bombs: "larger than 128 MiB",
    wide: "more than 256 MiB in full",
    nested: "is a group where data is expected",
    looped: "sparse_matrix is missing",
    empty: "is empty",
    compound: "neither numbers nor text",
}


@pytest.mark.parametrize("spoil", HOSTILE, ids=lambda spoil: spoil.__name__)
def test_hostile_files_are_refused_with_what_is_wrong(path: Path, spoil: Any) -> None:
    other = path.with_name("other.h5")
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(1)
    with h5py.File(path, "w") as file:
        spoil(file, other)
    reader = hdf5_values._Reader()
    with h5py.File(path) as file, pytest.raises(TargetError, match=HOSTILE[spoil]):
        reader.test(file, "1.1", 1)


@pytest.mark.parametrize("content", [b"", b"not HDF5", b"\x89HDF\r\n\x1a\n" + b"\xff" * 600])
def test_a_file_that_is_no_hdf5_is_named_before_anything_is_asked(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match="numeric targets cannot be read") as raised:
        missing_steps(path, {"1.1": 1})
    assert str(path) in str(raised.value)


def test_sparse_matrices_and_symbols_travel_as_values() -> None:
    for form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil"):
        matrix = scipy.sparse.coo_matrix(np.diag([1.0, 2.0])).asformat(form)
        back: Any = decode(json.loads(json.dumps(encode(matrix, lambda _: ["none"]))), refused)
        assert (back.format, back.toarray().tolist()) == (form, [[1, 0], [0, 2]])
    assert decode(encode(sympy.Symbol("x_1"), lambda _: ["none"]), refused) == sympy.Symbol("x_1")


@pytest.mark.parametrize("data", [["sparse", "eval", [1, 1], [], [], []], ["sparse", "csr"], ["scalar", "O", ""]])
def test_what_is_no_matrix_is_refused(data: list[Any]) -> None:
    with pytest.raises(NotPlainError):
        decode(data, refused)


def test_comparisons_go_by_the_benchmarks_rules() -> None:
    close, dicts = numeric_comparisons.cmp_tuple_or_list, numeric_comparisons.are_dicts_close
    assert close((1.0, np.ones(2)), [1.0 + 1e-7, np.ones(2)])
    assert not close((1.0,), (1.01,))
    assert not close((1.0,), (1.0, 2.0))
    assert close(({"a": "x"},), ({"a": "x"},))
    assert dicts({sympy.Symbol("a"): 1.0}, {"a": 1.0 + 1e-9})
    assert not dicts({"a": "x"}, {"a": "y"})
    assert dicts({"m": scipy.sparse.csr_matrix([[1.0]])}, {"m": scipy.sparse.csc_matrix([[1.0]])})
