"""What we read and compare beside what SciCode's own package reads and compares."""

from __future__ import annotations

import contextlib
import io
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from benchmarks.scicode.reference_targets import write_targets
from harness.loaders.numeric_targets import read_targets
from harness.sandbox.sandboxed import numeric_comparisons
from harness.sandbox.sandboxed.values import decode
from harness.suites.sample import TargetsRef


def compare_readers(path: Path, counts: Mapping[str, int]) -> int:
    """Read every step, and a file of all forms, by our reader and by the package's; gives how many differ."""
    from scicode.parse.parse import process_hdf5_to_tuple

    forms = _all_forms()
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder) / "forms.h5"
        write_targets(written, {"1.1": forms})
        asked = [(path, step, count) for step, count in counts.items()] + [(written, "1.1", len(forms))]
        differ = 0
        for file, step, count in asked:
            ours = [
                decode(one, _no_reference) for one in read_targets(TargetsRef(path=str(file), step=step, count=count))
            ]
            theirs = process_hdf5_to_tuple(step, count, file)
            differ += not (len(ours) == len(theirs) and all(map(_same, ours, theirs)))
    n_tests = sum(count for _, _, count in asked)
    print(f"targets read as the package reads them: {len(asked) - differ} of {len(asked)} steps ({n_tests} tests)")
    return differ


def _no_reference(data: object) -> object:
    raise ValueError(data)


def _all_forms() -> list[Any]:
    matrix = np.array([[0, 1.5, 0, 0], [2, 0, 0, 3], [0, 0, 0, 0], [0, 0, 4, 0]])
    kinds = ("coo", "bsr", "csr", "csc")
    return [
        3, 2.5, True, "text", 1 + 2j, np.arange(6).reshape(2, 3), np.array([True, False]),
        np.array(["ab", "c"]).astype("S"), (1.0, np.ones(3)), (True, False, "x"), [1, 2, 3], [np.ones(2), np.ones(3)],
        {"a": 1.0, "b": np.zeros(2)}, {1.5: 2, 3: np.ones(2), "name": "text"},
        *(scipy.sparse.coo_matrix(matrix).asformat(kind) for kind in kinds),
        {"x": scipy.sparse.csr_matrix(matrix), "y": 1},
    ]  # fmt: skip


def _same(ours: Any, theirs: Any) -> bool:
    """The same type and the same content."""
    if scipy.sparse.issparse(theirs):
        alike = scipy.sparse.issparse(ours) and ours.format == theirs.format and ours.shape == theirs.shape
        return alike and bool((ours.toarray() == theirs.toarray()).all())
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list | tuple):
        return type(ours) is type(theirs) and len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(theirs, np.ndarray) and theirs.dtype.kind == "O":
        theirs = theirs.astype("S")
    if isinstance(theirs, np.ndarray | np.generic):
        kept = np.asarray(theirs)
        return (
            type(ours) is type(theirs) and np.asarray(ours).dtype == kept.dtype and bool(np.array_equal(ours, theirs))
        )
    return type(ours) is type(theirs) and bool(ours == theirs)


def compare_verdicts(n_pairs: int) -> int:
    """Compare pairs of made-up values by our comparisons and by the package's; gives how many verdicts differ."""
    from scicode.compare import cmp as theirs

    draw, differ, n_true = random.Random(18), 0, 0
    for _ in range(n_pairs):
        left = [_value(draw) for _ in range(draw.randint(0, 4))]
        right = [_like(one, draw) for one in left] + [1.0] * (draw.random() < 0.05)
        pairs = [(left, right, "cmp_tuple_or_list")]
        names = dict(zip("abcd", left, strict=False))
        pairs.append(
            (names, dict(zip("abcd" if draw.random() < 0.9 else "bcda", right, strict=False)), "are_dicts_close")
        )
        for one, other, name in pairs:
            said = _told(getattr(numeric_comparisons, name), one, other)
            differ += said != _told(getattr(theirs, name), one, other)
            n_true += said == "True"
    print(f"comparisons: {2 * n_pairs - differ} of {2 * n_pairs} verdicts as the package gives them ({n_true} equal)")
    return differ


def _told(compare: Any, one: Any, other: Any) -> str:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return str(bool(compare(one, other)))
        except Exception as error:  # noqa: BLE001 - what one raises the other has to raise
            return type(error).__name__


def _value(draw: random.Random) -> Any:
    kind = draw.randrange(7)
    numbers = [draw.uniform(-10, 10) for _ in range(draw.randint(1, 4))]
    made: tuple[Any, ...] = (
        numbers[0], np.array(numbers), draw.random() < 0.5, "text", scipy.sparse.csr_matrix(np.diag(numbers)),
        {"k": numbers[0], "t": "x", "m": scipy.sparse.csc_matrix(np.diag(numbers))}, draw.randint(-3, 3),
    )  # fmt: skip
    return made[kind]


def _like(value: Any, draw: random.Random) -> Any:
    """The same value, one within tolerance, one beyond it, or another shape."""
    if draw.random() < 0.4 or isinstance(value, str | bool):
        return value if draw.random() < 0.9 else _value(draw)
    factor = draw.choice([1 + 1e-7, 1 + 1e-3, 1.0])
    if isinstance(value, dict):
        return {key: _like(one, draw) if key != "m" else one * factor for key, one in value.items()}
    if isinstance(value, np.ndarray) and draw.random() < 0.1:
        return np.append(value, 1.0)
    return value * factor
