"""Columns of a million samples in a few bytes each: numbers and names that are read like lists.

Pure. Data flows arrays -> `NumberColumn`, `NameColumn` -> `TaskOutcomes`; statistics take them as arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar, overload

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

N = TypeVar("N", bound="float | None", covariant=True)


class NumberColumn(Sequence[N], Generic[N]):
    """Numbers in an array; not-a-number reads as None.

    Args:
        stored: of any numeric type.
        divisor: what the stored numbers are divided by when they are read.
    """

    __slots__ = ("divisor", "stored")

    def __init__(self, stored: NDArray[np.generic], *, divisor: int = 1) -> None:
        self.stored = stored
        self.divisor = divisor

    @property
    def array(self) -> NDArray[np.generic]:
        """The numbers; not-a-number where one is not known."""
        return self.stored if self.divisor == 1 else self.stored / self.divisor  # type: ignore[operator]  # numeric

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]:
        import numpy as np

        return np.array(self.array, dtype=dtype, copy=bool(copy)) if copy else np.asarray(self.array, dtype=dtype)

    def take(self, rows: NDArray[np.int64] | slice) -> NumberColumn[N]:
        """Choose rows by place."""
        return NumberColumn(self.stored[rows], divisor=self.divisor)

    def listed(self) -> list[N]:
        """Give all as Python's numbers."""
        import numpy as np

        values: list[N] = self.array.tolist()
        if self.stored.dtype.kind != "f" or not np.isnan(self.stored).any():
            return values
        return [None if value != value else value for value in values]  # type: ignore[misc]  # N holds None then

    def __len__(self) -> int:
        return len(self.stored)

    def __iter__(self) -> Iterator[N]:
        return iter(self.listed())

    @overload
    def __getitem__(self, at: int) -> N: ...
    @overload
    def __getitem__(self, at: slice) -> NumberColumn[N]: ...
    def __getitem__(self, at: int | slice) -> N | NumberColumn[N]:
        return self.take(at) if isinstance(at, slice) else self.take(slice(at, at + 1 or None)).listed()[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self.listed() == list(other)

    __hash__ = None  # type: ignore[assignment]  # like a list


class NameColumn(Sequence[str]):
    """Names in one text of bytes, with where each begins and ends in it."""

    __slots__ = ("starts", "stops", "text")

    def __init__(self, text: bytes, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> None:
        self.text = text
        self.starts = starts
        self.stops = stops

    @classmethod
    def of(cls, batches: Iterable[Sequence[str]]) -> NameColumn:
        """Keep names, a batch at a time."""
        import numpy as np

        texts: list[bytes] = []
        sizes = [np.zeros(1, np.int64)]
        for names in batches:
            encoded = [name.encode("utf-8", "surrogatepass") for name in names]
            texts.append(b"".join(encoded))
            sizes.append(np.fromiter(map(len, encoded), dtype=np.int64, count=len(encoded)))
        stops = np.cumsum(np.concatenate(sizes))
        return cls(b"".join(texts), stops[:-1], stops[1:])

    def take(self, rows: NDArray[np.int64] | slice) -> NameColumn:
        """Choose rows by place."""
        return NameColumn(self.text, self.starts[rows], self.stops[rows])

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[str]:
        text = self.text
        for start, stop in zip(self.starts.tolist(), self.stops.tolist(), strict=True):
            yield text[start:stop].decode("utf-8", "surrogatepass")

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> NameColumn: ...
    def __getitem__(self, at: int | slice) -> str | NameColumn:
        if isinstance(at, slice):
            return self.take(at)
        return self.text[int(self.starts[at]) : int(self.stops[at])].decode("utf-8", "surrogatepass")

    def __eq__(self, other: object) -> bool:
        import numpy as np

        if isinstance(other, NameColumn) and other.text is self.text and np.array_equal(other.starts, self.starts):
            return True  # the same names of one plan
        return isinstance(other, Sequence) and len(other) == len(self) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # like a list
