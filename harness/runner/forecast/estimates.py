"""What a run would send and cost, before anything is sent: requests, input tokens, a forecast and an upper bound.

Pure apart from the tokenizer and the references. Data flows prepared run + stored answers + price book -> one
`CostEstimate` per suite and model. Input is counted; output is the unknown, and forecast from the best that is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial

from harness.costs.cost import price_request
from harness.costs.served import Served
from harness.costs.stretches import RateStretches
from harness.costs.worst_case import worst_case_usd
from harness.ledger.reading.conversations.conversation_costs import ConversationCost
from harness.models import ModelSpec
from harness.money import EXACT
from harness.pricing.book import PriceBook
from harness.providers.image_counts import image_count
from harness.runner.forecast.cost_estimates import CostEstimate, nothing_single, with_talks
from harness.runner.forecast.output_forecast import USUAL_OUTPUT_TOKENS, History, TaskToAsk, forecast_output
from harness.runner.forecast.prompt_sizes import PromptClass, prompt_classes, shares
from harness.runner.forecast.references import reference_lengths
from harness.runner.plan import ModelPlan, PlannedItem, PreparedRun
from harness.runner.requests.item_questions import item_messages, output_cap
from harness.runner.trajectories.expected_turns import Talks, TalksToCome, expected_talks
from harness.runner.trajectories.sample_caps import cap_usd
from harness.runner.trajectories.user_models import user_model, user_models
from harness.suites.image_tokens import CountImage
from harness.suites.tokens import TokenEstimate, estimate_samples, image_tokens_of, upper_bound_messages
from harness.usage import Usage

NO_HISTORY: Mapping[str, History] = {}


def estimate_run(
    run: PreparedRun,
    book: PriceBook,
    now: datetime,
    *,
    history: Mapping[str, History] = NO_HISTORY,
    asks: Callable[[ModelSpec, PlannedItem], bool] | None = None,
) -> list[CostEstimate]:
    """Estimate each suite on each model of a run.

    Args:
        history: stored answers by suite.
        asks: which items a model would still be asked; None = all.
    """
    estimator = Estimator(run, book, now, history)
    estimates = []
    for name, items in items_by_suite(run).items():
        tokens = estimator.tokens(items)
        for model in run.models:
            left = items if asks is None else [item for item in items if asks(model.spec, item)]
            counted = tokens if len(left) == len(items) else estimator.tokens(left)
            estimates.append(estimator.estimate(name, left, counted, model))
    return estimates


def items_by_suite(run: PreparedRun) -> dict[str, list[PlannedItem]]:
    """Planned samples in draw order, suite by suite."""
    found: dict[str, list[PlannedItem]] = {loaded.suite.name: [] for loaded in run.suites}
    for item in run.items:
        found[item.suite.name].append(item)
    return found


class Estimator:
    """Prices what models of one run would be asked.

    Args:
        at_once: bounds are left out, and the input is counted by characters for models without stored answers; both
            take their time.
    """

    def __init__(
        self,
        run: PreparedRun,
        book: PriceBook,
        now: datetime,
        history: Mapping[str, History],
        *,
        at_once: bool = False,
    ) -> None:
        self._run = run
        self._options = run.spec
        self._book = book
        self._now = now
        self._history = history
        self._at_once = at_once
        self._references = reference_lengths()
        self._stretches = RateStretches(book)

    def tokens(self, items: Sequence[PlannedItem]) -> TokenEstimate:
        """Count the input."""
        own = {(one.provider, one.model) for known in self._history.values() for one in known.answers}
        is_known = any((model.spec.provider, model.spec.model) in own for model in self._run.models)
        return estimate_samples([item.sample for item in items], roughly=self._at_once and not is_known)

    def input_tokens(self, items: Sequence[PlannedItem], tokens: TokenEstimate, model: ModelPlan) -> int:
        """Estimated input of items whose texts were counted: their images by the rule of the model's provider."""
        samples = [item.sample for item in items]
        own = image_tokens_of(samples, image_count(model.spec))
        return tokens.total + own - image_tokens_of(samples)

    def estimate(
        self, suite: str, items: Sequence[PlannedItem], tokens: TokenEstimate, model: ModelPlan
    ) -> CostEstimate:
        """Estimate one suite on one model."""
        places = [place for place, item in enumerate(items) if not item.task.is_conversation]
        if len(places) == len(items):
            return self._of_single(suite, items, tokens, model)
        few = TokenEstimate(tokens=tuple(tokens.tokens[place] for place in places), method=tokens.method)
        single = self._of_single(suite, [items[place] for place in places], few, model)
        return with_talks(single, self.talks(suite, items, tokens, model), self._users())

    def talks(self, suite: str, items: Sequence[PlannedItem], tokens: TokenEstimate, model: ModelPlan) -> list[Talks]:
        """What the conversations among these items are expected to cost, task by task."""
        prompts: dict[str, list[tuple[PlannedItem, int]]] = {}
        for item, counted in zip(items, tokens.tokens, strict=True):
            if item.task.is_conversation:
                prompts.setdefault(item.task.name, []).append((item, counted))
        earlier = self._history.get(suite, History()).conversations
        found = []
        for task, own in prompts.items():
            user = user_model(own[0][0].task.solver, self._options)
            found.append(
                expected_talks(
                    self._to_come(own, model),
                    [one for one in earlier if one.task == task and _is_like(one, model.spec, user)],
                    partial(self._price, self._served(model)),
                    None
                    if user is None
                    else partial(self._price, Served(provider=user.provider, model=user.model, at=self._now)),
                )
            )
        return found

    def _to_come(self, own: Sequence[tuple[PlannedItem, int]], model: ModelPlan) -> TalksToCome:
        item = own[0][0]
        solver, cap = item.task.solver, self.cap(item, model)
        reply = USUAL_OUTPUT_TOKENS[model.reasons is not False]
        return TalksToCome(
            task=item.task.name,
            samples=Counter(one.sample.sample_id for one, _ in own),
            prompt_tokens=sum(counted for _, counted in own) / len(own),
            max_turns=solver.max_turns,
            output_cap=cap,
            reply_tokens=reply if cap is None else min(reply, cap),
            cap_usd=cap_usd(solver, self._options.max_usd_per_sample),
            has_user=solver.name == "user_simulation",
        )

    def _price(self, served: Served, input_tokens: float, output_tokens: float) -> Decimal | None:
        usage = Usage(input_tokens=round(input_tokens), output_tokens=round(output_tokens), context_tokens=0)
        return price_request(self._book, usage, served).list_usd

    def _users(self) -> tuple[str, ...]:
        return tuple(map(str, user_models(self._run.suites, self._options)))

    def _of_single(
        self, suite: str, items: Sequence[PlannedItem], tokens: TokenEstimate, model: ModelPlan
    ) -> CostEstimate:
        """Estimate what is asked in one request each."""
        if not items and self._has_talks(suite):
            return nothing_single(suite, model, is_rough=tokens.method != "o200k")
        caps = [self.cap(item, model) for item in items]
        output = forecast_output(_tasks(items, caps), model, self._history.get(suite, History()), self._references)
        input_tokens = self.input_tokens(items, tokens, model)
        usd = partial(self._usd_by_size, model, self._prompt_classes(items, tokens, model))
        bound = None
        if not self._at_once:
            bound = _bound(items, caps, self._book, self._served(model), image_count(model.spec))
        return CostEstimate(
            suite=suite,
            model=model,
            n_requests=len(items),
            input_tokens=input_tokens,
            is_rough=tokens.method != "o200k",
            output=output,
            input_usd=usd(0),
            estimated_usd=usd(output.expected),
            low_usd=usd(output.low),
            high_usd=usd(output.high),
            ceiling_usd=_lower(usd(output.ceiling), bound),
            upper_bound_usd=bound,
        )

    def _has_talks(self, suite: str) -> bool:
        return any(
            task.is_conversation for one in self._run.suites if one.suite.name == suite for task in one.suite.tasks
        )

    def cap(self, item: PlannedItem, model: ModelPlan) -> int | None:
        """Most output tokens of an answer; None = no cap is sent."""
        return output_cap(item, model, self._options.max_output_tokens)

    def usd(
        self, model: ModelPlan, input_tokens: int, output_tokens: int, *, context_tokens: int | None = None
    ) -> Decimal | None:
        """List price of these tokens now; None when unpriced.

        Args:
            context_tokens: size of each prompt where there are several; None = there is one.
        """
        usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, context_tokens=context_tokens)
        return price_request(self._book, usage, self._served(model)).list_usd

    def usd_per_answer(
        self, model: ModelPlan, items: Sequence[PlannedItem], tokens: TokenEstimate, output_tokens: int | None
    ) -> Decimal | None:
        """Mean list price of an answer of so many tokens to one of these items; None as for `usd`."""
        if output_tokens is None:
            return None
        usd = self._usd_by_size(model, self._prompt_classes(items, tokens, model), output_tokens * len(items))
        return None if usd is None else usd / len(items)

    def _prompt_classes(
        self, items: Sequence[PlannedItem], tokens: TokenEstimate, model: ModelPlan
    ) -> tuple[PromptClass, ...]:
        own = image_count(model.spec)
        sizes = [
            counted + image_tokens_of([item.sample], own) - image_tokens_of([item.sample])
            for item, counted in zip(items, tokens.tokens, strict=True)
        ]
        return prompt_classes(sizes, self._served(model), self._stretches)

    def _usd_by_size(
        self, model: ModelPlan, classes: Sequence[PromptClass], output_tokens: int | None
    ) -> Decimal | None:
        """List price of requests, each at the rates for the size of its prompt; the output is shared out evenly."""
        if output_tokens is None:
            return None
        if not classes:
            return self.usd(model, 0, output_tokens)
        total = Decimal(0)
        for one, output in zip(classes, shares(output_tokens, classes), strict=True):
            usd = self.usd(model, one.input_tokens, output, context_tokens=one.context_tokens)
            if usd is None:
                return None
            total = EXACT.add(total, usd)
        return total

    def _served(self, model: ModelPlan) -> Served:
        return Served(
            provider=model.spec.provider,
            model=model.spec.model,
            at=self._now,
            service_tier=self._options.service_tier,
            mode="batch" if self._options.batch else None,
            thinking=model.reasons,
        )


def _tasks(items: Sequence[PlannedItem], caps: Sequence[int | None]) -> list[TaskToAsk]:
    """What is left of each task; a cap belongs to a task and model, so that all its items have the same."""
    requests: dict[str, Counter[str]] = {}
    for item in items:
        requests.setdefault(item.task.name, Counter())[item.sample.sample_id] += 1
    cap_of = {item.task.name: cap for item, cap in zip(items, caps, strict=True)}
    return [TaskToAsk(name=name, requests=found, cap=cap_of[name]) for name, found in requests.items()]


def _lower(ceiling: Decimal | None, bound: Decimal | None) -> Decimal | None:
    return ceiling if ceiling is None or bound is None else min(ceiling, bound)


def _bound(
    items: Sequence[PlannedItem],
    caps: Sequence[int | None],
    book: PriceBook,
    served: Served,
    count_image: CountImage,
) -> Decimal | None:
    total = Decimal(0)
    for item, cap in zip(items, caps, strict=True):
        worst = None
        if cap is not None:
            input_tokens = upper_bound_messages(item_messages(item), count_image=count_image)
            worst = worst_case_usd(book, served, input_tokens=input_tokens, max_output_tokens=cap)
        if worst is None:
            return None
        total = EXACT.add(total, worst)
    return total


def _is_like(earlier: ConversationCost, model: ModelSpec, user: ModelSpec | None) -> bool:
    """Whether a conversation was one of the same parties; another user has other prices, and says other things."""
    played = None if user is None else f"{user.provider}/{user.model}"
    return ModelSpec.of(earlier) == model and earlier.user_model in (None, played)
