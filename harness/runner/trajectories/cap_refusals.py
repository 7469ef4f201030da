"""Which runs the caps of their samples cannot hold, as far as that is known before anything is sent.

Data flows (plan, prices) -> an error with its fix, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from harness.costs.served import Served
from harness.costs.worst_case import NoBound, cannot_hold, no_cap, no_price, worst_case_usd
from harness.errors import InputError
from harness.models import ModelSpec
from harness.money import plain
from harness.pricing.book import PriceBook
from harness.providers.image_counts import image_count
from harness.runner.plan import JUDGED, ModelPlan, PlannedItem, PreparedRun
from harness.runner.preparation import judges
from harness.runner.requests.item_questions import item_messages, output_cap
from harness.runner.trajectories.limits import Used, tokens_left
from harness.runner.trajectories.sample_caps import cap_usd
from harness.runner.trajectories.user_models import USER_OUTPUT_TOKENS, user_model, user_models
from harness.suites.tokens import upper_bound_messages

_WHERE = "the cap of a sample"


def refuse_capped(prepared: PreparedRun, book: PriceBook, now: datetime) -> None:
    """Refuse caps of samples under which requests have no worst case, or under which the first one never fits.

    Rules and tools of a conversation are not known before its environment is opened: where they alone make the first
    request too dear, its sample ends when it is asked.

    Raises:
        UnpricedModelError: somebody who is asked has no price, or a task no output cap.
        InputError: how many samples have a first request dearer than their cap.
    """
    capped = [(item, cap) for item in prepared.items if (cap := _cap(prepared, item)) is not None]
    if not capped:
        return
    if reasons := list(_unbounded(prepared, [item for item, _ in capped], book, now)):
        raise cannot_hold(reasons, where=_WHERE)
    for model in prepared.models:
        _refuse_small(prepared, model, capped, book, now)


def _cap(prepared: PreparedRun, item: PlannedItem) -> Decimal | None:
    return cap_usd(item.task.solver, prepared.spec.max_usd_per_sample)


def _unbounded(prepared: PreparedRun, items: list[PlannedItem], book: PriceBook, now: datetime) -> Iterator[NoBound]:
    tasks = {(item.suite.name, item.task.name): item for item in items}.values()
    for model in prepared.models:
        served = _served(prepared, model.spec, now)
        if (lacking := no_price(book, served)) is not None:
            yield lacking
        for item in tasks:
            if output_cap(item, model, prepared.spec.max_output_tokens) is None:
                yield no_cap(served, of=f"task {item.task.name!r}")
    others: list[ModelSpec] = user_models(prepared.suites, prepared.spec)
    if any(item.task.scorer.name == JUDGED for item in tasks):
        others += judges(prepared)
    for spec in others:
        if (lacking := no_price(book, Served(provider=spec.provider, model=spec.model, at=now))) is not None:
            yield lacking


def _refuse_small(
    prepared: PreparedRun, model: ModelPlan, capped: list[tuple[PlannedItem, Decimal]], book: PriceBook, now: datetime
) -> None:
    small: list[tuple[Decimal, str, str]] = []
    for item, cap in capped:
        first = _first_of_model(prepared, item, model, book, now), *_first_of_user(prepared, item, book, now)
        known = ((usd, asked) for usd, asked in first if usd is not None)
        usd, asked = max(known, key=lambda one: one[0], default=(Decimal(0), ""))
        if usd > cap:
            small.append((usd, asked, item.sample.sample_id))
    if small:
        worst, asked, _ = max(small, key=lambda one: one[0])
        lowered = "; --max-output-tokens lowers what one costs" if asked == str(model.spec) else ""
        raise InputError(
            f"{len(small):,} of {len(capped):,} samples may cost more than their cap with a first request to {asked},"
            f" {small[0][2]} among them; the dearest up to ${plain(worst)}",
            where=_WHERE,
            fix=f"--max-usd-per-sample {plain(worst)} lets each be asked{lowered}",
        )


def _first_of_model(
    prepared: PreparedRun, item: PlannedItem, model: ModelPlan, book: PriceBook, now: datetime
) -> tuple[Decimal | None, str]:
    tokens = tokens_left(item.task.solver, Used(), output_cap(item, model, prepared.spec.max_output_tokens))
    # what a user says first is not known either
    is_shown = item.task.solver.name != "user_simulation"
    bound = upper_bound_messages(item_messages(item) if is_shown else (), count_image=image_count(model.spec))
    served = _served(prepared, model.spec, now)
    return worst_case_usd(book, served, input_tokens=bound, max_output_tokens=tokens or 0), str(model.spec)


def _first_of_user(
    prepared: PreparedRun, item: PlannedItem, book: PriceBook, now: datetime
) -> Iterator[tuple[Decimal | None, str]]:
    """Whoever speaks first, a conversation in which the user never can is none."""
    spec = user_model(item.task.solver, prepared.spec)
    if spec is not None:
        served = Served(provider=spec.provider, model=spec.model, at=now, speed="standard")
        yield worst_case_usd(book, served, input_tokens=0, max_output_tokens=USER_OUTPUT_TOKENS), f"{spec} as its user"


def _served(prepared: PreparedRun, spec: ModelSpec, now: datetime) -> Served:
    return Served(
        provider=spec.provider, model=spec.model, at=now, service_tier=prepared.spec.service_tier, speed="standard"
    )
