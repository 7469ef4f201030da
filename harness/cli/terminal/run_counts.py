"""How far a run is that workers ask, for the progress display: read from the ledger by what is new since the last look.

Data flows ledger -> the reader that the web view asks -> counts by model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from harness.ledger import Ledger
from harness.models import ModelSpec
from harness.money import EXACT
from harness.pricing.book import PriceBook
from harness.rendering.progress import Counts

if TYPE_CHECKING:
    from harness.view.live.run_reader import RunReader


def run_counts(
    ledger: Ledger, book: PriceBook, run_id: str, models: Iterable[ModelSpec]
) -> Callable[[], dict[ModelSpec, Counts]]:
    """Make what counts a run over all its workers and sessions, each time at the cost of what is new."""
    by_name = {str(model): model for model in models}

    @cache
    def reader() -> RunReader:
        # loaded at the first look, beside the first requests
        from harness.view.live.run_reader import RunReader

        return RunReader(ledger, book, run_id)

    def count() -> dict[ModelSpec, Counts]:
        found = {model: Counts() for model in by_name.values()}
        for cell in reader().read().cells:
            counts, spend = found[by_name[cell.model]], cell.spend
            counts.planned += cell.n_planned
            counts.done += cell.n_answered + cell.n_failed
            counts.failed += cell.n_failed
            counts.attempts += spend.n_attempts
            counts.retried += cell.n_retries
            counts.unknown += spend.n_unknown_usage - spend.n_open_attempts + spend.n_unpriced_attempts
            counts.input_tokens += spend.tokens.entered_tokens
            counts.output_tokens += spend.tokens.output_tokens
            counts.usd = EXACT.add(counts.usd, spend.cost.total)
        return found

    return count
