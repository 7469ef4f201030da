"""What two runs or models an address sets against each other.

Data flows query -> `CompareChoice`; `?run=A&run=B` (boxes ticked on the page of runs) is the same as base and head.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.ledger import RunRecord
from harness.reports.compare.comparison import Thresholds
from harness.reports.compare.gate_rules import parse_share
from harness.view.page_addresses import COMPARE, with_query
from harness.view.page_values import Asked

SAMPLES = f"{COMPARE}/samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareChoice:
    """What is compared.

    Attributes:
        base, head: names of runs; empty = not chosen yet.
        models: the model of each; None = every model with itself.
        missing: what is not chosen yet, in words; empty = all is.
    """

    base: str
    head: str
    models: tuple[str, str] | None
    missing: str

    @property
    def said(self) -> str:
        """Name the two: the models where two were chosen, else the runs."""
        base, head = self.models or (self.base, self.head)
        return f"{head} against {base}"

    def address(self, path: str, **more: str) -> str:
        """Lead to another page about the same two."""
        return with_query(path, {"base": self.base, "head": self.head, "models": self.models or (), **more})


def compare_choice(asked: Asked) -> CompareChoice:
    """Read what is asked: one run alone is compared with itself where two models are named.

    Of two ticked runs the one that began earlier is the base.
    """
    base, head = asked.one("base"), asked.one("head")
    if (ticked := asked.many("run")) and not (base or head):
        base, head = _in_order(asked, ticked[0], ticked[1] if len(ticked) > 1 else "")
    models = [name for name in asked.many("models") if name]
    head = head or (base if len(models) == 2 else "")
    return CompareChoice(base=base, head=head, models=_two(models), missing=_missing(base, head, len(models)))


def _missing(base: str, head: str, n_models: int) -> str:
    if not base:
        return "choose two runs"
    if not head:
        return "choose a second run, or two models of this one"
    if n_models == 1:
        return "choose a second model, or none"
    return "choose two models of this run, or a second run" if base == head and not n_models else ""


def _two(models: list[str]) -> tuple[str, str] | None:
    return (models[0], models[1]) if len(models) > 1 else None


def _in_order(asked: Asked, first: str, second: str) -> tuple[str, str]:
    one, other = (asked.sources.ledger.run(name) if name else None for name in (first, second))
    if one is not None and other is not None and other.created_at_us < one.created_at_us:
        return second, first
    return first, second


def chosen_runs(asked: Asked, choice: CompareChoice) -> tuple[RunRecord, RunRecord]:
    """Read the two runs.

    Raises:
        NotThere: one of them does not exist.
    """
    return asked.sources.run(choice.base), asked.sources.run(choice.head)


def chosen_thresholds(asked: Asked) -> Thresholds:
    """Read what a gate would tolerate, as `benchtab compare` does.

    Raises:
        InputError: not a number of its unit.
    """
    return Thresholds(
        cost_increase=parse_share(asked.one("max_cost_increase") or None, "%", "max_cost_increase"),
        score_drop=parse_share(asked.one("max_score_drop") or None, "pt", "max_score_drop"),
    )
