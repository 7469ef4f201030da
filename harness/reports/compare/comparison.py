"""Two runs side by side, paired on samples: what changed in score, cost and tokens, and whether a gate should close.

Pure. Data flows two SpendReports (and the head at the base's prices) -> `Comparison` -> tables and JSON.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.documents.document import Document
from harness.documents.table import Column, Table
from harness.reports.compare.pairs import pair
from harness.reports.precision.drawn_rows import shown
from harness.reports.precision.paired_draws import DrawnPair, cost, drawn_pair, output
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow, index_object, money
from harness.reports.spend.spend_tables import label
from harness.reports.trajectories.solving_costs import solving_costs, solving_words
from harness.stats import Estimate, cost_ratio, observations_to_decide, paired_difference

Verdict = Literal["pass", "regression", "inconclusive", "not asked"]
EXIT_CODES: dict[Verdict, int] = {"pass": 0, "not asked": 0, "regression": 4, "inconclusive": 5}
FALSE_ALARMS = 0.05
"""Highest chance that noise alone closes the gate, over all rows and thresholds together (one-sided, Bonferroni)."""

DESIGNED_ALARMS = 0.025
"""What the tests are designed for, so that the promise holds: intervals of cost ratios are somewhat too narrow for the
heavy tails of a hundred samples (`benchmarks.nightly_noise --drawn`: 3 to 4 % alarms, 6 to 7 % if designed for 5 %)."""

PRICE_TOLERANCE = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a gate tolerates; None = not asked.

    Attributes:
        cost_increase: 0.1 lets the cost rise by ten percent.
        score_drop: 0.01 lets the score fall by one percentage point.
    """

    cost_increase: float | None = None
    score_drop: float | None = None

    @property
    def n_asked(self) -> int:
        """How many of them there are."""
        return sum(limit is not None for limit in (self.cost_increase, self.score_drop))


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """One suite on one model setting, in both runs.

    Attributes:
        price_ratio: head's tokens at head's prices over the same tokens at base's prices; None = not priced.
        usage_ratio: head's tokens over base's, both at base's prices; None = not priced.
        cause: `price`, `usage`, `price and usage` or `none`: what moved the cost beyond its noise.
        more_samples: how many more common samples would decide what is inconclusive; None = nothing to decide, no
            number would, or waves asked one side, whose width does not fall with the root of their number.
        reasons: why a verdict could not be given, in words.
        by_design: where waves asked one of them, how the two compare by design; None = both were asked as a whole.
    """

    base: SpendRow
    head: SpendRow
    n_common: int
    score_difference: Estimate
    cost_ratio: Estimate
    tokens_ratio: Estimate
    price_ratio: float | None
    usage_ratio: float | None
    cause: str
    cost_verdict: Verdict
    score_verdict: Verdict
    more_samples: int | None
    reasons: tuple[str, ...] = ()
    by_design: DrawnPair | None = None

    @property
    def verdict(self) -> Verdict:
        """The worse of the two verdicts."""
        return worst([self.cost_verdict, self.score_verdict])


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs compared.

    Attributes:
        level: confidence level of every interval here, raised for the number of tests.
        only_in_base, only_in_head: rows without a partner.
        models: the models that were set against each other, where their names differ; None = each with itself.
    """

    base: str
    head: str
    level: float
    rows: tuple[ComparedRow, ...]
    verdict: Verdict
    only_in_base: tuple[str, ...] = ()
    only_in_head: tuple[str, ...] = ()
    models: tuple[str, str] | None = None


def compare(
    base: SpendReport, head: SpendReport, head_at_base: SpendReport | None, thresholds: Thresholds
) -> Comparison:
    """Compare two reports row by row.

    Args:
        base: report of the earlier run.
        head: report of the later run.
        head_at_base: the later run's tokens at the earlier run's prices; None = they cannot be charged at those.
        thresholds: what the gate tolerates.
    """
    loose = {row.facts.suite for report in (base, head) for row in report.rows if not row.facts.suite_version}
    before, after = ({_key(row, loose): row for row in report.rows} for report in (base, head))
    repriced = {} if head_at_base is None else {_key(row, loose): row for row in head_at_base.rows}
    common = [key for key in before if key in after]
    level = 1 - 2 * DESIGNED_ALARMS / max(1, len(common) * thresholds.n_asked)
    rows = tuple(_compared(before[key], after[key], repriced.get(key), thresholds, level) for key in common)
    verdict = worst([row.verdict for row in rows]) if rows else "inconclusive"
    return Comparison(
        base=", ".join(run.run_id for run in base.runs),
        head=", ".join(run.run_id for run in head.runs),
        level=level,
        rows=rows,
        verdict=verdict,
        only_in_base=_without_partner(before, after),
        only_in_head=_without_partner(after, before),
    )


Key = tuple[str, ...]


def _without_partner(rows: Mapping[Key, SpendRow], others: Mapping[Key, SpendRow]) -> tuple[str, ...]:
    return tuple(label(row) for key, row in rows.items() if key not in others)


def _key(row: SpendRow, loose: Collection[str]) -> Key:
    """Name a row; of `loose` suites a log of another tool does not say the version, so that any other fits."""
    facts = row.facts
    version = "" if facts.suite in loose else facts.suite_version
    return (facts.suite, version, facts.provider, facts.model, facts.setting or "")


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Pick the verdict that decides: a regression, then doubt, then a pass."""
    order: tuple[Verdict, ...] = ("regression", "inconclusive", "pass")
    return next((verdict for verdict in order if verdict in verdicts), "not asked")


def _compared(
    base: SpendRow, head: SpendRow, repriced: SpendRow | None, thresholds: Thresholds, level: float
) -> ComparedRow:
    paired, by_design = pair(base, head), drawn_pair(base.facts, head.facts)
    if by_design is None:
        difference = paired_difference(*paired.scores, level=level)
        costs, tokens = cost_ratio(*paired.costs, level=level), cost_ratio(*paired.tokens, level=level)
    else:
        difference = by_design.score_difference(level)
        costs, tokens = by_design.ratio(cost, level), by_design.ratio(output, level)
    price_ratio = usage_ratio = None
    if repriced is not None:
        price_ratio, usage_ratio = _price_ratio(head, repriced), _usage_ratio(base, repriced)
    reasons = tuple(_doubts(base, head))
    cost_verdict = _cost_verdict(costs, thresholds.cost_increase, known=not reasons)
    score_verdict = verdict_on_drop(difference, thresholds.score_drop)
    more = []
    if by_design is None and cost_verdict == "inconclusive" and thresholds.cost_increase is not None:
        more.append(observations_to_decide(costs, 1 + thresholds.cost_increase))
    if by_design is None and score_verdict == "inconclusive" and thresholds.score_drop is not None:
        more.append(observations_to_decide(difference, -thresholds.score_drop))
    return ComparedRow(
        base=base,
        head=head,
        n_common=len(paired.costs[0]),
        score_difference=difference,
        cost_ratio=costs,
        tokens_ratio=tokens,
        price_ratio=price_ratio,
        usage_ratio=usage_ratio,
        cause=_cause(price_ratio, tokens),
        cost_verdict=cost_verdict,
        score_verdict=score_verdict,
        more_samples=max((count for count in more if count), default=None),
        reasons=reasons,
        by_design=by_design,
    )


def _doubts(base: SpendRow, head: SpendRow) -> Iterator[str]:
    """Say why what a row costs may be another amount than is reported."""
    named = (("base", base), ("head", head))
    for name, row in named:
        if row.facts.solve.is_lower_bound:
            yield f"{name}: the bill is a lower bound ({wording.coverage(row.facts.solve)})"
    for name, row in named:
        if row.facts.solve.n_uncached_logs:
            yield f"{name}: the log does not tell cached tokens from fresh ones"


def _price_ratio(head: SpendRow, repriced: SpendRow) -> float | None:
    now, then = head.facts.solve.known_usd, repriced.facts.solve.known_usd
    return float(now) / float(then) if now is not None and then else None


def _usage_ratio(base: SpendRow, repriced: SpendRow) -> float | None:
    """Per answer, since the two runs may have sent different numbers of requests."""
    before, after = base.cost_per_task_usd, repriced.cost_per_task_usd
    return float(after) / float(before) if before and after is not None else None


def _cost_verdict(ratio: Estimate, limit: float | None, *, known: bool) -> Verdict:
    if limit is None:
        return "not asked"
    if ratio.ci_low is None or ratio.ci_high is None:
        return "inconclusive"
    if ratio.ci_low > 1 + limit:
        return "regression"
    return "pass" if ratio.ci_high <= 1 + limit and known else "inconclusive"


def verdict_on_drop(difference: Estimate, limit: float | None) -> Verdict:
    """Say whether a score fell by no more than a limit, surely by more, or neither can be told from the interval."""
    if limit is None:
        return "not asked"
    if difference.ci_low is None or difference.ci_high is None:
        return "inconclusive"
    if difference.ci_high < -limit:
        return "regression"
    return "pass" if difference.ci_low >= -limit else "inconclusive"


def _cause(price_ratio: float | None, tokens: Estimate) -> str:
    price = price_ratio is not None and abs(price_ratio - 1) > PRICE_TOLERANCE
    low, high = tokens.ci_low, tokens.ci_high
    usage = low is not None and high is not None and not low <= 1 <= high
    return "price and usage" if price and usage else "price" if price else "usage" if usage else "none"


def comparison_document(made: Comparison) -> Document:
    """Give a comparison in every form."""
    tables = (comparison_table(made),)
    return Document(terminal=lambda _: tables, markdown=lambda: tables, fields=lambda: comparison_object(made))


def comparison_object(made: Comparison) -> dict[str, Any]:
    """Write the JSON object of `compare --json`."""
    return {
        "base": made.base,
        "head": made.head,
        "level": made.level,
        "verdict": made.verdict,
        "exit_code": EXIT_CODES[made.verdict],
        "rows": [{**_row_object(row), **_by_design_object(row, made.level)} for row in made.rows],
        "only_in_base": list(made.only_in_base),
        "only_in_head": list(made.only_in_head),
        "models": None if made.models is None else list(made.models),
    }


def _row_object(row: ComparedRow) -> dict[str, object]:
    facts = row.head.facts
    return {
        "suite": facts.suite,
        "provider": facts.provider,
        "model": facts.model,
        "setting": facts.setting,
        "mark": facts.mark,
        "n_common_samples": row.n_common,
        "n_base_samples": row.base.n_samples,
        "n_head_samples": row.head.n_samples,
        "base_cost_usd": money(row.base.facts.solve.known_usd),
        "head_cost_usd": money(row.head.facts.solve.known_usd),
        "base_cost_per_task_usd": money(row.base.cost_per_task_usd),
        "head_cost_per_task_usd": money(row.head.cost_per_task_usd),
        "base_score": row.base.score.value,
        "head_score": row.head.score.value,
        "score_difference": _estimate(row.score_difference),
        "cost_ratio": _estimate(row.cost_ratio),
        "tokens_ratio": _estimate(row.tokens_ratio),
        "price_ratio": row.price_ratio,
        "usage_ratio": row.usage_ratio,
        "cause": row.cause,
        "cost_verdict": row.cost_verdict,
        "score_verdict": row.score_verdict,
        "verdict": row.verdict,
        "more_samples_to_decide": row.more_samples,
        "reasons": list(row.reasons),
        "base_index": _index(row.base),
        "head_index": _index(row.head),
        **{name: money(usd) for name, usd in solving_costs(row.base, row.head).items()},
    }


def _index(row: SpendRow) -> dict[str, object] | None:
    return None if row.facts.index is None else index_object(row.facts.index)


def _by_design_object(row: ComparedRow, level: float) -> dict[str, object]:
    """What a row has besides where waves asked one side: the interval of `score_difference` is for this suite then."""
    if row.by_design is None:
        return {}
    found = row.by_design.difference(level)
    like_these = None if found is None or found.estimate.value is None else found.estimate.like_these
    return {
        "score_difference_is_about": "this suite",
        "score_difference_like_these": None if like_these is None else {
            "ci_low": like_these.low, "ci_high": like_these.high,
        },
        "design": "apart" if found is None else found.design,
        "n_suite_samples": row.by_design.n_items,
    }  # fmt: skip


def _estimate(estimate: Estimate) -> dict[str, float | int | None]:
    return {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high, "n": estimate.n}


def comparison_table(made: Comparison) -> Table:
    """Make the table for people: what changed with its interval, beside both bills."""
    columns = (
        Column(name="model", title="model"),
        Column(name="suite", title="suite", drops=3),
        Column(name="n", kind="integer", title="samples", drops=1),
        Column(name="score", kind="percent", title="score, points"),
        Column(name="cost", kind="ratio", title="cost"),
        Column(name="base_usd", kind="usd", title="bill before", drops=2),
        Column(name="head_usd", kind="usd", title="bill now", drops=2),
        Column(name="tokens", kind="ratio", title="output tokens", drops=5),
        Column(name="cause", title="moved by", drops=4),
        Column(name="verdict", title="verdict"),
    )
    rows = [
        (
            label(row.head),
            row.head.facts.suite,
            row.n_common,
            wording.points(row.score_difference),
            wording.ratio(row.cost_ratio),
            wording.whole(row.base.facts.solve),
            wording.whole(row.head.facts.solve),
            wording.ratio(row.tokens_ratio),
            _cause_text(row),
            VERDICT_WORDS[row.verdict],
        )
        for row in made.rows
    ]
    return Table(name="comparison", title=_title(made), columns=columns, rows=rows, notes=tuple(_notes(made)))


VERDICT_WORDS: dict[Verdict, str] = {
    "pass": "pass",
    "regression": "regression",
    "inconclusive": "inconclusive",
    "not asked": "no threshold",
}


def _title(made: Comparison) -> str:
    what = f"{made.head} against {made.base}"
    if made.models is not None:
        base, head = made.models
        where = made.head if made.head == made.base else what
        what = f"{head} against {base} ({where})"
    if not made.rows:
        return f"{what}: nothing to compare"
    return what if made.verdict == "not asked" else f"{what}: {made.verdict}"


def _cause_text(row: ComparedRow) -> str:
    if row.price_ratio is not None and "price" in row.cause:
        return f"{row.cause} (same tokens {row.price_ratio:.3g}x)"
    return row.cause


NOTHING = (
    "nothing to compare: no suite and model setting is in both runs, so no verdict is possible (exit 5); "
    "models of different names: --models A B"
)


def _notes(made: Comparison) -> list[str]:
    if not made.rows:
        found = [NOTHING]
    else:
        found = [
            f"intervals at {100 * made.level:.4g} %, paired by sample; "
            f"noise alone closes the gate in at most {100 * FALSE_ALARMS:.0f} % of runs"
        ]
    for row in made.rows:
        said = (*_on_samples(row, made.level), *row.reasons, *filter(None, [solving_words(row.base, row.head)]))
        found += [f"{label(row.head)}: {reason}" for reason in said]
        if row.more_samples:
            found.append(f"{label(row.head)}: about {row.more_samples:,} more samples would decide")
    if made.only_in_base:
        found.append(f"only in {made.base}: {', '.join(made.only_in_base)}")
    if made.only_in_head:
        found.append(f"only in {made.head}: {', '.join(made.only_in_head)}")
    return found


def _on_samples(row: ComparedRow, level: float) -> list[str]:
    """Say where two rows rest on different samples, so that their bills are not those of the ratio."""
    return [*_on_shares(row), *_on_common(row, level)]


def _on_shares(row: ComparedRow) -> list[str]:
    """Say which part of an index a verdict rests on, and where the two sides measured different parts."""
    before, now = row.base.facts.index, row.head.facts.index
    if now is None or before is None or (before.is_whole and now.is_whole):
        return []
    parts = [f"{100 * share.measured:.4g} %" for share in (before, now)]
    if parts[0] == parts[1]:
        return [f"verdict on {parts[1]} of the index' weight, which is not the published index"]
    return [f"{parts[0]} of the index' weight before and {parts[1]} now: their scores are not of the same index"]


def _on_common(row: ComparedRow, level: float) -> list[str]:
    before, now = row.base.n_samples, row.head.n_samples
    if row.by_design is not None:
        return _on_draws(row, row.by_design, level)
    if row.n_common == before == now:
        return []
    if not row.n_common:
        counts = f"{before:,} before and {now:,} now"
        return [f"no common sample has a known cost in both runs ({counts}): other data, seed or limit, or no price"]
    return [f"compared on {row.n_common:,} common samples; the bills are of {before:,} before and {now:,} now"]


def _on_draws(row: ComparedRow, by_design: DrawnPair, level: float) -> list[str]:
    """Say on what a comparison rests of which waves asked one side."""
    bills = f"the bills are of {row.base.n_solves:,} answers before and {row.head.n_solves:,} now"
    found = by_design.difference(level)
    if found is None:
        return [f"asked in waves by different predictions: the difference of two estimates, without pairs; {bills}"]
    words = "paired" if found.design == "paired" else "as two draws, since too few samples are common"
    n_units = sum(state.stratum.n_units for state in by_design.strata)
    told = [
        f"asked in waves: the score difference is about this suite, {words}, on {row.score_difference.n:,} of "
        f"{n_units:,} units; cost and tokens are those of the suite; {bills}"
    ]
    if found.estimate.value is not None:
        like_these = shown(found.estimate, found.estimate.n_units, interval=found.estimate.like_these)
        told.append(f"of questions like these the difference is {wording.points(like_these)} points")
    if not by_design.is_covered:
        told.append("a part of the suite has no common samples, so costs are not compared")
    return told
