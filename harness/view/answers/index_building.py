"""An index is read from the ledger once, slice by slice, and brought up to date by what was added since.

Data flows attempts, scores and invoices of one run -> `SampleIndex`. The same rules as `sample_bills.Standing`: the
newest answered attempt counts, else the newest, and all of them are charged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np

from harness.ledger import Ledger
from harness.ledger.reading.batch_rows import span_of_run
from harness.ledger.reading.sample_rows import run_rows
from harness.ledger.reading.viewed.indexed_rows import (
    PURPOSE_OF,
    STATUS_OF,
    Batch,
    Heads,
    attempts_between,
    attempts_on,
    heads,
    invoiced_attempts,
    plan_size,
    scores_of,
    scores_since,
    touched_since,
)
from harness.pricing.book import PriceBook
from harness.replies.unscored import UnscoredReason
from harness.reports.exports.sample_bills import ANSWERED
from harness.reports.precision.drawn_samples import is_drawn
from harness.view.answers.index_charges import REUSED, SENT, SOLVE, Charges, IndexCharges, Slice
from harness.view.answers.index_plan import IndexPlan, Ints
from harness.view.answers.index_turns import has_turns, take_turns
from harness.view.answers.sample_index import (
    COSTS,
    GAP,
    HAS_DURATION,
    HAS_FIRST_BYTE,
    IS_REFUSED,
    IS_THERE,
    KNOWS_USAGE,
    NOT_ITEMISED,
    PRICED,
    TOKENS,
    SampleIndex,
)

_SUCCEEDED, _JUDGE = STATUS_OF.index("succeeded"), PURPOSE_OF.index("judge")
_REASONS = get_args(UnscoredReason)
_OTHER_REASON = -1
_ANSWERED = [STATUS_OF.index(name) for name in ANSWERED]
Tell = Callable[[float], None]


def built_index(ledger: Ledger, book: PriceBook, run_id: str, tell: Tell = lambda _: None) -> SampleIndex:
    """Read a run's samples.

    Args:
        ledger: as it stands at one moment.
        tell: hears how much of it is done, 0 to 1.
    """
    seen = heads(ledger)
    plan = IndexPlan.read(ledger, run_id)
    index = SampleIndex.empty(run_id, plan, seen)
    index.size = plan_size(ledger, run_id)
    _mark_drawn(index, ledger)
    span = span_of_run(ledger, run_id)
    if span is None:
        return index
    charges = IndexCharges(ledger, book, np.array(invoiced_attempts(ledger, run_id), np.int64))
    for texts in attempts_between(ledger, run_id, span):
        last = _take(index, Slice.of(map(_numbers, texts)), charges)
        tell(0.9 * (last - span.first) / span.n_ids)
    _score_all(index, ledger)
    if index.is_conversing:
        take_turns(index, ledger)
    return index


def _numbers(text: str) -> Ints:
    return np.fromstring(text, dtype=np.int64, sep=",")


def is_extendable(index: SampleIndex, ledger: Ledger) -> bool:
    """Tell whether what the run planned, and what waves drew of it, is what the index was made for."""
    now = heads(ledger)
    if all(getattr(index.seen, name) == getattr(now, name) for name in ("planned_samples", "cells", "draws")):
        return True
    return index.size == plan_size(ledger, index.run_id)


def extend(index: SampleIndex, ledger: Ledger, book: PriceBook, *, unsure: int = 0) -> bool:
    """Bring an index up to date; tells whether anything changed.

    Args:
        ledger: as it stands at one moment.
        unsure: how many of the newest ids may have been given before others that were written later.
    """
    now = heads(ledger)
    if now == index.seen and not index.open_ids and not unsure:
        return False
    since = Heads(*(max(0, number - unsure) for number in index.seen))
    # a run has one writer at a time, whose ids only grow
    entries = _touched(index, ledger, since._replace(attempts=max(since.attempts, index.last_attempt)))
    changed = len(entries) > 0
    if changed:
        _read_again(index, ledger, book, entries)
    for batch in scores_since(ledger, index.run_id, since):
        changed |= _score(index, batch)
    if changed and (index.is_conversing or has_turns(index)):
        take_turns(index, ledger)
    index.seen = now
    index.version += changed
    return changed


def _mark_drawn(index: SampleIndex, ledger: Ledger) -> None:
    """Mark what belongs to the run: all that is planned, or what waves drew of it."""
    run = ledger.run(index.run_id)
    if run is None or not is_drawn(run):
        index.columns["bits"] |= np.int16(IS_THERE)
        return
    draws = ledger.draws(index.run_id)
    cells = np.array([draw.cell_id for draw in draws], np.int64)
    entries = index.plan.entries(cells, np.array([draw.planned_id for draw in draws], np.int64))
    index.columns["bits"][entries[entries >= 0]] = IS_THERE


def _touched(index: SampleIndex, ledger: Ledger, since: Heads) -> Ints:
    found = [np.empty(0, np.int64)]
    for cells, planned in touched_since(ledger, index.run_id, since, sorted(index.open_ids)):
        found.append(index.plan.entries(np.array(cells, np.int64), np.array(planned, np.int64)))
    entries = np.unique(np.concatenate(found))
    return entries[entries >= 0]


def _read_again(index: SampleIndex, ledger: Ledger, book: PriceBook, entries: Ints) -> None:
    """Read all attempts of some entries once more."""
    plan = index.plan
    index.clear(entries)
    planned = np.unique(plan.planned[index.question[entries]]).tolist()
    cells = sorted({plan.cells[place].cell_id or 0 for place in np.unique(index.model[entries]).tolist()})
    charges = IndexCharges(ledger, book, np.array(invoiced_attempts(ledger, index.run_id), np.int64))
    for batch in attempts_on(ledger, cells, planned):
        _take(index, Slice.of(np.array(values, np.int64) for values in batch), charges, only=entries)
    attempts = index.columns["attempt"][entries]
    for batch in scores_of(ledger, attempts[attempts >= 0].tolist()):
        _score(index, batch)


def _take(index: SampleIndex, rows: Slice, charges: IndexCharges, only: Ints | None = None) -> int:
    """Add attempts to their entries; gives the last one's id."""
    last = int(rows.attempt[-1])
    index.is_conversing |= bool(rows.has("has_turn").any())
    index.last_attempt = max(index.last_attempt, last)
    entries = index.plan.entries(rows.cell, rows.planned)
    wanted = entries >= 0 if only is None else np.isin(entries, only)
    if not wanted.all():
        rows, entries = rows.take(wanted), entries[wanted]
    if len(entries):
        index.mark(entries, np.full(len(entries), IS_THERE))
        _charge(index, rows, entries, charges.of(rows))
        _stand(index, rows, entries)
        is_open = rows.status == SENT
        index.open_ids.difference_update(rows.attempt[~is_open].tolist() if index.open_ids else ())
        index.open_ids.update(rows.attempt[is_open].tolist())
    return last


def _charge(index: SampleIndex, rows: Slice, entries: Ints, charged: Charges) -> None:
    """Add what was charged, by purpose, and what solving used."""
    purpose = rows.purpose
    is_solve, is_judge = purpose == SOLVE, purpose == _JUDGE
    for name, mine in zip(COSTS, (is_solve, is_judge, ~is_solve & ~is_judge), strict=True):
        if mine.any():
            own = entries[mine]
            index.add(name, own, charged.pico[mine])
            index.mark(own, charged.has_gap[mine] * GAP[name] + charged.is_priced[mine] * PRICED[name])
    for place, usd in charged.beyond.items():
        name = COSTS[0] if is_solve[place] else COSTS[1] if is_judge[place] else COSTS[2]
        index.add_beyond(name, int(entries[place]), usd)
    own = entries[is_solve]
    for name, tokens in zip(TOKENS, charged.tokens, strict=True):
        index.add(name, own, tokens[is_solve])
    index.add("n_attempts", own, (rows.status[is_solve] != REUSED).astype(np.int64))
    index.add("n_retries", own, rows.has("is_retry")[is_solve].astype(np.int64))
    is_known = rows.has("knows_input") & (rows.status != SENT) & (rows.status != REUSED)
    index.mark(own, is_known[is_solve] * KNOWS_USAGE + charged.not_itemised[is_solve] * NOT_ITEMISED)


def _stand(index: SampleIndex, rows: Slice, entries: Ints) -> None:
    """Find the attempt that counts: the newest answered one, else the newest."""
    solve = np.flatnonzero(rows.purpose == SOLVE)
    answered = np.isin(rows.status, _ANSWERED)
    order = solve[np.lexsort((rows.attempt[solve], answered[solve], entries[solve]))]
    here = entries[order]
    last = order[np.append(here[1:] != here[:-1], True)[: len(here)]]
    held = np.isin(index.columns["status"][entries[last]], _ANSWERED)
    last = last[answered[last] | ~held]
    own = entries[last]
    timed = (rows.status == _SUCCEEDED) & rows.has("is_finished")
    first = timed & rows.has("has_first_byte")
    facts = timed * HAS_DURATION + first * HAS_FIRST_BYTE + rows.has("is_refused") * IS_REFUSED
    index.put("attempt", own, rows.attempt[last])
    index.put("status", own, rows.status[last])
    index.put("facts", own, facts[last])
    index.put("duration_us", own, np.where(timed, rows.duration_us, 0)[last])
    index.put("first_byte_us", own, np.where(first, rows.first_byte_us, 0)[last])
    index.put("value", own, np.full(len(own), -1))
    index.put("reason", own, np.zeros(len(own), np.int64))


def _score_all(index: SampleIndex, ledger: Ledger) -> None:
    """Give every entry the newest score of the attempt that counts."""
    rows = run_rows(ledger, index.run_id, tokens=(), reasons=_REASONS)
    if rows is None:
        return
    attempts = index.columns["attempt"]
    order = np.argsort(attempts, kind="stable")
    ordered = attempts[order]
    numbers = np.array([index.reason_number(name) for name in _REASONS] + [_OTHER_REASON], np.int64)
    for texts in rows.scores:
        place, score_id, coded = map(_numbers, texts)
        newest = np.argsort(score_id, kind="stable")
        place, coded = place[newest] + rows.span.first, coded[newest]
        at = np.minimum(np.searchsorted(ordered, place), len(ordered) - 1)
        counts = ordered[at] == place
        entries, coded = order[at[counts]], coded[counts]
        index.put("value", entries, np.maximum(coded, -1))
        index.put("reason", entries, np.where(coded < 0, numbers[np.clip(-1 - coded, 0, len(_REASONS))], 0))
    is_other = index.columns["reason"] == _OTHER_REASON
    for first_place, name in rows.other_reasons:
        there = int(np.searchsorted(ordered, first_place + rows.span.first))
        if there < len(ordered) and ordered[there] == first_place + rows.span.first and is_other[order[there]]:
            index.put("reason", order[there : there + 1], np.array([index.reason_number(name)]))


def _score(index: SampleIndex, batch: Batch) -> bool:
    """Give scores to the entries whose attempt counts; the last of an attempt stays. Tells whether any is new."""
    attempt, cell, planned, value = (np.array(values, np.int64) for values in batch[:4])
    numbers = {reason: 0 if reason is None else index.reason_number(str(reason)) for reason in set(batch[4])}
    reason = np.array([numbers[name] for name in batch[4]], np.int64)
    entries = index.plan.entries(cell, planned)
    counts = (entries >= 0) & (index.columns["attempt"][np.maximum(entries, 0)] == attempt)
    entries, value, reason = entries[counts], value[counts], reason[counts]
    before = index.columns["value"][entries], index.columns["reason"][entries]
    index.put("value", entries, value)
    index.put("reason", entries, reason)
    return bool((before[0] != value).any() or (before[1] != reason).any())
