"""Conversations as tables: figures per sample, spend by role, columns for files, and the same as JSON values.

Pure. Data flows SpendReport -> `TaskFigures` -> `Table`s; reports of single requests get none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.documents.table import Column, Table
from harness.reports.facts.report_facts import Spend
from harness.reports.spend import wording
from harness.reports.spend.notes import label
from harness.reports.spend.report import SpendReport, SpendRow, cost_object, money
from harness.reports.trajectories.task_figures import (
    RoleSpend,
    TaskFigures,
    role_spends,
    rows_with_figures,
    task_figures,
)

Found = tuple[SpendRow, TaskFigures]


def _number(value: float | None) -> str:
    return wording.NOT_KNOWN if value is None else f"{value:,.1f}"


def _most(mean: float | None, most: int) -> str:
    return wording.NOT_KNOWN if mean is None else f"{_number(mean)} ({most:,})"


def _limits(limits: Mapping[str, int]) -> str:
    return ", ".join(f"{limits[name]:,} {name}" for name in sorted(limits))


def _dollars(figures: TaskFigures, of: str) -> str:
    usd = getattr(figures, of)
    return wording.NOT_KNOWN if usd is None else wording.spent(figures.whole, usd=usd)


_SHOWN: tuple[tuple[Column, Callable[[Found], str]], ...] = (
    (Column(name="model", title="model"), lambda f: label(f[0])),
    (Column(name="suite", title="suite"), lambda f: f[0].facts.suite),
    (Column(name="turns", kind="decimal", title="turns (most)",
            description="Answers of the model in a sample, in the mean; in the longest."),
     lambda f: _most(f[1].turns.mean_turns, f[1].turns.most_turns)),
    (Column(name="tool_calls", kind="decimal", title="calls (most)",
            description="Tool calls that the model wanted made in a sample, in the mean; in the busiest.", drops=2),
     lambda f: _most(f[1].turns.mean_tool_calls, f[1].turns.most_tool_calls)),
    (Column(name="per_task", kind="usd", title="$/task",
            description="Everything that was spent, whoever was asked, per sample asked."),
     lambda f: _dollars(f[1], "usd_per_task")),
    (Column(name="per_solved", kind="usd", title="$/solved",
            description="Everything that was spent, whoever was asked, per sample solved."),
     lambda f: _dollars(f[1], "usd_per_solved")),
    (Column(name="wall", kind="decimal", title="s/task", drops=1,
            description="Mean seconds from the first request of a sample to its last answer."),
     lambda f: wording.seconds(f[1].turns.mean_wall_s)),
    (Column(name="model_seconds", kind="decimal", title="of it model", drops=3,
            description="Mean seconds that the model took for a sample, all its answers together."),
     lambda f: wording.seconds(f[1].model_s)),
)  # fmt: skip


def conversations_table(report: SpendReport) -> Table:
    """Make the table of figures per sample; without rows where no sample is a conversation."""
    found = list(rows_with_figures(report))
    rows = [tuple(say(one) for _, say in _SHOWN) for one in found]
    return Table(
        name="conversations",
        title="Per sample, all roles",
        columns=tuple(column for column, _ in _SHOWN),
        rows=rows,
        notes=tuple(_limit_notes(found)),
    )


def _limit_notes(found: Iterable[Found]) -> Iterator[str]:
    for row, figures in found:
        turns = figures.turns
        if turns.n_limited:
            by_limit = _limits(turns.limits)
            yield f"{label(row)}: {turns.n_limited:,} of {turns.n_samples:,} samples ended at a limit ({by_limit})"


def _tokens(name: str) -> Callable[[Spend], int | None]:
    return lambda spend: None if spend.known_tokens is None else getattr(spend.known_tokens, name)


def _percent(one: RoleSpend) -> str:
    return wording.percent(one.cache_share, 0)


_ROLES: tuple[tuple[Column, Callable[[RoleSpend], str]], ...] = (
    (Column(name="role", title="role"), lambda o: o.role),
    (Column(name="n_attempts", kind="integer", title="requests", drops=3), lambda o: wording.count(o.spend.n_attempts)),
    (Column(name="input", kind="decimal", title="new in", description="Input that no cache had, in tokens."),
     lambda o: wording.tokens(_tokens("input_tokens")(o.spend))),
    (Column(name="cache_read", kind="decimal", title="cached in", description="Input read from a cache, in tokens."),
     lambda o: wording.tokens(_tokens("cache_read_tokens")(o.spend))),
    (Column(name="cache_write", kind="decimal", title="to cache", drops=5, description="Input written to a cache."),
     lambda o: wording.tokens(_tokens("cache_write_tokens")(o.spend))),
    (Column(name="cache_share", kind="decimal", title="cached %", drops=1,
            description="Input read from a cache by all input."), _percent),
    (Column(name="reasoning", kind="decimal", title="reasoning", drops=4, description="Reasoning tokens."),
     lambda o: wording.tokens(_tokens("reasoning_tokens")(o.spend))),
    (Column(name="answer", kind="decimal", title="answer", drops=2, description="Output that is not reasoning."),
     lambda o: wording.tokens(_tokens("answer_tokens")(o.spend))),
    (Column(name="cost", kind="usd", title="cost"), lambda o: wording.whole(o.spend)),
)  # fmt: skip


def roles_table(report: SpendReport) -> Table:
    """Make the table of who spent what: a line per row of the report and role."""
    columns = (Column(name="model", title="model"), Column(name="suite", title="suite"), *(c for c, _ in _ROLES))
    rows = [
        (label(row), row.facts.suite, *(say(one) for _, say in _ROLES))
        for row, figures in rows_with_figures(report)
        for one in figures.roles
    ]
    return Table(name="roles", title="By role", columns=columns, rows=rows)


_PARTS = ("input", "cache_read", "cache_write", "reasoning", "answer", "output", "fees", "total")
_COUNTS = (
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "answer_tokens", "output_tokens",
)  # fmt: skip
ROLE_COLUMNS = (
    Column(name="suite", description="Suite of the row."),
    Column(name="suite_version", description="Its version."),
    Column(name="provider", description="Whom the model under test was asked of."),
    Column(name="model", description="The model under test, whoever the role's own model is."),
    Column(name="setting", description="Its setting (an effort, a budget); empty = none."),
    Column(name="mark", description="`simulated` or `reconstructed` when the numbers are not a model's own."),
    Column(name="purpose", description="`solve`, `user_simulator`, `judge` or `tool`."),
    Column(name="n_attempts", kind="integer", unit="requests", description="Requests sent, whatever became of them."),
    *(Column(name=name, kind="integer", unit="tokens", description="Of attempts whose usage is known; empty = of none,"
             " or not itemised.") for name in _COUNTS),
    Column(name="cache_share", kind="ratio", description="Input read from a cache by all input."),
    *(Column(name="cost_usd" if name == "total" else f"{name}_cost_usd", kind="usd", unit="USD",
             description="List price; empty = not known.") for name in _PARTS),
    Column(name="cost_is_lower_bound", kind="boolean", description="Whether something of it is not known."),
)  # fmt: skip


def role_spend_table(report: SpendReport) -> Table:
    """Make the same for files: every role that something was spent on, with exact dollars by meter."""
    rows = [
        (*_names(row), one.purpose, one.spend.n_attempts, *(_tokens(name)(one.spend) for name in _COUNTS),
         one.cache_share, *(one.spend.part(name) for name in _PARTS), one.spend.is_lower_bound)
        for row in report.rows
        for one in role_spends(row)
    ]  # fmt: skip
    return Table(name="role_spend", title="Spend by role", columns=ROLE_COLUMNS, rows=rows)


def _names(row: SpendRow) -> tuple[str | None, ...]:
    facts = row.facts
    return facts.suite, facts.suite_version, facts.provider, facts.model, facts.setting, facts.mark


def _column(name: str, kind: Any, unit: str, description: str) -> Column:
    return Column(name=name, kind=kind, unit=unit, description=description)


CONVERSED: tuple[tuple[Column, Callable[[TaskFigures], Any]], ...] = (
    (_column("n_conversations", "integer", "samples", "Samples asked in conversations of many requests, repeats too."),
     lambda f: f.turns.n_samples),
    (_column("turns_per_task", "decimal", "answers", "Answers of the model in a sample, in the mean."),
     lambda f: f.turns.mean_turns),
    (_column("most_turns", "integer", "answers", "Likewise in the longest sample."), lambda f: f.turns.most_turns),
    (_column("tool_calls_per_task", "decimal", "calls", "Tool calls that the model wanted made; empty = no texts."),
     lambda f: f.turns.mean_tool_calls),
    (_column("most_tool_calls", "integer", "calls", "Likewise in the busiest sample; empty = no texts were kept."),
     lambda f: f.turns.most_tool_calls if f.turns.n_calls_known else None),
    (_column("user_tool_calls_per_task", "decimal", "calls", "Tool calls that the simulated user wanted made."),
     lambda f: f.turns.mean_user_tool_calls),
    (_column("whole_cost_per_task_usd", "usd", "USD", "Spent on all roles, per sample asked."),
     lambda f: f.usd_per_task),
    (_column("whole_cost_per_solved_usd", "usd", "USD", "Spent on all roles, per sample solved; empty at none."),
     lambda f: f.usd_per_solved),
    (_column("wall_seconds_per_task", "decimal", "s", "Mean time from a sample's first request to its last answer."),
     lambda f: f.turns.mean_wall_s),
    (_column("most_wall_seconds", "decimal", "s", "Likewise of the sample that took longest."),
     lambda f: f.turns.most_wall_s if f.turns.n_walls else None),
    (_column("cache_share", "ratio", "", "Of the model's input, read from a cache."), lambda f: f.of_model.cache_share),
    (_column("n_at_limit", "integer", "samples", "Samples that a limit ended."), lambda f: f.turns.n_limited),
    (_column("limits", "text", "", "Those by limit: `2 turns, 1 usd`."), lambda f: _limits(f.turns.limits)),
)  # fmt: skip
"""Columns of the spend table where some row has conversations."""

OF_CONVERSATIONS = {
    "n_truncated": "Answers cut at the output cap, of any turn; billed in full.",
    "seconds_per_task": "Mean time that the model took for a sample, all its answers together; no batches.",
    "seconds_to_first_byte": "Mean time to the first byte of an answer, of any turn; empty = not known.",
    "n_retries": "Requests that repeat an earlier one, of any turn.",
    "output_tokens_per_task": "Output tokens of the model per sample asked, all its answers together.",
    "cost_per_task_usd": "Cost of the model per sample asked, all its requests together.",
    "cost_per_correct_usd": "Cost of the model per sample solved; empty at none.",
}
"""What columns of the spend table mean where samples are conversations."""


def described(column: Column) -> Column:
    """Say of a column of the spend table what it means where samples are conversations."""
    return replace(column, description=OF_CONVERSATIONS.get(column.name, column.description))


def conversed(row: SpendRow) -> tuple[Any, ...]:
    """Give the values of `CONVERSED`; all None for a row of single requests."""
    found = task_figures(row)
    return tuple(None if found is None else read(found) for _, read in CONVERSED)


def trajectory_object(figures: TaskFigures) -> dict[str, object]:
    """Write the figures of a row as JSON values."""
    turns = figures.turns
    return {
        "n_samples": turns.n_samples,
        "turns_per_task": turns.mean_turns,
        "most_turns": turns.most_turns,
        "tool_calls_per_task": turns.mean_tool_calls,
        "most_tool_calls": turns.most_tool_calls if turns.n_calls_known else None,
        "n_tool_calls": turns.n_tool_calls if turns.n_calls_known else None,
        "user_tool_calls_per_task": turns.mean_user_tool_calls,
        "cost_per_task_usd": money(figures.usd_per_task),
        "cost_per_solved_task_usd": money(figures.usd_per_solved),
        "cost_is_lower_bound": figures.whole.is_lower_bound,
        "wall_seconds_per_task": turns.mean_wall_s,
        "most_wall_seconds": turns.most_wall_s if turns.n_walls else None,
        "model_seconds_per_task": figures.model_s,
        "cache_share": figures.of_model.cache_share,
        "n_at_limit": turns.n_limited,
        "limits": {name: turns.limits[name] for name in sorted(turns.limits)},
        "roles": {one.purpose: _role_object(one) for one in figures.roles},
    }


def _role_object(one: RoleSpend) -> dict[str, object]:
    return {
        "n_attempts": one.spend.n_attempts,
        **{name: _tokens(name)(one.spend) for name in _COUNTS},
        "cache_share": one.cache_share,
        "cost_usd": cost_object(one.spend),
        "cost_is_lower_bound": one.spend.is_lower_bound,
    }


def has_conversations(report: SpendReport) -> bool:
    """Whether some sample is a conversation of many requests."""
    return any(row.facts.turns is not None for row in report.rows)


def shown_tables(report: SpendReport) -> Iterator[Table]:
    """Make what people see."""
    yield conversations_table(report)
    yield roles_table(report)
