"""Columns per sample that a report reads in slices are those of a plain count, attempt by attempt."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np

from harness.ledger import Ledger
from harness.ledger.reading.attempt_rows import AttemptRow, attempt_rows, score_rows
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.facts.samples.packed_columns import NameColumn, NumberColumn
from tests.support.report_ledgers import Try, add_run, used

REASONS = (None, None, "no_answer", "undecided", "a reason of a later version")


def _tries(chance: random.Random) -> Iterator[Try]:
    for _ in range(chance.choice([0, 1, 1, 1, 2, 4])):
        reason, is_answered = chance.choice(REASONS), chance.random() < 0.8
        usage = used(chance.randrange(10_000), chance.randrange(100, 70_000), chance.randrange(100))
        score = None if reason or not is_answered else chance.choice([0.0, 0.25, 1.0])
        yield Try(status="succeeded" if is_answered else chance.choice(["failed", None]), usage=usage, score=score,
                  reason=reason if is_answered else None)  # fmt: skip


def test_columns_per_sample_are_those_of_a_plain_count(ledger_url: str) -> None:
    """Three runs with repeats, retries, reasons of other versions, and samples that only some of the runs have."""
    chance = random.Random(20261128)
    with Ledger.open(ledger_url) as ledger:
        for run, n_epochs in (("a", 1), ("b", 2), ("c", 1)):
            names = [f"sample-{number}-\u00fc" for number in chance.sample(range(30), 20)]
            tries = {(name, epoch): list(_tries(chance)) for epoch in range(n_epochs) for name in names}
            asyncio.run(add_run(ledger, run, {"openai/o3": tries}))
        standing: dict[tuple[str, str, int | None], AttemptRow] = {}
        output, n_retries = Counter[str](), 0
        for row in attempt_rows(ledger):
            assert row.sample_id is not None
            output[row.sample_id] += row.output_tokens or 0
            n_retries += row.try_number > 1
            key = row.run_id, row.sample_id, row.epoch
            if key not in standing or row.status == "succeeded" or standing[key].status != "succeeded":
                standing[key] = row
        scores = {row.attempt_id: row for row in score_rows(ledger)}
        sums, counts, solves, without = defaultdict[str, float](float), Counter[str](), Counter[str](), Counter[str]()
        for (_, name, _), row in standing.items():
            found = scores.get(row.attempt_id)
            solves[name] += 1
            if found is not None and found.value_millionths is not None:
                sums[name] += found.value_millionths / 1e6
                counts[name] += 1
                continue
            reason = "failed" if row.status == "failed" else "pending" if found is None else str(found.reason)
            counts[name] += reason == "no_answer"
            without[reason] += 1
        (made,) = spend_report(ledger, load_price_book()).rows
        (task,) = made.facts.tasks
    assert sorted(task.sample_ids) == sorted(solves)
    for at, name in enumerate(task.sample_ids):
        figures = task.score_sums[at], task.score_counts[at], task.n_solves[at], task.output_tokens[at]
        assert figures == (sums[name], counts[name], solves[name], output[name]), name
    assert made.facts.solve.n_retries == n_retries > 0
    assert {**made.facts.n_unscored, **made.facts.n_without_answer} == without
    assert "a reason of a later version" in without


def test_packed_columns_read_like_lists() -> None:
    costs = NumberColumn[float | None](np.array([1.5, np.nan, 2.0]))
    assert (list(costs), costs[1], costs[-1], list(costs[1:])) == ([1.5, None, 2.0], None, 2.0, [None, 2.0])
    assert NumberColumn[float](np.array([250_000], np.int32), divisor=1_000_000) == [0.25]
    names = NameColumn.of([["a", "\u00fc", ""], ["b"]])
    assert (list(names), names[1], list(names[2:]), list(names.take(np.array([3, 0])))) == (
        ["a", "\u00fc", "", "b"], "\u00fc", ["", "b"], ["b", "a"],
    )  # fmt: skip
    assert names == ["a", "\u00fc", "", "b"]
    assert names != ["a", "\u00fc", "", "c"]
    assert names[:2] != names[2:]
