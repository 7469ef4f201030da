"""What a reader must know before trusting a number: one sentence for each kind of gap, naming the rows it holds for.

Pure. Data flows SpendReport -> sentences below tables and at the top of pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.ledger.reading.causes import told
from harness.ledger.records import Purpose
from harness.providers.endpoints import SIMULATED
from harness.reports.facts.report_facts import Spend
from harness.reports.indexes.index_share import missing_words
from harness.reports.spend import wording
from harness.reports.spend.report import SpendReport, SpendRow


def label(row: SpendRow) -> str:
    """Name a row for people, with its mark: simulated and reconstructed rows never look real, a part of an index never
    looks like the whole."""
    facts = row.facts
    name = f"{facts.model}@{facts.setting}" if facts.setting else facts.model
    if facts.provider not in (SIMULATED, ""):
        name = f"{facts.provider}/{name}"
    covers = "" if facts.index is None else facts.index.words
    known = [word for word in (facts.mark, covers, facts.told_apart_by) if word]
    return f"{name} ({', '.join(known)})" if known else name


MOST_NAMED = 6
"""Rows that a sentence names; JSON and CSV have the counts of all."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something missing, cut or unknown in a row.

    Attributes:
        kind: what it is, in words that hold for every row.
        told: the sentence for one row alone.
        brief: what differs from row to row.
    """

    kind: str
    told: str
    brief: str


def notes(report: SpendReport) -> Iterable[str]:
    """Say everything a reader must know before trusting a number; a gap of several rows is one sentence."""
    marks = {row.facts.mark for row in report.rows if row.facts.mark}
    if "simulated" in marks:
        yield "simulated: answers, token counts and prices of these rows are made up by built-in models."
    if "reconstructed" in marks:
        yield "reconstructed: token counts of these rows were solved from published dollars, not measured."
    if any(row.facts.drawn for row in report.rows):
        yield (
            "asked in waves: scores that say 'this suite' are estimates for the whole suite, asked as far as needed; "
            "intervals of other rows are about questions like these"
        )
    yield from _shares(report.rows)
    yield from _weighing(report.rows)
    by_kind: dict[str, list[tuple[str, Gap]]] = {}
    for row in report.rows:
        for gap in row_gaps(row):
            by_kind.setdefault(gap.kind, []).append((f"{label(row)}, {row.facts.suite}", gap))
    yield from (_sentence(kind, found) for kind, found in by_kind.items())
    yield from report.warnings


def _sentence(kind: str, found: Sequence[tuple[str, Gap]]) -> str:
    if len(found) == 1:
        ((name, gap),) = found
        return f"{name}: {gap.told}"
    listed = "; ".join(f"{name}{': ' if gap.brief else ''}{gap.brief}" for name, gap in found[:MOST_NAMED])
    more = f"; and {len(found) - MOST_NAMED} more rows" if len(found) > MOST_NAMED else ""
    return f"{kind}: {listed}{more}"


def _shares(rows: Sequence[SpendRow]) -> Iterator[str]:
    """Say which part of an index its scores cover, and what is missing and why."""
    told: dict[str, None] = {}
    for row in rows:
        share = row.facts.index
        if share is not None and share.missing and not share.unanswered:
            covers = f"{row.facts.suite}: scores cover {100 * share.measured:.4g} % of the index' weight"
            missing = ", ".join(missing_words(share.missing))
            told[f"{covers}, scaled up from that part: not the published index; not measured: {missing}"] = None
    yield from told


def _weighing(rows: Sequence[SpendRow]) -> Iterator[str]:
    """Say where tasks of different sizes make a score that is no plain mean of what was asked."""
    suites = {row.facts.suite: None for row in rows if weighs_by_size(row)}
    if suites:
        yield f"{', '.join(suites)}: scores are weighted by size: a task counts by its size, not by how much was asked"


def weighs_by_size(row: SpendRow) -> bool:
    """Whether a score weighs its tasks by their sizes: they have no weights, and were not drawn in proportion."""
    tasks = row.facts.tasks
    if row.facts.drawn is not None or len(tasks) < 2 or any(task.weight is not None for task in tasks):
        return False
    return len({probability for task in tasks for probability in task.inclusion_probabilities}) > 1


def row_gaps(row: SpendRow) -> Iterator[Gap]:
    """Find what is missing, cut or unknown in one row."""
    yield from _bill_gaps(row.facts.solve)
    for what, spend in (
        ("judging", row.facts.judge),
        ("simulating users", row.facts.user_simulator),
        ("asking models in tools", row.facts.tool),
    ):
        if spend.is_lower_bound:
            covered = wording.coverage(spend)
            yield Gap(f"{what} is not fully priced", f"{what}: {covered}", covered)
    yield from _answer_gaps(row)
    yield from _request_gaps(row)
    yield from _cost_gaps(row.facts.solve)
    yield from _log_gaps(row)


def _log_gaps(row: SpendRow) -> Iterator[Gap]:
    """Say what of an imported run is no count of its provider's: tokens counted from texts, dollars of the tool."""
    spends = row.facts.spends.values()
    if n_estimated := sum(spend.n_estimated for spend in spends):
        of = f"{n_estimated:,} of {sum(spend.n_attempts for spend in spends):,}"
        what = "requests have tokens that were counted from texts: an estimate"
        yield Gap(what, f"{of} {what}", of)
    said = row.facts.by_tool
    if said is None:
        return
    stated, compared = wording.dollars(said.usd), "what that is at list price cannot be told apart"
    if said.list_usd is not None and said.difference_usd is not None:
        listed, by = wording.dollars(said.list_usd), wording.dollars(said.difference_usd, sign=True)
        compared = f"their list price is {listed} ({by}{f': {said.reason}' if said.reason else ''})"
    text = f"{stated} for {said.n_attempts:,} requests; {compared}"
    yield Gap("the tool states its own cost, the table shows list prices",
              f"the tool states a cost of {text}; the table shows list prices", text)  # fmt: skip


def _answer_gaps(row: SpendRow) -> Iterator[Gap]:
    of = f"of {row.n_solves:,}"
    if n_unscored := row.n_unscored:
        count, why = f"{n_unscored:,} {of}", _by_reason(row.facts.n_unscored)
        yield Gap("answers unscored and not counted as wrong",
                  f"{count} answers unscored ({why}); they are not counted as wrong", f"{count} ({why})")  # fmt: skip
    if n_without_answer := row.n_without_answer:
        count, why = f"{n_without_answer:,} {of}", _by_reason(row.facts.n_without_answer)
        yield Gap("replies without an answer count as wrong",
                  f"{count} replies hold no answer ({why}); they count as wrong", f"{count} ({why})")  # fmt: skip
    if cut := row.facts.solve.n_truncated:
        if (
            row.facts.turns is not None or cut > row.n_solves
        ):  # answers of any turn, imported calls that belong to no sample, or several of one trajectory
            of = f"of {row.facts.solve.n_attempts:,}"
        yield Gap("answers cut at the output cap are billed in full",
                  f"{cut:,} {of} answers cut at the output cap, billed in full", f"{cut:,} {of}")  # fmt: skip


def _request_gaps(row: SpendRow) -> Iterator[Gap]:
    solve = row.facts.solve
    asked: tuple[tuple[Purpose, str], ...] = (
        ("solve", "requests"), ("judge", "judge requests"), ("user_simulator", "requests to simulated users"),
        ("tool", "requests of tools"),
    )  # fmt: skip
    for purpose, what in asked:
        spend = row.facts.spends[purpose]
        causes = [replace(cause, purpose="solve") for cause in row.facts.causes if cause.purpose == purpose]
        of = f"of {spend.n_attempts:,}"
        n_failed = sum(cause.n_attempts for cause in causes)
        if causes:
            count, why = f"{n_failed:,} {of}", ", ".join(told(causes))
            yield Gap(f"{what} failed", f"{count} {what} failed: {why}", f"{count}: {why}")
        if (n_cancelled := spend.n_failed_attempts - n_failed) > 0:
            count = f"{n_cancelled:,} {of}"
            yield Gap(f"{what} were cancelled or not sent", f"{count} {what} were cancelled or not sent", count)
    if solve.n_flagged_usage:
        what = "attempts with usage that does not add up as the provider sent it"
        yield Gap(what, f"{solve.n_flagged_usage:,} {what}", f"{solve.n_flagged_usage:,}")
    if solve.n_reused:
        count, worth = f"{solve.n_reused:,}", f"{wording.dollars(solve.reused_list_usd)} at list price"
        yield Gap("answers reused from earlier runs, nothing charged here",
                  f"{count} answers reused from earlier runs: {worth}, nothing charged here",
                  f"{count}, {worth}")  # fmt: skip


def _cost_gaps(solve: Spend) -> Iterator[Gap]:
    if solve.tokens.reasoning_tokens is None:
        what = "reasoning tokens are not itemised by the provider"
        yield Gap(what, what, "")
    if solve.cost.stated:
        stated = wording.dollars(solve.cost.stated)
        unknown = "what of it was input, output or reasoning is not known"
        yield Gap(f"no list price, the cost is what the provider states it charged; {unknown}",
                  f"no list price: {stated} of the cost is what the provider states it charged; {unknown}",
                  stated)  # fmt: skip
    if solve.cost.charged != solve.cost.total:
        charged = wording.dollars(solve.cost.charged)
        yield Gap("providers state they charged otherwise; the table shows list prices",
                  f"providers state they charged {charged}; the table shows list prices", charged)  # fmt: skip


def _by_reason(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[reason]:,} {reason}" for reason in sorted(counts))


def _bill_gaps(solve: Spend) -> Iterator[Gap]:
    if solve.is_unpriced and solve.n_unpriced_attempts and solve.n_unpriced_attempts >= solve.n_attempts:
        n = f"{solve.n_attempts:,} attempts"
        yield Gap("unpriced: the price book has no price for any attempt",
                  f"unpriced: the price book has no price for any of its {n}", n)  # fmt: skip
    elif solve.is_lower_bound or solve.n_uncached_logs:
        text = f"{wording.whole(solve)} ({wording.coverage(solve)})"
        kind = "about what it was" if solve.n_uncached_logs and solve.is_lower_bound else "a lower bound"
        kind = kind if solve.is_lower_bound else "an upper bound"
        yield Gap(f"cost is {kind}", f"cost {text}", text)
