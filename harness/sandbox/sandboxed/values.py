"""Values on the channel between program and judge: plain data in JSON, rebuilt from base types only.

A value that is not plain travels as a number, and the receiver gets a stand-in that can be called or iterated but never
equals anything. So no object, no method and no comparison of the program ever runs in the judge.
"""

from __future__ import annotations

import binascii
import builtins
import sys
from collections import deque

TYPE_CHECKING = False  # each import here costs every program its time, and typing is a slow one
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import Any

    from harness.declared import Json

    Parts = list[Any]  # what stands behind a value's name: an untrusted sender wrote it, and its reader refuses it
    Export = Callable[[object], list[Json]]
    Resolve = Callable[[list[Json]], object]
    Kind = type[Collection[object]]
    Reader = Callable[[Parts, Resolve], object]

LARGEST_SHORT_INT = 2**53
# the same on both sides, and harmless: types, exceptions, and functions that only compute
_FUNCTIONS = "abs all any bin chr divmod hex len max min oct ord pow repr round sorted sum"
BUILT_IN = {
    **{name: value for name, value in vars(builtins).items() if isinstance(value, type) and name != "__loader__"},
    **{name: getattr(builtins, name) for name in _FUNCTIONS.split()},
    "NoneType": type(None),
    "Ellipsis": ...,
    "NotImplemented": NotImplemented,
}
_BUILT_IN_NAMES = {id(value): name for name, value in BUILT_IN.items()}


_KEPT: set[str] = set()


def keep_numpy_numbers() -> None:
    """Let NumPy's numbers stay what they are: Python's own are rounded otherwise, by powers and complex division.

    For all that this process sends from now on: it serves one check. Elsewhere they become Python's own.
    """
    _KEPT.update("biufc")


class NotPlainError(ValueError):
    """A message holds something that is no value."""


def encode(value: Any, export: Export) -> Json:
    """Turn a value into JSON data; instances of subclasses become their base type.

    Args:
        value: anything.
        export: gives the reference that stands for a value that is not plain.
    """
    if value is None or type(value) in (bool, str, float):
        plain: Json = value
        return plain
    if _KEPT and type(value).__module__ == "numpy" and (kept := _encode_number(value)) is not None:
        return kept
    if isinstance(value, int):
        number = int.__add__(value, 0)
        return number if -LARGEST_SHORT_INT < number < LARGEST_SHORT_INT else ["int", hex(number)]
    if isinstance(value, str):
        return str.__getitem__(value, slice(None))
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    return _encode_known(value) or _encode_container(value, export) or _encode_built_in(value, export) or export(value)


def _encode_container(value: object, export: Export) -> list[Json] | None:
    if isinstance(value, dict):
        return ["dict", [[encode(key, export), encode(item, export)] for key, item in dict.items(value)]]
    for name, base in _SEQUENCES.items():
        if isinstance(value, base):
            return [name, [encode(item, export) for item in base.__iter__(value)]]
    return None


def _encode_built_in(value: object, export: Export) -> list[Json] | None:
    """What Python itself has beside containers; None for everything else."""
    if isinstance(value, bytes | bytearray):
        return [type(value).__name__, _text_of(bytes(value))]
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, range | slice):
        return [type(value).__name__, [encode(part, export) for part in (value.start, value.stop, value.step)]]
    if id(value) in _BUILT_IN_NAMES:
        return ["builtin", _BUILT_IN_NAMES[id(value)]]
    if isinstance(value, (_KEYS, _ITEMS)):
        return ["keys" if isinstance(value, _KEYS) else "items", [encode(item, export) for item in value]]
    return None


def _encode_known(value: Any) -> list[Json] | None:
    """Numbers and arrays of libraries that the program has imported; None for everything else."""
    module = type(value).__module__
    if module == "numpy":
        return _encode_numpy(value)
    if module == "datetime":
        return _encode_time(value)
    if module.startswith("scipy.sparse") and "scipy.sparse" in sys.modules:
        return _encode_sparse(value)
    if module == "sympy.core.symbol":
        return ["symbol", str(value)]
    if module == "array" and type(value).__name__ == "array":
        return ["numbers", value.typecode, _text_of(value.tobytes())]
    if module == "decimal" and type(value).__name__ == "Decimal":
        return ["decimal", str(value)]
    if module == "fractions" and type(value).__name__ == "Fraction":
        return ["fraction", hex(value.numerator), hex(value.denominator)]
    return None


def _encode_time(value: Any) -> list[Json] | None:
    kind = type(value).__name__
    if kind in ("date", "datetime", "time"):
        return [kind, value.isoformat()]
    return [kind, value.days, value.seconds, value.microseconds] if kind == "timedelta" else None


def _encode_sparse(value: Any) -> list[Json] | None:
    """A sparse matrix by its entries; None for whatever else that library has."""
    if not sys.modules["scipy.sparse"].issparse(value) or len(value.shape) != 2:
        return None
    plain = value.tocoo()
    parts = [_encode_numpy(part) for part in (plain.data, plain.row, plain.col)]
    return None if None in parts else ["sparse", str(value.format), [int(size) for size in value.shape], *parts]


def _encode_number(value: object) -> list[Json] | None:
    """A number of NumPy as such; None for everything else of it."""
    numpy = sys.modules["numpy"]
    if not isinstance(value, numpy.generic) or value.dtype.kind not in _KEPT:
        return None
    return ["scalar", value.dtype.str, _text_of(value.tobytes())]


def _encode_numpy(value: object) -> list[Json] | None:
    numpy = sys.modules["numpy"]
    if isinstance(value, numpy.generic):
        plain = value.item()
        return ["just", encode(plain, lambda _: ["none"])] if not isinstance(plain, numpy.generic) else None
    if isinstance(value, numpy.ndarray) and value.dtype.kind in "biufcSU":
        return ["array", value.dtype.str, list(value.shape), _text_of(numpy.ascontiguousarray(value).tobytes())]
    return None


def decode(data: Json, resolve: Resolve) -> object:
    """Rebuild a value from JSON data.

    Args:
        data: what `encode` made, or anything that an untrusted sender put in its place.
        resolve: gives the stand-in for a reference.

    Raises:
        NotPlainError: the data describe no value.
    """
    if data is None or isinstance(data, bool | str | int | float):
        return data
    if not (isinstance(data, list) and data and isinstance(data[0], str)):
        raise NotPlainError("not a value")
    name, *rest = data
    if name in _READERS:
        try:
            return _READERS[name](rest, resolve)
        except (TypeError, ValueError, IndexError, ArithmeticError, KeyError) as error:
            raise NotPlainError(f"not a {name}: {error}") from None
    return resolve(data)


def _text_of(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def _items(rest: Parts, resolve: Resolve) -> list[Any]:
    return [decode(item, resolve) for item in rest[0]]


def _fraction(rest: Parts, _: Resolve) -> object:
    from fractions import Fraction

    return Fraction(int(rest[0], 16), int(rest[1], 16))


def _decimal(rest: Parts, _: Resolve) -> object:
    from decimal import Decimal

    return Decimal(rest[0])


def _time(kind: str) -> Reader:
    def read(rest: Parts, _: Resolve) -> object:
        import datetime

        made = getattr(datetime, kind)
        return made(*map(int, rest)) if kind == "timedelta" else made.fromisoformat(rest[0])

    return read


def _numbers(rest: Parts, _: Resolve) -> object:
    from array import array

    made = array(str(rest[0]))
    made.frombytes(binascii.a2b_base64(rest[1]))
    return made


def _array(rest: Parts, _: Resolve) -> object:
    import numpy

    dtype, shape, data = rest
    kind = numpy.dtype(str(dtype))
    if kind.kind not in "biufcSU":
        raise ValueError(dtype)
    return numpy.frombuffer(binascii.a2b_base64(data), dtype=kind).reshape([int(size) for size in shape]).copy()


def _scalar(rest: Parts, resolve: Resolve) -> object:
    dtype, data = rest
    made: Any = _array([dtype, [1], data], resolve)
    return made[0]


def _sparse(rest: Parts, resolve: Resolve) -> object:
    import scipy.sparse

    form, shape, *parts = rest
    if form not in SPARSE_FORMS:
        raise ValueError(form)
    data, row, column = (_array(part[1:], resolve) for part in parts)
    sizes = [int(size) for size in shape]
    return scipy.sparse.coo_matrix((data, (row, column)), shape=sizes).asformat(form)


def _symbol(rest: Parts, _: Resolve) -> object:
    import sympy

    return sympy.Symbol(str(rest[0]))


SPARSE_FORMS = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
_KEYS: Kind = type({}.keys())
_ITEMS: Kind = type({}.items())
_SEQUENCES: dict[str, Kind] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
_READERS: dict[str, Reader] = {
    "list": lambda rest, resolve: _items(rest, resolve),
    "tuple": lambda rest, resolve: tuple(_items(rest, resolve)),
    "set": lambda rest, resolve: set(_items(rest, resolve)),
    "frozenset": lambda rest, resolve: frozenset(_items(rest, resolve)),
    "deque": lambda rest, resolve: deque(_items(rest, resolve)),
    "dict": lambda rest, resolve: {decode(key, resolve): decode(item, resolve) for key, item in rest[0]},
    "int": lambda rest, _: int(rest[0], 16),
    "bytes": lambda rest, _: binascii.a2b_base64(rest[0]),
    "bytearray": lambda rest, _: bytearray(binascii.a2b_base64(rest[0])),
    "complex": lambda rest, _: complex(float(rest[0]), float(rest[1])),
    "range": lambda rest, _: range(*map(int, rest[0])),
    "slice": lambda rest, resolve: slice(*_items(rest, resolve)),
    "just": lambda rest, resolve: decode(rest[0], resolve),
    "decimal": _decimal,
    "fraction": _fraction,
    "array": _array,
    "scalar": _scalar,
    "sparse": _sparse,
    "symbol": _symbol,
    "builtin": lambda rest, _: BUILT_IN[rest[0]],
    "keys": lambda rest, resolve: dict.fromkeys(_items(rest, resolve)).keys(),
    "items": lambda rest, resolve: dict(_items(rest, resolve)).items(),
    "numbers": _numbers,
    **{kind: _time(kind) for kind in ("date", "datetime", "time", "timedelta")},
}
