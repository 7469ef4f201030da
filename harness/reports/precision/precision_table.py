"""Rows that were asked in waves, for people and for JSON: both intervals by name, what was asked, spent and saved.

Pure. Data flows `SpendRow` with `DrawnFacts` -> table, notes, JSON object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from harness.documents.table import Column, Table
from harness.precision import PrecisionEstimate, StratumState
from harness.precision.estimator import Interval
from harness.precision.points import wanted_points
from harness.reports.precision.drawn_rows import NAMES, DrawnFacts
from harness.reports.spend import wording
from harness.reports.spend.notes import MOST_NAMED, label
from harness.reports.spend.report import SpendReport, SpendRow, float_money, money

_COLUMNS = (
    Column(name="model", title="model"),
    Column(name="suite", title="suite", drops=3),
    Column(name="this_suite", kind="decimal", title="this suite %"),
    Column(name="like_these", kind="decimal", title="questions like these %"),
    Column(name="wanted", title="wanted", drops=2),
    Column(name="asked", kind="integer", title="answers asked"),
    Column(name="cost", kind="usd", title="cost"),
    Column(name="whole", kind="usd", title="whole suite", drops=1),
    Column(name="saved", kind="percent", title="saved"),
    Column(name="waves", kind="integer", title="waves", drops=4),
)


def precision_table(report: SpendReport) -> Table:
    """Make the table of rows that were asked in waves; it has no rows where none was."""
    rows = drawn_rows(report.rows)
    return Table(
        name="precision",
        title="Asked as far as needed",
        columns=_COLUMNS,
        rows=[_row(row, drawn) for row, drawn in rows],
        notes=tuple(_notes(rows)) if rows else (),
    )


def drawn_rows(rows: Sequence[SpendRow]) -> list[tuple[SpendRow, DrawnFacts]]:
    """Give the rows that were asked in waves, with what is known of their draws."""
    return [(row, row.facts.drawn) for row in rows if row.facts.drawn is not None]


def _row(row: SpendRow, drawn: DrawnFacts) -> tuple[str | int, ...]:
    found = drawn.estimate
    return (
        label(row),
        row.facts.suite,
        _with_width(found, found.this_suite),
        _with_width(found, found.like_these),
        _wanted(drawn),
        f"{drawn.n_drawn:,}/{drawn.n_whole:,}",
        wording.whole(row.facts.solve),
        _whole_suite(row, drawn),
        _saved(row, drawn),
        drawn.n_waves,
    )


def _whole_suite(row: SpendRow, drawn: DrawnFacts) -> str:
    """Write what the whole suite would have cost; made from a lower bound it is one as well."""
    text = wording.dollars(drawn.whole_usd)
    return f">= {text}" if row.facts.solve.is_lower_bound and drawn.whole_usd is not None else text


def score_words(row: SpendRow) -> str:
    """Write a row's score; with the name of its interval where waves asked a part of the suite."""
    drawn = row.facts.drawn
    if drawn is None:
        return wording.score(row.score)
    if drawn.estimate.value is None:
        return wording.NOT_KNOWN
    return f"{_with_width(drawn.estimate, drawn.estimate.this_suite)} {NAMES['this_suite']}"


def points(share: float) -> str:
    """Write a width in percentage points: two digits below one point, so that 0.96 is not told from 1 by rounding."""
    return f"{100 * share:.2f}" if share < 0.00995 else f"{100 * share:.1f}"


def _with_width(found: PrecisionEstimate, interval: Interval) -> str:
    if found.value is None:
        return wording.NOT_KNOWN
    if not found.is_centred(interval):
        return f"{wording.percent(found.value)} [{wording.percent(interval.low)}-{wording.percent(interval.high)}]"
    return f"{wording.percent(found.value)} ±{points(interval.half_width)}"


def _wanted(drawn: DrawnFacts) -> str:
    if drawn.wanted is None:
        return "pilot"
    if drawn.kind != "score":
        return "a difference" if drawn.differences else "to compare with"
    return f"±{wanted_points(drawn.wanted)}: {drawn.ended}"


_DIFFERENCE_COLUMNS = (
    Column(name="model", title="model"),
    Column(name="against", title="less"),
    Column(name="suite", title="suite", drops=2),
    Column(name="this_suite", kind="percent", title="this suite, points"),
    Column(name="like_these", kind="percent", title="questions like these, points"),
    Column(name="wanted", title="wanted"),
    Column(name="n", kind="integer", title="common units", drops=1),
)


def differences_table(report: SpendReport) -> Table:
    """Make the table of differences that runs were to find out; it has no rows where none was."""
    rows = [(row, drawn, one) for row, drawn in drawn_rows(report.rows) for one in drawn.differences]
    return Table(
        name="differences",
        title="Differences that were asked for",
        columns=_DIFFERENCE_COLUMNS,
        rows=[
            (
                label(row),
                f"{one.against} (stored)" if one.is_stored else one.against,
                row.facts.suite,
                _points_of(one.estimate, one.estimate.this_suite),
                _points_of(one.estimate, one.estimate.like_these),
                f"±{wanted_points(one.wanted)}: {'reached' if one.is_reached else drawn.ended}",
                one.estimate.n_units,
            )
            for row, drawn, one in rows
        ],
        notes=("paired on the samples that both have.",) if rows else (),
    )


def _points_of(found: PrecisionEstimate, interval: Interval) -> str:
    if found.value is None:
        return wording.NOT_KNOWN
    if not found.is_centred(interval):
        return f"{100 * found.value:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    return f"{100 * found.value:+.1f} ±{points(interval.half_width)}"


def saved_usd(row: SpendRow, drawn: DrawnFacts) -> float | None:
    """Say what was saved: the whole suite's projected bill less what was asked.

    None = not known, or what was wanted was not reached, so that nothing was saved.
    """
    known = row.facts.solve.known_usd
    if known is None or drawn.whole_usd is None or row.facts.solve.is_lower_bound or drawn.ended == "stopped early":
        return None
    return max(0.0, drawn.whole_usd - float(known))


def _saved(row: SpendRow, drawn: DrawnFacts) -> str:
    saved = saved_usd(row, drawn)
    if saved is None or not drawn.whole_usd:
        return wording.NOT_KNOWN
    return f"{100 * saved / drawn.whole_usd:.0f} %"


def _notes(rows: Sequence[tuple[SpendRow, DrawnFacts]]) -> Iterator[str]:
    levels = sorted({drawn.level for _, drawn in rows})
    shown = " and ".join(f"{100 * level:.4g} %" for level in levels)
    yield (
        f"this suite: for exactly its samples, the model's own chance included, at {shown}. questions like these: the "
        "samples taken as a draw of more; asking the whole suite would not make that much narrower."
    )
    yield (
        "scores, $/task and $/correct are estimates for the whole suite: each task counts by its share, not by how "
        "much of it was asked. whole suite: about what it costs with all repeats, at the mean costs of what was asked."
    )
    told: dict[str, list[str]] = {}
    for row, drawn in rows:
        for note in drawn_notes(drawn):
            told.setdefault(note, []).append(f"{label(row)}, {row.facts.suite}")
    yield from (f"{_named(names)}: {note}" for note, names in told.items())


def _named(names: Sequence[str]) -> str:
    more = f"; and {len(names) - MOST_NAMED} more rows" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def drawn_notes(drawn: DrawnFacts) -> Iterator[str]:
    """Say of one row what a reader must know of its estimate."""
    yield from _ending_notes(drawn)
    if drawn.n_pending:
        yield f"{drawn.n_pending:,} drawn answers have not come yet; the estimate is without them"
    if drawn.n_given_up:
        yield (
            f"{drawn.n_given_up:,} of them were in flight when the run broke off: long answers, which are wrong more "
            "often, so that the estimate leans upwards until the run has gone on"
        )
    if drawn.estimate.value is not None and not drawn.best.measured and drawn.n_drawn < drawn.n_whole:
        yield "no sample was asked twice: how much of the spread is the model's own chance is an assumption (60 %)"
    if drawn.bank_is_lost:
        yield "the ledger does not hold the answers any more that predicted its samples: the estimate does without"
    elif drawn.bank_models:
        yield f"samples were predicted from stored answers of {_listed(drawn.bank_models)}"


def _ending_notes(drawn: DrawnFacts) -> Iterator[str]:
    """Say why there is no estimate, or why it is less exact than was asked for."""
    found = drawn.estimate
    if found.value is None:
        missing = [state.stratum.key for state in drawn.states if not state.observed.n_units]
        yield f"no score: no answer of {', '.join(missing)} has one, and the suite has no score without"
    elif drawn.ended == "stopped early" and drawn.wanted is not None and drawn.kind == "score":
        asked_for = f"±{wanted_points(drawn.wanted)} that were asked for"
        yield (
            f"stopped at ±{points(found.half_width)} points before the {asked_for}; the interval holds for what was "
            "asked until then"
        )
    elif drawn.ended == "stopped early":
        yield "stopped before what was asked for; the interval holds for what was asked until then"
    elif drawn.ended == "all asked" and drawn.is_reached is False:
        yield f"all there is was asked, and its repeats leave ±{points(found.half_width)} points"


def _listed(models: Sequence[str]) -> str:
    return ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")


def precision_object(row: SpendRow, drawn: DrawnFacts) -> dict[str, object]:
    """Write what a row that was asked in waves adds to the JSON contract; shares are between 0 and 1."""
    return {
        "kind": drawn.kind,
        "level": drawn.level,
        "wanted_half_width": drawn.wanted,
        "ended": drawn.ended,
        "is_reached": drawn.is_reached,
        **_intervals(drawn.estimate),
        "best_half_width": drawn.best.half_width,
        "repeat_noise_is_measured": drawn.best.measured,
        "n_answers_drawn": drawn.n_drawn,
        "n_answers_whole": drawn.n_whole,
        "n_answers_pending": drawn.n_pending,
        "n_answers_given_up": drawn.n_given_up,
        "n_waves": drawn.n_waves,
        "cost_usd": money(row.facts.solve.known_usd),
        "whole_suite_usd": float_money(drawn.whole_usd),
        "whole_suite_is_lower_bound": row.facts.solve.is_lower_bound,
        "saved_usd": float_money(saved_usd(row, drawn)),
        "bank_models": list(drawn.bank_models),
        "bank_is_lost": drawn.bank_is_lost,
        "differences": [
            {
                "against": one.against,
                "is_stored": one.is_stored,
                "wanted_half_width": one.wanted,
                "is_reached": one.is_reached,
                **_intervals(one.estimate),
            }
            for one in drawn.differences
        ],
        "tasks": [{"task": task, **_intervals(found)} for task, found in drawn.by_task.items()],
        "strata": [_stratum_object(state) for state in drawn.states],
    }


def _intervals(found: PrecisionEstimate) -> dict[str, object]:
    return {
        "score": found.value,
        **{
            name: None if found.value is None else {
                "ci_low": interval.low, "ci_high": interval.high, "half_width": interval.half_width,
            }
            for name, interval in (("this_suite", found.this_suite), ("questions_like_these", found.like_these))
        },
    }  # fmt: skip


def _stratum_object(state: StratumState) -> dict[str, object]:
    stratum = state.stratum
    return {
        "stratum": stratum.key,
        "task": stratum.task,
        "weight": stratum.weight,
        "n_units": stratum.n_units,
        "n_samples": stratum.n_items,
        "n_epochs": stratum.repeats,
        "units_drawn": list(state.passes),
        "n_units_scored": state.observed.n_units,
        "prediction": stratum.prediction,
    }


Entry = tuple[Column, Callable[[DrawnFacts, SpendRow], object]]


def _interval_column(name: str, which: str, about: str, read: Callable[[Interval], float]) -> Entry:
    def value(drawn: DrawnFacts, _: SpendRow) -> float | None:
        return None if drawn.estimate.value is None else read(getattr(drawn.estimate, which))

    return Column(name=name, kind="ratio", description=about), value


EXPORTED: tuple[Entry, ...] = (
    _interval_column("this_suite_ci_low", "this_suite", "Lower limit for exactly the suite's samples.",
                     lambda found: found.low),
    _interval_column("this_suite_ci_high", "this_suite", "Upper limit likewise.", lambda found: found.high),
    _interval_column("this_suite_half_width", "this_suite", "Half of its width.", lambda found: found.half_width),
    _interval_column("like_these_ci_low", "like_these", "Lower limit for questions of which the suite's are a draw.",
                     lambda found: found.low),
    _interval_column("like_these_ci_high", "like_these", "Upper limit likewise.", lambda found: found.high),
    (Column(name="interval_level", kind="ratio", description="Confidence level of both intervals."),
     lambda drawn, _: drawn.level),
    (Column(name="wanted_half_width", kind="ratio", description="Half of the width that was asked for; empty = none."),
     lambda drawn, _: drawn.wanted),
    (Column(name="waves_ended", description="`reached` the wanted width, `all asked`, `stopped early`, `pilot`, or"
            " `finished` where a difference between rows was wanted."), lambda drawn, _: drawn.ended),
    (Column(name="n_answers_drawn", kind="integer", unit="answers", description="Answers that waves drew."),
     lambda drawn, _: drawn.n_drawn),
    (Column(name="n_answers_whole", kind="integer", unit="answers", description="Answers of the whole suite."),
     lambda drawn, _: drawn.n_whole),
    (Column(name="n_waves", kind="integer", unit="waves", description="Waves, the pilot included."),
     lambda drawn, _: drawn.n_waves),
    (Column(name="whole_suite_usd", kind="usd", unit="USD", description="What the whole suite would have cost at the"
            " same prices and mean costs; a projection, and a lower"
            " bound where the cost is one."), lambda drawn, _: _decimal(drawn.whole_usd)),
    (Column(name="saved_usd", kind="usd", unit="USD", description="That less the cost; empty where either is not"
            " known."), lambda drawn, row: _decimal(saved_usd(row, drawn))),
)  # fmt: skip
"""Columns that files have besides where a row was asked in waves."""


def _decimal(usd: float | None) -> Decimal | None:
    return None if usd is None else Decimal(repr(usd)).quantize(Decimal("1e-12"))


def exported(row: SpendRow) -> tuple[object, ...]:
    """Give the values of `EXPORTED`; all None for a row that was asked as a whole."""
    drawn = row.facts.drawn
    return tuple(None if drawn is None else read(drawn, row) for _, read in EXPORTED)
