"""What a report is made of: sums per cell (a suite on a model setting) and columns per sample, priced, not yet judged.

What follows from the facts (a total, whether it is a lower bound) is worked out once, when they are put together.
Everything here adds up: `plus` joins the facts of two groups of attempts without turning "not known" into zero.
Data flows ledger + price book -> (`assembly`) -> CellFacts -> reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING

from harness.ledger.reading.causes import FailureCause
from harness.ledger.records import Purpose
from harness.money import EXACT
from harness.reports.facts.samples.timing import Timing
from harness.reports.facts.samples.turn_figures import TurnFigures
from harness.reports.facts.samples.verdict_counts import VerdictCounts
from harness.reports.precision.drawn_rows import DrawnFacts
from harness.stats import Estimate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.reports.indexes.measured_share import IndexShare

ZERO = Decimal(0)
_sum = EXACT.add
_WHOLE = frozenset({"total", "charged"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSums:
    """Disjoint input sums and inclusive output of attempts whose usage is known.

    Attributes:
        input_tokens: uncached input.
        cache_read_tokens, cache_write_tokens: input read from and written to a cache.
        output_tokens: everything generated, reasoning included.
        reasoning_tokens: of which reasoning; None = at least one attempt did not itemise it.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int | None = 0

    @property
    def answer_tokens(self) -> int | None:
        """Output that is not reasoning; None when reasoning is not itemised."""
        return None if self.reasoning_tokens is None else self.output_tokens - self.reasoning_tokens

    @property
    def entered_tokens(self) -> int:
        """All input, cached or not."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    def plus(self, other: TokenSums) -> TokenSums:
        """Add two sums; one side that is not itemised leaves the total not itemised."""
        mine, theirs = self.reasoning_tokens, other.reasoning_tokens
        return TokenSums(
            input_tokens=self.input_tokens + other.input_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=None if mine is None or theirs is None else mine + theirs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostSums:
    """Exact dollars of attempts whose usage and price are known: at list price, or as stated where there is none.

    Attributes:
        output: reasoning and answer together, itemised or not.
        reasoning: of which reasoning; None = not itemised somewhere.
        fees: searches, images and other charges that are not text tokens.
        stated: what providers say they charged for attempts that the price book has no price for; parts not known.
        charged: what providers say they charged where they say so, else the list price.
        total: sum of input, cache, output and fees at list price, and of what is only stated.
    """

    input: Decimal = ZERO
    cache_read: Decimal = ZERO
    cache_write: Decimal = ZERO
    output: Decimal = ZERO
    reasoning: Decimal | None = ZERO
    fees: Decimal = ZERO
    stated: Decimal = ZERO
    charged: Decimal = ZERO
    total: Decimal = field(init=False)

    def __post_init__(self) -> None:
        parts = (self.input, self.cache_read, self.cache_write, self.output, self.fees, self.stated)
        object.__setattr__(self, "total", reduce(_sum, parts))

    @property
    def is_stated_alone(self) -> bool:
        """Whether all of it is what providers state, so that none of its parts is known."""
        return self.stated > 0 and self.stated == self.total

    @property
    def answer(self) -> Decimal | None:
        """Output cost that is not reasoning; None when reasoning is not itemised."""
        return None if self.reasoning is None else EXACT.subtract(self.output, self.reasoning)

    def plus(self, other: CostSums) -> CostSums:
        """Add two sums exactly; one side that is not itemised leaves the total not itemised."""
        mine, theirs = self.reasoning, other.reasoning
        return CostSums(
            input=_sum(self.input, other.input),
            cache_read=_sum(self.cache_read, other.cache_read),
            cache_write=_sum(self.cache_write, other.cache_write),
            output=_sum(self.output, other.output),
            reasoning=None if mine is None or theirs is None else _sum(mine, theirs),
            fees=_sum(self.fees, other.fees),
            stated=_sum(self.stated, other.stated),
            charged=_sum(self.charged, other.charged),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Attempts, tokens and dollars of one purpose (solving, judging, ...).

    Attributes:
        n_attempts: requests sent, whatever became of them; answers reused from earlier runs are not among them.
        n_failed_attempts: settled without an answer.
        n_open_attempts: sent and never settled: possibly billed.
        n_retries: attempts that repeat an earlier one.
        n_reused: answers taken from earlier runs, billed there.
        reused_list_usd: what those would have cost at list price; none of it was charged here.
        n_unknown_usage: attempts that may have been billed and whose tokens are not known (open ones included).
        n_priced_attempts: attempts whose cost is in the total, free ones included.
        n_unpriced_attempts: attempts for which the price book has no price, or not for everything they used, and whose
            provider does not state what it charged.
        n_flagged_usage: attempts whose usage does not add up as the provider sent it.
        n_incomplete_usage: attempts that used more than the bill holds: counts that no reader knows.
        n_estimated: attempts whose tokens were counted from texts, by us or by the tool that made the run.
        n_lossy_logs: imported runs whose logs say that more was spent than they hold (retries, lines that are lost).
        n_uncached_logs: imported runs whose logs do not tell cached tokens from fresh ones, which cost more.
        possibly_billed_usd: upper bound for the attempts of `n_unknown_usage`; None = one of them has no bound.
        wasted_usd: of the total, spent on attempts that failed or were cut at the output cap.
        is_lower_bound: some part of the bill is not in the total.
        is_unpriced: nothing of the bill is known: such a total is not zero dollars. Attempts that failed without being
            billed cost nothing, and say nothing of what the others cost.
    """

    n_attempts: int = 0
    n_failed_attempts: int = 0
    n_open_attempts: int = 0
    n_retries: int = 0
    n_reused: int = 0
    reused_list_usd: Decimal = ZERO
    n_truncated: int = 0
    n_unknown_usage: int = 0
    n_priced_attempts: int = 0
    n_unpriced_attempts: int = 0
    n_flagged_usage: int = 0
    n_incomplete_usage: int = 0
    n_estimated: int = 0
    n_lossy_logs: int = 0
    n_uncached_logs: int = 0
    tokens: TokenSums = TokenSums()
    cost: CostSums = CostSums()
    possibly_billed_usd: Decimal | None = ZERO
    wasted_usd: Decimal = ZERO
    is_lower_bound: bool = field(init=False)
    is_unpriced: bool = field(init=False)

    def __post_init__(self) -> None:
        gaps = (self.n_unknown_usage, self.n_unpriced_attempts, self.n_incomplete_usage, self.n_lossy_logs)
        is_partial = any(gaps)
        object.__setattr__(self, "is_lower_bound", is_partial)
        object.__setattr__(self, "is_unpriced", is_partial and not self.n_priced_attempts and not self.cost.total)

    @property
    def known_usd(self) -> Decimal | None:
        """The total, a lower bound where parts are missing; None when nothing is priced."""
        return None if self.is_unpriced else self.cost.total

    @property
    def known_tokens(self) -> TokenSums | None:
        """The tokens; None when something was used and none of it is known, which is not zero."""
        nothing = not self.tokens.entered_tokens and not self.tokens.output_tokens
        return None if nothing and self.is_lower_bound else self.tokens

    def part(self, *names: str) -> Decimal | None:
        """Read a part of the cost, or the sum of several.

        None when nothing is priced, when one of them is not known, and for all but the whole when only that is stated.
        """
        if self.is_unpriced or (self.cost.is_stated_alone and not _WHOLE.issuperset(names)):
            return None
        found: list[Decimal | None] = [getattr(self.cost, name) for name in names]
        known = [usd for usd in found if usd is not None]
        return reduce(_sum, known) if len(known) == len(found) else None

    def plus(self, other: Spend) -> Spend:
        """Add the facts of two groups of attempts."""
        mine, theirs = self.possibly_billed_usd, other.possibly_billed_usd
        return Spend(
            n_attempts=self.n_attempts + other.n_attempts,
            n_failed_attempts=self.n_failed_attempts + other.n_failed_attempts,
            n_open_attempts=self.n_open_attempts + other.n_open_attempts,
            n_retries=self.n_retries + other.n_retries,
            n_reused=self.n_reused + other.n_reused,
            reused_list_usd=_sum(self.reused_list_usd, other.reused_list_usd),
            n_truncated=self.n_truncated + other.n_truncated,
            n_unknown_usage=self.n_unknown_usage + other.n_unknown_usage,
            n_priced_attempts=self.n_priced_attempts + other.n_priced_attempts,
            n_unpriced_attempts=self.n_unpriced_attempts + other.n_unpriced_attempts,
            n_flagged_usage=self.n_flagged_usage + other.n_flagged_usage,
            n_incomplete_usage=self.n_incomplete_usage + other.n_incomplete_usage,
            n_estimated=self.n_estimated + other.n_estimated,
            n_lossy_logs=self.n_lossy_logs + other.n_lossy_logs,
            n_uncached_logs=self.n_uncached_logs + other.n_uncached_logs,
            tokens=self.tokens.plus(other.tokens),
            cost=self.cost.plus(other.cost),
            possibly_billed_usd=None if mine is None or theirs is None else _sum(mine, theirs),
            wasted_usd=_sum(self.wasted_usd, other.wasted_usd),
        )


NOTHING = Spend()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOutcomes:
    """One task's samples in columns of equal length, one entry per sample.

    Attributes:
        weight: in the suite's index; None = the suite has no weights.
        sample_ids: stable ids; pairing between models goes by them.
        score_sums: sum of the scores of a sample's answers.
        score_counts: answers of a sample that count, right or wrong; 0 = unscored.
        n_solves: answers asked for (repeats), scored or not.
        inclusion_probabilities: of being drawn, in (0, 1].
        costs_usd: spend of a sample over all its attempts, for intervals only; None = not known.
        output_tokens: output of a sample over all its attempts; None = not known.
        drawn_score: where waves drew the samples, the score of the whole task; None = they are all there is.
    """

    task: str
    weight: float | None
    sample_ids: Sequence[str]
    score_sums: Sequence[float]
    score_counts: Sequence[int]
    n_solves: Sequence[int]
    inclusion_probabilities: Sequence[float]
    costs_usd: Sequence[float | None]
    output_tokens: Sequence[int | None]
    drawn_score: Estimate | None = None


def joined(tasks: Sequence[TaskOutcomes], column: str) -> NDArray[np.float64]:
    """Give a column of numbers of all samples, task after task; not-a-number where one is not known."""
    import numpy as np

    found = [np.asarray(getattr(task, column), dtype=float) for task in tasks]
    return found[0] if len(found) == 1 else np.concatenate([np.zeros(0), *found])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """What solving cost in one of the runs behind a row, at list price."""

    run_id: str
    created_at: datetime
    usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCost:
    """What the tool that made a run says that requests cost, beside their list price; any purpose.

    Attributes:
        n_attempts: requests of which it says so.
        list_usd: list price of those requests where all of them are priced; None = it cannot be told apart.
        reason: why the two differ, as far as that can be seen; None = they agree, or nothing is known.
    """

    usd: Decimal
    n_attempts: int
    list_usd: Decimal | None = None
    reason: str | None = None

    @property
    def difference_usd(self) -> Decimal | None:
        """What the tool says beyond the list price; negative where it says less."""
        return None if self.list_usd is None else EXACT.subtract(self.usd, self.list_usd)

    def plus(self, other: ToolCost) -> ToolCost:
        """Add what is said of other requests."""
        mine, theirs = self.list_usd, other.list_usd
        reasons = [reason for reason in (self.reason, other.reason) if reason]
        return ToolCost(
            usd=_sum(self.usd, other.usd),
            n_attempts=self.n_attempts + other.n_attempts,
            list_usd=None if mine is None or theirs is None else _sum(mine, theirs),
            reason="; ".join(dict.fromkeys(reasons)) or None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFacts:
    """Everything a report says about one suite on one model setting, over one or several runs.

    Attributes:
        reasoning: whether the model reasons with this setting; None = not known.
        mark: "simulated" or "reconstructed" when the numbers are not a model's own; None = real.
        n_unscored: solves that could not be scored, by reason; they are left out of the score.
        n_without_answer: solves whose reply holds no answer, by reason; they count as wrong.
        run_costs: the priced bill of each run.
        causes: why requests failed, over all runs, the most frequent first.
        timing: how long the answered requests took.
        turns: of samples that are conversations of many requests; None = each is one request.
        user_simulator, tool: spent on models that play the user of a conversation, and on models that tools ask.
        by_tool: what the tool that made the run says it cost; None = it does not say, or we made it.
        index: how much of its index the score covers; None = the suite is none.
        verdicts: right, wrong and other answers of tasks with a scale of their own, by task; empty for other suites.
        by_task: what solving each task of an index cost; empty for other suites.
        drawn: estimates by design where the samples were asked in waves; None = what was asked is all there is.
        told_apart_by: the run, where several rows have the same name; empty = none has.
        name: `provider/model[@setting]`.
        reasons: whether the row belongs to the reasoning group: as declared, else by itemised reasoning tokens.
    """

    suite: str
    suite_version: str
    provider: str
    model: str
    setting: str | None
    reasoning: bool | None
    mark: str | None
    run_ids: tuple[str, ...]
    solve: Spend
    judge: Spend = NOTHING
    n_unscored: Mapping[str, int] = field(default_factory=dict)
    n_without_answer: Mapping[str, int] = field(default_factory=dict)
    tasks: Sequence[TaskOutcomes] = ()
    run_costs: Sequence[RunCost] = ()
    causes: Sequence[FailureCause] = ()
    timing: Timing = field(default_factory=Timing)
    turns: TurnFigures | None = None
    user_simulator: Spend = NOTHING
    tool: Spend = NOTHING
    by_tool: ToolCost | None = None
    index: IndexShare | None = None
    verdicts: Mapping[str, VerdictCounts] = field(default_factory=dict)
    by_task: Mapping[str, Spend] = field(default_factory=dict)
    drawn: DrawnFacts | None = None
    told_apart_by: str = ""
    name: str = field(init=False)
    reasons: bool = field(init=False)

    def __post_init__(self) -> None:
        setting = f"@{self.setting}" if self.setting else ""
        declared = self.reasoning
        object.__setattr__(self, "name", f"{self.provider}/{self.model}{setting}")
        object.__setattr__(self, "reasons", bool(self.solve.tokens.reasoning_tokens) if declared is None else declared)

    @property
    def spends(self) -> Mapping[Purpose, Spend]:
        """Everything that was spent, by purpose."""
        return {
            "solve": self.solve,
            "judge": self.judge,
            "user_simulator": self.user_simulator,
            "tool": self.tool,
        }
