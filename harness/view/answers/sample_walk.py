"""The list that an address chooses, and how to walk through it: what stands before a sample, and what after it.

Data flows `Asked` -> index of the run + `Choice` -> entries in their order -> addresses of neighbours.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from harness.ledger.reading.viewed.indexed_rows import planned_named
from harness.view.answers.index_plan import Ints
from harness.view.answers.listed_samples import with_text
from harness.view.answers.run_indexes import NotYet
from harness.view.answers.sample_choice import (
    CHOOSING,
    Choice,
    Keys,
    matching,
    part_in_order,
    place_in_order,
    read_choice,
    sorting_keys,
)
from harness.view.answers.sample_index import SampleIndex
from harness.view.page_addresses import sample_address, samples_address, with_query
from harness.view.page_values import Asked

MOST_SEARCHED = 2_000
"""Samples in whose texts is searched: the first of those that everything else chooses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The samples that an address chooses; for use while the index is held.

    Attributes:
        entries: in the order planned.
        keys: what they are sorted by, the smallest first; None = they stay as planned.
        n_searched: samples in whose texts was searched; None = no text is asked for.
        n_before_search: samples that everything else chooses.
        key: tells these samples from others of the index, whatever their order.
    """

    index: SampleIndex
    choice: Choice
    entries: Ints
    keys: Keys | None
    n_searched: int | None
    n_before_search: int
    key: Hashable

    def part(self, start: int, stop: int) -> Ints:
        """Give the entries of the rows from `start` to `stop`, in their order."""
        return self.entries[part_in_order(self.keys, len(self.entries), start, stop)]

    def place(self, entry: int) -> int | None:
        """Say how many rows stand before an entry; None = it is not among them."""
        at = int(np.searchsorted(self.entries, entry))
        if at >= len(self.entries) or self.entries[at] != entry:
            return None
        return place_in_order(self.keys, at)


@contextmanager
def chosen_samples(asked: Asked, *, wait_s: float | None = None, is_patient: bool = False) -> Iterator[Chosen]:
    """Find what the address of a page chooses of its run, named `run_id` in its path.

    Args:
        wait_s: how long to wait for the index; None = as long as pages do.
        is_patient: wait until it is there.

    Raises:
        NotYet: the run's samples are still being read.
        InputError: the address asks for what there is not.
    """
    choice = read_choice(asked.query)
    sources, run_id = asked.sources, asked.names["run_id"]
    given = {"wait_s": wait_s, "is_patient": is_patient}
    with sources.samples.of(sources.ledger, sources.book, run_id, **given) as index:  # type: ignore[arg-type]  # each its own
        yield _chosen(index, choice, asked)


def _chosen(index: SampleIndex, choice: Choice, asked: Asked) -> Chosen:
    ledger = asked.sources.ledger

    def filtered() -> Ints:
        return matching(index, choice, lambda part: planned_named(ledger, index.run_id, part))

    filters = (choice.lists, choice.least, choice.most, choice.part_of_id, choice.is_dearest)
    entries: Ints = index.remember(("chosen", filters), filtered)
    before, searched = len(entries), None
    if choice.text:
        keys = sorting_keys(index, choice, entries)
        some = entries[part_in_order(keys, len(entries), 0, MOST_SEARCHED)]
        found = index.remember(("found", filters, choice.sort, choice.is_descending, choice.text),
                               lambda: np.sort(with_text(index, ledger, some, choice.text)))  # fmt: skip
        entries, searched = found, len(some)
    order = choice.sort, choice.is_descending
    key = (filters, (choice.text, order) if choice.text else "")
    return Chosen(
        index=index,
        choice=choice,
        entries=entries,
        keys=index.remember(("keys", key, order), lambda: sorting_keys(index, choice, entries)),
        n_searched=searched,
        n_before_search=before,
        key=key,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Where to go from a sample, along the list that its address chooses.

    Attributes:
        previous, next: addresses of the samples beside it, with the same query; None = it is the first, or the last.
        back: address of the list.
        place: its place in the list, from 1; None = it is not in it, or the list is still being read.
        n: how many samples the list has; None = it is still being read.
    """

    previous: str | None
    next: str | None
    back: str
    place: int | None
    n: int | None


def neighbours(asked: Asked) -> Neighbours:
    """Find what stands beside a sample whose page is asked for: `run_id`, `cell_id` and `planned_id` in its path.

    The page does not wait: while a run's samples are still being read, there is nowhere to go yet.

    Raises:
        InputError: the address asks for what there is not.
    """
    back = samples_address(asked.names["run_id"], **carried(asked))
    nowhere = Neighbours(previous=None, next=None, back=back, place=None, n=None)
    try:
        with chosen_samples(asked, wait_s=0) as chosen:
            entry = chosen.index.plan.entry(int(asked.names["cell_id"]), int(asked.names["planned_id"]))
            place = None if entry is None else chosen.place(entry)
            n = len(chosen.entries)
            if place is None:
                return Neighbours(previous=None, next=None, back=back, place=None, n=n)
            near = chosen.part(place - 1, place + 2).tolist()
            at = near.index(entry)
            return Neighbours(
                previous=entry_address(chosen.index, near[at - 1], carried(asked)) if at else None,
                next=entry_address(chosen.index, near[at + 1], carried(asked)) if at + 1 < len(near) else None,
                back=back,
                place=place + 1,
                n=n,
            )
    except NotYet:
        return nowhere


def carried(asked: Asked) -> dict[str, list[str]]:
    """Give the part of an address's query that chooses samples and their order."""
    return {name: list(asked.query[name]) for name in CHOOSING if any(asked.query.get(name, ()))}


def entry_address(index: SampleIndex, entry: int, query: dict[str, list[str]]) -> str:
    """Give the address of a sample's page that walks along a list."""
    cell = index.plan.cells[int(index.model[entry])]
    planned_id = int(index.plan.planned[index.question[entry]])
    return with_query(sample_address(index.run_id, cell.cell_id or 0, planned_id), query)
