"""Which budgets an attempt counts against, and which runs they cannot hold.

Budgets live in the ledger (`Ledger.set_budget`): one for a run, and over all runs one for a model, a day and a month.
Data flows (run, model, instant) -> scopes; (plan, caps, prices) -> a refusal with its fix, before anything is sent.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from harness.costs.served import Served
from harness.costs.worst_case import NoBound, cannot_hold, no_cap, no_price
from harness.errors import InputError
from harness.instants import from_us, to_us
from harness.ledger import Ledger
from harness.ledger.scopes import set_scope, simulated_twin
from harness.models import ModelSpec, parse_model
from harness.money import parse_usd
from harness.pricing.book import PriceBook
from harness.runner.plan import ModelPlan, PreparedRun
from harness.runner.requests.item_questions import output_cap
from harness.runner.trajectories.user_models import user_models

_DAY_US = 86_400_000_000
_DAY = re.compile(r"day:\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"month:\d{4}-\d{2}")


def budget_scopes(
    run_id: str, spec: ModelSpec, wall_us: int, *, simulated: bool = False, others: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The budgets that an attempt counts against: its run, its model, its day and its month (UTC), and others.

    Args:
        simulated: its dollars are made up; those of a day and a month are counted apart from real ones.
    """
    return _scopes_of_day(run_id, spec.name, wall_us // _DAY_US, simulated, others)


@functools.lru_cache(maxsize=1_000)
def _scopes_of_day(
    run_id: str, model: str, day_number: int, simulated: bool, others: tuple[str, ...]
) -> tuple[str, ...]:  # a key
    day = from_us(day_number * _DAY_US)
    spans = (f"day:{day:%Y-%m-%d}", f"month:{day:%Y-%m}")
    if simulated:
        spans = (f"{simulated_twin(spans[0])}", f"{simulated_twin(spans[1])}")
    return (f"run:{run_id}", f"model:{model}", *spans, *others)


def check_scope(scope: str) -> str:
    """Return a scope as it is stored.

    Raises:
        InputError: it names no run, model, day or month.
    """
    kind, _, name = scope.partition(":")
    try:
        if _DAY.fullmatch(scope):
            datetime.strptime(name, "%Y-%m-%d")  # noqa: DTZ007  # only whether there is such a day
            return scope
        if _MONTH.fullmatch(scope):
            datetime.strptime(name, "%Y-%m")  # noqa: DTZ007  # only whether there is such a month
            return scope
        if kind == "model" and name:
            return f"model:{parse_model(name).name}"
    except ValueError:
        pass
    if kind == "run" and name:
        return scope
    raise InputError(
        f"not a budget: {scope!r}",
        where="SCOPE",
        fix="write day:2026-11-22, month:2026-11, model:provider/name or run:RUN (days and months in UTC)",
    )


def capped_scopes(ledger: Ledger) -> frozenset[str]:
    """Scopes with a cap."""
    return frozenset(scope for scope, budget in ledger.budgets().items() if budget.cap_pico_usd is not None)


def refuse_unbounded(prepared: PreparedRun, ledger: Ledger | None, book: PriceBook, now: datetime) -> None:
    """Refuse a run whose requests have no worst case in dollars although a budget must hold them.

    Args:
        ledger: where caps are stored; None = the run's own budget is the only one.

    Raises:
        UnpricedModelError: a model under a budget has no price, or a task of it no output cap.
    """
    stored = frozenset() if ledger is None else capped_scopes(ledger)
    own = {f"run:{prepared.run_id}"} if prepared.spec.budget_usd is not None else set()
    found: dict[str, list[NoBound]] = {}
    for model in prepared.models:
        counted = budget_scopes(prepared.run_id, model.spec, to_us(now), simulated=model.simulated)
        scope = next((scope for scope in counted if scope in stored | own), None)
        if scope is not None:
            where = "--budget-usd" if scope in own else set_scope(scope)
            found.setdefault(where, []).extend(_unbounded(prepared, model, book, now))
    for where in list(found):  # whoever else is asked counts against the same budgets
        found[where] += [
            lacking
            for spec in user_models(prepared.suites, prepared.spec)
            if (lacking := no_price(book, Served(provider=spec.provider, model=spec.model, at=now))) is not None
        ]
    for where, reasons in found.items():
        if reasons:
            raise cannot_hold(reasons, where=where)


def _unbounded(prepared: PreparedRun, model: ModelPlan, book: PriceBook, now: datetime) -> Iterator[NoBound]:
    """Say why requests of a model have no worst case: its price, and each task without an output cap."""
    spec = prepared.spec
    served = Served(
        provider=model.spec.provider,
        model=model.spec.model,
        at=now,
        service_tier=spec.service_tier,
        mode="batch" if spec.batch else None,
    )
    lacking = no_price(book, served)
    if lacking is not None:
        yield lacking
    tasks = {(item.suite.name, item.task.name): item for item in prepared.items}
    for (_, task), item in tasks.items():
        if output_cap(item, model, spec.max_output_tokens) is None:
            yield no_cap(served, of=f"task {task!r}")


def parse_cap(text: str) -> Decimal:
    """Read a cap in dollars as an exact decimal; zero is a cap that lets nothing through.

    Raises:
        InputError: not an amount.
    """
    return parse_usd(text, where="USD", zero_allowed=True)
