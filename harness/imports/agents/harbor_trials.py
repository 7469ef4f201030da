"""The calls of one trial of Harbor, or of one trajectory, and its rewards.

Data flows stated totals and steps -> a call for each step where these add up, else one for the whole -> records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from harness.declared import JsonObject
from harness.imports.agents.atif_trajectories import Call, Header, Sums, asked_of, calls_in, usage_of
from harness.imports.containers.json_values import a_count, a_number, a_text, an_amount, an_object
from harness.imports.gateways.logged_answers import doubt_in
from harness.imports.log_formats import SourceFile
from harness.imports.log_instants import instant_us
from harness.imports.log_records import (
    Broken,
    ImportedAttempt,
    ImportedCell,
    ImportedScore,
    ImportedUsage,
    Record,
    SampleKey,
)

_MAIN_REWARD = "reward"
_COST_NOTE = "an estimate of the agent or of Harbor, by litellm's price list"


@dataclass(slots=True, kw_only=True)
class TrialCalls:
    """The calls of one trial, or of one trajectory.

    Attributes:
        total: what it used in all.
        window: when it ran.
        last: identity of the last call of the trial's own model.
    """

    cell: ImportedCell
    key: str
    sample: SampleKey
    where: str
    total: Sums
    window: tuple[int | None, int | None]
    trajectory: SourceFile | None
    header: Header | None
    texts: bool
    last: str | None = None
    differing: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)

    def records(self) -> Iterator[Record]:
        """Give the steps where they are all that was used, else the whole."""
        header, total = self.header, self.total
        if (
            header is not None
            and header.n_calls
            and (not total.is_known or header.steps == (total.prompt, total.completion))
        ):
            if not total.is_known:
                self.unsure.append(f"{self.where} states no total; its steps are counted")
            yield from self._steps(header)
            return
        if header is not None and header.n_calls:
            self.differing.append(
                f"{self.where}: steps hold (input, output) tokens {header.steps}, the total, which is counted,"
                f" {(total.prompt, total.completion)}"
            )
        yield from self._whole()

    def _steps(self, header: Header) -> Iterator[Record]:
        assert self.trajectory is not None
        total_usd = self.total.cost_usd or header.total.cost_usd
        is_split = total_usd is None or abs(header.steps_cost_usd - total_usd) * 10**6 <= total_usd
        for call in calls_in(self.trajectory, header.agent, texts=self.texts):
            extra = an_object(call.metrics.get("extra"))
            counts = [call.metrics.get(name) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")]
            usage = usage_of(counts, extra, call.metrics)
            is_last = call.number == header.n_calls
            cost = call.cost_usd if is_split else total_usd if is_last else None
            yield self._attempt(f"step {call.number}", usage, cost, call=call)

    def _whole(self) -> Iterator[Record]:
        """Give the total as one call, or as one for each model where it is told apart."""
        total = self.total
        if not total.is_known:
            return
        parts = _parts(total)
        for name, part in parts.items():
            counts = [part.get(f"n_{word}_tokens") for word in ("input", "cache", "output")]
            usage = self._sum(usage_of(counts, {}, part))
            yield self._attempt(f"all of {name}", usage, an_amount(part.get("cost_usd")) or None, model_name=name)
        if parts:
            return
        extra: JsonObject = {}
        if self.header is not None and self.header.total.prompt == total.prompt:
            extra = self.header.total.extra
        raw: JsonObject = {
            "n_input_tokens": total.prompt, "n_cache_tokens": total.cached, "n_output_tokens": total.completion,
            "extra": extra,
        }  # fmt: skip
        usage = self._sum(usage_of((total.prompt, total.cached, total.completion), extra, raw))
        yield self._attempt("all", usage, total.cost_usd)

    def _sum(self, usage: ImportedUsage | None) -> ImportedUsage | None:
        """Say of a usage that it sums many calls: none of them had a prompt as long as all of theirs together."""
        if usage is None or usage.usage.is_missing:
            return usage
        largest = 0 if self.header is None else min(self.header.largest_prompt, usage.usage.input_tokens or 0)
        return replace(usage, usage=replace(usage.usage, context_tokens=largest))

    def _attempt(
        self,
        place: str,
        usage: ImportedUsage | None,
        cost: Decimal | None,
        *,
        call: Call | None = None,
        model_name: str | None = None,
    ) -> Record:
        if usage is not None and (doubt := doubt_in(usage)) is not None:
            return Broken(where=f"{self.where}: {place}", reason=doubt)
        name = model_name if call is None else call.model_name
        provider, model = asked_of(name, self.cell.provider, self.cell.model)
        began_us, ended_us = self._span(call)
        identity = f"{self.key}/{place}"
        if self.last is None or model == self.cell.model:  # the score is the main model's, not a sub-agent's
            self.last = identity
        return ImportedAttempt(
            cell=self.cell,
            identity=identity,
            sample=self.sample,
            provider=provider,
            model=model,
            usage=usage,
            started_at_us=began_us,
            finished_at_us=ended_us,
            stated_cost_usd=cost or None,
            cost_note=_COST_NOTE if cost else None,
            service_tier=None if usage is None else usage.usage.service_tier,
            said=None if call is None else call.said,
        )

    def _span(self, call: Call | None) -> tuple[int | None, int | None]:
        """Say when a call began and ended: at the instant of its step, or with the whole where that states none."""
        return self.window if call is None or call.at_us is None else (call.at_us, call.at_us)


def _parts(total: Sums) -> Mapping[str, JsonObject]:
    """Tell a total apart by models; empty = there is one model, or its parts are not all of it."""
    by_model = an_object(total.extra.get("model_usage"))
    parts = {name: an_object(value) for name, value in by_model.items()}
    summed = sum(a_count(part.get("n_output_tokens")) or 0 for part in parts.values())
    return parts if len(parts) > 1 and summed == total.completion else {}


def scores_of(trial: JsonObject, last: str) -> Iterator[Record]:
    """Give the rewards of a trial, the one that Harbor calls so at the end."""
    rewards = an_object(an_object(trial.get("verifier_result")).get("rewards"))
    exception = a_text(an_object(trial.get("exception_info")).get("exception_type"))
    at_us = instant_us(trial.get("finished_at"))
    for name in sorted(rewards, key=lambda one: (one == _MAIN_REWARD, one)):
        value = a_number(rewards[name])
        reason = None
        if trial.get("reward_valid") is False:
            value, reason = None, f"not valid: {exception or 'the trial failed'}"
        elif value is None or not 0 <= value <= 1:
            value, reason = None, f"{rewards[name]} is no number from 0 to 1"
        yield ImportedScore(
            attempt=last, scorer=name, value=value, reason=reason, explanation=exception, scored_at_us=at_us
        )
