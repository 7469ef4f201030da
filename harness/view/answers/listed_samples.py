"""Rows of samples as pages and their files show them: numbers from the index, texts from the ledger, some at a time.

Data flows places in a `SampleIndex` -> typed rows under `Column`s, equal to those of the `samples` export.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import orjson

from harness.documents.stream import RowStream
from harness.documents.table import Column
from harness.ledger import Ledger
from harness.ledger.reading.export_rows import Scored, planned_samples, scores_by_attempt
from harness.ledger.reading.viewed.said_beginnings import Said, first_message, said_beginnings
from harness.reports.exports.whole_samples import question_text, storable_text
from harness.secrets import redact_known
from harness.view.answers.index_plan import Ints
from harness.view.answers.index_turns import LIMITS, has_turns
from harness.view.answers.sample_choice import RIGHT, VERDICTS, model_name
from harness.view.answers.sample_index import (
    GAP,
    HAS_DURATION,
    HAS_FIRST_BYTE,
    IS_TOLD,
    KNOWS_USAGE,
    NOT_ITEMISED,
    TOKENS,
    SampleIndex,
)

SHOWN_CHARACTERS = 160
"""Of a question and of an answer in a list."""
SEARCHED_BYTES = 1_000_000
"""Of each text in which is searched."""
_MOST_BYTES = 16_384
_AT_A_TIME = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One sample as lists show it; None = not known. Dollars are exact."""

    entry: int
    cell_id: int
    planned_id: int
    attempt_id: int | None
    values: Mapping[str, Any]


COLUMNS: tuple[Column, ...] = (  # what is asked first comes first: a phone shows three of them
    Column(name="sample_id", title="sample", description="Sample within its task."),
    Column(name="epoch", kind="integer", title="repeat", description="Repeat of the sample, from 0."),
    Column(name="verdict", description="What became of it: right, wrong, partly right, or no score."),
    Column(name="score", kind="ratio", description="0 to 1, as reports count it."),
    Column(name="cost_usd", kind="amount", unit="USD", title="cost $", description="All solving attempts, exactly."),
    Column(name="cost_is_lower_bound", kind="boolean", title="or more", description="Part of the cost is not known."),
    Column(name="model", description="Model with its reasoning setting."),
    Column(name="suite", description="Suite."),
    Column(name="task", description="Task."),
    Column(name="reason", description="Why there is no score of a scorer."),
    Column(name="output_tokens", kind="integer", unit="tokens", title="output", description="All output tokens."),
    Column(name="reasoning_tokens", kind="integer", unit="tokens", title="reasoning", description="Of the output."),
    Column(name="reasoning_share", kind="percent", title="share", description="Reasoning of all output, in percent."),
    Column(name="input_tokens", kind="integer", unit="tokens", title="input", description="Uncached input tokens."),
    Column(name="duration_s", kind="decimal", unit="s", title="seconds", description="Of the answered attempt."),
    Column(name="time_to_first_byte_s", kind="decimal", unit="s", title="first byte", description="In seconds."),
    Column(name="n_turns", kind="integer", title="turns", description="Answers of the model in the conversation."),
    Column(name="n_tool_calls", kind="integer", title="calls", description="Tool calls that the model wanted made."),
    Column(name="limit", description="Limit that ended the conversation."),
    Column(name="n_attempts", kind="integer", title="attempts", description="Solving requests sent."),
    Column(name="n_retries", kind="integer", title="retries", description="Attempts that repeat an earlier one."),
    Column(name="judge_cost_usd", kind="amount", unit="USD", title="judge $", description="Its judge's attempts."),
    Column(name="judge_cost_is_lower_bound", kind="boolean", title="judge or more", description="Likewise."),
    Column(name="question", description="How the question begins; empty where no transcripts were kept."),
    Column(name="answer", description="Answer as extracted."),
)
SORTS = {
    "model": "model", "task": "task", "verdict": "score", "score": "score", "reason": "reason", "cost_usd": "cost",
    "output_tokens": "output", "reasoning_tokens": "reasoning", "reasoning_share": "share", "input_tokens": "input",
    "duration_s": "duration", "time_to_first_byte_s": "first_byte", "n_attempts": "attempts", "n_retries": "retries",
    "judge_cost_usd": "judge_cost", "n_turns": "turns", "n_tool_calls": "calls",
}  # fmt: skip
"""Column -> name of the order by it."""


def shown_columns(index: SampleIndex) -> tuple[Column, ...]:
    """Leave out columns that say the same of all samples of a run."""
    hidden = index.remember("hidden", lambda: _hidden(index))
    shown = tuple(column for column in COLUMNS if column.name not in hidden)
    if not has_turns(index):
        return shown
    return tuple(replace(one, description=_WALL) if one.name == "duration_s" else one for one in shown)


_WALL = "From the first request of a conversation to its last answer; of a single request that of its answer."


def _hidden(index: SampleIndex) -> set[str]:
    plan, value = index.plan, index.columns["value"]
    same = {
        "suite": len({suite for suite, _ in plan.tasks}) < 2,
        "task": len(plan.tasks) < 2,
        "epoch": len(plan.sample) == int(plan.sample.max(initial=-1)) + 1,
        "cost_is_lower_bound": not index.is_lower_bound("cost").any(),
        "judge_cost_usd": not (index.columns["judge_cost"].any() or index.is_lower_bound("judge_cost").any()),
        "judge_cost_is_lower_bound": not index.is_lower_bound("judge_cost").any(),
        "time_to_first_byte_s": not (index.columns["facts"] & HAS_FIRST_BYTE).any(),
        "score": not ((value > 0) & (value < RIGHT)).any(),
        "n_turns": not has_turns(index),
        "n_tool_calls": not has_turns(index) or not index.columns["n_calls"].any(),
        "limit": not has_turns(index) or not index.columns["limit"].any(),
    }
    return {name for name, is_same in same.items() if is_same}


def listed(index: SampleIndex, ledger: Ledger, entries: Ints) -> list[Listed]:
    """Read what lists show of some samples, in the order given; the caller holds the index."""
    numbers = [_numbers(index, entry) for entry in entries.tolist()]
    costs = zip(*(index.usd(name, entries.tolist()) for name in ("cost", "judge_cost")), strict=True)
    why, counted = index.remember("why", index.why)[entries], index.remember("counted", index.counted)[entries]
    planned = planned_samples(ledger, [one["planned_id"] for one in numbers])
    attempts = [one["attempt_id"] for one in numbers if one["attempt_id"] is not None]
    scores = scores_by_attempt(ledger, attempts)
    said = said_beginnings(ledger, attempts, most_bytes=_MOST_BYTES)
    questions = {attempt_id: asked_text(one.prompt) for attempt_id, one in said.items()}
    rows = zip(entries.tolist(), numbers, costs, why.tolist(), counted.tolist(), strict=True)
    found = []
    for entry, one, (cost, judge), reason, score in rows:
        cell = index.plan.cells[int(index.model[entry])]
        sample, attempt_id = planned[one["planned_id"]], one["attempt_id"]
        scored = scores.get(attempt_id)
        values = {
            **one,
            "sample_id": sample.sample_id,
            "epoch": sample.epoch,
            "suite": cell.suite,
            "task": sample.task,
            "model": model_name(cell),
            "verdict": verdict(score),
            "score": None if score < 0 else score / RIGHT,
            "reason": index.reasons[reason] or None,
            "cost_usd": cost,
            "judge_cost_usd": judge,
            "question": _beginning(questions.get(attempt_id)),
            "answer": _beginning(None if scored is None else scored.answer),
        }
        cell_id = cell.cell_id or 0
        found.append(
            Listed(entry=entry, cell_id=cell_id, planned_id=sample.planned_id, attempt_id=attempt_id, values=values)
        )
    return found


def _numbers(index: SampleIndex, entry: int) -> dict[str, Any]:
    """Read the numbers of one entry as the export types them."""
    one = {name: int(column[entry]) for name, column in index.columns.items()}
    bits, facts = one["bits"], one["facts"]
    tokens = {name: one[name] if bits & KNOWS_USAGE else None for name in TOKENS}
    if bits & NOT_ITEMISED:
        tokens["reasoning_tokens"] = None
    return {
        "planned_id": int(index.plan.planned[index.question[entry]]),
        "attempt_id": None if one["attempt"] < 0 else one["attempt"],
        **tokens,
        "reasoning_share": _percent(tokens["reasoning_tokens"], tokens["output_tokens"]),
        "duration_s": one["duration_us"] / 1_000_000 if facts & HAS_DURATION else None,
        "time_to_first_byte_s": one["first_byte_us"] / 1_000_000 if facts & HAS_FIRST_BYTE else None,
        "n_attempts": one["n_attempts"],
        "n_retries": one["n_retries"],
        **_of_conversation(one),
        "cost_is_lower_bound": bool(bits & GAP["cost"]),
        "judge_cost_is_lower_bound": bool(bits & GAP["judge_cost"]),
    }


def _of_conversation(one: Mapping[str, int]) -> dict[str, Any]:
    is_told = bool(one["bits"] & IS_TOLD)
    calls = one.get("n_calls", -1)
    return {
        "n_turns": one["n_turns"] if is_told else None,
        "n_tool_calls": calls if is_told and calls >= 0 else None,
        "limit": LIMITS[one.get("limit", 0)] or None,
    }


def _percent(part: int | None, whole: int | None) -> float | None:
    """Give a share; None = it is not known, or one of nothing."""
    return None if not whole or part is None else round(100 * part / whole, 1)


def verdict(score: int) -> str:
    """Word a score in millionths; below 0 = there is none."""
    if score < 0:
        return VERDICTS["none"]
    return VERDICTS["right"] if score >= RIGHT else VERDICTS["partial"] if score else VERDICTS["wrong"]


def asked_text(prompt: str) -> str:
    """Write messages, as JSON that may have been cut, as one text."""
    try:
        return question_text(orjson.loads(prompt))
    except ValueError:  # it was cut
        return first_message(prompt)


def _beginning(text: str | None) -> str | None:
    """Give the first words of a text on one line; None = it was not kept."""
    if text is None:
        return None
    line = " ".join(storable_text(redact_known(text)).split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 1]}…"


def row_of(one: Listed, columns: Sequence[Column]) -> tuple[Any, ...]:
    """Give the values of a row under columns."""
    return tuple(one.values[column.name] for column in columns)


def stream_listed(index: SampleIndex, entries: Ints, columns: Sequence[Column], ledger: Ledger) -> RowStream:
    """Stream chosen samples in the order given; memory does not grow with their number."""

    def parts() -> Iterator[Sequence[Sequence[Any]]]:
        for start in range(0, len(entries), _AT_A_TIME):
            with index.lock:
                some = listed(index, ledger, entries[start : start + _AT_A_TIME])
            yield list(zip(*(row_of(one, columns) for one in some), strict=True))

    return RowStream(name="samples", columns=tuple(columns), batches=parts())


def with_text(index: SampleIndex, ledger: Ledger, entries: Ints, text: str) -> Ints:
    """Keep samples whose question, reasoning, reply or extracted answer has a text, whatever its case."""
    wanted, kept = text.casefold(), []
    for start in range(0, len(entries), _AT_A_TIME):
        some = entries[start : start + _AT_A_TIME]
        attempts = index.columns["attempt"][some].tolist()
        said = said_beginnings(ledger, [number for number in attempts if number >= 0], most_bytes=SEARCHED_BYTES)
        scores = scores_by_attempt(ledger, [number for number in attempts if number >= 0])
        for entry, number in zip(some.tolist(), attempts, strict=True):
            if wanted in _searched(said.get(number), scores.get(number)).casefold():
                kept.append(entry)
    return np.array(kept, np.int64)


def _searched(said: Said | None, scored: Scored | None) -> str:
    """Give the texts of a sample in which is searched, as pages show them: without secrets."""
    texts = [] if said is None else [asked_text(said.prompt), said.reasoning or "", said.answer]
    extracted = None if scored is None else scored.answer
    return redact_known("\n".join((*texts, extracted or "")))
