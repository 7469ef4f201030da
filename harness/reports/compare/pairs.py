"""Rows of one suite against each other on the samples that both have: reasoning against other models, effort steps.

Pure. Data flows SpendReport -> `RowPair` values -> `verdict` sentences, tables and JSON objects. Totals of unequal
numbers of answers are never set against each other: costs here are means per task over common samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, TypeVar

from harness.precision.estimator import Interval
from harness.precision.ladder import token_ratio
from harness.reports.facts.report_facts import TaskOutcomes
from harness.reports.precision.paired_draws import DrawnPair, cost, drawn_pair, output
from harness.reports.spend.report import SpendReport, SpendRow, suite_score
from harness.reports.spend.spend_tables import label
from harness.stats import Estimate, cost_ratio, marginal_usd_per_point, paired_difference
from harness.stats.values import LEVEL

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
Kind = Literal["reasoning", "effort"]
Outcome = Literal["better", "worse", "unresolved", "not comparable"]
MOST_BASES = 40
"""Pairs of a suite beyond which each reasoning row meets the best and the cheapest other row only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedSamples:
    """Two rows on the samples that both have: mean scores (where both are scored) and costs (where both are known).

    Attributes:
        n_common: samples that both rows have, whatever is known of them.
        costs, tokens: per answer, means over a row's repeats.
    """

    n_common: int
    scores: tuple[list[float], list[float]]
    costs: tuple[list[float], list[float]]
    tokens: tuple[list[float], list[float]]


def pair(base: SpendRow, head: SpendRow) -> PairedSamples:
    """Match two rows sample by sample."""
    import numpy as np

    heads = {task.task: task for task in head.facts.tasks}
    found = [_matched(task, heads[task.task]) for task in base.facts.tasks if task.task in heads]
    if not found:
        return PairedSamples(n_common=0, scores=([], []), costs=([], []), tokens=([], []))
    left, right = (np.concatenate([sides[side] for sides in found], axis=1) for side in (0, 1))
    known = ~(np.isnan(left) | np.isnan(right))
    scores, costs, tokens = ((left[at][known[at]].tolist(), right[at][known[at]].tolist()) for at in range(3))
    return PairedSamples(n_common=left.shape[1], scores=scores, costs=costs, tokens=tokens)


def score_difference(base: SpendRow, head: SpendRow, level: float) -> Estimate:
    """Estimate head's mean score less base's on common samples, by design where waves asked one of the two."""
    by_design = drawn_pair(base.facts, head.facts)
    if by_design is not None:
        return by_design.score_difference(level)
    return paired_difference(*pair(base, head).scores, level=level)


def _matched(base: TaskOutcomes, head: TaskOutcomes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Columns of score, cost and tokens of the common samples of a task, in one order."""
    left, right = _columns(base), _columns(head)
    if base.sample_ids == head.sample_ids:
        return left, right
    places = {sample_id: place for place, sample_id in enumerate(base.sample_ids)}
    common = [(places[sample_id], at) for at, sample_id in enumerate(head.sample_ids) if sample_id in places]
    return left[:, [place for place, _ in common]], right[:, [at for _, at in common]]


def _columns(task: TaskOutcomes) -> NDArray[np.float64]:
    """Mean score, cost and output per answer of every sample; not-a-number where not known."""
    import numpy as np

    counts, solves = np.asarray(task.score_counts, dtype=float), np.asarray(task.n_solves, dtype=float)
    scores = np.asarray(task.score_sums, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(counts > 0, scores / counts, np.nan)
    costs, tokens = np.asarray(task.costs_usd, dtype=float), np.asarray(task.output_tokens, dtype=float)
    return np.stack((mean, costs / solves, tokens / solves))


@dataclass(frozen=True, kw_only=True)
class RowPair:
    """Two rows of a suite: what the head costs and scores over the base, on their common samples.

    Attributes:
        kind: `reasoning`: a reasoning model over another; `effort`: one model, a dearer setting over a cheaper one.
    """

    kind: Kind
    base: SpendRow
    head: SpendRow

    @cached_property
    def samples(self) -> PairedSamples:
        """The common samples."""
        return pair(self.base, self.head)

    @cached_property
    def drawn(self) -> DrawnPair | None:
        """The two by design, where waves asked one of them; None = both were asked as a whole."""
        return drawn_pair(self.base.facts, self.head.facts)

    @property
    def n_common(self) -> int:
        """Samples that both rows have."""
        return self.samples.n_common

    @property
    def is_even(self) -> bool:
        """Whether both rows have the same samples."""
        return self.n_common == self.base.n_samples == self.head.n_samples

    @cached_property
    def cost_ratio(self) -> Estimate:
        """Head's dollars over base's; no value where the cost of an answer is not known or was paid elsewhere."""
        if self.costs_are_partial:
            return Estimate(value=None)
        return cost_ratio(*self.samples.costs) if self.drawn is None else self.drawn.ratio(cost, LEVEL)

    @cached_property
    def tokens_ratio(self) -> Estimate:
        """Head's output tokens over base's."""
        return cost_ratio(*self.samples.tokens) if self.drawn is None else self.drawn.ratio(output, LEVEL)

    @cached_property
    def difference(self) -> Estimate:
        """Head's mean score less base's; every common sample counts once, or for its stratum where waves drew it."""
        if self.drawn is not None:
            return self.drawn.score_difference(LEVEL)
        return paired_difference(*self.samples.scores)

    @property
    def costs_are_partial(self) -> bool:
        """Whether answers taken from earlier runs make the costs of a row those of a part of it."""
        return any(row.facts.solve.n_reused for row in (self.base, self.head))

    @property
    def usd_per_task(self) -> tuple[float | None, float | None]:
        """Mean dollars per answer of base and head over the samples whose cost both know."""
        left, right = self.samples.costs
        if not left or self.costs_are_partial:
            return None, None
        if self.drawn is not None:
            return self.drawn.means(cost) or (None, None)
        return sum(left) / len(left), sum(right) / len(right)

    @property
    def extra_usd(self) -> float | None:
        """What the head cost more than the base, all common samples together; by design, all of the suite once."""
        if self.drawn is not None:
            base, head = self.usd_per_task
            return None if base is None or head is None else self.drawn.n_items * (head - base)
        left, right = self.samples.costs
        return None if not left or self.costs_are_partial else sum(right) - sum(left)

    @property
    def usd_per_point(self) -> float | None:
        """Dollars for one more percentage point over the common samples; None where the score does not surely rise."""
        extra = self.extra_usd
        return None if extra is None else marginal_usd_per_point(extra, self.difference).usd_per_point

    @property
    def outcome(self) -> Outcome:
        """Whether the head scores more, less, or nothing that these samples can tell."""
        low, high = self.difference.ci_low, self.difference.ci_high
        if low is None or high is None:
            return "not comparable"
        return "better" if low > 0 else "worse" if high < 0 else "unresolved"

    @cached_property
    def tokens_on_log_scale(self) -> Interval:
        """Interval of the typical ratio of output tokens on common samples, head over base; endless for too few."""
        _, interval = token_ratio(list(zip(*self.samples.tokens, strict=True)), LEVEL)
        return interval

    @property
    def tokens_are_alike(self) -> bool:
        """Whether two settings of a model cannot be told apart by their output tokens."""
        found = self.tokens_on_log_scale
        return self.kind == "effort" and found.df > 0 and found.low <= 1 <= found.high

    @property
    def has_no_effect(self) -> bool:
        """Whether a setting changed neither output tokens nor score, as far as these samples show."""
        return self.tokens_are_alike and self.outcome == "unresolved"

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is missing for a full comparison, in words."""
        found = []
        if not self.n_common:
            return ("no sample is in both rows (other data, seed or limit)",)
        for row in (self.base, self.head):
            solve = row.facts.solve
            if solve.is_unpriced:
                found.append(f"the bill of {label(row)} is not known")
            elif solve.is_lower_bound:
                found.append(f"the bill of {label(row)} is a lower bound")
            if solve.n_uncached_logs:
                found.append(f"the log of {label(row)} does not tell cached tokens from fresh ones")
            if solve.n_reused:
                found.append(f"answers of {label(row)} were reused from earlier runs and billed there")
        if self.drawn is not None and not self.drawn.strata:
            found.append("asked in waves by different predictions: two estimates, not pairs")
        if not self.samples.scores[0]:
            found.append("no common sample is scored in both rows")
        return tuple(found)


def by_suite(rows: Iterable[SpendRow]) -> dict[str, list[SpendRow]]:
    """Group rows by suite and version."""
    found: dict[str, list[SpendRow]] = {}
    for row in rows:
        found.setdefault(f"{row.facts.suite} {row.facts.suite_version}", []).append(row)
    return found


def reasoning_pairs(rows: Sequence[SpendRow]) -> list[RowPair]:
    """Pair each reasoning row of a suite with each other row; of many others, with the best and the cheapest."""
    heads, bases = [row for row in rows if row.facts.reasons], [row for row in rows if not row.facts.reasons]
    if len(heads) * len(bases) > MOST_BASES:
        bases = _best_and_cheapest(bases)
    return [RowPair(kind="reasoning", base=base, head=head) for head in heads for base in bases]


def by_score(row: SpendRow) -> tuple[float, Decimal]:
    """Key of the better row: it scores more, or the same for less."""
    return row.score.value or 0.0, -(row.cost_per_task_usd or Decimal(0))


def _best_and_cheapest(rows: Sequence[SpendRow]) -> list[SpendRow]:
    best = max(rows, key=by_score)
    priced = [row for row in rows if row.cost_per_task_usd is not None]
    cheapest = min(priced, key=lambda row: row.cost_per_task_usd or 0, default=best)
    return [best] if cheapest is best else [best, cheapest]


def effort_steps(rows: Sequence[SpendRow]) -> list[RowPair]:
    """Pair the settings of each model of a suite with their neighbours, from the cheapest task to the dearest.

    A setting that has several rows, of waves and of a whole run, is there with the one that asked most.
    """
    models: dict[tuple[str, str, str | None], list[SpendRow]] = {}
    for row in rows:
        models.setdefault((row.facts.provider, row.facts.model, row.facts.mark), []).append(row)
    return [
        RowPair(kind="effort", base=base, head=head)
        for settings in models.values()
        for base, head in pairwise(by_cost_per_task(one_each(settings)))
    ]


def one_each(rows: Sequence[SpendRow]) -> list[SpendRow]:
    """Keep one row of each setting, that with the most answers, in the order given."""
    most: dict[str | None, SpendRow] = {}
    for row in rows:
        known = most.get(row.facts.setting)
        if known is None or row.n_solves > known.n_solves:
            most[row.facts.setting] = row
    return list(most.values())


def by_cost_per_task(rows: Sequence[SpendRow]) -> list[SpendRow]:
    """Order rows by cost per task on the samples that all have, by output where some cost is not known."""
    if len(rows) < 2:
        return list(rows)
    shared = on_common_samples(rows)
    placed = shared.rows if shared is not None else tuple(on_own_samples(row) for row in rows)
    known = all(one.usd_per_task is not None for one in placed)
    keys = [(one.usd_per_task if known else one.tokens_per_task) or 0.0 for one in placed]
    return [row for _, row in sorted(zip(keys, rows, strict=True), key=lambda entry: entry[0])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A row on some of its samples.

    Attributes:
        score: of those samples, weighed as in the row.
        usd_per_task: mean per answer; None = not known.
    """

    row: SpendRow
    score: Estimate
    usd_per_task: float | None
    tokens_per_task: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonSamples:
    """Rows on the samples that all of them have; `is_whole` = those are all samples of every row."""

    rows: tuple[Placed, ...]
    n_samples: int
    is_whole: bool


FEWEST_COMMON = 20
"""Common samples below which rows with different samples are not set against each other in a chart."""


def on_own_samples(row: SpendRow) -> Placed:
    """Take a row as it is."""
    usd = None if row.cost_per_task_usd is None else float(row.cost_per_task_usd)
    return Placed(row=row, score=row.score, usd_per_task=usd, tokens_per_task=row.output_tokens_per_task)


def on_common_samples(rows: Sequence[SpendRow]) -> CommonSamples | None:
    """Restrict rows to the samples that all of them have; None where too few are common.

    Where waves asked one of them, all stay as they are: what stands there is about the whole suite.
    """
    if any(row.facts.drawn for row in rows):
        return CommonSamples(rows=tuple(map(on_own_samples, rows)), n_samples=0, is_whole=True)
    ids = [{task.task: task.sample_ids for task in row.facts.tasks} for row in rows]
    if all(other == ids[0] for other in ids):
        placed = tuple(map(on_own_samples, rows))
        return CommonSamples(rows=placed, n_samples=rows[0].n_samples if rows else 0, is_whole=True)
    common = _common(ids)
    n = sum(map(len, common.values()))
    sizes = {row.n_samples for row in rows}
    if not n or n < min(FEWEST_COMMON, *sizes):
        return None
    placed = tuple(_restricted(row, common) for row in rows)
    return CommonSamples(rows=placed, n_samples=n, is_whole=sizes == {n})


def _common(ids: Sequence[Mapping[str, Sequence[str]]]) -> dict[str, set[str]]:
    """Ids that all rows have, task by task."""
    first, *others = ids
    return {task: set(own).intersection(*(other.get(task, ()) for other in others)) for task, own in first.items()}


def _restricted(row: SpendRow, common: Mapping[str, set[str]]) -> Placed:
    kept = [restricted for task in row.facts.tasks if (restricted := _kept(task, common.get(task.task, set())))]
    if not row.facts.solve.n_attempts or row.cost_per_task_usd is None:
        usd = None
    else:
        usd = _mean_per_solve(kept, "costs_usd")
    return Placed(row=row, score=suite_score(kept), usd_per_task=usd,
                  tokens_per_task=_mean_per_solve(kept, "output_tokens"))  # fmt: skip


def _kept(task: TaskOutcomes, ids: set[str]) -> TaskOutcomes | None:
    places = [place for place, sample_id in enumerate(task.sample_ids) if sample_id in ids]
    if not places:
        return None

    def own(column: Sequence[T]) -> list[T]:
        return [column[place] for place in places]

    return TaskOutcomes(
        task=task.task,
        weight=task.weight,
        sample_ids=own(task.sample_ids),
        score_sums=own(task.score_sums),
        score_counts=own(task.score_counts),
        n_solves=own(task.n_solves),
        inclusion_probabilities=own(task.inclusion_probabilities),
        costs_usd=own(task.costs_usd),
        output_tokens=own(task.output_tokens),
    )


def _mean_per_solve(tasks: Sequence[TaskOutcomes], column: str) -> float | None:
    values = [value for task in tasks for value in getattr(task, column)]
    n_solves = sum(sum(task.n_solves) for task in tasks)
    return None if not n_solves or any(value is None for value in values) else float(sum(values)) / n_solves


Pairs = Mapping[str, Sequence[RowPair]]
"""By suite: reasoning models against the others, then the steps of effort."""


def all_pairs(report: SpendReport) -> Pairs:
    """Pair the rows of every suite; to be made once for all sentences, tables and objects of a report."""
    return {suite: [*reasoning_pairs(rows), *effort_steps(rows)] for suite, rows in by_suite(report.rows).items()}
