"""How much a model will write: forecast from its own answers, else from comparable models', references, or a default.

Pure. Data flows (items left with their caps, stored `AnswerLength`s, references) -> `OutputForecast` in tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import harmonic_mean
from typing import Literal, NamedTuple

from harness.ledger.reading.conversations.conversation_costs import ConversationCost
from harness.ledger.reading.forecast_rows import AnswerLength
from harness.models import ModelSpec
from harness.runner.forecast.references import ReferenceLengths
from harness.runner.plan import ModelPlan
from harness.stats.totals_to_come import RareEvents, Stratum, noise_share, rare_events_upper_bound, total_to_come

Source = Literal["own answers", "like models", "reference", "default", "earlier runs", "default turns"]
USUAL_OUTPUT_TOKENS = {True: 2800, False: 350}
"""Output tokens a request, by whether the model reasons: o1 wrote about 44.9 million and GPT-4o about 5.6 million
over the 16,097 requests of Artificial Analysis' seven evaluations (see results/published/)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskToAsk:
    """What of one task is left to ask a model.

    Attributes:
        requests: requests of each sample, by its id.
        cap: most output tokens of a request; None = no cap is sent.
    """

    name: str
    requests: Mapping[str, int]
    cap: int | None

    @property
    def n_requests(self) -> int:
        """Requests of all its samples."""
        return sum(self.requests.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputForecast:
    """Output tokens to come of one suite on one model.

    Attributes:
        low, high: 90 % prediction interval; None = too little is known for one.
        ceiling: total that runaway answers cannot lift it above, with 95 % confidence; without enough answers of the
            model itself every request at its cap; None without a cap.
        sources: what each task's length comes from, by task.
        means: output tokens of an answer, by task.
        n_answers: stored answers of this model, or of like models, that it rests on.
    """

    expected: int
    low: int | None
    high: int | None
    ceiling: int | None
    sources: Mapping[str, Source]
    means: Mapping[str, float]
    n_answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Stored answers to the items of one suite; `conversations` = its samples that were asked in many turns."""

    answers: Sequence[AnswerLength] = field(default=())
    conversations: Sequence[ConversationCost] = field(default=())

    def own(self, model: ModelPlan) -> dict[str, list[AnswerLength]]:
        """Answers of the same model at the same setting, by task."""
        return _by_task(one for one in self.answers if ModelSpec.of(one) == model.spec)

    def alike(self, model: ModelPlan) -> dict[str, list[AnswerLength]]:
        """Answers of other models of the kind at the same setting, by task; simulated ones only among themselves."""
        return _by_task(
            one
            for one in self.answers
            if ModelSpec.of(one) != model.spec
            and model.reasons is not None
            and (one.reasoning, one.setting, one.simulated) == (model.reasons, model.spec.setting, model.simulated)
        )


def forecast_output(
    tasks: Sequence[TaskToAsk], model: ModelPlan, history: History, references: ReferenceLengths
) -> OutputForecast:
    """Forecast the output of what is left to ask; each task from the best source that it has."""
    own, alike = history.own(model), history.alike(model)
    lengths = {
        task.name: _length(task, model, own.get(task.name, []), alike.get(task.name, []), references) for task in tasks
    }
    low, high = _interval(tasks, own)
    return OutputForecast(
        expected=round(sum(task.n_requests * lengths[task.name].mean for task in tasks)),
        low=low,
        high=high,
        ceiling=_ceiling(tasks, own, at_least=high or 0),
        sources={name: length.source for name, length in lengths.items()},
        means={name: length.mean for name, length in lengths.items()},
        n_answers=sum(length.n_answers for length in lengths.values()),
    )


class _Length(NamedTuple):
    """Mean output tokens of an answer, never above its cap, and the stored answers behind it."""

    source: Source
    mean: float
    n_answers: int


def _length(
    task: TaskToAsk,
    model: ModelPlan,
    own: Sequence[AnswerLength],
    alike: Sequence[AnswerLength],
    references: ReferenceLengths,
) -> _Length:
    if own:
        return _Length("own answers", _mean(_item_means(own, task.cap)), len(own))
    if alike:
        models: defaultdict[ModelSpec, list[AnswerLength]] = defaultdict(list)
        for one in alike:
            models[ModelSpec.of(one)].append(one)
        # each model counts the same, however often it was asked
        mean = _mean([_mean(_item_means(found, task.cap)) for found in models.values()])
        return _Length("like models", mean, len(alike))
    reasons = model.reasons is not False
    published = references.get((task.name, reasons))
    if published is not None:
        return _Length("reference", _capped(published, task.cap), 0)
    return _Length("default", _capped(USUAL_OUTPUT_TOKENS[reasons], task.cap), 0)


def _interval(tasks: Sequence[TaskToAsk], own: Mapping[str, Sequence[AnswerLength]]) -> tuple[int | None, int | None]:
    """Interval of the total; None where a task has too few answers, or some that a lower cap than today's cut short."""
    if any(_cut_below(own.get(task.name, ()), task.cap) for task in tasks):
        return None, None
    found = total_to_come([_stratum(task, own.get(task.name, ())) for task in tasks])
    if found.ci_low is None or found.ci_high is None:
        return None, None
    most = _all_at_cap(tasks)
    high = round(found.ci_high)
    return max(0, round(found.ci_low)), high if most is None else min(high, most)


def _cut_below(answers: Iterable[AnswerLength], cap: int | None) -> bool:
    return any(one.truncated and (cap is None or one.output_tokens < cap) for one in answers)


def _stratum(task: TaskToAsk, answers: Iterable[AnswerLength]) -> Stratum:
    lengths = _by_item(answers, task.cap)
    n_new = [number for name, number in task.requests.items() if name not in lengths]
    return Stratum(
        seen=[_mean(found) for found in lengths.values()],
        n_to_come=task.n_requests,
        n_again=task.n_requests - sum(n_new),
        answers=harmonic_mean(map(len, lengths.values())) if lengths else 1,
        repeats=_mean(n_new) if n_new else 1,
        noise=noise_share(list(lengths.values())),
    )


def _ceiling(tasks: Sequence[TaskToAsk], own: Mapping[str, Sequence[AnswerLength]], *, at_least: int) -> int | None:
    """The total if no answer were cut, as high as its interval goes, and what cut answers can add to it."""
    most = _all_at_cap(tasks)
    if most is None:
        return None
    whole = {task.name: [one for one in own.get(task.name, ()) if not one.truncated] for task in tasks}
    body = total_to_come([_stratum(task, whole[task.name]) for task in tasks])
    if body.ci_high is None:
        return most
    cut = rare_events_upper_bound([_cut(task, own[task.name], whole[task.name]) for task in tasks if task.n_requests])
    return min(most, max(at_least, round(body.ci_high + cut)))


def _cut(task: TaskToAsk, answers: Sequence[AnswerLength], whole: Sequence[AnswerLength]) -> RareEvents:
    assert task.cap is not None  # there is no ceiling without
    at_most = max(0.0, task.cap - _mean([_capped(one.output_tokens, task.cap) for one in whole]))
    return RareEvents(n_hits=len(answers) - len(whole), n_seen=len(answers), would_add=task.n_requests * at_most)


def _all_at_cap(tasks: Sequence[TaskToAsk]) -> int | None:
    caps = [task.n_requests * task.cap for task in tasks if task.cap is not None]
    return sum(caps) if len(caps) == len(tasks) else None


def _by_item(answers: Iterable[AnswerLength], cap: int | None) -> dict[str, list[float]]:
    items: defaultdict[str, list[float]] = defaultdict(list)
    for one in answers:
        items[one.sample_id].append(_capped(one.output_tokens, cap))
    return items


def _item_means(answers: Iterable[AnswerLength], cap: int | None) -> list[float]:
    return [_mean(lengths) for lengths in _by_item(answers, cap).values()]


def _capped(tokens: float, cap: int | None) -> float:
    return tokens if cap is None else min(tokens, cap)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _by_task(answers: Iterable[AnswerLength]) -> dict[str, list[AnswerLength]]:
    tasks: defaultdict[str, list[AnswerLength]] = defaultdict(list)
    for one in answers:
        tasks[one.task].append(one)
    return tasks
