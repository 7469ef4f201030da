"""The spend report as tables: every column for files, a short one for people, totals, price rows and run settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Any

from harness.documents.table import Column, ColumnKind, Table
from harness.instants import from_us
from harness.ledger.records import RunRecord
from harness.money import plain
from harness.reports.facts.report_facts import Spend
from harness.reports.indexes.scaled_scores import EXPORTED as SCALED
from harness.reports.indexes.scaled_scores import exported as scaled_values
from harness.reports.indexes.scaled_scores import has_scaled
from harness.reports.precision.precision_table import EXPORTED, drawn_rows, exported, score_words
from harness.reports.prices.price_standing import Charged
from harness.reports.spend import wording
from harness.reports.spend.notes import label, notes
from harness.reports.spend.report import GROUPS, SpendGroup, SpendReport, SpendRow
from harness.reports.trajectories.trajectory_tables import CONVERSED, conversed, described, has_conversations


def _column(name: str, kind: ColumnKind, unit: str, description: str) -> Column:
    return Column(name=name, kind=kind, unit=unit, description=description)


FULL: tuple[tuple[Column, Callable[[SpendRow], Any]], ...] = (
    (_column("suite", "text", "", "Suite that was run."), lambda r: r.facts.suite),
    (_column("suite_version", "text", "", "Version of the suite; versions are never mixed in one row."),
     lambda r: r.facts.suite_version),
    (_column("provider", "text", "", "Provider as asked for."), lambda r: r.facts.provider),
    (_column("model", "text", "", "Model as asked for."), lambda r: r.facts.model),
    (_column("setting", "text", "", "Reasoning setting; empty = the provider's default."), lambda r: r.facts.setting),
    (_column("reasoning", "boolean", "", "Whether the row counts as a reasoning model."), lambda r: r.facts.reasons),
    (_column("simulated", "boolean", "", "Whether the answers come from a built-in simulated model."),
     lambda r: r.facts.mark == "simulated"),
    (_column("mark", "text", "", "`simulated` or `reconstructed` when the numbers are not a model's own."),
     lambda r: r.facts.mark),
    (_column("n_samples", "integer", "samples", "Different benchmark items."), lambda r: r.n_samples),
    (_column("n_solves", "integer", "answers", "Answers asked for, repeats included."), lambda r: r.n_solves),
    (_column("n_correct", "decimal", "answers", "Sum of the scores."), lambda r: r.n_correct),
    (_column("n_attempts", "integer", "requests", "Requests sent to solve samples, whatever became of them."),
     lambda r: r.facts.solve.n_attempts),
    (_column("n_failed_attempts", "integer", "requests", "Requests that ended without an answer."),
     lambda r: r.facts.solve.n_failed_attempts),
    (_column("n_retries", "integer", "requests", "Requests that repeat an earlier one."),
     lambda r: r.facts.solve.n_retries),
    (_column("n_unscored", "integer", "answers", "Answers that could not be scored (failed, ...); left out."),
     lambda r: r.n_unscored),
    (_column("n_without_answer", "integer", "answers", "Replies without an answer (cut, refused); count as wrong."),
     lambda r: r.n_without_answer),
    (_column("n_truncated", "integer", "answers", "Answers cut at the output cap; billed in full."),
     lambda r: r.facts.solve.n_truncated),
    (_column("n_unknown_usage_attempts", "integer", "requests", "Requests possibly billed, tokens not known."),
     lambda r: r.facts.solve.n_unknown_usage),
    (_column("n_unpriced_attempts", "integer", "requests", "Requests without a price."),
     lambda r: r.facts.solve.n_unpriced_attempts),
    (_column("input_tokens", "integer", "tokens", "Uncached input tokens."),
     lambda r: r.facts.solve.tokens.input_tokens),
    (_column("cache_read_tokens", "integer", "tokens", "Input tokens read from a cache."),
     lambda r: r.facts.solve.tokens.cache_read_tokens),
    (_column("cache_write_tokens", "integer", "tokens", "Input tokens written to a cache."),
     lambda r: r.facts.solve.tokens.cache_write_tokens),
    (_column("output_tokens", "integer", "tokens", "Everything generated, reasoning included."),
     lambda r: r.facts.solve.tokens.output_tokens),
    (_column("reasoning_tokens", "integer", "tokens", "Of the output, reasoning; empty = not itemised."),
     lambda r: r.facts.solve.tokens.reasoning_tokens),
    (_column("answer_tokens", "integer", "tokens", "Of the output, the answer; empty = not itemised."),
     lambda r: r.facts.solve.tokens.answer_tokens),
    (_column("input_cost_usd", "usd", "USD", "List price of uncached input."), lambda r: r.facts.solve.part("input")),
    (_column("cache_read_cost_usd", "usd", "USD", "List price of cache reads."),
     lambda r: r.facts.solve.part("cache_read")),
    (_column("cache_write_cost_usd", "usd", "USD", "List price of cache writes."),
     lambda r: r.facts.solve.part("cache_write")),
    (_column("reasoning_cost_usd", "usd", "USD", "List price of reasoning; empty = not itemised."),
     lambda r: r.facts.solve.part("reasoning")),
    (_column("answer_cost_usd", "usd", "USD", "List price of answers; empty = not itemised."),
     lambda r: r.facts.solve.part("answer")),
    (_column("output_cost_usd", "usd", "USD", "List price of all output."), lambda r: r.facts.solve.part("output")),
    (_column("fees_usd", "usd", "USD", "Searches, images and other charges."), lambda r: r.facts.solve.part("fees")),
    (_column("cost_usd", "usd", "USD", "Sum of input, cache, output and fees at list price."),
     lambda r: r.facts.solve.part("total")),
    (_column("charged_usd", "usd", "USD", "What providers state they charged where they state it, else list price."),
     lambda r: r.facts.solve.part("charged")),
    (_column("cost_is_lower_bound", "boolean", "", "Whether some attempt is unpriced or of unknown usage."),
     lambda r: r.facts.solve.is_lower_bound),
    (_column("possibly_billed_usd", "usd", "USD", "Upper bound for attempts whose bill is unknown; empty = none."),
     lambda r: reduce(Spend.plus, r.facts.spends.values()).possibly_billed_usd),
    (_column("wasted_usd", "usd", "USD", "Of the cost, spent on failed and truncated attempts."),
     lambda r: r.facts.solve.wasted_usd),
    (_column("judge_cost_usd", "usd", "USD", "List price of judging; not part of the cost."),
     lambda r: r.facts.judge.cost.total),
    (_column("score", "ratio", "", "Mean score or weighted index, 0 to 1."), lambda r: r.score.value),
    (_column("score_ci_low", "ratio", "", "Lower limit of the 95 % interval."), lambda r: r.score.ci_low),
    (_column("score_ci_high", "ratio", "", "Upper limit of the 95 % interval."), lambda r: r.score.ci_high),
    (_column("cost_per_task_usd", "usd", "USD", "Cost per answer asked for."), lambda r: r.cost_per_task_usd),
    (_column("cost_per_correct_usd", "usd", "USD", "Cost per correct answer; empty at zero correct."),
     lambda r: r.cost_per_correct_usd),
    (_column("output_tokens_per_task", "decimal", "tokens", "Output tokens per answer asked for."),
     lambda r: r.output_tokens_per_task),
    (_column("seconds_per_task", "decimal", "s", "Mean time from sending a request to its whole answer; no batches."),
     lambda r: r.facts.timing.mean_s),
    (_column("seconds_to_first_byte", "decimal", "s", "Mean time to the first byte of an answer; empty = not known."),
     lambda r: r.facts.timing.mean_first_byte_s),
    (_column("user_simulator_cost_usd", "usd", "USD", "List price of models that play the user; not part of the cost."),
     lambda r: r.facts.user_simulator.cost.total),
    (_column("tool_cost_usd", "usd", "USD", "List price of models that tools ask; not part of the cost."),
     lambda r: r.facts.tool.cost.total),
    (_column("n_estimated_attempts", "integer", "requests", "Requests whose tokens were counted from texts."),
     lambda r: sum(spend.n_estimated for spend in r.facts.spends.values())),
    (_column("tool_stated_usd", "usd", "USD", "What the tool that made an imported run says it cost; empty = nothing."),
     lambda r: r.facts.by_tool and r.facts.by_tool.usd),
    (_column("tool_stated_difference_usd", "usd", "USD", "What that is beyond the list price of the same requests."),
     lambda r: r.facts.by_tool and r.facts.by_tool.difference_usd),
    (_column("index_weight_measured", "ratio", "", "Share of the index' weight that its score covers; empty: none."),
     lambda r: r.facts.index and r.facts.index.measured),
)  # fmt: skip


def spend_table(report: SpendReport) -> Table:
    """Make the full table, one typed column per fact: for CSV, Parquet and data frames.

    Columns of rows that were asked in waves are there where some were, and so are those of conversations.
    """
    scaled = SCALED if has_scaled(report) else ()
    drawn, has_turns = EXPORTED if drawn_rows(report.rows) else (), has_conversations(report)
    columns = [*(column for column, _ in (*FULL, *drawn)), *scaled]
    if has_turns:
        columns = [*map(described, columns), *(column for column, _ in CONVERSED)]
    return Table(
        name="report",
        title="Spend report",
        columns=tuple(columns),
        rows=[
            (
                *(read(row) for _, read in FULL),
                *(exported(row) if drawn else ()),
                *(scaled_values(row) if scaled else ()),
                *(conversed(row) if has_turns else ()),
            )
            for row in report.rows
        ],
        notes=tuple(notes(report)),
    )


def title(report: SpendReport) -> str:
    """Name the report: its suites, and whose prices it uses."""
    suites = list(dict.fromkeys(f"{row.facts.suite} {row.facts.suite_version}" for row in report.rows))
    what = suites[0] if len(suites) == 1 else f"{len(suites)} suites"
    when = "prices when each request ran" if report.as_of is None else f"prices of {report.as_of:%Y-%m-%d %H:%M} UTC"
    asked = f", what if {report.what_if}" if report.what_if else ""
    return f"Spend report: {what} ({when}{asked})"


def rows_shown(report: SpendReport) -> list[SpendRow]:
    """Put rows in the order of `summary_table`."""
    return [row for reasoning in (True, False) for row in report.rows if row.facts.reasons == reasoning]


def summary_table(report: SpendReport) -> Table:
    """Make the table for people: who, score, tokens, dollars, efficiency; reasoning models first."""
    with_suite = len({(row.facts.suite, row.facts.suite_version) for row in report.rows}) > 1
    chosen = [entry for entry in SUMMARY if with_suite or entry[0].name != "suite"]
    rows = wording.worded(
        [[read(row) for *_, read in chosen] for row in rows_shown(report)], [say for _, say, _ in chosen]
    )
    columns = tuple(column for column, *_ in chosen)
    if has_conversations(report):
        columns = tuple(replace(one, description=_OF_SAMPLES.get(one.name, one.description)) for one in columns)
    return Table(name="summary", title=title(report), columns=columns, rows=rows, notes=tuple(notes(report)))


def _tokens_in(row: SpendRow) -> int | None:
    sums = row.facts.solve.known_tokens
    return None if sums is None else sums.entered_tokens


def _tokens_out(solve: Spend) -> int | None:
    sums = solve.known_tokens
    return None if sums is None else sums.output_tokens


def _tokens_reasoned(solve: Spend) -> int | None:
    sums = solve.known_tokens
    return None if sums is None else sums.reasoning_tokens


SUMMARY: tuple[tuple[Column, wording.Say, Callable[[SpendRow], object]], ...] = (
    (Column(name="model", title="model"), str, lambda r: label(r)),
    (Column(name="suite", title="suite"), str, lambda r: r.facts.suite),
    (Column(name="score", kind="decimal", title="score %"), score_words, lambda r: r),
    (Column(name="n_solves", kind="integer", title="answers", drops=2), wording.count, lambda r: r.n_solves),
    (Column(name="tokens_in", kind="decimal", title="tok in", drops=7), wording.tokens, _tokens_in),
    (Column(name="tokens_out", kind="decimal", title="tok out", drops=5), wording.tokens,
     lambda r: _tokens_out(r.facts.solve)),
    (Column(name="input", kind="usd", title="input", drops=8), wording.dollars,
     lambda r: r.facts.solve.part("input", "cache_read", "cache_write")),
    (Column(name="reasoning", kind="usd", title="reasoning", drops=3), wording.dollars,
     lambda r: r.facts.solve.part("reasoning")),
    (Column(name="answer", kind="usd", title="answer", drops=6), wording.dollars,
     lambda r: r.facts.solve.part("answer")),
    (Column(name="cost", kind="usd", title="cost"), wording.whole, lambda r: r.facts.solve),
    (Column(name="per_task", kind="usd", title="$/task", drops=4), wording.dollars, lambda r: r.cost_per_task_usd),
    (Column(name="per_correct", kind="usd", title="$/correct", drops=1), wording.dollars,
     lambda r: r.cost_per_correct_usd),
    (Column(name="seconds", kind="decimal", title="s/task", drops=9,
            description="Mean seconds from sending a request to its whole answer."),
     wording.seconds, lambda r: r.facts.timing.mean_s),
    (Column(name="first_byte", kind="decimal", title="1st byte s", drops=10,
            description="Mean seconds to the first byte of an answer."),
     wording.seconds, lambda r: r.facts.timing.mean_first_byte_s),
)  # fmt: skip
"""What people see of a row: a column, how it says its values, and which they are."""
_OF_SAMPLES = {
    "seconds": "Mean seconds that the model took for a sample, all its answers together.",
    "first_byte": "Mean seconds to the first byte of an answer, of any turn.",
}
"""What some of them mean where samples are conversations."""


TOTALS: tuple[tuple[Column, wording.Say, Callable[[SpendGroup], object]], ...] = (
    (Column(name="group", title="group"), str, lambda g: GROUPS[g.name]),
    (Column(name="n_rows", kind="integer", title="rows", drops=2), str, lambda g: g.n_rows),
    (Column(name="n_solves", kind="integer", title="answers", drops=1), wording.count, lambda g: g.n_solves),
    (Column(name="output_tokens", kind="decimal", title="tok out", drops=4), wording.tokens,
     lambda g: _tokens_out(g.solve)),
    (Column(name="reasoning_tokens", kind="decimal", title="of which reasoning", drops=5), wording.tokens,
     lambda g: _tokens_reasoned(g.solve)),
    (Column(name="cost_usd", kind="usd", title="cost"), wording.whole, lambda g: g.solve),
    (Column(name="judge_cost_usd", kind="usd", title="judges", drops=3), wording.whole,
     lambda g: g.judge if g.judge.n_attempts else None),
    (Column(name="other_cost_usd", kind="usd", title="users, tools", drops=3), wording.whole,
     lambda g: g.user_simulator.plus(g.tool) if g.user_simulator.n_attempts or g.tool.n_attempts else None),
    (Column(name="coverage", title="covers"), wording.coverage, lambda g: reduce(Spend.plus, g.spends)),
)  # fmt: skip


def totals_table(report: SpendReport) -> Table:
    """Make the group totals: reasoning models against the others, judges apart, each with its price coverage."""
    shown = [group for group in report.groups if group.n_rows]
    has_others = any(group.user_simulator.n_attempts or group.tool.n_attempts for group in shown)
    chosen = [entry for entry in TOTALS if has_others or entry[0].name != "other_cost_usd"]
    rows = wording.worded([[read(group) for *_, read in chosen] for group in shown], [say for _, say, _ in chosen])
    return Table(name="totals", title="Totals", columns=tuple(column for column, *_ in chosen), rows=rows)


def prices_table(report: SpendReport) -> Table:
    """Make the list of price rows used, with their sources."""
    return Table(
        name="prices_used",
        title="Prices used",
        columns=_PRICE_COLUMNS,
        rows=[_price_row(used) for used in report.prices],
    )


_PRICE_COLUMNS = (
    Column(name="provider"),
    Column(name="model"),
    Column(name="effective_from"),
    Column(name="rates"),
    Column(name="n_attempts", kind="integer"),
    Column(name="source", kind="link"),
    Column(name="checked_on"),
)


def _price_row(used: Charged) -> tuple[str | int, ...]:
    """Write a row's rates as `input 15, cache_read 7.5, output 60` (USD per million tokens)."""
    price = used.price
    rates = "free" if price.free else ", ".join(f"{meter.value} {plain(rate)}" for meter, rate in price.rates.items())
    checked_on = "" if price.checked_on is None else price.checked_on.isoformat()
    return price.provider, price.model, used.since, rates, used.n_attempts, price.source, checked_on


def runs_table(report: SpendReport) -> Table:
    """Make the list of runs covered, with what is needed to repeat them."""
    rows = [
        (
            run.run_id,
            from_us(run.created_at_us),
            run.status,
            ", ".join(f"{suite.name} {suite.version}" for suite in run.suites),
            ", ".join(run.models),
            run.harness_version,
            run.git_commit,
            ", ".join(f"{name}={value}" for name, value in _settings(run)),
        )
        for run in report.runs
    ]
    return Table(name="runs", title="Runs", columns=_RUN_COLUMNS, rows=rows)


_RUN_COLUMNS = (
    Column(name="run_id"),
    Column(name="created_at", kind="timestamp"),
    Column(name="status"),
    Column(name="suites"),
    Column(name="models"),
    Column(name="harness_version"),
    Column(name="git_commit"),
    Column(name="settings"),
)


def _settings(run: RunRecord) -> Iterator[tuple[str, object]]:
    yield "seed", run.sample_seed
    for name, value in sorted(run.shown_config.items()):
        told = isinstance(value, str | int | float) and not isinstance(value, bool)
        if told and name not in ("suites", "models", "sample_seed"):
            yield name, value


__all__ = [
    "FULL",
    "label",
    "notes",
    "prices_table",
    "runs_table",
    "spend_table",
    "summary_table",
    "title",
    "totals_table",
]
