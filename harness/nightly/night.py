"""One night: set the budgets, run the matrix, choose the baseline, compare, decide the exit code, remember the verdict.

Data flows config + ledger + price book -> `Night`. What makes a run a bad baseline is written beside the run in the
ledger, so that the job keeps no state of its own and the next night may run on another machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from harness.errors import InputError
from harness.instants import from_us
from harness.ledger import Ledger, RunRecord
from harness.ledger.records import NO_BASELINE_NOTE, Budget
from harness.ledger.scopes import is_twin, simulated_twin
from harness.models import parse_model
from harness.money import to_pico_ceiling
from harness.nightly.config import NightlyConfig
from harness.nightly.night_result import Night, is_night_of
from harness.pricing.book import PriceBook
from harness.reports.compare.comparison import Comparison
from harness.reports.compare.gate_rules import OnInconclusive, gate_code
from harness.reports.compare.run_comparison import compare_runs
from harness.reports.facts.assembly import spend_report
from harness.reports.ledgers import run_detail, to_ask
from harness.runner.endings import RunResult
from harness.runner.execution import Observe, run_suites
from harness.runner.failed_samples import MAX_FAILED, too_many_failed
from harness.runner.session_setup import SessionOptions


def run_night(
    config: NightlyConfig,
    *,
    folder: Path,
    ledger: Ledger,
    book: PriceBook,
    wall_us: Callable[[], int],
    observe: Observe,
    run_id: str | None = None,
    handle_signals: bool = False,
    again: Sequence[str] = ("nightly", "CONFIG"),
) -> Night:
    """Run the matrix of a config once.

    Args:
        folder: where the config file lies.
        run_id: goes on with a night that was cut short or failed; None = a new night.
        again: words of the command, for those that are printed.

    Raises:
        InputError: config, suites or data are wrong, or the named baseline does not exist; nothing was sent.
    """
    started = from_us(wall_us())
    if config.baseline.run is not None and ledger.run(config.baseline.run) is None:
        raise InputError(f"there is no run {config.baseline.run}", where="baseline.run", fix="see: benchtab runs list")
    scopes = _set_budgets(config, ledger, started)
    result = run_suites(
        config.run_spec(folder),
        ledger=ledger,
        book=book,
        run_id=run_id or night_run_id(config.name, started),
        observe=observe,
        session=SessionOptions(wall_us=wall_us, handle_signals=handle_signals, retry_failed=run_id is not None),
    )
    head = ledger.run(result.run_id)
    assert head is not None
    base = find_baseline(config, ledger, head)
    comparison = None
    if base is not None and has_answers(ledger, head):
        comparison = compare_runs(
            ledger, book, base.run_id, head.run_id, config.thresholds(), replaced=config.matrix.replaced()
        )
    night = Night(
        name=config.name,
        result=result,
        report=spend_report(ledger, book, [head.run_id]),
        base=None if base is None else base.run_id,
        comparison=comparison,
        budgets=tuple(_that_count(ledger, [*scopes, f"run:{head.run_id}"])),
        verdict=_verdict(result, comparison),
        exit_code=exit_code(result, comparison, config.gate.on_inconclusive),
        on_inconclusive=config.gate.on_inconclusive,
        notes=_first_night(config, ledger, head) if base is None else (),
        again=tuple(again),
    )
    _remember(ledger, head, night)
    return night


def _that_count(ledger: Ledger, scopes: list[str]) -> Iterator[Budget]:
    """Give the budgets of a night; what simulated models spent of a day or a month has its own."""
    for scope, budget in ledger.budgets([*scopes, *filter(None, map(simulated_twin, scopes))]).items():
        if not is_twin(scope) or budget.spent_pico_usd or budget.reserved_pico_usd:
            yield budget


def night_run_id(name: str, started: datetime) -> str:
    """Make the id of a night's run: it sorts by time and says which job it belongs to."""
    return f"nightly-{name}-{started:%Y%m%dT%H%M%S%f}"[:-3]


def _set_budgets(config: NightlyConfig, ledger: Ledger, started: datetime) -> list[str]:
    """Cap models, the day and the month; a night may end on the next day, so that one is capped, too."""
    caps = {f"model:{parse_model(name).name}": cap for name, cap in config.budget.models.items()}
    for instant in (started, started + timedelta(days=1)):
        if config.budget.day_usd is not None:
            caps[f"day:{instant:%Y-%m-%d}"] = config.budget.day_usd
        if config.budget.month_usd is not None:
            caps[f"month:{instant:%Y-%m}"] = config.budget.month_usd
    for scope, cap in caps.items():
        ledger.set_budget(scope, to_pico_ceiling(cap))
    tomorrow = f"{started + timedelta(days=1):%Y-%m-%d}"
    return [scope for scope in caps if scope != f"day:{tomorrow}"]


def find_baseline(config: NightlyConfig, ledger: Ledger, head: RunRecord) -> RunRecord | None:
    """Choose what a night is compared with: the named run, else the job's last good run of the same suites."""
    if config.baseline.run is not None:
        return ledger.run(config.baseline.run)
    earlier = [run for run in ledger.runs() if is_night_of(run, config.name) and run.created_at_us < head.created_at_us]
    good = (run for run in reversed(earlier) if is_good(run))
    return next((run for run in good if _same_suites(run, head) and mostly_answered(ledger, run)), None)


def is_good(run: RunRecord) -> bool:
    """Tell whether a run may be a baseline: complete, and no gate spoke against it."""
    return run.status == "complete" and not any(warning.startswith(NO_BASELINE_NOTE) for warning in run.warnings)


def has_answers(ledger: Ledger, run: RunRecord) -> bool:
    """Tell whether any model answered anything: else there is nothing to compare."""
    return any(cell["n_answered"] for cell in run_detail(ledger, run.run_id)["cells"])


def mostly_answered(ledger: Ledger, run: RunRecord) -> bool:
    """Tell whether a run's models answered what they were asked, but for the share that may fail.

    A run's status says so since failed runs have one of their own; runs of earlier versions were complete in any case.
    """
    said = run.config.get("max_failed")
    share = said if isinstance(said, int | float) else MAX_FAILED
    cells = run_detail(ledger, run.run_id)["cells"]
    return all(not too_many_failed(to_ask(cell) - cell["n_answered"], to_ask(cell), share) for cell in cells)


def _same_suites(run: RunRecord, head: RunRecord) -> bool:
    """The same suites in the same versions, with the same repeats of each sample."""
    mine, theirs = ({(suite.name, suite.version, suite.sha256) for suite in one.suites} for one in (run, head))
    return mine == theirs and run.config.get("epochs") == head.config.get("epochs")


def _first_night(config: NightlyConfig, ledger: Ledger, head: RunRecord) -> tuple[str, ...]:
    """Say when a ledger holds no earlier night: in a CI job that is what a ledger that was not fetched looks like."""
    if any(is_night_of(run, config.name) and run.run_id != head.run_id for run in ledger.runs()):
        return ()
    return (
        f"the ledger {ledger.database} holds no earlier night of {config.name!r}: nothing was compared, and caps of "
        "the day and the month count from zero; if there were nights before, the job did not get their ledger",
    )


def exit_code(result: RunResult, comparison: Comparison | None, on_inconclusive: OnInconclusive = "fail") -> int:
    """Decide how the job ends.

    A run that failed or was interrupted says nothing (1, 130). A regression is sure evidence even on a part of the
    samples (4), before the budget's end (3); doubt (5) comes last.
    """
    gate = 0 if comparison is None else gate_code(comparison.verdict, on_inconclusive)
    if result.exit_code not in (0, 3):
        return result.exit_code
    return 4 if gate == 4 else result.exit_code or gate


def _verdict(result: RunResult, comparison: Comparison | None) -> str:
    code = exit_code(result, comparison)
    if code in (1, 3, 130):
        return {1: "failed", 3: "budget reached", 130: "interrupted"}[code]
    return "no baseline" if comparison is None else comparison.verdict


def _remember(ledger: Ledger, head: RunRecord, night: Night) -> None:
    """Write a verdict against the run beside it: such a run is no baseline."""
    kept = [warning for warning in head.warnings if not warning.startswith(NO_BASELINE_NOTE)]
    if night.verdict in ("regression", "inconclusive"):
        kept.append(f"{NO_BASELINE_NOTE}{night.verdict} against {night.base}")
    if tuple(kept) != head.warnings:
        ledger.finish_run(head.run_id, head.status, finished_at_us=head.finished_at_us, warnings=kept)


def accept_run(ledger: Ledger, run_id: str) -> None:
    """Make a run a good baseline although the gate spoke against it: the change is wanted.

    Raises:
        InputError: there is no such run, or it is not complete.
    """
    run = ledger.run(run_id)
    if run is None or run.status != "complete":
        what = f"there is no run {run_id}" if run is None else f"run {run_id} is {run.status}"
        raise InputError(what, where="--accept", fix="name a complete run; see: benchtab runs list")
    kept = [warning for warning in run.warnings if not warning.startswith(NO_BASELINE_NOTE)]
    ledger.finish_run(run_id, run.status, finished_at_us=run.finished_at_us, warnings=kept)
