"""Where the rates of a book can change: within such a stretch the sum over many attempts is charged at once.

Pure. A charge is linear in tokens once the rates are known, so sums cost the same to the last digit as their attempts
one by one, unless rates change between these. Data flows (`PriceBook`, `ServedSpan`) -> yes or no, or a stretch's name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.costs.served import Served
from harness.instants import to_us
from harness.pricing.book import PriceBook
from harness.pricing.rows import Adjustment, Price

DAY_S = 86_400
DAY_US = DAY_S * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedSpan:
    """Attempts that were served alike, within a span of time and of prompt sizes.

    Attributes:
        served: what they share; `at` is the earliest completion.
        span_us: completions lie before `served.at` and this many microseconds; 0 = all at `served.at`.
        least_context_tokens, most_context_tokens: prompt sizes lie between, both included; None = no upper bound.
    """

    served: Served
    span_us: int = 0
    least_context_tokens: int = 0
    most_context_tokens: int | None = None


@dataclass(slots=True)
class RateStretches:
    """Tells where the rates of a book can change; asked by everything that charges sums in place of attempts."""

    book: PriceBook
    plans: dict[Hashable, _Edges] = field(default_factory=dict)

    def may_change_within(self, span: ServedSpan) -> bool:
        """Tell whether attempts of a span can differ in their rates: then they are charged one by one."""
        return not self._edges(span.served).is_uniform(span)

    def depend_on_thinking(self, span: ServedSpan) -> bool:
        """Tell whether the rates of such requests depend on whether the model thought."""
        return self._edges(span.served).by_thinking

    def stretch(self, span: ServedSpan) -> Hashable:
        """Name the stretch of time and prompt sizes that an attempt falls into: those of one stretch share rates."""
        return self._edges(span.served).stretch(span)

    def _edges(self, served: Served) -> _Edges:
        names = served.provider, served.model, served.model_served
        found = self.plans.get(names)
        if found is None:
            found = self.plans[names] = _edges_of(self.book, served)
        return found


_Stretch: TypeAlias = tuple[int, int, int, int]
"""Number of the stretch of dates, day (0 where dates do not matter), stretch of the day, stretch of prompt sizes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Edges:
    """Where the rates of the rows that a name can lead to may change."""

    moments_us: list[int]
    day_edges_s: list[int]
    by_date: bool
    context_edges: list[int]
    by_thinking: bool

    def is_uniform(self, span: ServedSpan) -> bool:
        """Tell whether all attempts of a span have the same rates."""
        first_us = to_us(span.served.at)
        last_us = first_us + max(span.span_us - 1, 0)
        if bisect_right(self.moments_us, first_us) != bisect_right(self.moments_us, last_us):
            return False
        if bisect_right(self.context_edges, span.least_context_tokens) != self._last_size(span):
            return False
        if not (self.day_edges_s or self.by_date):
            return True
        same_day = first_us // DAY_US == last_us // DAY_US
        return same_day and self._time_of_day(first_us) == self._time_of_day(last_us)

    def stretch(self, span: ServedSpan) -> _Stretch:
        """Name the stretch of a span's first instant and smallest prompt."""
        first_us = to_us(span.served.at)
        return (
            bisect_right(self.moments_us, first_us),
            *self._time_of_day(first_us),
            bisect_right(self.context_edges, span.least_context_tokens),
        )

    def _last_size(self, span: ServedSpan) -> int:
        if span.most_context_tokens is None:
            return len(self.context_edges)
        return bisect_right(self.context_edges, span.most_context_tokens)

    def _time_of_day(self, moment_us: int) -> tuple[int, int]:
        """Place an instant between the edges of daily windows, and on its date where dates or weekdays matter."""
        day, second = divmod(moment_us // 1_000_000, DAY_S)
        return (day if self.by_date else 0), bisect_right(self.day_edges_s, second)


def _edges_of(book: PriceBook, served: Served) -> _Edges:
    names = dict.fromkeys((served.model, served.model_served or served.model))
    moments = {moment for name in names for moment in book.boundaries(served.provider, name)}
    adjustments = [each for name in names for each in _adjustments(book, served.provider, name)]
    return _Edges(
        moments_us=sorted(map(to_us, moments)),
        day_edges_s=_day_edges_s(adjustments),
        by_date=any(each.weekdays or each.except_dates for each in adjustments),
        context_edges=_context_edges(adjustments),
        by_thinking=any(each.thinking is not None for each in adjustments),
    )


def _adjustments(book: PriceBook, provider: str, model: str) -> Iterator[Adjustment]:
    for record in book.reachable(provider, model):
        if isinstance(record, Price):
            yield from record.adjustments


def _day_edges_s(adjustments: Iterable[Adjustment]) -> list[int]:
    windows = [window for each in adjustments for window in each.hours]
    return sorted({edge for window in windows for edge in (window.start_s, window.end_s % DAY_S)})


def _context_edges(adjustments: Sequence[Adjustment]) -> list[int]:
    least = {each.least_context_tokens for each in adjustments}
    past = {each.most_context_tokens + 1 for each in adjustments if each.most_context_tokens is not None}
    return sorted((least | past) - {0})
