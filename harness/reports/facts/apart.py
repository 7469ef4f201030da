"""Sums inside which a price can change are taken apart into sums of attempts that share their rates, so that a report
equals charging attempt by attempt to the last digit.

Data flows `UsageSum`s -> those as they are, and for the others ledger rows -> one sum per stretch of unchanged rates.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.ledger import Ledger
from harness.ledger.columns import TOKEN_COLUMNS
from harness.ledger.encoding import read_json
from harness.ledger.reading.sample_rows import split_rows
from harness.ledger.reading.sums import UsageGroup, UsageSum
from harness.reports.facts.charger import Charger
from harness.usage import read_usage


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedSum:
    """A sum whose attempts share their rates.

    Attributes:
        provider, model: as asked for: the cell's, or a judge's.
        samples: what each attempt used, where the sum was taken apart; empty for sums as they are.
    """

    sums: UsageSum
    provider: str
    model: str
    samples: Sequence[SampleUse] = ()


SampleUse = tuple[int | None, tuple[int, ...]]
"""A sample (`planned_id`) and the six token counts of one attempt, in the order of `TOKEN_COLUMNS`."""

Names = Callable[[UsageSum], tuple[str, str]]
"""Gives the provider and model that the attempts of a sum asked for."""


def named_sums(ledger: Ledger, found: Sequence[UsageSum], names: Names, charger: Charger) -> Iterator[NamedSum]:
    """Give every sum with the names it is priced by; those inside which a price can change are taken apart."""
    pairs = {_pair(sums) for sums in found if _must_be_split(sums, *names(sums), charger)}
    apart: dict[tuple[int, str, str, int], UsageSum] = {}
    for sums in found:
        if sums.status != "reused" and _pair(sums) in pairs:
            apart[sums.cell_id, sums.purpose, sums.status, sums.group.usage_group_id] = sums
            continue
        provider, model = names(sums)
        yield NamedSum(sums=sums, provider=provider, model=model)
    if apart:
        yield from _by_stretch(ledger, apart, names, charger)


def _pair(sums: UsageSum) -> tuple[int, int]:
    return sums.cell_id, sums.group.usage_group_id


def _must_be_split(sums: UsageSum, provider: str, model: str, charger: Charger) -> bool:
    if sums.status == "reused" or not any(getattr(sums, name) for name in TOKEN_COLUMNS):
        return False
    # a judge's group knows the model as served; what was asked for, the price book's second choice, only rows know
    unknown_judge = sums.purpose == "judge" and not charger.book.knows(provider, model)
    return unknown_judge or charger.must_be_split(sums, provider=provider, model=model)


@dataclass(slots=True)
class _Part:
    """Attempts of one sum in one stretch: the first one's instant and prompt stand for all."""

    base: UsageSum
    provider: str
    model: str
    group: UsageGroup
    totals: list[int] = field(default_factory=lambda: [0] * len(TOKEN_COLUMNS))
    samples: list[SampleUse] = field(default_factory=list)

    def take(self, planned_id: int | None, tokens: tuple[int, ...]) -> None:
        self.totals = [total + count for total, count in zip(self.totals, tokens, strict=True)]
        self.samples.append((planned_id, tokens))

    def named(self) -> NamedSum:
        base, n = self.base, len(self.samples)
        totals: dict[str, Any] = dict(zip(TOKEN_COLUMNS, self.totals, strict=True))
        sums = replace(
            base,
            group=self.group,
            n_attempts=n,
            n_usage_missing=n if base.n_usage_missing else 0,
            n_not_itemised=n if base.n_not_itemised else 0,
            n_truncated=n if base.n_truncated else 0,
            n_refused=n if base.n_refused else 0,
            **totals,
        )
        return NamedSum(sums=sums, provider=self.provider, model=self.model, samples=self.samples)


def _by_stretch(
    ledger: Ledger, apart: Mapping[tuple[int, str, str, int], UsageSum], names: Names, charger: Charger
) -> Iterator[NamedSum]:
    parts: dict[Hashable, _Part] = {}
    for row in split_rows(ledger, sorted({cell_id for cell_id, *_ in apart})):
        base = apart.get(row[:4])
        if base is None:
            continue
        tokens = row.tokens
        provider, model = names(base)
        model = row.model_requested if base.purpose == "judge" else model
        context = context_of(row.usage_kind, row.payload, sum(tokens[:4]))
        group = replace(base.group, slot_us=row.finished_at_us, context_bucket=context)
        terms = replace(charger.terms(group, provider=provider, model=model), span_us=0, most_context_tokens=context)
        key = (row[:4], model, tokens[5] > 0, charger.stretches.stretch(terms))
        part = parts.get(key)
        if part is None:
            part = parts[key] = _Part(base, provider, model, group)
        part.take(row.planned_id, tokens)
    for part in parts.values():
        yield part.named()


def context_of(kind: str | None, payload: str | None, input_tokens: int) -> int:
    """Find the prompt size that decides a context tier, as charging one by one does."""
    if kind is None or payload is None:
        return input_tokens
    usage = read_usage(kind, read_json(payload))
    found = usage.context_tokens if usage.context_tokens is not None else usage.input_tokens
    return input_tokens if found is None else found
