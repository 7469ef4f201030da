"""The whole reproduction of a published table: rows, joint solution, group totals, slips and the plan to rebuild it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from harness.money import TOKENS_PER_MTOK, add, multiply
from harness.pricing.book import PriceBook
from harness.pricing.rates import Terms, rates_in_force
from harness.reproduction.feasible import (
    MTOK,
    Candidate,
    Chosen,
    RowResult,
    Solver,
    input_name,
    output_name,
    price_text,
)
from harness.reproduction.linear import Constraint, Interval, value_range
from harness.reproduction.published import Claim, PublishedGroup, PublishedTable
from harness.usage.values import Meter


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """One point of the feasible set, where every statement holds at its stated value.

    Attributes:
        assumptions: what had to be assumed for it.
        input_tokens: by shared prompt set; the contract's number is the first.
        output_tokens: by model; rows whose price is not determined are left out.
    """

    assumptions: tuple[str, ...]
    input_tokens: dict[str, int]
    output_tokens: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """A published total and what the named rows explain of it."""

    group: PublishedGroup
    explained_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """A published price that the price book contradicts."""

    claim: Claim
    price_book_usd_per_mtok: Decimal
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuiltRow:
    """Totals for the reconstructed ledger: they cost the published dollars to the cent at this price."""

    model: str
    candidate: Candidate
    reasoning: bool
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Everything computed from a published table and the price book."""

    table: PublishedTable
    price_book_sha256: str
    rows: tuple[RowResult, ...]
    joint: Joint
    groups: tuple[GroupResult, ...]
    slips: tuple[Slip, ...]
    rebuilt: tuple[RebuiltRow, ...]


def reproduce(table: PublishedTable, book: PriceBook) -> Reproduction:
    """Compute what a published table determines, and what it leaves open."""
    solver = Solver(table, book)
    rows = tuple(solver.solve_row(row) for row in table.row)
    joint, inputs = _joint(solver, rows)
    return Reproduction(
        table=table,
        price_book_sha256=book.sha256,
        rows=rows,
        joint=joint,
        groups=tuple(_group(table, group) for group in table.group),
        slips=tuple(slip for claim in table.claim if (slip := _slip(table, claim, book)) is not None),
        rebuilt=tuple(_rebuilt(row, row.fitting[0], inputs) for row in rows if row.fitting),
    )


def _joint(solver: Solver, rows: Sequence[RowResult]) -> tuple[Joint, dict[str, Fraction]]:
    """Solve with every statement at its stated value; what stays a range is taken in its middle, and said."""
    table = solver.table
    fitting = [row for row in rows if row.fitting]
    chosen = {row.row.model: row.fitting[0].vintage for row in fitting}
    tied = [model for model in chosen if (ratio := table.find(model).stated_ratio) and ratio.of in chosen]
    inputs, guessed = _joint_inputs(fitting, _joint_facts(solver, chosen, tied))
    outputs = {
        row.row.model: round(_implied_output(row, row.fitting[0], inputs) * MTOK)
        for row in fitting
        if len(row.fitting) == 1
    }
    assumptions = (*table.assumptions, *(_ratio_text(table, model) for model in tied), *guessed)
    return Joint(assumptions=assumptions, input_tokens=_shared(rows, inputs), output_tokens=outputs), inputs


def _shared(rows: Sequence[RowResult], inputs: dict[str, Fraction]) -> dict[str, int]:
    """Input tokens by shared prompt set, in the order of the table."""
    names = dict.fromkeys(row.row.shares_input for row in rows)
    return {name: round(inputs[f"in:{name}"] * MTOK) for name in names if f"in:{name}" in inputs}


def _joint_facts(solver: Solver, chosen: Chosen, tied: Sequence[str]) -> list[Constraint]:
    """What rows that a ratio ties say, at its stated value where that leaves a point; without a ratio all rows."""
    linked = list(dict.fromkeys(name for model in tied for name in (model, _ratio_of(solver.table, model))))
    if not linked:
        return solver.all_facts(list(chosen), chosen)
    exact = solver.all_facts(linked, chosen, exact=True)
    return exact if value_range(output_name(linked[0]), exact) else solver.all_facts(linked, chosen)


def _joint_inputs(fitting: Sequence[RowResult], facts: Sequence[Constraint]) -> tuple[dict[str, Fraction], list[str]]:
    """Input counts by the names of `input_name`, and what had to be taken in the middle for them."""
    inputs: dict[str, Fraction] = {}
    guessed: list[str] = []
    for name in dict.fromkeys(row.row.shares_input for row in fitting):
        interval = value_range(f"in:{name}", facts)
        inputs[f"in:{name}"] = _middle(interval)
        if interval is not None and interval.low != interval.high:
            guessed.append(f"input tokens of {name}: the middle of their range")
    for row in (result.row for result in fitting):
        if input_name(row) not in inputs:
            middle = (Fraction(row.input_factor.low) + Fraction(row.input_factor.high)) / 2
            inputs[input_name(row)] = inputs[f"in:{row.shares_input}"] * middle
            guessed.append(f"{row.model}: {float(middle):g} times the shared input ({row.input_factor.why})")
    return inputs, guessed


def _ratio_of(table: PublishedTable, model: str) -> str:
    ratio = table.find(model).stated_ratio
    return model if ratio is None else ratio.of


def _ratio_text(table: PublishedTable, model: str) -> str:
    ratio = table.find(model).stated_ratio
    return "" if ratio is None else f"{ratio.of} wrote exactly {ratio.value} times the output of {model}"


def _middle(interval: Interval | None) -> Fraction:
    if interval is None:
        return Fraction(0)
    return interval.low if interval.high is None else (interval.low + interval.high) / 2


def _implied_output(result: RowResult, candidate: Candidate, inputs: dict[str, Fraction]) -> Fraction:
    """What is left of the dollars after the input, in millions of output tokens."""
    spent = Fraction(candidate.vintage.input_usd_per_mtok) * inputs[input_name(result.row)]
    return (Fraction(result.row.published_usd) - spent) / Fraction(candidate.vintage.output_usd_per_mtok)


def _rebuilt(result: RowResult, candidate: Candidate, inputs: dict[str, Fraction]) -> RebuiltRow:
    """Choose whole tokens: the joint input, then the output that brings the dollars nearest to the published ones."""
    input_tokens = round(inputs[input_name(result.row)] * MTOK)
    whole = {input_name(result.row): Fraction(input_tokens, MTOK)}
    return RebuiltRow(
        model=result.row.model,
        candidate=candidate,
        reasoning=result.row.reasoning,
        input_tokens=input_tokens,
        output_tokens=max(0, round(_implied_output(result, candidate, whole) * MTOK)),
    )


def _group(table: PublishedTable, group: PublishedGroup) -> GroupResult:
    return GroupResult(group=group, explained_usd=add(table.find(name).published_usd for name in group.rows))


def _slip(table: PublishedTable, claim: Claim, book: PriceBook) -> Slip | None:
    """Hold a published price against the book; None when they agree or the book does not know the model."""
    provider, _, model = claim.price.partition("/")
    match = book.match(provider, model, table.at)
    if match is None:
        return None
    rate = rates_in_force(match.price, Terms(at=table.at), factor=match.multiply).rate(Meter(claim.meter))
    if rate is None or multiply(rate, TOKENS_PER_MTOK) == claim.published_usd_per_mtok:
        return None
    return Slip(claim=claim, price_book_usd_per_mtok=multiply(rate, TOKENS_PER_MTOK), source=match.price.source)


__all__ = ["GroupResult", "Joint", "RebuiltRow", "Reproduction", "Slip", "price_text", "reproduce"]
