"""The dry run's table: what would be sent and what it may cost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from harness.documents.table import Column, Table
from harness.money import add
from harness.runner.forecast.estimates import CostEstimate

_COLUMNS = (
    Column(name="suite", title="suite"),
    Column(name="model", title="model"),
    Column(name="n_requests", kind="integer", title="requests", description="Samples times epochs.", drops=1),
    Column(name="input_tokens", kind="integer", unit="tokens", title="input tokens", drops=3),
    Column(name="output_tokens_assumed", kind="integer", unit="tokens", title="output tokens (assumed)", drops=2),
    Column(name="estimated_usd", kind="usd", unit="USD", title="estimate", description="At the price in force now."),
    Column(name="upper_bound_usd", kind="usd", unit="USD", title="upper bound", description="Every worst case."),
)


def estimate_table(estimates: Sequence[CostEstimate]) -> Table:
    """Lay estimates out, with totals where every part is known."""
    rows = [
        (one.suite, str(one.model.spec), one.n_requests, one.input_tokens, one.output_tokens, one.estimated_usd,
         one.upper_bound_usd)
        for one in estimates
    ]  # fmt: skip
    if len(estimates) > 1:
        _, _, requests, read, written, usd, bounds = zip(*rows, strict=True)
        rows.append(("total", "", sum(requests), sum(read), sum(written), _whole(usd), _whole(bounds)))
    notes = ["output is assumed: 2,800 tokens a request for models that reason, 350 for others, at most the cap"]
    if any(one.is_rough for one in estimates):
        notes.append("input tokens are estimated from characters; no vocabulary was found")
    return Table(name="estimate", title="Dry run: nothing was sent", columns=_COLUMNS, rows=rows, notes=tuple(notes))


def _whole(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Add amounts up; None where one is not known."""
    known = [amount for amount in amounts if amount is not None]
    return add(known) if len(known) == len(amounts) else None
