"""Sums inside which a price can change are taken apart into sums of attempts that share their rates, so that a report
equals charging attempt by attempt to the last digit.

Pure. Data flows `ServedSum`s -> those as they are, and for the others ledger rows -> one sum per stretch of unchanged
rates.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.costs.served import Served
from harness.costs.stretches import ServedSpan
from harness.instants import from_us
from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.encoding import read_json
from harness.ledger.reading.sample_rows import SplitRow
from harness.ledger.reading.sums import UsageGroup, UsageSum
from harness.ledger.records import CellRecord
from harness.reports.facts.charger import Charger
from harness.usage import KINDS, read_usage


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSum:
    """A sum, and how its attempts were served.

    Attributes:
        samples: what each attempt used, where the sum was taken apart; empty for sums as they are.
    """

    sums: UsageSum
    served: Served
    samples: Sequence[SampleUse] = ()

    @classmethod
    def of(cls, sums: UsageSum, asked: CellRecord) -> ServedSum:
        """Say how the attempts of a sum were served: a cell's model was asked for, or another, whom its group names."""
        named = asked if sums.purpose == "solve" else sums.group
        return cls(sums=sums, served=served_group(sums.group, named.provider, named.model))


def served_group(group: UsageGroup, provider: str, model: str) -> Served:
    """Say how the attempts of a group were served; `provider` and `model` as asked for."""
    return Served(
        provider=provider,
        model=model,
        at=from_us(group.slot_us),
        model_served=group.model,
        service_tier=group.service_tier,
        mode=group.mode,
        speed=group.speed,
        inference_geo=group.inference_geo,
        thinking=group.thinking,
    )


SampleUse = tuple[int | None, tuple[int, ...]]
"""A sample (`planned_id`) and the six token counts of one attempt, in the order of `TOKEN_COLUMNS`."""
RowsOf = Callable[[Sequence[int]], Iterable[SplitRow]]
"""Reads the attempts of cells."""
_Key = tuple[int, str, str, int]


def taken_apart(found: Iterable[ServedSum], rows_of: RowsOf, charger: Charger) -> Iterator[ServedSum]:
    """Give sums whose attempts share their rates: those inside which a price can change are taken apart.

    Args:
        rows_of: asked once, and only where a sum must be taken apart.
    """
    kept = list(found)
    pairs = {_pair(one.sums) for one in kept if _must_be_split(one, charger)}
    apart: dict[_Key, ServedSum] = {}
    for one in kept:
        sums = one.sums
        if sums.status != "reused" and _pair(sums) in pairs:
            apart[sums.cell_id, sums.purpose, sums.status, sums.group.usage_group_id] = one
        else:
            yield one
    if apart:
        yield from _by_stretch(rows_of(sorted({cell_id for cell_id, *_ in apart})), apart, charger)


def _pair(sums: UsageSum) -> tuple[int, int]:
    return sums.cell_id, sums.group.usage_group_id


def _must_be_split(one: ServedSum, charger: Charger) -> bool:
    """Tell whether the attempts of a sum can differ in their rates: a slot or bucket with a price change inside."""
    sums, served = one.sums, one.served
    if sums.status == "reused" or not any(sums.counts):
        return False
    # another model's group knows it as served; what was asked for, the price book's second choice, only rows know
    if sums.purpose != "solve" and not charger.book.knows(served.provider, served.model):
        return True
    span = charger.span(sums.group, served)
    if charger.stretches.may_change_within(span):
        return True
    # itemised reasoning proves that a model thought, attempt by attempt
    thought = sums.reasoning_tokens > 0 and sums.group.thinking is not True
    return thought and charger.stretches.depend_on_thinking(span)


@dataclass(slots=True)
class _Part:
    """Attempts of one sum in one stretch: the first one's instant and prompt stand for all."""

    base: UsageSum
    served: Served
    context_tokens: int
    totals: list[int] = field(default_factory=lambda: [0] * len(TOKEN_COLUMNS))
    samples: list[SampleUse] = field(default_factory=list)

    def take(self, planned_id: int | None, tokens: tuple[int, ...]) -> None:
        self.totals = [total + count for total, count in zip(self.totals, tokens, strict=True)]
        self.samples.append((planned_id, tokens))

    def whole(self) -> ServedSum:
        base, n = self.base, len(self.samples)
        totals: dict[str, Any] = dict(zip(TOKEN_COLUMNS, self.totals, strict=True))
        sums = replace(
            base,
            group=replace(base.group, context_bucket=self.context_tokens),
            n_attempts=n,
            n_usage_missing=n if base.n_usage_missing else 0,
            n_not_itemised=n if base.n_not_itemised else 0,
            n_truncated=n if base.n_truncated else 0,
            n_refused=n if base.n_refused else 0,
            **totals,
        )
        return ServedSum(sums=sums, served=self.served, samples=self.samples)


def _by_stretch(rows: Iterable[SplitRow], apart: Mapping[_Key, ServedSum], charger: Charger) -> Iterator[ServedSum]:
    parts: dict[Hashable, _Part] = {}
    for row in rows:
        base = apart.get(row[:4])
        if base is None:
            continue
        tokens = row.tokens
        model = base.served.model if row.purpose == "solve" else row.model_requested
        served = replace(base.served, model=model, at=from_us(row.finished_at_us))
        context = context_of(row.usage_kind, row.payload, sum(tokens[:4]))
        span = ServedSpan(served=charger.asked(served), least_context_tokens=context, most_context_tokens=context)
        key = (row[:4], model, tokens[5] > 0, charger.stretches.stretch(span))
        part = parts.get(key)
        if part is None:
            part = parts[key] = _Part(base.sums, served, context)
        part.take(row.planned_id, tokens)
    for part in parts.values():
        yield part.whole()


def context_of(kind: str | None, payload: str | None, input_tokens: int) -> int:
    """Find the prompt size that decides a context tier, as charging one by one does."""
    if kind is None or kind not in KINDS or payload is None:
        return input_tokens
    usage = read_usage(kind, read_json(payload))
    found = usage.context_tokens if usage.context_tokens is not None else usage.input_tokens
    return input_tokens if found is None else found
