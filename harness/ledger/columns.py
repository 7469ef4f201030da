"""The columns of an attempt's tokens, named once for records, statements, sums and exports.

Data flows counts by column -> `Usage` (totals that include their parts) or disjoint quantities -> charges.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar

from harness.declared import request_value
from harness.usage.values import Meter, Usage

Count = TypeVar("Count", bound="int | None", covariant=True)
_NOT_KNOWN: Any = None


@request_value
class TokenCounts(Generic[Count]):
    """Tokens of an attempt or of a sum over attempts, in the columns of the ledger; each input token is in one of them.

    Attributes:
        input_tokens: uncached input; None = usage missing.
        output_tokens: everything generated, reasoning included; None = usage missing.
        reasoning_tokens: of which reasoning; None = not itemised.
    """

    input_tokens: Count = _NOT_KNOWN
    cache_read_tokens: Count = _NOT_KNOWN
    cache_write_5m_tokens: Count = _NOT_KNOWN
    cache_write_1h_tokens: Count = _NOT_KNOWN
    output_tokens: Count = _NOT_KNOWN
    reasoning_tokens: Count = _NOT_KNOWN

    @property
    def counts(self) -> tuple[Count, ...]:
        """All counts in the order of `TOKEN_COLUMNS`."""
        found: tuple[Count, ...] = _COUNTS(self)
        return found

    @property
    def _known(self) -> list[int]:
        counts: tuple[int | None, ...] = self.counts
        return [count or 0 for count in counts]

    @property
    def all_input_tokens(self) -> int:
        """Input of every kind, what is not known left out."""
        return sum(self._known[: len(INPUT_METERS)])

    @property
    def cache_write_tokens(self) -> int:
        """Input written to a cache of any lifetime, what is not known left out."""
        _, _, for_minutes, for_hours, *_ = self._known
        return for_minutes + for_hours

    def quantities(self) -> tuple[tuple[Meter, int], ...]:
        """Take the counts apart into what is charged: output without its reasoning; zero where nothing is known."""
        *inputs, output, reasoning = self._known
        answer = 0 if self.output_tokens is None else output - reasoning
        return (*zip(INPUT_METERS, inputs, strict=True), (Meter.REASONING, reasoning), (Meter.OUTPUT, answer))

    def usage(
        self, *, context_tokens: int | None = None, speed: str | None = None, inference_geo: str | None = None
    ) -> Usage:
        """Give the counts as one usage, whose totals include their parts; no reasoning counts as not itemised."""
        return Usage(
            input_tokens=self.all_input_tokens,
            cache_read_tokens=self.cache_read_tokens or 0,
            cache_write_5m_tokens=self.cache_write_5m_tokens or 0,
            cache_write_1h_tokens=self.cache_write_1h_tokens or 0,
            output_tokens=self.output_tokens or 0,
            reasoning_tokens=self.reasoning_tokens or None,
            context_tokens=context_tokens,
            speed=speed,
            inference_geo=inference_geo,
        )


TOKEN_COLUMNS: tuple[str, ...] = tuple(TokenCounts.__dataclass_fields__)
INPUT_METERS = (Meter.INPUT, Meter.CACHE_READ, Meter.CACHE_WRITE_5M, Meter.CACHE_WRITE_1H)
"""Meters of the first columns, in their order; the others are output, and of that reasoning."""
_COUNTS = attrgetter(*TOKEN_COLUMNS)


def token_counts(counts: Sequence[int | None]) -> TokenCounts[int | None]:
    """Read counts that stand in the order of `TOKEN_COLUMNS`."""
    return TokenCounts(**dict(zip(TOKEN_COLUMNS, counts, strict=True)))
