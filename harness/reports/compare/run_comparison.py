"""Two stored runs compared: the edge that makes the reports which `comparison.compare` pairs.

Data flows ledger + price book -> two spend reports, and the later run at the earlier one's prices -> `Comparison`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.errors import InputError
from harness.instants import from_us
from harness.ledger import Ledger
from harness.models import ModelSpec
from harness.pricing.book import PriceBook
from harness.reports.compare.comparison import Comparison, Thresholds, compare
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.report import SpendReport, SpendRow
from harness.reports.spend.spend_tables import label


def compare_runs(
    ledger: Ledger,
    book: PriceBook,
    base: str,
    head: str,
    thresholds: Thresholds,
    *,
    replaced: Mapping[ModelSpec, ModelSpec] | None = None,
) -> Comparison:
    """Report on both runs, and on the later one at the earlier one's prices, and compare them.

    Args:
        replaced: models of the later run -> models of the earlier run that they stand in for, where the earlier run
            has no row of the same name.

    Raises:
        InputError: no such run.
    """
    before, after, repriced = reports_to_compare(ledger, book, base, head)
    return compare(_renamed(before, after, replaced or {}), after, repriced, thresholds)


def compare_models(
    ledger: Ledger, book: PriceBook, runs: tuple[str, str], models: tuple[str, str], thresholds: Thresholds
) -> Comparison:
    """Compare a model of one run with another model or setting, of the same run or of a second one.

    Args:
        runs: the run of each model; may be the same one twice.
        models: `provider/model[@setting]`, the one to compare with first.

    Raises:
        InputError: no such run, or no such model in it.
    """
    before = spend_report(ledger, book, [runs[0]])
    after = before if runs[0] == runs[1] else spend_report(ledger, book, [runs[1]])
    base, head = _only(before, models[0], runs[0]), _only(after, models[1], runs[1])
    spec = _spec(head.rows[0])
    renamed = replace(base, rows=tuple(_with_name(row, spec) for row in base.rows))
    made = compare(renamed, head, _at_prices_of(ledger, book, base, head), thresholds)
    return replace(made, models=(label(base.rows[0]), label(head.rows[0])))


def _at_prices_of(ledger: Ledger, book: PriceBook, base: SpendReport, head: SpendReport) -> SpendReport | None:
    """Charge the head's tokens at the prices of the base's model when its run began; None = it has none to ask for."""
    one, other = _spec(base.rows[0]), _spec(head.rows[0])
    question = None
    if (one.provider, one.model) != (other.provider, other.model):
        if not book.reachable(one.provider, one.model) or set(",=@") & set(one.model):
            return None
        question = f"model={one.provider}/{one.model}"
    as_of = from_us(base.runs[0].created_at_us)
    repriced = spend_report(ledger, book, [head.runs[0].run_id], as_of=as_of, what_if=question)
    return _only(repriced, head.rows[0].facts.name, head.runs[0].run_id)


def _only(report: SpendReport, model: str, run: str) -> SpendReport:
    """Keep the rows of one model; its provider may be left out where that is clear."""
    names = {row.facts.name for row in report.rows}
    wanted = {model} & names or {name for name in names if name.partition("/")[2] == model}
    if len(wanted) != 1:
        what = f"run {run} has no model {model!r}" if not wanted else f"{model!r} is several models of run {run}"
        raise InputError(what, where="--models", fix=f"one of: {', '.join(sorted(wanted or names))}")
    return replace(report, rows=tuple(row for row in report.rows if row.facts.name in wanted))


def reports_to_compare(
    ledger: Ledger, book: PriceBook, base: str, head: str
) -> tuple[SpendReport, SpendReport, SpendReport]:
    """Report on the earlier run, on the later one, and on the later one at the earlier one's prices."""
    before = spend_report(ledger, book, [base])
    after = spend_report(ledger, book, [head])
    return before, after, spend_report(ledger, book, [head], as_of=from_us(before.runs[0].created_at_us))


def _renamed(before: SpendReport, after: SpendReport, replaced: Mapping[ModelSpec, ModelSpec]) -> SpendReport:
    """Give rows of the earlier run the name of the model that took their place."""
    names = {_spec(row) for row in before.rows}
    successors = {old: new for new, old in replaced.items() if old in names and new not in names}
    wanted = {_spec(row) for row in after.rows}
    rows = [
        _with_name(row, successors[_spec(row)]) if successors.get(_spec(row)) in wanted else row for row in before.rows
    ]
    return replace(before, rows=tuple(rows))


def _spec(row: SpendRow) -> ModelSpec:
    return ModelSpec.of(row.facts)


def _with_name(row: SpendRow, spec: ModelSpec) -> SpendRow:
    facts = replace(row.facts, provider=spec.provider, model=spec.model, setting=spec.setting)
    return replace(row, facts=facts)
