"""Targets of SciCode's dev problems from their own reference solutions, written as `test_data.h5` is laid out.

The real file is a download of its own; where it is not at hand this one stands in for the 50 steps that have solutions.
"""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TIMEOUT_S = 1800


def reference_values(program: str, cases: Sequence[str]) -> list[Any]:
    """Run a reference solution and give what each test would compare with its target, in a process of its own.

    Raises:
        ValueError: a test compares nothing with `target`, or the solution fails.
    """
    recorded = "\n".join(_recorded(case) for case in cases)
    script = f"import numpy as np\n{program}\n_found = []\n{recorded}\nimport pickle, sys\n" + (
        "sys.stdout.buffer.write(pickle.dumps(_found))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise ValueError(done.stderr.decode()[-300:])
    values: list[Any] = pickle.loads(done.stdout[done.stdout.index(b"\x80") :])  # noqa: S301 - of our own process
    return values


def _recorded(case: str) -> str:
    """A test that keeps what it would compare."""
    return ast.unparse(ast.fix_missing_locations(_Recording().visit(ast.parse(case))))


class _Recording(ast.NodeTransformer):
    def visit_Assert(self, node: ast.Assert) -> ast.stmt:
        found = [pair for one in ast.walk(node.test) for pair in _beside_target(one)]
        if not found:
            return node
        parts = [other for _, other in sorted(found, key=lambda pair: pair[0])]
        whole = parts[0] if found[0][0] < 0 else ast.Tuple(elts=parts, ctx=ast.Load())
        keep = ast.Attribute(value=ast.Name(id="_found", ctx=ast.Load()), attr="append", ctx=ast.Load())
        return ast.Expr(value=ast.Call(func=keep, args=[whole], keywords=[]))


def _beside_target(node: ast.AST) -> Iterator[tuple[int, ast.expr]]:
    """What stands beside `target` (-1) or `target[n]` in a call or a comparison, with that number."""
    if isinstance(node, ast.Call):
        sides: Sequence[ast.expr] = node.args
    elif isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
    else:
        return
    places = [_place(side) for side in sides]
    named = [place for place in places if place is not None]
    if named:
        yield named[0], next(side for side, place in zip(sides, places, strict=True) if place is None)


def _place(side: ast.expr) -> int | None:
    if isinstance(side, ast.Name) and side.id == "target":
        return -1
    if isinstance(side, ast.Subscript) and isinstance(side.slice, ast.Constant) and _place(side.value) == -1:
        return int(str(side.slice.value))
    return None


def write_targets(path: Path, targets: Mapping[str, Sequence[Any]]) -> None:
    """Write targets by step: `STEP/testN/varM`, lists, dictionaries and sparse matrices as groups."""
    import h5py

    with h5py.File(path, "w") as file:
        for step, values in targets.items():
            for number, value in enumerate(values, start=1):
                group = file.create_group(f"{step}/test{number}")
                parts = value if isinstance(value, tuple) else (value,)
                for place, part in enumerate(parts, start=1):
                    save(group, f"var{place}", part)


def save(group: Any, name: str, value: Any) -> None:
    """Write one value."""
    import numpy as np
    import scipy.sparse

    if isinstance(value, dict):
        inner = group.create_group(name)
        for key, item in value.items():
            save(inner, str(key), item)
    elif isinstance(value, list | tuple):
        try:
            group.create_dataset(name, data=np.array(value))
        except (TypeError, ValueError):
            inner = group.create_group(name).create_group("list")
            for place, item in enumerate(value, start=1):
                save(inner, f"var{place}", item)
    elif scipy.sparse.issparse(value):
        inner = group.create_group(name).create_group("sparse_matrix")
        names = {"coo": ("row", "col"), "bsr": ("indices", "indptr", "blocksize")}.get(
            value.format, ("indices", "indptr")
        )
        for part in ("data", "shape", *names):
            inner.create_dataset(part, data=getattr(value, part))
    else:
        plain = isinstance(value, int | float | str | complex | bool | np.ndarray | np.generic)
        group.create_dataset(name, data=value if plain else str(value))
