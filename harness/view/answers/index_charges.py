"""What the attempts of a slice cost, as the `samples` export charges them: most at once, by everything rates depend on.

Data flows columns of a slice + price book -> picodollars and what is known of each attempt. Rates that are whole
picodollars a token are multiplied as integers, so that nothing is rounded; every other attempt is charged alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from harness.ledger import Ledger
from harness.ledger.columns import INPUT_METERS
from harness.ledger.reading.charged_rows import ChargedRow, charged_by_id
from harness.ledger.reading.viewed.indexed_rows import FACTS, PURPOSE_OF, STATUS_OF, asked_others, facts_of
from harness.money import EXACT
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates
from harness.reports.exports.sample_bills import SampleBills
from harness.reports.facts.report_facts import Spend
from harness.usage.values import Meter
from harness.view.answers.index_plan import Flags, Ints
from harness.view.answers.sample_index import Column

SOLVE, REUSED, SENT = PURPOSE_OF.index("solve"), STATUS_OF.index("reused"), STATUS_OF.index("sent")
_METERS = (*INPUT_METERS, Meter.REASONING, Meter.OUTPUT)
_MOST_ASKED = 4096
_LARGEST = 2**61


@dataclass(slots=True)
class Slice:
    """Attempts in the order they were sent, in columns.

    Attributes:
        tokens: one row per column of `TOKEN_COLUMNS`; 0 = none, or not known.
        facts: as `FACTS` has them.
    """

    attempt: Ints
    cell: Ints
    planned: Ints
    facts: Ints
    group: Ints
    duration_us: Ints
    first_byte_us: Ints
    tokens: Ints

    @classmethod
    def of(cls, columns: Iterable[Column]) -> Slice:
        """Read columns of `attempts_between`, in any order."""
        numbers = np.stack(list(columns))
        if (np.diff(numbers[0]) < 0).any():
            numbers = numbers[:, np.argsort(numbers[0])]
        attempt, cell, planned, facts, group, duration_us, first_byte_us = numbers[:7]
        return cls(attempt, cell, planned, facts, group, duration_us, first_byte_us, numbers[7:])

    def take(self, wanted: Flags) -> Slice:
        """Choose attempts."""
        return Slice(*(getattr(self, name)[..., wanted] for name in self.__dataclass_fields__))

    def has(self, name: str) -> Flags:
        """Tell of which attempts a fact is true."""
        found: Flags = (self.facts & FACTS[name]) != 0
        return found

    @property
    def purpose(self) -> Ints:
        """Purposes by number."""
        return facts_of(self.facts)[0]  # type: ignore[arg-type,return-value]  # as arrays

    @property
    def status(self) -> Ints:
        """Statuses by number."""
        return facts_of(self.facts)[1]  # type: ignore[arg-type,return-value]  # as arrays


@dataclass(slots=True)
class Charges:
    """What was charged for the attempts of a slice.

    Attributes:
        pico: whole picodollars.
        beyond: dollars that are not in `pico`, by place.
        has_gap: something of the bill is not known.
        is_priced: its price is known.
        tokens: input, read from a cache, written to one, output, reasoning; of reused answers nothing.
        not_itemised: there is output whose reasoning is not told.
    """

    pico: Ints
    beyond: dict[int, Decimal]
    has_gap: Flags
    is_priced: Flags
    tokens: Ints
    not_itemised: Flags


@dataclass(slots=True)
class IndexCharges:
    """Charges slices; rates are remembered over all of them.

    Attributes:
        invoiced: attempts of which an account told something.
    """

    ledger: Ledger
    book: PriceBook
    invoiced: Ints
    _bills: SampleBills = field(init=False)
    _asked: dict[str | None, int] = field(default_factory=lambda: {None: 0})
    _place_of: dict[int, int] = field(default_factory=dict)
    _rates: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._bills = SampleBills(self.ledger, AttemptRates(self.book))

    def of(self, rows: Slice) -> Charges:
        """Charge a slice."""
        settled = (rows.status != SENT) & (rows.status != REUSED)
        unknown = ~rows.has("knows_input")
        may_be_billed = (rows.status == SENT) | (settled & unknown & rows.has("may_be_billed"))
        alone = settled & ~rows.has("is_summable") | (may_be_billed & np.isin(rows.attempt, self.invoiced))
        quantities = _quantities(rows, settled)
        rates, is_unpriced, is_slow = self._rates_of(rows, quantities, settled & ~alone)
        alone |= is_slow
        counted = settled & ~alone
        known = counted & ~unknown
        charges = Charges(
            pico=np.where(counted, (rates * quantities).sum(axis=0), 0),
            beyond={},
            has_gap=(may_be_billed | (known & is_unpriced)) & ~alone,
            is_priced=known & ~is_unpriced,
            tokens=_shown(rows.tokens, counted),
            not_itemised=counted & ~rows.has("knows_reasoning") & (rows.tokens[4] != 0),
        )
        if alone.any():
            self._charge_alone(rows, np.flatnonzero(alone), charges)
        return charges

    def _rates_of(self, rows: Slice, quantities: Ints, wanted: Flags) -> tuple[Ints, Flags, Flags]:
        """Give picodollars per token (a row per meter), what has no price, and what must be charged alone."""
        keys, asked_too_many = self._keys(rows, quantities)
        keys = np.where(wanted, keys, -1)
        different, first, which = np.unique(keys, return_index=True, return_inverse=True)
        new = [place for place, key in zip(first.tolist(), different.tolist(), strict=True)
               if key >= 0 and key not in self._place_of]  # fmt: skip
        self._learn(rows, keys, new)
        nothing = (0,) * (len(_METERS) + 2)
        table = [nothing if key < 0 else self._rates[self._place_of[key]] for key in different.tolist()]
        found = np.array(table, np.int64).reshape(-1, len(nothing))[which.reshape(-1)].T
        rates = found[: len(_METERS)]
        too_large = (rates.astype(np.float64) * quantities).sum(axis=0) > _LARGEST
        return rates, found[-2] == 1, wanted & ((found[-1] == 1) | asked_too_many | too_large)

    def _keys(self, rows: Slice, quantities: Ints) -> tuple[Ints, Flags]:
        """Number everything that rates depend on: group, cell, who else was asked, and which quantities there are."""
        asked = np.zeros(len(rows.attempt), np.int64)
        others = np.flatnonzero(rows.has("asks_others"))
        if len(others):
            ids = rows.attempt[others].tolist()
            names = asked_others(self.ledger, ids)
            asked[others] = [self._asked.setdefault(names[number], len(self._asked)) for number in ids]
        used = sum((quantities[place] != 0).astype(np.int64) << place for place in range(len(_METERS)))
        cells, cell = np.unique(rows.cell, return_inverse=True)
        is_solve = (rows.purpose == SOLVE).astype(np.int64)
        numbers = np.array([self._asked.setdefault(f"cell {number}", len(self._asked)) for number in cells.tolist()])
        parts = (numbers[cell.reshape(-1)], asked)
        key = rows.group
        for part in parts:
            key = key * _MOST_ASKED + np.minimum(part, _MOST_ASKED - 1)
        too_many = (parts[0] >= _MOST_ASKED - 1) | (parts[1] >= _MOST_ASKED - 1) | (rows.group > 1 << 30)
        return (key * 2 + is_solve) * 64 + used, too_many

    def _learn(self, rows: Slice, keys: Ints, places: Sequence[int]) -> None:
        """Read the rates of keys that were not met before, from one attempt of each."""
        by_id = {int(rows.attempt[place]): int(keys[place]) for place in places}
        for some in charged_by_id(self.ledger, list(by_id)):
            for row in some:
                self._place_of[by_id[row.attempt_id]] = len(self._rates)
                self._rates.append(self._whole_rates(row))

    def _whole_rates(self, row: ChargedRow) -> tuple[int, ...]:
        """Give picodollars per token by meter, whether something is unpriced, and whether to charge it alone."""
        quantities = row.tokens.quantities()
        rates = self._bills.rates.of(row, quantities)
        used = tuple(quantity != 0 for _, quantity in quantities)
        changes = self._bills.rates.by_group[row.usage_group_id, row.provider, row.model, used] is None
        pico: list[int] = []
        for meter in _METERS:
            rate = rates.by_meter.get(meter, (None, None, None))[0] or Decimal(0)
            whole = EXACT.scaleb(rate, 12)
            changes |= whole != whole.to_integral_value() or not 0 <= whole < _LARGEST
            pico.append(0 if changes else int(whole))
        return (*pico, int(rates.is_unpriced), int(changes))

    def _charge_alone(self, rows: Slice, places: Ints, charges: Charges) -> None:
        place_of = {int(rows.attempt[place]): int(place) for place in places}
        for some in charged_by_id(self.ledger, list(place_of)):
            for row, spend in self._bills.spends(some):
                _set(charges, place_of[row.attempt_id], spend)


def _set(charges: Charges, at: int, spend: Spend) -> None:
    whole = EXACT.scaleb(spend.cost.total, 12)
    if whole == whole.to_integral_value() and abs(whole) < _LARGEST:
        charges.pico[at] = int(whole)
    else:
        charges.pico[at] = 0
        charges.beyond[at] = spend.cost.total
    charges.has_gap[at] = spend.is_lower_bound
    charges.is_priced[at] = spend.n_priced_attempts > 0
    tokens = spend.tokens
    charges.tokens[:, at] = (
        tokens.input_tokens,
        tokens.cache_read_tokens,
        tokens.cache_write_tokens,
        tokens.output_tokens,
        tokens.reasoning_tokens or 0,
    )
    charges.not_itemised[at] = tokens.reasoning_tokens is None


def _quantities(rows: Slice, counted: Flags) -> Ints:
    """Take tokens apart into what is charged, in the order of `_METERS`: output without its reasoning."""
    *inputs, output, reasoning = rows.tokens
    answer = np.where(rows.has("knows_output"), output - reasoning, 0)
    found: NDArray[np.int64] = np.where(counted, np.stack([*inputs, reasoning, answer]), 0)
    return found


def _shown(tokens: Ints, counted: Flags) -> Ints:
    inputs, cached, for_minutes, for_hours, output, reasoning = tokens
    found: NDArray[np.int64] = np.where(
        counted, np.stack([inputs, cached, for_minutes + for_hours, output, reasoning]), 0
    )
    return found
