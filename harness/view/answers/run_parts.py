"""What a run's cost is made of beside the solving of its samples: judges, simulated users, requests of no sample.

Data flows the index of a run + its summary + attempts without a sample -> `RunParts`, whose dollars are the report's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from harness.ledger import Ledger, RunRecord
from harness.ledger.reading.charged_rows import attempts_of_no_sample
from harness.money import EXACT, add
from harness.pricing.book import PriceBook
from harness.reports.exports.attempt_rates import AttemptRates
from harness.reports.exports.sample_bills import SampleBills
from harness.reports.facts.report_facts import NOTHING, Spend
from harness.reports.imported.log_bounds import log_gaps
from harness.reports.spend import wording
from harness.view.answers.sample_index import COSTS, IS_THERE, PRICED, SampleIndex
from harness.view.page_values import Sources
from harness.view.run_summaries import PATIENCE_S

WRITTEN_PATIENCE_S = 0.2
"""For the figures of a run that changes all the time: those of a moment ago do."""
_NAMES = dict(zip(COSTS, ("solving", "judges", "simulated users and tools"), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What a run cost, and of what that is the sum.

    Attributes:
        whole: everything, as the list of runs has it; None = it is still being added up.
        parts: words and dollars of each part that there is; they come to the whole.
    """

    whole: Spend | None
    parts: tuple[tuple[str, str], ...]

    @property
    def whole_words(self) -> str:
        """Word the whole as the list of runs does."""
        return "being added up" if self.whole is None else wording.whole(self.whole)


def whole_spend(run: RunRecord, sources: Sources) -> Spend | None:
    """Give what a run cost; None = it is still being added up. Ask before an index is held: it may take a moment."""
    patience_s = WRITTEN_PATIENCE_S if run.status == "running" else PATIENCE_S
    summary = sources.run_summaries().of([run], patience_s=patience_s).get(run.run_id)
    return None if summary is None else summary.spend


def run_parts(index: SampleIndex, run: RunRecord, sources: Sources, whole: Spend | None) -> RunParts:
    """Take what a run cost apart; the caller holds the index."""
    key = "no sample", sources.run_summaries().standing(run)
    loose = index.remember(key, lambda: _of_no_sample(sources.ledger, sources.book, run.run_id))
    return RunParts(whole=whole, parts=tuple(_parts(index, log_gaps(run), loose, whole)))


def _of_no_sample(ledger: Ledger, book: PriceBook, run_id: str) -> Spend:
    bills = SampleBills(ledger, AttemptRates(book))
    charged = (spend for rows in attempts_of_no_sample(ledger, run_id) for _, spend in bills.spends(rows))
    return reduce(Spend.plus, charged, NOTHING)


def _parts(index: SampleIndex, lacks: Spend, loose: Spend, whole: Spend | None) -> Iterator[tuple[str, str]]:
    there = np.flatnonzero(index.has(IS_THERE))
    said = []
    for name, words in _NAMES.items():
        usd, n_gaps = index.total_usd(name, there), int(index.is_lower_bound(name, there).sum())
        said.append(usd)
        if usd or n_gaps or name == COSTS[0]:
            is_known = usd or not n_gaps or index.has(PRICED[name], there).any()
            gaps = Spend(n_unknown_usage=n_gaps).plus(lacks)
            yield words, wording.spent(gaps, usd=usd) if is_known else wording.NOT_KNOWN
    if loose.n_attempts:
        yield f"{loose.n_attempts:,} requests of no sample", wording.whole(loose.plus(lacks))
    if whole is not None and (rest := EXACT.subtract(whole.cost.total, add((*said, loose.cost.total)))):
        yield "not told apart by sample, such as hardware by the hour", wording.dollars(rest)
