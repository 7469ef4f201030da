"""A run at one moment as people read it and as programs are given it: the same figures in two forms.

Pure. Data flows `LiveState` -> `Words` for a page, JSON values for a program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.instants import exact_utc_text, from_us
from harness.money import from_pico
from harness.rendering.printable import on_one_line
from harness.rendering.progress import duration
from harness.reports.facts.report_facts import Spend
from harness.reports.spend.wording import NOT_KNOWN, count, dollars, whole
from harness.runner.forecast.bill_words import forecast_words, stage_words
from harness.runner.forecast.bills import BillForecast
from harness.secrets import redact_known
from harness.view.live.answer_pace import TimeLeft
from harness.view.live.live_values import LiveCell, LiveFailure, LiveState, LiveTask
from harness.view.page_addresses import run_address, sample_address

_NEVER_ENDS = "no end in sight"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the live part of a page says.

    Attributes:
        status: one sentence that changes only when the run's standing does.
        mark: how it looks: `good`, `bad` or nothing.
        figures: by the name of their place: what it says, and a smaller line below.
        models, tasks, failures: rows of the tables; a task's last two are what is done and what is planned.
        over: whether nothing more comes.
    """

    status: str
    mark: str
    as_of: str
    figures: dict[str, tuple[str, str]]
    models: Sequence[Sequence[str]]
    tasks: Sequence[Sequence[str]]
    failures: Sequence[Sequence[str]]
    over: bool


FIGURES = {
    "answers": "answers",
    "dollars": "dollars so far",
    "forecast": "forecast of the bill",
    "time_left": "time left",
    "in_flight": "requests in flight",
    "requests": "requests settled",
    "failed": "requests failed",
    "budget": "budget left",
}
"""Figures of the page in their order, with what stands below each."""
MODEL_COLUMNS = ("model", "suite", "answers", "failed", "in flight", "retries", "dollars", "forecast", "answers / min",
                 "time left")  # fmt: skip
TASK_COLUMNS = ("model", "suite", "task", "answers", "failed", "progress")
FAILURE_COLUMNS = ("when (UTC)", "model", "sample", "try", "reason")


def words_of(state: LiveState) -> Words:
    """Say how a run stands."""
    return Words(
        status=_status(state),
        mark={"complete": "good", "abandoned": "bad", "failed": "bad"}.get(state.standing, ""),
        as_of=f"{from_us(state.as_of_us):%Y-%m-%d %H:%M:%S} UTC",
        figures={name: (_safe(text), _safe(below)) for name, (text, below) in _figures(state).items()},
        models=[_safe_row(_model_row(cell, is_open_ended=state.is_open_ended)) for cell in state.cells],
        tasks=[_safe_row(row) for cell in state.cells for row in _task_rows(cell)],
        failures=[_safe_row(_failure_row(one, state.run_id)) for one in state.failures],
        over=state.is_over,
    )


def _safe(text: str) -> str:
    return redact_known(on_one_line(text))


def _safe_row(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(_safe, row))


def _status(state: LiveState) -> str:
    again = f"benchtab run --resume {state.run_id}"
    batches = state.batches
    lie = f"{_counted(batches.n_batches, 'batch', 'batches')} with {_counted(batches.n_lines, 'request')}"
    if state.standing == "waiting for a batch":
        return f"Waiting for {lie} at the provider."
    if state.standing == "under way":
        return f"Under way: {state.holder} works on it."
    if state.standing == "abandoned":
        lying = f" {lie} may lie at the provider." if batches.n_batches else ""
        return f"Nobody works on it: the process that ran it is gone.{lying} Go on with: {again}"
    said = {"complete": "Complete.", "failed": "Failed: more of a model's samples have no answer than may fail."}
    rest = f" {lie} lie at the provider." if batches.n_batches else ""
    return said.get(state.status, f"Partial: not everything planned is in it.{rest} Go on with: {again}")


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _figures(state: LiveState) -> dict[str, tuple[str, str]]:
    spend, planned = state.spend, state.n_planned
    more = " so far, more may be drawn" if state.is_open_ended else ""
    share = f"{state.n_answered / planned:.0%} of {count(planned)}{more}" if planned else "nothing planned yet"
    lost = f", of {count(state.n_failed)} the last try failed" if state.n_failed else ""
    return {
        "answers": (count(state.n_answered), f"{share}{lost}"),
        "dollars": (_charged(spend), _besides(spend)),
        "forecast": _forecast(state.forecast),
        "time_left": _time_left(state),
        "in_flight": (count(spend.n_open_attempts), f"{count(spend.n_attempts)} sent"),
        "requests": (count(state.n_settled), f"{count(spend.n_reused)} answers taken from earlier runs"),
        "failed": (count(spend.n_failed_attempts), f"{count(state.n_retries)} sent again"),
        "budget": _budget(state),
    }


def _charged(spend: Spend) -> str:
    """The dollars of what is settled: what is open stands beside it, and is no part of it."""
    missing = spend.n_unpriced_attempts or spend.n_incomplete_usage or spend.n_unknown_usage > spend.n_open_attempts
    if spend.is_unpriced:
        return whole(spend) if missing else dollars(spend.cost.total)
    return f"{'>= ' if missing else ''}{dollars(spend.cost.total)}"


def _besides(spend: Spend) -> str:
    parts = []
    if spend.n_unpriced_attempts:
        parts.append(f"{_counted(spend.n_unpriced_attempts, 'request')} unpriced")
    if spend.n_unknown_usage:
        bound = spend.possibly_billed_usd
        most = "no upper bound" if bound is None else f"at most {dollars(bound)} more"
        parts.append(f"{most}: {count(spend.n_unknown_usage)} open or of unknown usage")
    return "; ".join(parts) or "nothing open"


def _forecast(forecast: BillForecast | None) -> tuple[str, str]:
    if forecast is None:
        return NOT_KNOWN, "none was made"
    without = f", without {', '.join(forecast.unpriced)}: no price" if forecast.unpriced else ""
    has_interval = forecast.low is not None and forecast.high is not None
    return f"{forecast_words(forecast)}", f"{'90 %, ' if has_interval else ''}made {stage_words(forecast)}{without}"


def _time_left(state: LiveState) -> tuple[str, str]:
    if state.is_over:
        return "none", "it has ended"
    if state.time_left is None:
        why = {
            "abandoned": "nobody works on it",
            "waiting for a batch": "a batch takes what its provider takes",
        }.get(state.standing, "too few answers lately to tell")
        return "not known", why
    more = ", more may be drawn" if state.is_open_ended else ""
    return f"about {duration(state.time_left.expected_s)}", f"{_between(state.time_left)}{more}"


def _between(left: TimeLeft) -> str:
    high = _NEVER_ENDS if left.high_s is None else duration(left.high_s)
    return f"{duration(left.low_s)} to {high}, at the pace of the last minutes"


def _budget(state: LiveState) -> tuple[str, str]:
    if not state.budgets:
        return "no cap", "no budget holds this run"
    least = min(state.budgets, key=lambda one: one.left)
    rest = "".join(f"; {one.scope} {dollars(from_pico(one.left))}" for one in state.budgets if one is not least)
    return dollars(from_pico(least.left)), f"of {dollars(from_pico(least.cap))} for {least.scope}{rest}"


def _model_row(cell: LiveCell, *, is_open_ended: bool) -> tuple[str, ...]:
    return (
        cell.model,
        cell.suite,
        f"{count(cell.n_answered)} / {count(cell.n_planned)}",
        count(cell.n_failed),
        count(cell.spend.n_open_attempts),
        count(cell.n_retries),
        _charged(cell.spend),
        NOT_KNOWN if cell.forecast is None else forecast_words(cell.forecast),
        NOT_KNOWN if cell.answers_per_minute is None else f"{cell.answers_per_minute:.0f}",
        _model_time_left(cell, is_open_ended=is_open_ended),
    )


def _model_time_left(cell: LiveCell, *, is_open_ended: bool) -> str:
    if not cell.n_left:  # waves may draw more answers, and before the first nothing is planned
        return "done" if cell.n_planned and not is_open_ended else NOT_KNOWN
    return NOT_KNOWN if cell.time_left is None else f"about {duration(cell.time_left.expected_s)}"


def _task_rows(cell: LiveCell) -> list[tuple[str, ...]]:
    return [
        (
            cell.model,
            cell.suite,
            task.task,
            f"{count(task.n_answered)} / {count(task.n_planned)}",
            count(task.n_failed),
            f"{task.n_answered + task.n_failed}/{task.n_planned}",
        )
        for task in cell.tasks
    ]


def _failure_row(one: LiveFailure, run_id: str) -> tuple[str, ...]:
    to = "" if one.planned_id is None else sample_address(run_id, one.cell_id, one.planned_id)
    return (f"{from_us(one.at_us):%H:%M:%S}", one.model, one.sample, str(one.try_number), one.reason, to)


def figures_of(state: LiveState) -> dict[str, Any]:
    """Write a run at one moment as JSON values; dollars are exact."""
    spend = state.spend
    return {
        "run_id": state.run_id,
        "status": state.status,
        "standing": state.standing,
        "worked_on_by": state.holder,
        "simulated": state.is_simulated,
        "as_of": exact_utc_text(from_us(state.as_of_us)),
        "created_at": exact_utc_text(from_us(state.created_at_us)),
        "finished_at": None if state.finished_at_us is None else exact_utc_text(from_us(state.finished_at_us)),
        "requests": {**_requests(spend), "n_settled": state.n_settled, "n_retries": state.n_retries},
        "answers": _answers(state),
        **_bill(spend),
        "forecast": _forecast_object(state.forecast),
        "time_left": _time_object(state.time_left),
        "budgets": [
            {"scope": one.scope, "cap_usd": from_pico(one.cap), "left_usd": from_pico(one.left)}
            for one in state.budgets
        ],
        "batches": {"n_open": state.batches.n_batches, "n_requests": state.batches.n_lines},
        "models": [_cell_object(cell) for cell in state.cells],
        "failures": [
            {
                "attempt_id": one.attempt_id,
                "at": exact_utc_text(from_us(one.at_us)),
                "model": one.model,
                "sample": one.sample,
                "try_number": one.try_number,
                "reason": redact_known(one.reason),
            }
            for one in state.failures
        ],
        "page": run_address(state.run_id),
    }


def _requests(spend: Spend) -> dict[str, int]:
    return {
        "n_sent": spend.n_attempts,
        "n_in_flight": spend.n_open_attempts,
        "n_failed": spend.n_failed_attempts,
        "n_reused": spend.n_reused,
    }


def _answers(counted: LiveState | LiveCell | LiveTask) -> dict[str, int]:
    return {
        "n_planned": counted.n_planned,
        "n_answered": counted.n_answered,
        "n_failed": counted.n_failed,
    }


def _bill(spend: Spend) -> dict[str, object]:
    return {
        "usd": spend.known_usd,
        "is_lower_bound": spend.is_lower_bound,
        "possibly_billed_usd": spend.possibly_billed_usd,
        "n_unpriced_attempts": spend.n_unpriced_attempts,
        "n_unknown_usage": spend.n_unknown_usage,
    }


def _forecast_object(forecast: BillForecast | None) -> dict[str, object] | None:
    if forecast is None:
        return None
    ends = {"expected": forecast.expected, "low": forecast.low, "high": forecast.high, "ceiling": forecast.ceiling}
    return {
        "made": stage_words(forecast),
        **{f"{name}_usd": None if pico is None else from_pico(pico) for name, pico in ends.items()},
        "unpriced": list(forecast.unpriced),
    }


def _time_object(left: TimeLeft | None) -> dict[str, float | None] | None:
    if left is None:
        return None
    ends = {"expected_s": left.expected_s, "low_s": left.low_s, "high_s": left.high_s}
    return {name: None if value is None else round(value, 1) for name, value in ends.items()}


def _cell_object(cell: LiveCell) -> dict[str, object]:
    return {
        "model": cell.model,
        "suite": cell.suite,
        "requests": {**_requests(cell.spend), "n_retries": cell.n_retries},
        "answers": _answers(cell),
        **_bill(cell.spend),
        "forecast": _forecast_object(cell.forecast),
        "answers_per_minute": None if cell.answers_per_minute is None else round(cell.answers_per_minute, 2),
        "time_left": _time_object(cell.time_left),
        "tasks": [{"task": task.task, **_answers(task)} for task in cell.tasks],
    }
