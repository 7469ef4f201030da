"""Comparisons that SciCode's tests import from its package, by the same rules and names; run by the judge alone.

NumPy's usual tolerances decide (1e-5 relative, 1e-8 absolute); what these cannot compare must be equal.
"""

from __future__ import annotations

import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODULES = ("scicode", "scicode.compare", "scicode.compare.cmp")


def provide_comparisons() -> None:
    """Let tests import the comparisons by the names of the package that defines them."""
    for name in MODULES:
        sys.modules[name] = types.ModuleType(name)
    for compare in (cmp_tuple_or_list, are_dicts_close, are_csc_matrix_close):
        setattr(sys.modules[MODULES[-1]], compare.__name__, compare)


def cmp_tuple_or_list(var1: Any, var2: Any) -> bool:
    """Compare two sequences item by item: dictionaries by key, matrices in full, numbers within tolerance."""
    if len(var1) != len(var2):
        return False
    return all(_item_is_close(one, other) for one, other in zip(var1, var2))  # noqa: B905 - as long as each other


def _item_is_close(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return are_dicts_close(one, other)
    if _is_sparse(one):
        return are_csc_matrix_close(one, other)
    if isinstance(one, bool):
        return bool(one == other)
    return _is_close(one, other)


def are_dicts_close(dict1: Any, dict2: Any, atol: float = 1e-8, rtol: float = 1e-5) -> bool:
    """Compare two dictionaries with the same keys; symbols and texts must be equal."""
    left, right = _with_names(dict1), _with_names(dict2)
    if left.keys() != right.keys():
        return False
    return all(_entry_is_close(left[key], right[key], atol, rtol) for key in left)


def _entry_is_close(one: Any, other: Any, atol: float, rtol: float) -> bool:
    if isinstance(one, str):
        return bool(one == other)
    if _is_sparse(one):
        import numpy as np

        return bool(np.allclose(one.toarray(), other.toarray(), atol=atol, rtol=rtol))
    return _is_close(one, other, atol=atol, rtol=rtol)


def are_csc_matrix_close(matrix1: Any, matrix2: Any) -> bool:
    """Compare two sparse matrices, written out."""
    import numpy as np

    return bool(np.allclose(matrix1.toarray(), matrix2.toarray()))


def _is_close(one: Any, other: Any, **tolerances: Any) -> bool:
    import numpy as np

    try:
        return bool(np.allclose(one, other, **tolerances))
    except ValueError:  # different shapes
        return bool(one == other)


def _is_sparse(value: object) -> bool:
    if "scipy.sparse" not in sys.modules:
        return False
    return bool(sys.modules["scipy.sparse"].issparse(value))


def _with_names(entries: Any) -> dict[Any, Any]:
    """Symbols by their names, as keys and as values."""
    return {_name_of(key): _name_of(value) for key, value in entries.items()}


def _name_of(value: Any) -> Any:
    symbol = getattr(sys.modules.get("sympy"), "Symbol", None)
    return str(value) if symbol is not None and isinstance(value, symbol) else value
