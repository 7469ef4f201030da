"""Was it worth it: what reasoning, and more of it, cost and scored, in sentences, tables and JSON objects.

Pure. Data flows SpendReport -> `pairs` -> sentences at the top of every form of a report; where nothing can be
compared, a sentence says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

from harness.documents.table import Column, Table
from harness.reports.compare.pairs import Kind, Pairs, RowPair, all_pairs, by_score, by_suite
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow, float_money, index_object
from harness.reports.spend.spend_tables import label
from harness.stats import Estimate
from harness.stats.values import LEVEL

HEADING = "Was it worth it?"
MOST_SENTENCES = 3
"""Sentences of each kind that a suite gets; its tables have the rest."""


def verdict(report: SpendReport, made: Pairs | None = None) -> tuple[str, ...]:
    """Say what each reasoning model costs and scores over the others, and each step of effort over the one below.

    Args:
        made: the report's pairs, where they are made already.
    """
    several = len(by_suite(report.rows)) > 1
    told: list[str] = []
    for suite, pairs in (all_pairs(report) if made is None else made).items():
        prefix = f"{suite}: " if several else ""
        told += [prefix + one for one in _sentences(pairs)]
    return tuple(told) or (_why_nothing(report),)


def _sentences(pairs: Sequence[RowPair]) -> Iterator[str]:
    """Tell the pairs of one suite; a step of effort is not told a second time as a reasoning model over another."""
    steps = [found for found in pairs if found.kind == "effort"]
    ladder = {(id(step.base), id(step.head)) for step in steps}
    others = [found for found in pairs if found.kind == "reasoning" and (id(found.base), id(found.head)) not in ladder]
    chosen = [*_chosen(others), *steps[:MOST_SENTENCES]]
    yield from map(sentence, chosen)
    if left := len(others) + len(steps) - len(chosen):
        yield f"{left} more {'pair' if left == 1 else 'pairs'} in the tables of pairs and effort"


def _chosen(pairs: Sequence[RowPair]) -> Sequence[RowPair]:
    """Of many pairs, those of the best reasoning rows with the best other row."""
    if len(pairs) <= MOST_SENTENCES:
        return pairs
    best = max((found.base for found in pairs), key=by_score)
    against = [found for found in pairs if found.base is best]
    return sorted(against, key=lambda found: -(found.head.score.value or 0.0))[:MOST_SENTENCES]


def _why_nothing(report: SpendReport) -> str:
    if len(report.rows) < 2:
        return "nothing to compare: only one row; run a second model or setting on the same samples"
    if all(len(rows) < 2 for rows in by_suite(report.rows).values()):
        return "nothing to compare: every suite has one row only"
    kind = "reasoning models" if all(row.facts.reasons for row in report.rows) else "models that do not reason"
    return f"nothing to compare: there are only {kind}, each with one setting (benchtab compare RUN --models A B)"


def sentence(found: RowPair) -> str:
    """Say one pair: cost with its interval, score with its interval, and on how many samples."""
    if found.outcome == "not comparable":
        return f"{_head(found)} {_over(found)} {_base(found)}: not compared ({'; '.join(found.reasons)})"
    return f"{_head(found)} {_cost(found)}{_score(found)} ({_samples(found)})"


def _head(found: RowPair) -> str:
    return label(found.head)


def _base(found: RowPair) -> str:
    return _setting(found.base) if found.kind == "effort" else label(found.base)


def _setting(row: SpendRow) -> str:
    return f"@{row.facts.setting}" if row.facts.setting else "its default setting"


def _over(found: RowPair) -> str:
    return "over" if found.kind == "effort" else "against"


def _cost(found: RowPair) -> str:
    ratio, (base_usd, head_usd) = found.cost_ratio, found.usd_per_task
    if ratio.value is None:
        return f"against {_base(found)}: cost not compared ({'; '.join(found.reasons) or 'one of them cost nothing'})"
    if any(row.facts.solve.n_uncached_logs for row in (found.base, found.head)):
        return f"against {_base(found)}: cost not compared (a log does not tell cached tokens from fresh ones)"
    low, high = (row.facts.solve.is_lower_bound for row in (found.base, found.head))
    if low and high:
        return f"against {_base(found)}: cost not compared (both bills are lower bounds)"
    bound = "at least " if high else "at most " if low else ""
    bills = f"{wording.dollars(head_usd)} against {wording.dollars(base_usd)} a task"
    return f"costs {bound}{wording.short_ratio(ratio)} of {_base(found)}, {bills}"


def _score(found: RowPair) -> str:
    difference = wording.points(found.difference)
    if found.outcome == "better":
        return f", and scores {difference} points"
    if found.outcome == "worse":
        return f", but scores {difference} points"
    if found.has_no_effect:
        return f"; no effect: neither output tokens nor scores can be told apart, {difference} points"
    return f"; the score difference is not resolved: {difference} points"


def _samples(found: RowPair) -> str:
    if found.drawn is not None:
        of = f" of {found.drawn.n_items:,} in the suite" if found.drawn.strata else ""
        return f"{found.n_common:,} common samples{of}, interval for this suite"
    if found.is_even:
        return f"{found.n_common:,} common samples"
    return f"{found.n_common:,} common samples of {found.head.n_samples:,} and {found.base.n_samples:,}"


def _of_kind(report: SpendReport, made: Pairs | None, kind: Kind) -> list[tuple[str, RowPair]]:
    pairs = all_pairs(report) if made is None else made
    return [(suite, one) for suite, found in pairs.items() for one in found if one.kind == kind]


_PAIR_COLUMNS = (
    Column(name="suite", title="suite", drops=3),
    Column(name="reasoning", title="reasoning model"),
    Column(name="other", title="other model"),
    Column(name="cost_ratio", kind="ratio", title="cost ratio [95 %]"),
    Column(name="token_ratio", kind="ratio", title="output ratio [95 %]", drops=4),
    Column(name="difference", kind="percent", title="score difference, points [95 %]"),
    Column(name="head_usd", kind="usd", title="$/task", drops=2),
    Column(name="base_usd", kind="usd", title="$/task of other", drops=2),
    Column(name="n", kind="integer", title="common samples", drops=1),
)


def pairs_table(report: SpendReport, made: Pairs | None = None) -> Table:
    """Compare each reasoning row with each other row of its suite, on the same samples."""
    found = _of_kind(report, made, "reasoning")
    return Table(
        name="pairs",
        title="Reasoning models against the others",
        columns=_PAIR_COLUMNS,
        rows=[_pair_row(suite, one) for suite, one in found],
        notes=_notes([one for _, one in found]),
    )


def _pair_row(suite: str, found: RowPair) -> tuple[str | int, ...]:
    base_usd, head_usd = found.usd_per_task
    return (
        suite,
        label(found.head),
        label(found.base),
        wording.ratio(found.cost_ratio),
        wording.ratio(found.tokens_ratio),
        wording.points(found.difference),
        wording.dollars(head_usd),
        wording.dollars(base_usd),
        found.n_common,
    )


def _notes(pairs: Sequence[RowPair]) -> tuple[str, ...]:
    notes = ["on the samples that both rows have, each counted once; intervals are paired by sample."]
    if any(found.drawn is not None for found in pairs):
        notes.append(
            "asked in waves: common samples count by their strata, score differences are about this suite, and extra "
            "cost is that of all its samples once."
        )
    if any(not found.is_even and found.drawn is None for found in pairs):
        notes.append("some rows have samples that the other lacks; those are left out here.")
    notes += dict.fromkeys(f"{reason}." for found in pairs for reason in found.reasons)
    return tuple(notes)


_STEP_COLUMNS = (
    Column(name="suite", title="suite", drops=3),
    Column(name="model", title="model"),
    Column(name="step", title="step"),
    Column(name="extra", kind="usd", title="extra cost"),
    Column(name="difference", kind="percent", title="points [95 %]"),
    Column(name="per_point", kind="usd", title="$ per point"),
    Column(name="cost_ratio", kind="ratio", title="cost ratio [95 %]", drops=2),
    Column(name="n", kind="integer", title="common samples", drops=1),
)


def ladder_table(report: SpendReport, made: Pairs | None = None) -> Table:
    """Price one more point between the settings of one model, from the cheapest task to the dearest."""
    found = _of_kind(report, made, "effort")
    unresolved = "unresolved: the paired score difference covers zero, so that dollars per point would be a guess."
    return Table(
        name="ladder",
        title="Effort ladder",
        columns=_STEP_COLUMNS,
        rows=[_step_row(suite, one) for suite, one in found],
        notes=(unresolved, *_notes([one for _, one in found]), *ladder_warnings([one for _, one in found])),
    )


def ladder_warnings(steps: Sequence[RowPair]) -> list[str]:
    """Warn of settings that cannot be told apart by their output tokens: providers ignore settings in silence."""
    return [
        f"warning: {label(step.head)} and {_base(step)} cannot be told apart by output tokens "
        f"({_token_words(step)}, {step.n_common:,} common samples): the provider may ignore the setting."
        for step in steps
        if step.tokens_are_alike
    ]


def _token_words(step: RowPair) -> str:
    found = step.tokens_on_log_scale
    return f"{sqrt(found.low * found.high):.3g}x [{found.low:.3g}-{found.high:.3g}]"


_STEP_WORDS = {"better": wording.NOT_KNOWN, "worse": "worse", "unresolved": "unresolved", "not comparable": "–"}


def _per_point(found: RowPair, usd: float | None) -> str:
    if usd is not None:
        return wording.dollars(usd)
    return "no effect" if found.has_no_effect else _STEP_WORDS[found.outcome]


def _step_row(suite: str, found: RowPair) -> tuple[str | int, ...]:
    base, head = found.base.facts, found.head.facts
    per_point = found.usd_per_point
    return (
        suite,
        f"{head.provider}/{head.model}",
        f"{base.setting or 'default'} to {head.setting or 'default'}",
        wording.dollars(found.extra_usd, sign=True),
        wording.points(found.difference),
        _per_point(found, per_point),
        wording.ratio(found.cost_ratio),
        found.n_common,
    )


def pair_object(found: RowPair) -> dict[str, object]:
    """Write one pair as JSON values; dollars are exact decimal strings."""
    base_usd, head_usd = found.usd_per_task
    more: dict[str, object] = {}
    if found.tokens_are_alike:
        more = {"tokens_told_apart": False, "no_effect": found.has_no_effect}
    if (by_design := None if found.drawn is None else found.drawn.difference(LEVEL)) is not None:
        like_these = by_design.estimate.like_these
        more["score_difference_like_these"] = {"ci_low": like_these.low, "ci_high": like_these.high}
        more["design"] = by_design.design
    return {
        "kind": found.kind,
        "suite": found.head.facts.suite,
        "suite_version": found.head.facts.suite_version,
        "head": _names(found.head),
        "base": _names(found.base),
        "n_common_samples": found.n_common,
        "head_cost_per_task_usd": float_money(head_usd),
        "base_cost_per_task_usd": float_money(base_usd),
        "extra_cost_usd": float_money(found.extra_usd),
        "cost_ratio": _estimate(found.cost_ratio),
        "tokens_ratio": _estimate(found.tokens_ratio),
        "score_difference": _estimate(found.difference),
        "usd_per_point": float_money(found.usd_per_point),
        "outcome": found.outcome,
        "reasons": list(found.reasons),
        "sentence": sentence(found),
        **more,
    }


def _names(row: SpendRow) -> dict[str, object]:
    facts = row.facts
    return {"provider": facts.provider, "model": facts.model, "setting": facts.setting, "mark": facts.mark,
            "n_samples": row.n_samples,
            "index": None if facts.index is None else index_object(facts.index)}  # fmt: skip


def _estimate(estimate: Estimate) -> dict[str, float | int | None]:
    return {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high, "n": estimate.n}
