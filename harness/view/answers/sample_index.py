"""A run's samples as columns, one entry per planned question on a model: its attempts taken together as a report does.

Pure. Data flows `index_building` -> `SampleIndex` -> filters, orders and sums of `sample_choice`. Money is whole
picodollars in an array; what does not fit into them exactly is kept beside it, so that dollars stay exact.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.ledger.reading.viewed.indexed_rows import STATUS_OF, Heads, PlanSize
from harness.money import EXACT, from_pico
from harness.replies.unscored import COUNTED_WRONG
from harness.view.answers.index_plan import Flags, IndexPlan, Ints

Column: TypeAlias = NDArray[Any]
Kept = TypeVar("Kept")

MOST_REMEMBERED, MOST_REMEMBERED_BYTES = 24, 128_000_000
"""Of what was worked out; the oldest goes first."""
COSTS = ("cost", "judge_cost", "other_cost")
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
COUNTS = ("n_attempts", "n_retries")
STANDING = ("attempt", "status", "facts", "duration_us", "first_byte_us")
"""Columns that the attempt that counts decides."""
KINDS: dict[str, type[np.signedinteger[Any]]] = {
    **dict.fromkeys(COSTS, np.int64),
    **dict.fromkeys(TOKENS, np.int32),
    **dict.fromkeys(COUNTS, np.int32),
    "attempt": np.int64,
    "status": np.int8,
    "facts": np.int8,
    "duration_us": np.int32,
    "first_byte_us": np.int32,
    "value": np.int32,
    "reason": np.int16,
    "bits": np.int16,
}
_EMPTY = {"attempt": -1, "status": -1, "value": -1}

HAS_DURATION, HAS_FIRST_BYTE, IS_REFUSED = 1, 2, 4
"""Bits of `facts`."""
IS_THERE, KNOWS_USAGE, NOT_ITEMISED = 1, 2, 4
GAP = dict(zip(COSTS, (8, 16, 32), strict=True))
PRICED = dict(zip(COSTS, (64, 128, 256), strict=True))
"""Bits of `bits`: something of a cost is not known, something of it is."""
IS_LOST, IS_TOLD = 512, 1024
"""Bits of `bits`: the newest request of a conversation failed; it is a conversation."""

NO_REASON, NOT_ASKED, PENDING, FAILED = range(4)
REASONS = ("", "not_asked", "pending", "failed")
"""Why there is no score, by number; scorers' reasons follow."""
_ANSWERED_OR_SENT = [STATUS_OF.index(name) for name in ("succeeded", "reused", "sent")]


@dataclass(slots=True)
class SampleIndex:
    """The samples of one run.

    Attributes:
        columns: by name, one value per entry of the plan; picodollars, tokens, microseconds, millionths of a score.
        beyond: dollars that whole picodollars do not hold, by column and entry.
        reasons: names of the numbers in the column `reason`.
        open_ids: attempts that were under way.
        last_attempt: the newest attempt of the run.
        seen: newest ids of the ledger when it was read.
        size: of what the run planned when it was read.
        is_conversing: some attempt read since it was made has a turn.
        version: changes whenever a value does.
        lock: held by whoever reads or changes it.
        remembered: what was worked out of this version, the latest of it.
    """

    run_id: str
    plan: IndexPlan
    seen: Heads
    columns: dict[str, Column]
    question: NDArray[np.int32]
    model: NDArray[np.int16]
    reasons: list[str] = field(default_factory=lambda: list(REASONS))
    beyond: dict[tuple[str, int], Decimal] = field(default_factory=dict)
    open_ids: set[int] = field(default_factory=set)
    last_attempt: int = 0
    size: PlanSize | None = None
    is_conversing: bool = False
    version: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    remembered: dict[Hashable, Any] = field(default_factory=dict)

    @classmethod
    def empty(cls, run_id: str, plan: IndexPlan, seen: Heads) -> SampleIndex:
        """Make an index in which nothing was tried yet."""
        columns: dict[str, Column] = {
            name: np.full(plan.n, _EMPTY[name], kind) if name in _EMPTY else np.zeros(plan.n, kind)
            for name, kind in KINDS.items()
        }
        return cls.over(run_id, plan, seen, columns)

    @classmethod
    def over(cls, run_id: str, plan: IndexPlan, seen: Heads, columns: dict[str, Column]) -> SampleIndex:
        """Make an index of columns that are there."""
        question = plan.questions()
        return cls(run_id, plan, seen, columns, question, plan.models(question))

    def remember(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Work something out once for each version."""
        kept = self.remembered
        made: Kept = kept.pop((self.version, key)) if (self.version, key) in kept else make()
        kept[self.version, key] = made
        n_bytes = sum(getattr(one, "nbytes", 0) for one in kept.values())
        for old in list(kept)[:-4]:
            if len(kept) <= MOST_REMEMBERED and n_bytes <= MOST_REMEMBERED_BYTES:
                break
            n_bytes -= getattr(kept.pop(old), "nbytes", 0)
        return made

    def clear(self, entries: Ints) -> None:
        """Forget what is known of entries, save that they are there."""
        for name, column in self.columns.items():
            column[entries] = column[entries] & IS_THERE if name == "bits" else _EMPTY.get(name, 0)
        if self.beyond:
            gone = set(entries.tolist())
            self.beyond = {key: usd for key, usd in self.beyond.items() if key[1] not in gone}

    def put(self, name: str, entries: Ints, values: Column) -> None:
        """Set values; a column becomes wider where they do not fit."""
        self._make_room(name, values)
        self.columns[name][entries] = values

    def add(self, name: str, entries: Ints, values: Column) -> None:
        """Add values, several to one entry one after the other."""
        if not len(values):
            return
        order = np.argsort(entries, kind="stable")
        places, starts = np.unique(entries[order], return_index=True)
        self.put(name, places, self.columns[name][places].astype(np.int64) + np.add.reduceat(values[order], starts))

    def add_beyond(self, name: str, entry: int, usd: Decimal) -> None:
        """Add dollars that are no whole picodollars, or more of them than an array holds."""
        self.beyond[name, entry] = EXACT.add(self.beyond.get((name, entry), Decimal(0)), usd)

    def mark(self, entries: Ints, bits: Column) -> None:
        """Set bits of entries."""
        np.bitwise_or.at(self.columns["bits"], entries, bits.astype(np.int16))

    def _make_room(self, name: str, values: Column) -> None:
        column = self.columns[name]
        if len(values) and column.dtype.itemsize < 8:
            room = np.iinfo(column.dtype)
            if values.max() > room.max or values.min() < room.min:
                self.columns[name] = column.astype(np.int64)

    def reason_number(self, name: str) -> int:
        """Give the number of a reason."""
        if name not in self.reasons:
            self.reasons.append(name)
        return self.reasons.index(name)

    def has(self, bit: int, entries: Ints | slice = slice(None)) -> Flags:
        """Tell which entries have a bit."""
        found: Flags = (self.columns["bits"][entries] & bit) != 0
        return found

    def why(self) -> Column:
        """Say of every entry why it has no score, by number."""
        value, reason, status = (self.columns[name] for name in ("value", "reason", "status"))
        untold = np.where(np.isin(status, _ANSWERED_OR_SENT), np.int16(PENDING), np.int16(FAILED))
        untold[self.has(IS_LOST)] = FAILED
        untold[self.columns["attempt"] < 0] = NOT_ASKED
        return np.where(value >= 0, np.int16(NO_REASON), np.where(reason > 0, reason, untold))

    def counted(self) -> NDArray[np.int32]:
        """Give the score of every entry as reports count it, in millionths; -1 = nothing is known of the model."""
        wrong = [place for place, name in enumerate(self.reasons) if name in COUNTED_WRONG]
        return np.where(np.isin(self.why(), wrong), np.int32(0), self.columns["value"])

    def is_lower_bound(self, name: str, entries: Ints | slice = slice(None)) -> Flags:
        """Tell where something of a cost is not known: what is known of it is the least that it was."""
        found: Flags = (self.columns["bits"][entries] & GAP[name]) != 0
        return found

    def is_unpriced(self, name: str, entries: Ints | slice = slice(None)) -> Flags:
        """Tell where nothing of a cost is known, which is not zero dollars."""
        bits = self.columns["bits"][entries]
        missing: Flags = ((bits & GAP[name]) != 0) & ((bits & PRICED[name]) == 0) & (self.columns[name][entries] == 0)
        for place in np.flatnonzero(missing) if self.beyond else ():
            entry = place if isinstance(entries, slice) else entries[place]
            missing[place] = (name, int(entry)) not in self.beyond
        return missing

    def usd(self, name: str, entries: Sequence[int]) -> list[Decimal | None]:
        """Give exact dollars of entries; None = unpriced."""
        places = np.array(entries, np.int64)
        missing = self.is_unpriced(name, places).tolist()
        return [
            None if is_missing else EXACT.add(from_pico(pico), self.beyond.get((name, entry), Decimal(0)))
            for entry, pico, is_missing in zip(entries, self.columns[name][places].tolist(), missing, strict=True)
        ]

    def total_usd(self, name: str, entries: Ints) -> Decimal:
        """Add up the dollars of entries, exactly; what is unpriced is left out."""
        pico = self.columns[name] if len(entries) == self.plan.n else self.columns[name][entries]
        if len(pico) and max(int(pico.max()), -int(pico.min())) * len(pico) < 1 << 62:
            total = from_pico(int(pico.sum()))
        else:
            high, low = pico >> 32, pico & 0xFFFFFFFF  # whose sums fit into 64 bits
            total = from_pico((int(high.sum()) << 32) + int(low.sum()))
        beyond = [usd for (column, _), usd in self._beyond_of(name, entries)]
        for usd in beyond:
            total = EXACT.add(total, usd)
        return total

    def _beyond_of(self, name: str, entries: Ints) -> Iterable[tuple[tuple[str, int], Decimal]]:
        mine = [(key, usd) for key, usd in self.beyond.items() if key[0] == name]
        inside = np.isin(np.array([key[1] for key, _ in mine], np.int64), entries).tolist() if mine else []
        return [pair for pair, is_inside in zip(mine, inside, strict=True) if is_inside]

    def dollars(self, name: str) -> NDArray[np.float64]:
        """Give a cost of every entry for sorting; not-a-number where it is unpriced."""
        found = self.columns[name].astype(np.float64)
        for (column, entry), usd in self.beyond.items():
            if column == name:
                found[entry] += float(usd) * 1e12
        found[self.is_unpriced(name)] = np.nan
        return found
