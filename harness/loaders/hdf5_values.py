"""The program that reads numeric targets from an HDF5 file, in a process of its own with limits: such files come from
anywhere, and what reads them is a large library of C.

Data flows file + step -> groups `step/test1`, `step/test2`, ... in SciCode's layout -> plain data as JSON on stdout
(the forms of `harness.sandbox.sandboxed.values`), or one object with what is wrong.
"""

from __future__ import annotations

import binascii
import json
import math
import resource
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.declared import Json

MOST_STEP_BYTES = 128 * 2**20
"""Numbers of one step; as text they have to fit into one frame of the sandbox's channel."""
MOST_DENSE_BYTES = 256 * 2**20
"""What a sparse matrix may come to when a test writes it out."""
MOST_MEMBERS = 10_000
MEMORY_BYTES = 2_000_000_000
PROCESSOR_S = 120
KNOWN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""deflate, shuffle, fletcher32, szip, nbit, scale-offset, lzf: all others would load a plugin."""


class TargetError(ValueError):
    """Something in the file is not as it should be; the text says where and what."""


def main() -> None:
    """`step FILE STEP COUNT` writes its targets; `missing FILE`, steps and counts on stdin: what the file lacks."""
    _limit_this_process()
    try:
        answer: object = _answer(*sys.argv[1:])
    except TargetError as error:
        answer = {"error": str(error)}
    except ImportError as error:
        answer = {"error": f"{error}", "needs": "h5py"}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, UnicodeError) as error:
        answer = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
    except MemoryError:
        answer = {"error": f"reading it takes more than {MEMORY_BYTES // 10**6} MB of memory"}
    json.dump(answer, sys.stdout)


def _limit_this_process() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _answer(mode: str, path: str, *more: str) -> object:
    import h5py

    with h5py.File(path, "r") as file:
        if mode == "missing":
            return {"missing": list(_missing(file, json.load(sys.stdin)))}
        step, count = more
        reader = _Reader()
        return {"targets": [reader.test(file, step, number) for number in range(1, int(count) + 1)]}


def _missing(file: Any, steps: Mapping[str, int]) -> Iterator[str]:
    """Steps of which the file lacks a test's group."""
    for step, count in steps.items():
        try:
            for number in range(1, count + 1):
                _group(file, step, number)
        except TargetError:
            yield step


def _group(file: Any, step: str, number: int) -> Any:
    """The group of one test, reached by plain links only."""
    import h5py

    place: Any = file
    for name in (step, f"test{number}"):
        place = _member(place, name)
        if not isinstance(place, h5py.Group):
            raise TargetError(f"{step}/test{number} is no group")
    return place


def _member(group: Any, name: str) -> Any:
    """A member that lies in this file: links that lead elsewhere are refused before anything is opened."""
    import h5py

    where = f"{group.name.rstrip('/')}/{name}"
    link = group.get(name, getlink=True)
    if link is None:
        raise TargetError(f"{where} is missing")
    if not isinstance(link, h5py.HardLink):
        raise TargetError(f"{where} is a link to elsewhere ({type(link).__name__}), which is not followed")
    return group[name]


class _Reader:
    """Reads the tests of one step and counts what they take."""

    def __init__(self) -> None:
        self.left = MOST_STEP_BYTES

    def test(self, file: Any, step: str, number: int) -> Json:
        """One target, or a tuple of several."""
        group = _group(file, step, number)
        names = self._names(group)
        values = [self._value(group, name) for name in names]
        return values[0] if len(values) == 1 else ["tuple", values]

    def _names(self, group: Any) -> list[str]:
        if not 0 < len(group) <= MOST_MEMBERS:
            raise TargetError(f"{group.name} has {len(group)} members, wanted 1 to {MOST_MEMBERS}")
        return list(group.keys())

    def _value(self, group: Any, name: str) -> Json:
        found = _member(group, name)
        if self._is_dataset(found):
            return self._stored(found, decoded=True)
        names = self._names(found)
        if names[0] == "list":
            return ["list", self._list(_member(found, "list"))]
        if names[0] == "sparse_matrix":
            return self._sparse(_member(found, "sparse_matrix"))
        return ["dict", [self._entry(found, one) for one in names]]

    def _is_dataset(self, found: Any) -> bool:
        import h5py

        if isinstance(found, h5py.Dataset):
            return True
        if isinstance(found, h5py.Group):
            return False
        raise TargetError(f"{found.name} is neither data nor a group")

    def _list(self, group: Any) -> list[Json]:
        return [self._stored(_member(group, name), decoded=False) for name in self._names(group)]

    def _entry(self, group: Any, name: str) -> list[Json]:
        """An item of a dictionary; numbers that were keys are numbers again, but for texts and matrices."""
        found = _member(group, name)
        if not self._is_dataset(found):
            return [name, self._sparse(_member(found, "sparse_matrix"))]
        value = self._stored(found, decoded=True)
        return [name if isinstance(value, str) else _number_or_text(name), value]

    def _stored(self, dataset: Any, *, decoded: bool) -> Json:
        """The content of a dataset: an array, a number, or a text (`decoded`: bytes are text)."""
        if not self._is_dataset(dataset):
            raise TargetError(f"{dataset.name} is a group where data is expected")
        value = self._content(dataset)
        if isinstance(value, bytes):
            return value.decode("utf-8") if decoded else ["bytes", _base64(value)]
        return _encoded(value, dataset.name)

    def _content(self, dataset: Any) -> Any:
        """Read a dataset once its stated size and the way in which it is stored allow it."""
        if dataset.is_virtual or dataset.external:
            raise TargetError(f"{dataset.name} keeps its data in other files, which are not read")
        properties = dataset.id.get_create_plist()
        filters = {properties.get_filter(place)[0] for place in range(properties.get_nfilters())}
        if filters - KNOWN_FILTERS:
            raise TargetError(f"{dataset.name} is compressed with a filter that is not known ({max(filters)})")
        if dataset.shape is None:
            raise TargetError(f"{dataset.name} is empty")
        self._take(max(1, math.prod(dataset.shape)) * dataset.dtype.itemsize, dataset.name)
        return dataset[()]

    def _take(self, n_bytes: int, name: str) -> None:
        self.left -= n_bytes
        if self.left < 0:
            raise TargetError(f"the targets of this step are larger than {MOST_STEP_BYTES // 2**20} MiB ({name})")

    def _sparse(self, group: Any) -> Json:
        """A matrix of three arrays: coordinates, blocks, or rows (which is how columns are stored, too)."""
        import scipy.sparse

        parts = {name: self._content(_member(group, name)) for name in self._names(group)}
        shape = tuple(int(size) for size in parts["shape"])
        data = parts["data"]
        if math.prod(shape) * max(1, data.dtype.itemsize) > MOST_DENSE_BYTES:
            raise TargetError(f"{group.name} has the shape {shape}, more than {MOST_DENSE_BYTES // 2**20} MiB in full")
        if "row" in parts and "col" in parts:
            made = scipy.sparse.coo_matrix((data, (parts["row"], parts["col"])), shape=shape)
        elif "blocksize" in parts:
            block = tuple(int(size) for size in parts["blocksize"])
            made = scipy.sparse.bsr_matrix((data, parts["indices"], parts["indptr"]), shape=shape, blocksize=block)
        else:
            made = scipy.sparse.csr_matrix((data, parts["indices"], parts["indptr"]), shape=shape)
        made.check_format() if hasattr(made, "check_format") else None
        plain = made.tocoo()
        entries = [_encoded(part, group.name) for part in (plain.data, plain.row, plain.col)]
        return ["sparse", made.format, list(shape), *entries]


def _number_or_text(name: str) -> Json:
    try:
        return float(name)
    except ValueError:
        return name


def _encoded(value: Any, name: str) -> Json:
    """An array or number of NumPy as plain data."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind == "O":
        array = np.array(_texts(array.ravel().tolist(), name)).reshape(array.shape)
    if array.dtype.kind not in "biufcSU":
        raise TargetError(f"{name} holds {array.dtype}, which is neither numbers nor text")
    text = _base64(np.ascontiguousarray(array).tobytes())
    if isinstance(value, np.generic):
        return ["scalar", array.dtype.str, text]
    return ["array", array.dtype.str, list(array.shape), text]


def _texts(values: Sequence[object], name: str) -> Iterable[bytes]:
    if any(not isinstance(value, bytes) for value in values) or sum(map(len, values)) > MOST_STEP_BYTES:  # type: ignore[arg-type]  # bytes, as was asked before
        raise TargetError(f"{name} holds objects that are not text, or too many")
    return values  # type: ignore[return-value]  # all of them are bytes


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


if __name__ == "__main__":
    main()
