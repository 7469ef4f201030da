"""The page of a run's samples: chosen by filters, sorted by any column, with what the chosen ones cost together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from harness.documents.stream import RowStream
from harness.documents.table import NUMBER_KINDS, Column, Table
from harness.ledger import RunRecord
from harness.money import from_pico, plain
from harness.reports.facts.report_facts import NOTHING, Spend
from harness.reports.imported.log_bounds import bound_reasons, log_gaps
from harness.reports.spend import wording
from harness.view.answers.index_turns import LIMITS, has_turns
from harness.view.answers.listed_samples import SORTS, Listed, listed, row_of, shown_columns, stream_listed
from harness.view.answers.run_indexes import NotYet
from harness.view.answers.run_parts import RunParts, run_parts, whole_spend
from harness.view.answers.sample_choice import (
    FILTERS,
    OF_CONVERSATIONS,
    RANGES,
    RIGHT,
    STATES,
    VERDICTS,
    dearest_pico,
    model_name,
)
from harness.view.answers.sample_index import IS_THERE, PRICED, SampleIndex
from harness.view.answers.sample_walk import MOST_SEARCHED, Chosen, carried, chosen_samples, entry_address
from harness.view.page_addresses import question_address
from harness.view.page_values import Asked, Grid, Shown
from harness.view.paging import paging

ROWS_ON_A_PAGE = 50
_MORE = ("id", "text", *(name for name in FILTERS if name.partition("_")[0] in RANGES))
_MARKS = {VERDICTS["right"]: "right", VERDICTS["wrong"]: "wrong", VERDICTS["none"]: "failed"}


def samples_page(asked: Asked) -> Shown:
    """Show some of a run's samples."""
    run_id = asked.names["run_id"]
    run = asked.sources.run(run_id)
    whole = whole_spend(run, asked.sources)
    try:
        with chosen_samples(asked, is_patient=bool(asked.one("format"))) as chosen:
            parts = run_parts(chosen.index, run, asked.sources, whole)
            return _shown(asked, run, chosen, parts)
    except NotYet as error:
        return being_read(run_id, "Samples", error)


def being_read(run_id: str, title: str, error: NotYet) -> Shown:
    """Say how much of a run's samples is read; the page asks again by itself."""
    return Shown(template="reading.html.j2", title=title, values={"run_id": run_id, "percent": error.percent})


def _shown(asked: Asked, run: RunRecord, chosen: Chosen, parts: RunParts) -> Shown:
    index, n = chosen.index, len(chosen.entries)
    pages = paging(asked, n, n_per_page=ROWS_ON_A_PAGE)
    columns = shown_columns(index)
    entries = chosen.part(pages.rows.start, pages.rows.stop)
    rows = listed(index, asked.sources.ledger, entries)
    everything = chosen.part(0, n) if asked.one("format") else entries
    values = {
        "run_id": run.run_id,
        "grid": _grid(asked, index, columns, rows),
        "chosen": chosen,
        "exact_usd": plain,
        "sums": index.remember(("sums", chosen.key), lambda: chosen_sums(chosen, log_gaps(run))),
        "bound_reasons": bound_reasons(run),
        "run_parts": parts,
        "pages": pages,
        "options": _options(index),
        "chips": _chips(asked),
        "ranges": {name: words for name, words in RANGES.items() if has_turns(index) or name not in OF_CONVERSATIONS},
        "more_chosen": any(asked.one(name) for name in _MORE),
        "most_searched": MOST_SEARCHED,
        "least_dear": _least_dear(index),
        "dearest": asked.address(dearest="1", sort="-cost", page=""),
        "only_wrong": asked.address(verdict="" if asked.many("verdict") == ["wrong"] else "wrong", page=""),
    }

    def samples() -> RowStream:
        return stream_listed(index, everything, columns, asked.sources.ledger)

    return Shown(template="samples.html.j2", title="Samples", values=values, downloads={"samples": samples})


def _least_dear(index: SampleIndex) -> str | None:
    found = dearest_pico(index)
    return None if found is None else wording.dollars(from_pico(int(found)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """What chosen samples come to.

    Attributes:
        score: average over those with one, in percent; None = none has.
        usd: of what is known, exactly; None = nothing is, which is not zero dollars.
        n_unpriced: samples of whose cost nothing is known.
        n_lower_bounds: samples of whose cost something is not known, the unpriced ones among them.
        lacks: what an imported run's log says that it lacks, which makes a bound of whatever is chosen.
        share: of the dollars of the run's samples, in percent; None = they cost nothing, or nothing is known of some.
        is_share_rough: either side of the share is a bound.
    """

    n: int
    n_scored: int
    score: float | None
    usd: Decimal | None
    n_unpriced: int
    n_lower_bounds: int
    lacks: Spend
    share: float | None
    is_share_rough: bool

    @property
    def usd_words(self) -> str:
        """Word the dollars as reports do."""
        if self.usd is None:
            return wording.NOT_KNOWN
        return wording.spent(Spend(n_unknown_usage=self.n_lower_bounds).plus(self.lacks), usd=self.usd)

    @property
    def share_words(self) -> str:
        """Word the share; what is only about so says it."""
        if self.share is None:
            return wording.NOT_KNOWN
        return f"{'about ' if self.is_share_rough else ''}{self.share:.1f} %"


def chosen_sums(chosen: Chosen, lacks: Spend = NOTHING) -> Sums:
    """Add up what is chosen of a run whose log lacks something, or nothing."""
    index, entries = chosen.index, chosen.entries
    score = index.remember("counted", index.counted)[entries]
    scored = score[score >= 0]
    usd = index.total_usd("cost", entries)
    is_unpriced = index.is_unpriced("cost", entries)
    is_nothing_asked = not index.columns["n_attempts"][entries].any()
    is_nothing_priced = not usd and not index.has(PRICED["cost"], entries).any()
    there = np.flatnonzero(index.has(IS_THERE))
    whole = index.remember("whole", lambda: index.total_usd("cost", there))
    is_partly_known = bool(index.is_unpriced("cost", there).any())
    return Sums(
        n=len(entries),
        n_scored=len(scored),
        score=100 * float(scored.mean()) / RIGHT if len(scored) else None,
        usd=None if is_nothing_priced and (is_nothing_asked or is_unpriced.any()) else usd,
        lacks=lacks,
        n_unpriced=int(is_unpriced.sum()),
        n_lower_bounds=int(index.is_lower_bound("cost", entries).sum()),
        share=float(100 * usd / whole) if whole and not is_partly_known else None,
        is_share_rough=lacks != NOTHING or bool(index.is_lower_bound("cost", there).any()),
    )


def _grid(asked: Asked, index: SampleIndex, columns: Sequence[Column], rows: Sequence[Listed]) -> Grid:
    table = Table(name="samples", title="Samples", columns=tuple(columns), rows=[row_of(one, columns) for one in rows])
    query, now = carried(asked), asked.one("sort")
    sorted_by = None
    sorting: dict[str, str] = {}
    for column in columns:
        order = SORTS.get(column.name)
        if order is None:
            continue
        if order == now.removeprefix("-"):
            sorted_by = sorted_by or (column.name, "descending" if now.startswith("-") else "ascending")
        sorting[column.name] = asked.address(sort=_next_sort(order, now, column), page="")
    return Grid(
        table=table,
        links={
            "sample_id": [entry_address(index, one.entry, query) for one in rows],
            "question": [question_address(index.run_id, one.planned_id) for one in rows],
        },
        sorting=sorting,
        sorted_by=sorted_by,
        marks=[_MARKS.get(one.values["verdict"], "") for one in rows],
    )


def _next_sort(order: str, now: str, column: Column) -> str:
    """Say how a click on a head sorts: numbers from the largest first, then the other way round."""
    first, second = (f"-{order}", order) if column.kind in NUMBER_KINDS else (order, f"-{order}")
    return second if now == first else first


def _options(index: SampleIndex) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Give what lists of filters offer: (value, words); a list with one value is left out."""
    reasons = index.remember("reasons", lambda: _reasons(index))
    offered: dict[str, Sequence[str]] = {
        "suite": sorted({cell.suite for cell in index.plan.cells}),
        "task": list(dict.fromkeys(task for _, task in index.plan.tasks)),
        "model": list(dict.fromkeys(map(model_name, index.plan.cells))),
    }
    named = {name: [(value, value) for value in values] for name, values in offered.items() if len(values) > 1}
    return {
        **named,
        "verdict": list(VERDICTS.items()),
        "reason": [(reason, reason.replace("_", " ")) for reason in sorted(reasons)],
        "state": list(STATES.items()),
        "limit": [(name, name) for name in index.remember("limits", lambda: _limits(index))],
    }


def _limits(index: SampleIndex) -> list[str]:
    if not has_turns(index):
        return []
    return [LIMITS[number] for number in np.unique(index.columns["limit"]).tolist() if number]


def _reasons(index: SampleIndex) -> set[str]:
    counts = np.bincount(index.remember("why", index.why))
    return {index.reasons[number] for number in np.flatnonzero(counts).tolist()} - {""}


def _chips(asked: Asked) -> list[tuple[str, str]]:
    """Word every filter that is active, with the address without it."""
    words: Mapping[str, Mapping[Any, str]] = {"verdict": VERDICTS, "state": STATES}
    found = []
    for name in FILTERS:
        values = [value for value in asked.many(name) if value.strip()]
        for value in values:
            others = [other for other in values if other != value]
            found.append((_chip(name, words.get(name, {}).get(value, value)), asked.address(**{name: others}, page="")))
    return found


def _chip(name: str, value: str) -> str:
    what, _, end = name.partition("_")
    if end:
        return f"{RANGES[what]} {'≥' if end == 'min' else '≤'} {value}"
    return "the dearest 1 %" if name == "dearest" else f"{name}: {value}"
