"""The spend report: one row per suite and model setting, reasoning models against the others, with totals.

Pure: CellFacts in, SpendReport out; it is written as a JSON object here and as tables in `spend_tables`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Any

from harness.instants import exact_utc_text
from harness.ledger.reading.causes import cause_objects
from harness.ledger.records import RunRecord
from harness.money import plain
from harness.pricing.book import IMPORTED_LAYER, PriceBook
from harness.reports.facts.report_facts import NOTHING, CellFacts, Spend, TaskOutcomes, TokenSums, ToolCost, joined
from harness.reports.indexes.index_costs import index_costs
from harness.reports.indexes.measured_share import IndexShare
from harness.reports.precision.drawn_rows import DrawnFacts
from harness.reports.prices.price_standing import Charged
from harness.reports.spend.repeats import pass_objects
from harness.stats import Estimate, bounded_mean, cost_per_correct, weighted_index

if TYPE_CHECKING:
    from harness.reports.forecasts.kept_forecasts import KeptForecast

GROUPS = {"reasoning": "reasoning models", "non_reasoning": "other models"}


@dataclass(frozen=True, kw_only=True)
class SpendRow:
    """One row: the facts of a cell and what follows from them.

    Attributes:
        n_samples: different benchmark items; n_solves: answers asked for, repeats included.
        n_correct: sum of scores (a score of 0.5 counts half).
        score: mean or index with its interval.
        cost_per_task_usd: dollars per answer asked for, to the picodollar; None without one.
        cost_per_correct_usd: dollars per correct answer, to the picodollar; None at zero correct. Both, and the output
            per task, are those of the whole suite where waves drew a part of it.
    """

    facts: CellFacts
    n_samples: int
    n_solves: int
    n_correct: float
    score: Estimate
    cost_per_task_usd: Decimal | None
    cost_per_correct_usd: Decimal | None
    output_tokens_per_task: float | None

    @cached_property
    def cost_per_correct(self) -> Estimate:
        """The exact bill by the number correct; the interval comes from the samples whose cost is known."""
        if self.cost_per_correct_usd is None:
            return Estimate(value=None)
        if self.facts.drawn is not None:  # the spread of drawn samples is not that of the suite
            return Estimate(value=float(self.cost_per_correct_usd))
        value = float(self.facts.solve.cost.total) / self.n_correct
        costs = joined(self.facts.tasks, "costs_usd")
        known = costs == costs  # not-a-number is not known
        if known.sum() < 2:
            return Estimate(value=value)
        interval = cost_per_correct(costs[known], joined(self.facts.tasks, "score_sums")[known])
        return Estimate(value=value, se=interval.se, ci_low=interval.ci_low, ci_high=interval.ci_high, n=interval.n)

    @property
    def n_unscored(self) -> int:
        """Solves that could not be scored, whatever the reason; the score leaves them out."""
        return sum(self.facts.n_unscored.values())

    @property
    def n_without_answer(self) -> int:
        """Solves whose reply holds no answer (`no_answer`, `truncated`, `refused`); they count as wrong."""
        return sum(self.facts.n_without_answer.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendGroup:
    """Totals over the rows of one group."""

    name: str
    n_rows: int
    n_solves: int
    n_unscored: int
    n_correct: float
    solve: Spend
    judge: Spend
    user_simulator: Spend = NOTHING
    tool: Spend = NOTHING

    @property
    def spends(self) -> Sequence[Spend]:
        """Everything that was spent: to solve, to judge, on simulated users, on models of tools."""
        return self.solve, self.judge, self.user_simulator, self.tool


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendReport:
    """The report as values.

    Attributes:
        book: the prices that it rests on, whose digest is `price_book_sha256`.
        as_of: instant whose prices were used; None = each attempt at the prices in force when it ran.
        forecasts: of the bills of these runs, in the order in which they were made.
        what_if: the question that changed the prices or tokens; None = as it was.
    """

    price_book_sha256: str
    book: PriceBook = field(default_factory=PriceBook)
    runs: tuple[RunRecord, ...] = ()
    as_of: datetime | None = None
    what_if: str | None = None
    prices: tuple[Charged, ...] = ()
    warnings: tuple[str, ...] = ()
    forecasts: tuple[KeptForecast, ...] = ()
    rows: tuple[SpendRow, ...] = ()
    groups: tuple[SpendGroup, ...] = ()


def with_rows(report: SpendReport, cells: Iterable[CellFacts]) -> SpendReport:
    """Turn facts into rows of a report, by suite, then by falling cost; groups are sums of rows."""
    rows = sorted(
        map(make_row, cells),
        key=lambda row: (row.facts.suite, row.facts.suite_version, -row.facts.solve.cost.total, row.facts.name),
    )
    groups = tuple(_group(name, [row for row in rows if row.facts.reasons == (name == "reasoning")]) for name in GROUPS)
    return replace(report, rows=tuple(rows), groups=groups)


def make_row(cell: CellFacts) -> SpendRow:
    """Derive a row's score, cost per task and cost per correct answer."""
    n_solves = sum(sum(task.n_solves) for task in cell.tasks)
    total = cell.solve.cost.total
    # where everything was taken from earlier runs this one has no cost that could be divided
    priced = not cell.solve.is_unpriced and (cell.solve.n_attempts > 0 or not cell.solve.n_reused)
    n_correct = sum(sum(task.score_sums) for task in cell.tasks)
    if cell.drawn is not None:
        return _drawn_row(cell, cell.drawn, n_solves=n_solves, n_correct=n_correct, priced=priced)
    return SpendRow(
        facts=cell,
        n_samples=sum(len(task.sample_ids) for task in cell.tasks),
        n_solves=n_solves,
        n_correct=n_correct,
        score=suite_score(cell.tasks),
        cost_per_task_usd=quotient(total, n_solves) if priced else None,
        cost_per_correct_usd=quotient(total, n_correct) if priced else None,
        output_tokens_per_task=cell.solve.tokens.output_tokens / n_solves if n_solves else None,
    )


def _drawn_row(cell: CellFacts, drawn: DrawnFacts, *, n_solves: int, n_correct: float, priced: bool) -> SpendRow:
    """Derive the same of the whole suite, where waves drew a part of it: dear and hard tasks count by their size."""
    usd = None if drawn.whole_usd is None or not priced else Decimal(repr(drawn.whole_usd))
    correct, tokens = drawn.whole_correct, drawn.whole_output_tokens
    return SpendRow(
        facts=cell,
        n_samples=sum(len(task.sample_ids) for task in cell.tasks),
        n_solves=n_solves,
        n_correct=n_correct,
        score=drawn.score,
        cost_per_task_usd=None if usd is None else quotient(usd, drawn.n_whole),
        cost_per_correct_usd=None if usd is None or correct is None else quotient(usd, correct),
        output_tokens_per_task=None if tokens is None else tokens / drawn.n_whole,
    )


def quotient(total: Decimal, count: float) -> Decimal | None:
    """Divide to the picodollar; None at zero."""
    return (total / Decimal(str(count))).quantize(Decimal("1e-12")) if count > 0 else None


def suite_score(tasks: Sequence[TaskOutcomes]) -> Estimate:
    """Estimate a suite's score: the weighted index where tasks have weights, else the mean over all samples drawn."""
    if tasks and all(task.weight is not None for task in tasks):
        return weighted_index([(task.weight or 0.0, task_score(task)) for task in tasks])
    return _mean(tasks)


def task_score(task: TaskOutcomes) -> Estimate:
    """Estimate one task's mean score."""
    return _mean([task]) if task.drawn_score is None else task.drawn_score


def _mean(tasks: Sequence[TaskOutcomes]) -> Estimate:
    """Estimate the mean score of the samples that have one; those less likely to be drawn count for more."""
    counts = joined(tasks, "score_counts")
    scored = counts > 0
    counts, probabilities = counts[scored], joined(tasks, "inclusion_probabilities")[scored]
    return bounded_mean(
        joined(tasks, "score_sums")[scored] / counts,
        weights=1 / probabilities if len(counts) and probabilities.min() < probabilities.max() else None,
        n_values=int(counts.sum()),
    )


def _group(name: str, rows: Sequence[SpendRow]) -> SpendGroup:
    return SpendGroup(
        name=name,
        n_rows=len(rows),
        n_solves=sum(row.n_solves for row in rows),
        n_unscored=sum(row.n_unscored for row in rows),
        n_correct=sum(row.n_correct for row in rows),
        solve=reduce(Spend.plus, (row.facts.solve for row in rows), NOTHING),
        judge=reduce(Spend.plus, (row.facts.judge for row in rows), NOTHING),
        user_simulator=reduce(Spend.plus, (row.facts.user_simulator for row in rows), NOTHING),
        tool=reduce(Spend.plus, (row.facts.tool for row in rows), NOTHING),
    )


def _instant(when: datetime | None) -> str | None:
    return None if when is None else exact_utc_text(when)


def money(amount: Decimal | None) -> str | None:
    """Write an exact amount for JSON; None stays None."""
    return None if amount is None else plain(amount)


def cost_object(spend: Spend) -> dict[str, str | None]:
    """Write the cost object of the JSON contract; all null when nothing is priced."""
    names = ("input", "cache_read", "cache_write", "reasoning", "answer", "output", "fees", "total")
    return {name: money(spend.part(name)) for name in names}


def _token_fields(sums: TokenSums) -> dict[str, int | None]:
    names = (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "output_tokens",
        "reasoning_tokens",
        "answer_tokens",
    )
    return {name: getattr(sums, name) for name in names}


def _spend_fields(solve: Spend, judge: Spend, user_simulator: Spend, tool: Spend) -> dict[str, object]:
    everything = reduce(Spend.plus, (judge, user_simulator, tool), solve)
    return {
        "n_attempts": solve.n_attempts,
        "n_failed_attempts": solve.n_failed_attempts,
        "n_truncated": solve.n_truncated,
        **_token_fields(solve.tokens),
        "cost_usd": cost_object(solve),
        "charged_usd": money(solve.part("charged")),
        "stated_only_usd": money(solve.cost.stated),
        "cost_is_lower_bound": solve.is_lower_bound,
        "n_unpriced_attempts": solve.n_unpriced_attempts,
        "n_unknown_usage_attempts": solve.n_unknown_usage,
        "n_open_attempts": solve.n_open_attempts,
        "n_retries": solve.n_retries,
        "n_reused": solve.n_reused,
        "reused_list_usd": money(solve.reused_list_usd),
        "n_flagged_usage": solve.n_flagged_usage,
        "n_incomplete_usage": solve.n_incomplete_usage,
        "possibly_billed_usd": money(everything.possibly_billed_usd),
        "wasted_usd": money(solve.wasted_usd),
        "n_judge_attempts": judge.n_attempts,
        "judge_cost_usd": money(judge.known_usd),
        "judge_cost_is_lower_bound": judge.is_lower_bound,
        "n_user_simulator_attempts": user_simulator.n_attempts,
        "user_simulator_cost_usd": money(user_simulator.known_usd),
        "user_simulator_cost_is_lower_bound": user_simulator.is_lower_bound,
        "n_tool_attempts": tool.n_attempts,
        "tool_cost_usd": money(tool.known_usd),
        "tool_cost_is_lower_bound": tool.is_lower_bound,
        "n_estimated_attempts": everything.n_estimated,
    }


def _by_tool(said: ToolCost | None) -> dict[str, object]:
    return {
        "tool_stated_usd": None if said is None else money(said.usd),
        "n_tool_stated_attempts": 0 if said is None else said.n_attempts,
        "tool_stated_difference_usd": None if said is None else money(said.difference_usd),
        "tool_stated_reason": None if said is None else said.reason,
    }


def row_object(row: SpendRow) -> dict[str, object]:
    """Write one row of the JSON contract; fields are only ever added."""
    facts, per_correct = row.facts, row.cost_per_correct
    return {
        "model": facts.model,
        "provider": facts.provider,
        "setting": facts.setting,
        "reasoning": facts.reasons,
        "simulated": facts.mark == "simulated",
        "mark": facts.mark,
        "suite": facts.suite,
        "suite_version": facts.suite_version,
        "run_ids": list(facts.run_ids),
        "n_samples": row.n_samples,
        "n_solves": row.n_solves,
        "n_correct": row.n_correct,
        "n_unscored": row.n_unscored,
        "unscored_reasons": {reason: facts.n_unscored[reason] for reason in sorted(facts.n_unscored)},
        "n_without_answer": row.n_without_answer,
        "without_answer_reasons": {reason: facts.n_without_answer[reason] for reason in sorted(facts.n_without_answer)},
        **_spend_fields(*facts.spends.values()),
        **_by_tool(facts.by_tool),
        "score": row.score.value,
        "score_ci_low": row.score.ci_low,
        "score_ci_high": row.score.ci_high,
        "cost_per_task_usd": money(row.cost_per_task_usd),
        "cost_per_correct_usd": money(row.cost_per_correct_usd),
        "cost_per_correct_ci_low_usd": float_money(per_correct.ci_low),
        "cost_per_correct_ci_high_usd": float_money(per_correct.ci_high),
        "output_tokens_per_task": row.output_tokens_per_task,
        "seconds_per_task": facts.timing.mean_s,
        "seconds_to_first_byte": facts.timing.mean_first_byte_s,
        "failure_causes": cause_objects(facts.causes),
        "pass_at_k": pass_objects(() if facts.drawn else facts.tasks),
        "tasks": [_task_object(task) for task in facts.tasks],
        "index": None if facts.index is None else {**index_object(facts.index), **_index_costs(facts)},
    }


def _index_costs(facts: CellFacts) -> dict[str, object]:
    """Write what a task of the index costs, weighted, and one pass over all that was asked; null where not known."""
    found = index_costs(facts)
    return {
        "cost_per_task_usd": None if found is None else {part: money(usd) for part, usd in found.per_task.items()},
        "cost_of_one_pass_usd": None if found is None else {part: money(usd) for part, usd in found.one_pass.items()},
        "cost_is_lower_bound": facts.solve.is_lower_bound,
    }


def index_object(share: IndexShare) -> dict[str, object]:
    """Write how much of its index a score covers."""
    return {
        "measured_weight": share.measured,
        "is_whole": share.is_whole,
        "missing": [{"name": one.name, "weight": one.weight, "why": one.why} for one in share.missing],
        "unanswered_tasks": list(share.unanswered),
    }


def _task_object(task: TaskOutcomes) -> dict[str, object]:
    estimate = task_score(task)
    return {
        "task": task.task,
        "weight": task.weight,
        "n_samples": len(task.sample_ids),
        "score": estimate.value,
        "score_ci_low": estimate.ci_low,
        "score_ci_high": estimate.ci_high,
    }


def float_money(amount: float | None) -> str | None:
    """Write an estimate in dollars for JSON, to the picodollar; None stays None."""
    return None if amount is None else plain(Decimal(repr(amount)).quantize(Decimal("1e-12")))


def report_object(report: SpendReport) -> dict[str, Any]:
    """Write the whole report as the JSON contract has it."""
    return {
        "as_of": _instant(report.as_of),
        "what_if": report.what_if,
        "price_book_sha256": report.price_book_sha256,
        "runs": [run.run_id for run in report.runs],
        "rows": [row_object(row) for row in report.rows],
        "groups": {
            group.name: {
                "n_rows": group.n_rows,
                "n_solves": group.n_solves,
                "n_unscored": group.n_unscored,
                "n_correct": group.n_correct,
                **_spend_fields(*group.spends),
            }
            for group in report.groups
        },
        "n_prices_used": len(report.prices),
        "n_imported_prices": sum(used.price.layer == IMPORTED_LAYER for used in report.prices),
        "warnings": list(report.warnings),
    }
