"""Which prices and token counts fit a published spend table: a feasible set, never a guess.

Unknowns are the input tokens of each shared prompt set and the output tokens of each row, in millions; the dollars,
the stated counts and ratios are linear in them. Data flows PublishedTable + PriceBook -> `Reproduction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import product
from math import ceil, floor, prod

from harness.errors import InputError
from harness.pricing.book import PriceBook
from harness.reproduction.linear import Constraint, Interval, at_least, at_most, is_feasible, value_range
from harness.reproduction.published import PublishedRow, PublishedTable
from harness.reproduction.vintages import Vintage, vintages

MOST_COMBINATIONS = 5_000
MTOK = 1_000_000
Chosen = Mapping[str, Vintage]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBounds:
    """Lowest and highest token count; `high` None = without limit."""

    low: int
    high: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One price that a row may rest on, and what it leaves.

    Attributes:
        why_not: the contradiction in words; None when the price fits.
        input_tokens, output_tokens: from the row's own facts and those of the rows it is read with.
        input_with_all, output_with_all: from every fact of the table together.
        stated_output_usd: dollars of the stated output at this price, low and high; None when none is stated.
    """

    vintage: Vintage
    feasible: bool
    why_not: str | None
    input_tokens: TokenBounds | None
    output_tokens: TokenBounds | None
    input_with_all: TokenBounds | None = None
    output_with_all: TokenBounds | None = None
    stated_output_usd: tuple[Decimal, Decimal] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """A row with its candidate prices and what stays open."""

    row: PublishedRow
    candidates: tuple[Candidate, ...]
    not_determined: tuple[str, ...]

    @property
    def fitting(self) -> tuple[Candidate, ...]:
        """The candidates that fit, newest price first."""
        return tuple(candidate for candidate in self.candidates if candidate.feasible)


class Solver:
    """A table and the price book's vintages, ready to be asked what fits."""

    def __init__(self, table: PublishedTable, book: PriceBook) -> None:
        self.table = table
        self.vintages = {row.model: vintages(book, row.prices, table.at) for row in table.row}

    def solve_row(self, row: PublishedRow) -> RowResult:
        """Test every candidate price of a row."""
        candidates = tuple(self._candidate(row, vintage) for vintage in self.vintages[row.model])
        fitting = [candidate for candidate in candidates if candidate.feasible]
        open_points = list(row.not_determined)
        if len(fitting) > 1:
            prices = " or ".join(price_text(candidate.vintage) for candidate in fitting)
            open_points.insert(0, f"price: {prices} fit equally well")
        if not fitting:
            open_points.insert(0, "everything: no price of the book fits the published figures")
        return RowResult(row=row, candidates=candidates, not_determined=tuple(open_points))

    def _candidate(self, row: PublishedRow, vintage: Vintage) -> Candidate:
        near, everything = self._closure(row), [other.model for other in self.table.row]
        inputs, outputs = self._ranges(row, vintage, near)
        inputs_all, outputs_all = self._ranges(row, vintage, everything)
        feasible = inputs_all is not None
        stated = row.stated_output_tokens
        return Candidate(
            vintage=vintage,
            feasible=feasible,
            why_not=None if feasible else self._why_not(row, vintage, near if inputs is None else everything),
            input_tokens=inputs if feasible else None,
            output_tokens=outputs if feasible else None,
            input_with_all=inputs_all,
            output_with_all=outputs_all,
            stated_output_usd=None
            if stated is None
            else (
                vintage.output_usd_per_mtok * stated.low / MTOK,
                vintage.output_usd_per_mtok * stated.high / MTOK,
            ),
        )

    def _closure(self, row: PublishedRow) -> list[str]:
        """Name the rows whose facts bind this row: those it is read with, and those behind them."""
        found, todo = [], [row.model]
        while todo:
            model = todo.pop(0)
            if model not in found:
                found.append(model)
                todo += self.table.find(model).refers_to
        return found

    def _ranges(
        self, row: PublishedRow, vintage: Vintage, models: Sequence[str]
    ) -> tuple[TokenBounds | None, TokenBounds | None]:
        """Unite the ranges over every choice of the other rows' prices."""
        inputs: list[Interval | None] = []
        outputs: list[Interval | None] = []
        for chosen in self._choices(models, {row.model: vintage}):
            constraints = self.all_facts(models, chosen)
            for name, found in ((input_name(row), inputs), (output_name(row.model), outputs)):
                found.append(value_range(name, constraints))
        return _union(inputs), _union(outputs)

    def _choices(self, models: Sequence[str], fixed: Chosen) -> Iterator[Chosen]:
        options = [[fixed[model]] if model in fixed else list(self.vintages[model]) for model in models]
        if prod(map(len, options)) > MOST_COMBINATIONS:
            raise InputError(
                f"{prod(map(len, options)):,} combinations of prices to test",
                where=self.table.name,
                fix="name fewer models in `prices`, or fewer rows in `read_with`",
            )
        for combination in product(*options):
            yield dict(zip(models, combination, strict=True))

    def all_facts(self, models: Sequence[str], chosen: Chosen, *, exact: bool = False) -> list[Constraint]:
        """List what the figures of rows say together, each at its chosen price."""
        return [fact for model in models for fact in self.facts(model, chosen[model], models, exact=exact)]

    def facts(
        self, model: str, vintage: Vintage, models: Sequence[str], *, exact: bool = False, own_input: bool = False
    ) -> list[Constraint]:
        """List what a row's figures say at a price.

        Args:
            models: rows in play; a ratio to any other row is left out.
            exact: take the dollars and the ratio at their stated value instead of their range.
            own_input: let the row have input tokens of its own.
        """
        row = self.table.find(model)
        output, read = output_name(model), "in:alone" if own_input else input_name(row)
        slack = Fraction(0) if exact else Fraction(self.table.rounding_usd)
        usd = {read: Fraction(vintage.input_usd_per_mtok), output: Fraction(vintage.output_usd_per_mtok)}
        paid = f"{model}'s ${row.published_usd:,} at {price_text(vintage)}"
        found = [
            at_most(usd, Fraction(row.published_usd) + slack, paid),
            at_least(usd, Fraction(row.published_usd) - slack, paid),
        ]
        if not own_input and read != shared_name(row):
            why = f"{model}'s own tokenizer"
            low, high = Fraction(row.input_factor.low), Fraction(row.input_factor.high)
            found += [
                at_least({read: Fraction(1), shared_name(row): -low}, Fraction(0), why),
                at_most({read: Fraction(1), shared_name(row): -high}, Fraction(0), why),
            ]
        if row.stated_output_tokens is not None:
            said = f"{model}'s output of “{row.stated_output_tokens.quote}”"
            one = {output: Fraction(1)}
            found += [
                at_least(one, Fraction(row.stated_output_tokens.low, MTOK), said),
                at_most(one, Fraction(row.stated_output_tokens.high, MTOK), said),
            ]
        return found + self._ratio_facts(row, models, exact)

    def _ratio_facts(self, row: PublishedRow, models: Sequence[str], exact: bool) -> list[Constraint]:
        ratio = row.stated_ratio
        if ratio is None or ratio.of not in models:
            return []
        low, high = (ratio.value, ratio.value) if exact else (ratio.low, ratio.high)
        said = f"{ratio.of}'s output being “{ratio.quote}” that of {row.model}"
        mine, theirs = output_name(row.model), output_name(ratio.of)
        return [
            at_least({theirs: Fraction(1), mine: -Fraction(low)}, Fraction(0), said),
            at_most({theirs: Fraction(1), mine: -Fraction(high)}, Fraction(0), said),
        ]

    def _why_not(self, row: PublishedRow, vintage: Vintage, models: Sequence[str]) -> str:
        """Put the contradiction in words: what the row would need against what the other rows leave."""
        others = [model for model in models if model != row.model]
        needed, left = [], []
        for chosen in self._choices(models, {row.model: vintage}):
            rest = self.all_facts(others, chosen)
            mine = self.facts(row.model, vintage, models, own_input=True)
            needed.append(value_range("in:alone", [*rest, *mine]))
            left.append(value_range(shared_name(row), rest))
        need, leave = _union(needed), _union(left)
        if need is not None and leave is not None and not _meet(need, leave):
            names = ", ".join(others)
            return (
                f"${row.published_usd:,} at {price_text(vintage)} needs {bounds_text(need)} input tokens; "
                f"{names} leaves {bounds_text(leave)} for the same prompts"
            )
        labels = self._conflict(row, vintage, models)
        return f"no token counts satisfy all of: {'; '.join(labels)}"

    def _conflict(self, row: PublishedRow, vintage: Vintage, models: Sequence[str]) -> list[str]:
        """Find a smallest set of facts that contradict each other, by leaving out one after another."""
        facts = self.all_facts(models, next(self._choices(models, {row.model: vintage})))
        for label in dict.fromkeys(fact.label for fact in facts):
            fewer = [fact for fact in facts if fact.label != label]
            if not is_feasible(fewer):
                facts = fewer
        return list(dict.fromkeys(fact.label for fact in facts))


def shared_name(row: PublishedRow) -> str:
    """Name the unknown input count of the prompts that rows share."""
    return f"in:{row.shares_input}"


def input_name(row: PublishedRow) -> str:
    """Name the unknown input count of a row: the shared one, or its own where the tokenizer differs."""
    same = row.input_factor.low == row.input_factor.high == 1
    return shared_name(row) if same else f"in:{row.shares_input}:{row.model}"


def output_name(model: str) -> str:
    """Name the unknown output count of a row."""
    return f"out:{model}"


def price_text(vintage: Vintage) -> str:
    """Write a price as `$2.50/$10`."""
    return f"${_rate(vintage.input_usd_per_mtok)}/${_rate(vintage.output_usd_per_mtok)}"


def _rate(usd: Decimal) -> str:
    return f"{usd:.0f}" if usd == usd.to_integral_value() else f"{usd:.2f}"


def bounds_text(bounds: TokenBounds) -> str:
    """Write a range in millions: `4.47M to 8.47M`."""
    if bounds.high is None:
        return f"at least {bounds.low / MTOK:.2f}M"
    return f"{bounds.low / MTOK:.2f}M to {bounds.high / MTOK:.2f}M"


def _union(found: Sequence[Interval | None]) -> TokenBounds | None:
    intervals = [interval for interval in found if interval is not None]
    if not intervals:
        return None
    highs = [interval.high for interval in intervals if interval.high is not None]
    return TokenBounds(
        low=ceil(min(interval.low for interval in intervals) * MTOK),
        high=floor(max(highs) * MTOK) if len(highs) == len(intervals) else None,
    )


def _meet(left: TokenBounds, right: TokenBounds) -> bool:
    return (left.high is None or right.low <= left.high) and (right.high is None or left.low <= right.high)
