"""Which samples columns are about: task and id of each, once for all cells of a run, and matched over runs.

Pure. Data flows plans -> `SampleKeys` -> `KeyUnion`, for rows that several runs make together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from harness.reports.facts.samples.packed_columns import NameColumn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class SampleKeys:
    """Samples by task and id, in the order of a report.

    Attributes:
        tasks: their names; `task` = of each sample, its place among them.
        names: sample ids.
    """

    tasks: Sequence[str]
    task: Ints
    names: NameColumn

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        tasks = self.tasks
        return ((tasks[number], name) for number, name in zip(self.task.tolist(), self.names, strict=True))

    def is_same(self, other: SampleKeys) -> bool:
        """Whether these are the same samples in the same order."""
        import numpy as np

        return self is other or (
            self.tasks == other.tasks
            and self.names.text == other.names.text
            and all(
                np.array_equal(*pair)
                for pair in (
                    (self.task, other.task),
                    (self.names.starts, other.names.starts),
                    (self.names.stops, other.names.stops),
                )
            )
        )


@dataclass(frozen=True, slots=True)
class KeyUnion:
    """The samples of several plans, each once; `places` = where those of each plan stand among them."""

    keys: SampleKeys
    places: Sequence[Ints]

    @classmethod
    def of(cls, parts: Sequence[SampleKeys]) -> KeyUnion:
        """Match the samples of plans: those of the first, then what each later one adds."""
        import numpy as np

        known: dict[tuple[str, str], int] = {}
        places: list[Ints] = []
        for number, part in enumerate(parts):
            same = next((at for at in range(number) if part.is_same(parts[at])), None)
            found = (known.setdefault(key, len(known)) for key in part)
            places.append(places[same] if same is not None else np.fromiter(found, dtype=np.int64, count=len(part)))
        if len(known) == len(parts[0]):
            return cls(parts[0], places)
        tasks = {task: place for place, task in enumerate(dict.fromkeys(task for task, _ in known))}
        numbers = np.fromiter((tasks[task] for task, _ in known), dtype=np.int64, count=len(known))
        names = NameColumn.of([[name for _, name in known]])
        return cls(SampleKeys(list(tasks), numbers, names), places)


@dataclass(slots=True)
class KeyUnions:
    """Unions that were worked out: the cells of the same runs share theirs."""

    _known: dict[tuple[int, ...], tuple[Sequence[SampleKeys], KeyUnion]] = field(default_factory=dict)

    def of(self, parts: Sequence[SampleKeys]) -> KeyUnion:
        """Give the union of plans."""
        key = tuple(map(id, parts))
        if key not in self._known:
            self._known[key] = parts, KeyUnion.of(parts)  # with the plans, so that no other ones take their ids
        return self._known[key][1]
