"""What suites contain, as tables and plain facts for `suites list` and `suites show`.

Data flows suites, and tasks as far as their data could be loaded -> `Table` and JSON facts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.documents.table import Column, Table
from harness.suites import prompts
from harness.suites.sample import LoadedTask
from harness.suites.suite import Suite, Task
from harness.suites.tokens import TokenEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTask:
    """A task with what could be found out about its data.

    Attributes:
        loaded: its samples; None when the data is not on this machine.
        input_tokens: estimate for one pass over the samples; None likewise, and for conversations, whose rules, tools
            and turns are not known before.
        problem: why the data could not be loaded; None when it could.
    """

    task: Task
    loaded: LoadedTask | None = None
    input_tokens: TokenEstimate | None = None
    problem: str | None = None

    @property
    def n_samples(self) -> int | None:
        """Loaded samples, else the number that the suite expects; None = not known."""
        return len(self.loaded.samples) if self.loaded is not None else self.task.dataset.expected_rows


def suites_table(suites: Sequence[Suite]) -> Table:
    """One row a suite."""
    columns = (
        Column(name="suite"),
        Column(name="version"),
        Column(name="n_tasks", kind="integer", title="tasks"),
        Column(name="n_samples", kind="integer", title="samples", description="Expected rows of all tasks."),
        Column(name="scorers"),
        Column(name="gated", kind="boolean"),
        Column(name="title"),
    )
    return Table(
        name="suites", title="Suites", columns=columns, rows=[tuple(suite_facts(one).values()) for one in suites]
    )


def suite_facts(suite: Suite) -> dict[str, Any]:
    """One suite in one line; `n_samples` is None when a task does not say how many rows it expects."""
    expected = [task.dataset.expected_rows for task in suite.tasks]
    return {
        "suite": suite.name,
        "version": suite.version,
        "n_tasks": len(suite.tasks),
        "n_samples": None if None in expected else sum(rows for rows in expected if rows is not None),
        "scorers": ", ".join(dict.fromkeys(task.scorer.name for task in suite.tasks)),
        "gated": any(task.dataset.gated for task in suite.tasks),
        "title": suite.title,
    }


def share_facts(suite: Suite) -> dict[str, Any]:
    """How much of a published index a suite measures, and what is missing; empty where it is no index."""
    if not suite.is_index:
        return {}
    measured = sum(member.weight for member in suite.members)
    whole = measured + sum(one.weight for one in suite.missing)
    return {
        "measured_weight": round(measured / whole, 12),
        "missing": [one.model_dump(mode="json") for one in suite.missing],
    }


def _share_notes(suite: Suite) -> Iterator[str]:
    facts = share_facts(suite)
    if facts and facts["missing"]:
        missing = ", ".join(f"{one.name} ({100 * one.weight:.4g} %: {one.why})" for one in suite.missing)
        yield f"measures {100 * facts['measured_weight']:.4g} % of the index' weight; not measured: {missing}"


def _conversation_notes(shown: Sequence[ShownTask]) -> Iterator[str]:
    names = [one.task.name for one in shown if one.task.is_conversation]
    if names:
        yield (
            f"{', '.join(names)}: a sample is a conversation of many requests; how many, and their tokens, is told by"
            " `benchtab run --dry-run` as far as it can be known"
        )


def task_facts(shown: ShownTask) -> dict[str, Any]:
    """Everything about one task that a person asks before running it."""
    task, loaded, samples = shown.task, shown.loaded, shown.n_samples
    tokens = shown.input_tokens
    return {
        "task": task.name,
        "n_samples": samples,
        "epochs": task.epochs,
        "n_requests": None if samples is None or task.is_conversation else samples * task.epochs,
        "weight": task.weight,
        "scorer": task.scorer.name,
        "input_tokens": None if tokens is None else tokens.total * task.epochs,
        "token_estimate": None if tokens is None else tokens.method,
        "dataset": task.dataset.path,
        "revision": loaded.revision if loaded else task.dataset.revision,
        "samples_sha256": loaded.samples_sha256 if loaded else None,
        "licence": task.dataset.licence,
        "max_output_tokens": task.max_output_tokens,
        "max_output_tokens_reasoning": task.max_output_tokens_reasoning,
        "origin": task.origin,
        "warnings": list(loaded.warnings) if loaded else [],
        "problem": shown.problem,
        "first_prompt": prompts.text_of(loaded.samples[0].input) if loaded else None,
        "first_prompt_images": len(prompts.images_of(loaded.samples[0].input)) if loaded else None,
    }


def tasks_table(suite: Suite, shown: Sequence[ShownTask]) -> Table:
    """One row a task; `n_requests` and `input_tokens` include the repeats."""
    columns = (
        Column(name="task"),
        Column(name="n_samples", kind="integer", title="samples"),
        Column(name="epochs", kind="integer"),
        Column(name="n_requests", kind="integer", title="requests"),
        Column(name="weight", kind="ratio"),
        Column(name="scorer"),
        Column(name="input_tokens", kind="integer", unit="tokens", title="input tokens (estimate)"),
        Column(name="dataset", title="data set"),
    )
    facts = [task_facts(one) for one in shown]
    rows = [tuple(fact[column.name] for column in columns) for fact in facts]
    notes = (*_share_notes(suite), *_conversation_notes(shown))
    title = f"{suite.name} {suite.version}: {suite.title}"
    return Table(name="tasks", title=title, columns=columns, rows=rows, notes=notes)
