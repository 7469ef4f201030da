"""What is chosen of a run's samples, and in which order: the filters and sorting that an address holds.

Data flows query of an address -> `Choice` -> places in a `SampleIndex`. Rows that are equal in what they are sorted by
stand in the order planned; what is not known stands last, whichever way is sorted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.ledger import CellRecord
from harness.ledger.reading.viewed.indexed_rows import STATUS_OF
from harness.models import ModelSpec
from harness.reports.exports.sample_bills import ANSWERED
from harness.view.answers.index_plan import Flags, Ints
from harness.view.answers.index_turns import LIMITS, has_turns
from harness.view.answers.sample_index import (
    HAS_DURATION,
    HAS_FIRST_BYTE,
    IS_THERE,
    IS_TOLD,
    KNOWS_USAGE,
    NOT_ITEMISED,
    SampleIndex,
)

Keys: TypeAlias = NDArray[np.float64]
Verdict: TypeAlias = Literal["right", "wrong", "partial", "none"]

RIGHT = 1_000_000
VERDICTS: Mapping[Verdict, str] = {"right": "right", "wrong": "wrong", "partial": "partly right", "none": "no score"}
STATES = {"failed": "failed", "retried": "retried", "open": "under way"}
RANGES = {
    "cost": "cost in $", "output": "output tokens", "share": "reasoning share in %", "duration": "duration in s",
    "turns": "turns", "calls": "tool calls",
}  # fmt: skip
"""What can be limited from both sides, by `NAME_min` and `NAME_max`."""
OF_CONVERSATIONS = ("turns", "calls")
"""Those that only conversations have."""
DEAREST_PERCENTILE = 99
_LISTS = ("suite", "task", "model", "verdict", "reason", "state", "limit")
FILTERS = (*_LISTS, *(f"{name}_{end}" for name in RANGES for end in ("min", "max")), "id", "text", "dearest")
"""Names in an address that choose samples."""
CHOOSING = (*FILTERS, "sort")
"""Names that decide which samples a list has, and in which order."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an address chooses.

    Attributes:
        lists: chosen values by name of filter; none = all.
        least, most: limits by name of `RANGES`.
        part_of_id: text that sample ids have; empty = any.
        text: what question, reasoning or answer have; empty = anything.
        is_dearest: only the dearest hundredth of the run.
        sort: name of an order; empty = as planned.
    """

    lists: tuple[tuple[str, tuple[str, ...]], ...]
    least: tuple[tuple[str, float], ...]
    most: tuple[tuple[str, float], ...]
    part_of_id: str
    text: str
    is_dearest: bool
    sort: str
    is_descending: bool


def read_choice(query: Mapping[str, Sequence[str]]) -> Choice:
    """Read what the query of an address chooses.

    Raises:
        InputError: a limit is no number, or there is no such order.
    """

    def one(name: str) -> str:
        return query[name][-1].strip() if query.get(name) else ""

    sort = one("sort")
    if sort.removeprefix("-") not in ("", *ORDERS):
        raise InputError(f"samples cannot be sorted by {sort!r}", where="sort", fix=f"one of: {', '.join(ORDERS)}")
    return Choice(
        lists=tuple((name, tuple(filter(None, query[name]))) for name in _LISTS if any(query.get(name, ()))),
        least=tuple((name, _number(one(f"{name}_min"), f"{name}_min")) for name in RANGES if one(f"{name}_min")),
        most=tuple((name, _number(one(f"{name}_max"), f"{name}_max")) for name in RANGES if one(f"{name}_max")),
        part_of_id=one("id"),
        text=one("text"),
        is_dearest=bool(one("dearest")),
        sort=sort.removeprefix("-"),
        is_descending=sort.startswith("-"),
    )


def _number(text: str, where: str) -> float:
    try:
        found = Decimal(text.replace(",", "").removeprefix("$").removesuffix("%"))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise InputError(f"not a number: {text!r}", where=where, fix="write for example 0.25")
    return float(found)


def model_name(cell: CellRecord) -> str:
    """Name a cell's model as reports do."""
    return str(ModelSpec.of(cell))


def matching(index: SampleIndex, choice: Choice, named: Callable[[str], Sequence[int]]) -> Ints:
    """Give the entries that a choice lets through, in the order planned; what its text asks for is not looked at.

    Args:
        named: finds the planned ids whose sample id has a text.
    """
    kept = index.has(IS_THERE)
    for name, wanted in choice.lists:
        kept &= _IN_LIST[name](index, wanted)
    for limits, is_least in ((choice.least, True), (choice.most, False)):
        for name, limit in limits:
            values = key_of(index, name)
            bound = limit * _UNITS[name]
            kept &= values >= bound if is_least else values <= bound
    if choice.is_dearest:
        least = dearest_pico(index)
        kept &= np.zeros(len(kept), bool) if least is None else key_of(index, "cost") >= least
    if choice.part_of_id:
        kept &= np.isin(index.plan.planned, named(choice.part_of_id))[index.question]
    return np.flatnonzero(kept)


_UNITS = {"cost": 1e12, "output": 1.0, "share": 0.01, "duration": 1e6, "turns": 1.0, "calls": 1.0}


def dearest_pico(index: SampleIndex) -> float | None:
    """Give the cost that the dearest hundredth of a run's samples reaches, in picodollars; None = no cost is known."""

    def least() -> float | None:
        costs = key_of(index, "cost")[index.has(IS_THERE)]
        costs = costs[~np.isnan(costs)]
        return float(np.percentile(costs, DEAREST_PERCENTILE, method="lower")) if len(costs) else None

    return index.remember("dearest", least)


def _is_named(names: Sequence[str], wanted: Sequence[str], places: NDArray[np.signedinteger]) -> Flags:
    chosen: Flags = np.array([name in wanted for name in names] or [False])[places]
    return chosen


def _suite(index: SampleIndex, wanted: Sequence[str]) -> Flags:
    return _is_named([cell.suite for cell in index.plan.cells], wanted, index.model)


def _task(index: SampleIndex, wanted: Sequence[str]) -> Flags:
    names = [task for _, task in index.plan.tasks]
    return _is_named(names, wanted, index.plan.task[index.question])


def _model(index: SampleIndex, wanted: Sequence[str]) -> Flags:
    return _is_named(list(map(model_name, index.plan.cells)), wanted, index.model)


def _reason(index: SampleIndex, wanted: Sequence[str]) -> Flags:
    return _is_named(index.reasons, wanted, index.remember("why", index.why))


def _verdict(index: SampleIndex, wanted: Sequence[str]) -> Flags:
    score = index.remember("counted", index.counted)
    kept = np.zeros(len(score), bool)
    tests: Mapping[str, Callable[[], Flags]] = {
        "right": lambda: score >= RIGHT,
        "wrong": lambda: score == 0,
        "partial": lambda: (score > 0) & (score < RIGHT),
        "none": lambda: score < 0,
    }
    for name in wanted:
        if name in tests:
            kept |= tests[name]()
    return kept


def _state(index: SampleIndex, wanted: Sequence[str]) -> Flags:
    status = index.columns["status"]
    kept = np.zeros(len(status), bool)
    if "failed" in wanted:
        settled = [place for place, name in enumerate(STATUS_OF) if name not in (*ANSWERED, "sent")]
        kept |= np.isin(status, settled)
    if "open" in wanted:
        kept |= status == STATUS_OF.index("sent")
    if "retried" in wanted:
        kept |= index.columns["n_retries"] > 0
    return kept


def _limit(index: SampleIndex, wanted: Sequence[str]) -> Flags:
    if not has_turns(index):
        return np.zeros(len(index.columns["bits"]), bool)
    return _is_named(LIMITS, wanted, index.columns["limit"])


_IN_LIST: Mapping[str, Callable[[SampleIndex, Sequence[str]], Flags]] = {
    "suite": _suite,
    "task": _task,
    "model": _model,
    "verdict": _verdict,
    "reason": _reason,
    "state": _state,
    "limit": _limit,
}


def _if_known(index: SampleIndex, name: str) -> Keys:
    values = index.columns[name].astype(np.float64)
    values[~index.has(KNOWS_USAGE)] = np.nan
    return values


def _reasoning(index: SampleIndex) -> Keys:
    values = _if_known(index, "reasoning_tokens")
    values[index.has(NOT_ITEMISED)] = np.nan
    return values


def _share(index: SampleIndex) -> Keys:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Keys = _reasoning(index) / index.columns["output_tokens"]
    return found


def _of_conversations(name: str) -> Callable[[SampleIndex], Keys]:
    """Read a column of conversations: not known of single requests, and where no texts were kept."""

    def of(index: SampleIndex) -> Keys:
        if not has_turns(index):
            return np.full(len(index.columns["bits"]), np.nan)
        values = index.columns[name].astype(np.float64)
        values[~index.has(IS_TOLD) | (values < 0)] = np.nan
        return values

    return of


def _timed(name: str, bit: int) -> Callable[[SampleIndex], Keys]:
    def of(index: SampleIndex) -> Keys:
        values = index.columns[name].astype(np.float64)
        values[(index.columns["facts"] & bit) == 0] = np.nan
        return values

    return of


def _score(index: SampleIndex) -> Keys:
    values = index.counted().astype(np.float64)
    values[values < 0] = np.nan
    return values


def _ranked(names: Sequence[str], places: NDArray[np.signedinteger]) -> Keys:
    """Rank by name; an empty name is none."""
    order = {name: rank for rank, name in enumerate(sorted(set(names)))}
    ranks = np.array([order[name] if name else np.nan for name in names] or [np.nan], np.float64)
    found: Keys = ranks[places]
    return found


ORDERS: Mapping[str, Callable[[SampleIndex], Keys]] = {
    "model": lambda index: _ranked(list(map(model_name, index.plan.cells)), index.model),
    "task": lambda index: index.plan.task[index.question].astype(np.float64),
    "score": _score,
    "reason": lambda index: _ranked(index.reasons, index.why()),
    "cost": lambda index: index.dollars("cost"),
    "judge_cost": lambda index: index.dollars("judge_cost"),
    "input": lambda index: _if_known(index, "input_tokens"),
    "output": lambda index: _if_known(index, "output_tokens"),
    "reasoning": _reasoning,
    "share": _share,
    "duration": _timed("duration_us", HAS_DURATION),
    "first_byte": _timed("first_byte_us", HAS_FIRST_BYTE),
    "attempts": lambda index: index.columns["n_attempts"].astype(np.float64),
    "retries": lambda index: index.columns["n_retries"].astype(np.float64),
    "turns": _of_conversations("n_turns"),
    "calls": _of_conversations("n_calls"),
}
"""What samples can be sorted by: a number for every entry, not-a-number where it is not known."""


def key_of(index: SampleIndex, name: str) -> Keys:
    """Give what entries are sorted by, worked out once."""
    return index.remember(("key", name), lambda: ORDERS[name](index))


def sorting_keys(index: SampleIndex, choice: Choice, entries: Ints) -> Keys | None:
    """Give what chosen entries are sorted by, the smallest first; None = they stay as planned."""
    if not choice.sort:
        return None
    values = key_of(index, choice.sort)[entries]
    if choice.is_descending:
        values = -values
    values[np.isnan(values)] = np.inf
    return values


def part_in_order(keys: Keys | None, n: int, start: int, stop: int) -> Ints:
    """Give the places of the rows from `start` to `stop` in sorted order, without sorting the others."""
    start, stop = max(0, start), min(n, stop)
    if keys is None or start >= stop:
        return np.arange(start, max(start, stop))
    if (stop - start) * 4 > n:
        return np.argsort(keys, kind="stable")[start:stop]
    parted = np.partition(keys, [start, stop - 1])
    low, high = parted[start], parted[stop - 1]
    near = np.flatnonzero((keys >= low) & (keys <= high))
    skipped = start - int(np.count_nonzero(keys < low))
    if low == high:
        return near[skipped : skipped + stop - start]
    return near[np.argsort(keys[near], kind="stable")[skipped : skipped + stop - start]]


def place_in_order(keys: Keys | None, at: int) -> int:
    """Say how many rows stand before one of them."""
    if keys is None:
        return at
    own = keys[at]
    return int(np.count_nonzero(keys < own)) + int(np.count_nonzero(keys[:at] == own))
