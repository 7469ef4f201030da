"""What a run would send and cost, before anything is sent: requests, input tokens, an estimate and an upper bound.

Pure apart from the tokenizer. Data flows prepared run + price book -> one `Estimate` per suite and model. Output is
the unknown: the estimate assumes what models of the kind wrote on a known set of benchmarks, the bound the output cap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from harness.costs.cost import price_request
from harness.costs.served import Served
from harness.costs.worst_case import worst_case_usd
from harness.models import ModelSpec
from harness.money import EXACT
from harness.pricing.book import PriceBook
from harness.runner.plan import ModelPlan, PlannedItem, PreparedRun
from harness.runner.requests.item_questions import item_messages, output_cap
from harness.suites.tokens import TokenEstimate, estimate_samples, upper_bound_messages
from harness.usage import Usage

USUAL_OUTPUT_TOKENS = {True: 2800, False: 350}
"""Output tokens a request, by whether the model reasons: o1 wrote about 44.9 million and GPT-4o about 5.6 million
over the 16,097 requests of Artificial Analysis' seven evaluations (see results/published/)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """What one suite on one model would send and cost.

    Attributes:
        n_requests: samples times epochs; retries and judges are not included.
        input_tokens: estimated with the o200k vocabulary, or from characters (then `is_rough`).
        output_tokens: assumed.
        estimated_usd: at the price in force now; None when unpriced.
        upper_bound_usd: every request at its worst case; None when unpriced or without an output cap.
    """

    suite: str
    model: ModelPlan
    n_requests: int
    input_tokens: int
    is_rough: bool
    output_tokens: int
    estimated_usd: Decimal | None
    upper_bound_usd: Decimal | None


def estimate_run(
    run: PreparedRun,
    book: PriceBook,
    now: datetime,
    *,
    asks: Callable[[ModelSpec, PlannedItem], bool] | None = None,
) -> list[CostEstimate]:
    """Estimate each suite on each model of a run; `asks` says which items a model would still be asked, None = all."""
    by_suite: dict[str, list[PlannedItem]] = {loaded.suite.name: [] for loaded in run.suites}
    for item in run.items:
        by_suite[item.suite.name].append(item)
    estimator = _Estimator(run, book, now)
    estimates = []
    for name, items in by_suite.items():
        tokens = _tokens(items)
        for model in run.models:
            left = items if asks is None else [item for item in items if asks(model.spec, item)]
            counted = tokens if len(left) == len(items) else _tokens(left)
            estimates.append(estimator.estimate(name, left, counted, model))
    return estimates


def _tokens(items: Sequence[PlannedItem]) -> TokenEstimate:
    return estimate_samples([item.sample for item in items])


class _Estimator:
    """Prices what models of one run would be asked."""

    def __init__(self, run: PreparedRun, book: PriceBook, now: datetime) -> None:
        self._options = run.spec
        self._book = book
        self._now = now

    def estimate(
        self, suite: str, items: Sequence[PlannedItem], tokens: TokenEstimate, model: ModelPlan
    ) -> CostEstimate:
        """Estimate one suite on one model."""
        caps = [output_cap(item, model, self._options.max_output_tokens) for item in items]
        usual = USUAL_OUTPUT_TOKENS[model.reasons is not False]
        output_tokens = sum(min(usual, cap) if cap is not None else usual for cap in caps)
        usage = Usage(input_tokens=tokens.total, output_tokens=output_tokens, context_tokens=0)
        served = Served(
            provider=model.spec.provider,
            model=model.spec.model,
            at=self._now,
            service_tier=self._options.service_tier,
            mode="batch" if self._options.batch else None,
            thinking=model.reasons,
        )
        return CostEstimate(
            suite=suite,
            model=model,
            n_requests=len(items),
            input_tokens=tokens.total,
            is_rough=tokens.method != "o200k",
            output_tokens=output_tokens,
            estimated_usd=price_request(self._book, usage, served).list_usd,
            upper_bound_usd=_bound(items, caps, self._book, served),
        )


def _bound(items: Sequence[PlannedItem], caps: Sequence[int | None], book: PriceBook, served: Served) -> Decimal | None:
    total = Decimal(0)
    for item, cap in zip(items, caps, strict=True):
        worst = None
        if cap is not None:
            input_tokens = upper_bound_messages(item_messages(item))
            worst = worst_case_usd(book, served, input_tokens=input_tokens, max_output_tokens=cap)
        if worst is None:
            return None
        total = EXACT.add(total, worst)
    return total
