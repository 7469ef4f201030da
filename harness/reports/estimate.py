"""The dry run's table: what would be sent, what it may cost, and from what that is forecast."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from harness.documents.table import Column, Table
from harness.money import add
from harness.runner.forecast.cost_estimates import CostEstimate, spread
from harness.runner.trajectories.expected_turns import USUAL_TURNS

_COLUMNS = (
    Column(name="suite", title="suite"),
    Column(name="model", title="model"),
    Column(name="n_requests", kind="integer", title="requests", description="Samples times epochs.", drops=4),
    Column(name="input_tokens", kind="integer", unit="tokens", title="input tokens", drops=7),
    Column(name="output_tokens_assumed", kind="integer", unit="tokens", title="output tokens (forecast)", drops=6),
    Column(name="input_usd", kind="usd", unit="USD", title="input", description="Known from the prompts.", drops=3),
    Column(name="estimated_usd", kind="usd", unit="USD", title="estimate", description="At the price in force now."),
    Column(name="low_usd", kind="usd", unit="USD", title="90% from", description="Empty = not known."),
    Column(name="high_usd", kind="usd", unit="USD", title="to", description="Empty = not known."),
    Column(name="ceiling_usd", kind="usd", unit="USD", title="ceiling", description="Runaways counted in.", drops=1),
    Column(name="upper_bound_usd", kind="usd", unit="USD", title="upper bound", description="Worst cases.", drops=2),
    Column(name="n_stored_answers", kind="integer", title="stored answers", drops=5),
    Column(name="forecast_from", title="from", description="Where output lengths come from."),
)  # fmt: skip
_MEANINGS = {
    "own answers": "own answers: this model's stored answers to the same tasks, at the same setting",
    "like models": "like models: stored answers of other models of the kind (reasoning or not) at the same setting",
    "reference": "reference: published lengths of one model of the kind",
    "earlier runs": "earlier runs: what the same conversations were charged, all parties and judges included",
    "default turns": f"default turns: {USUAL_TURNS} turns of the model are assumed, or the suite's limit; rules, tools"
    " and what they give are not known before a conversation begins",
    "default": "default: output is assumed, 2,800 tokens a request for models that reason, 350 for others",
}


def estimate_table(estimates: Sequence[CostEstimate]) -> Table:
    """Lay estimates out, with totals where every part is known."""
    rows = [_row(one) for one in estimates]
    if len(estimates) > 1:
        rows.append(_total(estimates))
    return Table(
        name="estimate", title="Dry run: nothing was sent", columns=_COLUMNS, rows=rows, notes=tuple(_notes(estimates))
    )


def _row(one: CostEstimate) -> tuple[object, ...]:
    return (
        one.suite, str(one.model.spec), one.n_requests, one.input_tokens, one.output.expected, one.input_usd,
        one.estimated_usd, one.low_usd, one.high_usd, one.ceiling_usd, one.upper_bound_usd, one.output.n_answers,
        ", ".join(_sources([one])),
    )  # fmt: skip


def _total(estimates: Sequence[CostEstimate]) -> tuple[object, ...]:
    expected = _whole([one.estimated_usd for one in estimates])
    below = spread([(one.estimated_usd, one.low_usd) for one in estimates])
    above = spread([(one.high_usd, one.estimated_usd) for one in estimates])
    return (
        "total",
        "",
        sum(one.n_requests for one in estimates),
        sum(one.input_tokens for one in estimates),
        sum(one.output.expected for one in estimates),
        _whole([one.input_usd for one in estimates]),
        expected,
        None if expected is None or below is None else expected - below,
        None if expected is None or above is None else expected + above,
        _whole([one.ceiling_usd for one in estimates]),
        _whole([one.upper_bound_usd for one in estimates]),
        sum(one.output.n_answers for one in estimates),
        "",
    )


def _whole(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """Add amounts up; None where one is not known."""
    known = [amount for amount in amounts if amount is not None]
    return add(known) if len(known) == len(amounts) else None


def _sources(estimates: Sequence[CostEstimate]) -> list[str]:
    used = {source for one in estimates for source in one.output.sources.values()}
    return [source for source in _MEANINGS if source in used]


def _notes(estimates: Sequence[CostEstimate]) -> list[str]:
    notes = [_MEANINGS[source] for source in _sources(estimates)]
    notes += dict.fromkeys(note for one in estimates for note in one.notes)
    if any(one.low_usd is None for one in estimates if one.estimated_usd is not None):
        notes.append(
            "an interval needs own answers to eight items of every task; without them the ceiling is every output cap"
        )
    if any(one.is_rough for one in estimates):
        notes.append("input tokens are estimated from characters; no vocabulary was found")
    return notes
