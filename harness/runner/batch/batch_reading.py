"""One reading of a batch's results: which lines have one, what could not be read, and whether lines without may cost.

Values only. Data flows results and troubles -> `Reading` -> what is said of it, and what a line without a result is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.errors import ErrorClass, ProviderError
from harness.providers.batch_api.batch_results import BatchResult, Trouble
from harness.providers.batch_api.batches import BatchProgress

_SHOWN = 3
DETAIL_SEPARATOR = "; "
"""Between the provider's word for how a batch ended and what was said of its results, in the ledger."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """What one reading of the results found.

    Attributes:
        with_result: custom ids of this batch that have a result.
        n_answered: those of them that neither expired nor were cancelled.
        n_unjoined: lines that could not be read, or that belong to no request of the batch.
        n_contradicted: second results for a line that say something else than the first, which counts.
        files: files of results that are not there.
    """

    with_result: set[str] = field(default_factory=set)
    n_answered: int = 0
    n_unjoined: int = 0
    n_contradicted: int = 0
    files: list[str] = field(default_factory=list)
    _unjoined: list[str] = field(default_factory=list)
    _contradicted: list[str] = field(default_factory=list)

    def trouble(self, trouble: Trouble) -> None:
        """Note a line that cannot be joined to a request, or a missing file."""
        if trouble.whole_file:
            self.files.append(f"{trouble.place} is not there: {trouble.reason}")
            return
        self.n_unjoined += 1
        if len(self._unjoined) < _SHOWN:
            self._unjoined.append(f"{trouble.place}: {trouble.reason}")

    def result(self, result: BatchResult) -> None:
        """Note the first result of a line."""
        self.with_result.add(result.custom_id)
        self.n_answered += result.early is None

    def contradiction(self, result: BatchResult) -> None:
        """Note a result that says something else than the one that counts."""
        self.n_contradicted += 1
        if len(self._contradicted) < _SHOWN:
            self._contradicted.append(f"{result.place}: {result.custom_id}")

    @property
    def is_empty(self) -> bool:
        """Whether there was no line at all, not even one that cannot be read."""
        return not self.with_result and not self.n_unjoined

    def accounts_for(self, progress: BatchProgress) -> bool:
        """Whether every line that the provider counts as answered was read, so that no other one can cost anything."""
        unread = self.n_unjoined or self.files
        return not unread and progress.n_answered is not None and progress.n_answered <= self.n_answered

    def said(self) -> list[str]:
        """What a reader must know of the results, one sentence part each; empty when there is nothing odd."""
        parts = list(self.files)
        if self.n_unjoined:
            parts.append(f"{_results(self.n_unjoined)} could not be taken ({_listed(self._unjoined, self.n_unjoined)})")
        if self.n_contradicted:
            listed = _listed(self._contradicted, self.n_contradicted)
            parts.append(f"{_results(self.n_contradicted)} contradicted an earlier one, which counts ({listed})")
        return parts


def missing_result(progress: BatchProgress, reading: Reading) -> ProviderError:
    """What is recorded for a line without a result, now that none will come.

    It cost nothing where the batch ended early and every line that was answered has been read. Else it may have been
    answered: possibly billed, counted at its worst case, and asked again while attempts are left.
    """
    early = progress.detail in ("expired", "cancelled")
    if early and reading.accounts_for(progress):
        return ProviderError(
            f"batch {progress.detail}: no result for this line", error_class=ErrorClass.TIMEOUT, billed="no"
        )
    return ProviderError(
        f"batch {progress.detail or 'ended'}: no result for this line that can be read",
        error_class=ErrorClass.MALFORMED_RESPONSE,
        billed="unknown",
    )


def _results(number: int) -> str:
    return "1 result" if number == 1 else f"{number:,} results"


def _listed(places: list[str], number: int) -> str:
    more = f", and {number - len(places):,} more" if number > len(places) else ""
    return ", ".join(places) + more
