"""The frames ladder: one model asked the same questions with more and more frames of each video, and the cheapest
number of frames that is not worse than the most.

Pure. Data flows a spend report whose rows are suites by their frames -> `FramesLadder` values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Literal

from harness.reports.compare.comparison import DESIGNED_ALARMS, Verdict, verdict_on_drop
from harness.reports.compare.pairs import score_difference
from harness.reports.spend.report import SpendReport, SpendRow
from harness.stats import Estimate, observations_to_decide

DEFAULT_MARGIN = 0.02
"""Two points: a score that is lower by less counts as not worse."""
Standing = Literal["most frames", "not worse", "worse", "cannot be told yet"]
_STANDINGS: dict[Verdict, Standing] = {
    "pass": "not worse",
    "regression": "worse",
    "inconclusive": "cannot be told yet",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One number of frames.

    Attributes:
        frames: shown of a clip, in the mean.
        rule: how they are chosen, as the suite's name says it (`8-frames`).
        difference: its score less that with the most frames, on the same samples; no value for the most frames.
        more_samples: about how many more common samples would decide; None = decided, or no number would.
    """

    frames: float
    rule: str
    row: SpendRow
    standing: Standing
    difference: Estimate = field(default_factory=partial(Estimate, value=None))
    more_samples: int | None = None

    @property
    def usd_per_answer(self) -> Decimal | None:
        """Dollars for one answer; None = not known."""
        return self.row.cost_per_task_usd

    @property
    def input_tokens_per_answer(self) -> float | None:
        """Input tokens of an answer, cached ones included; None = not known."""
        sums = self.row.facts.solve.known_tokens
        return None if sums is None or not self.row.n_solves else sums.entered_tokens / self.row.n_solves


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesLadder:
    """One model setting on one suite, by rising frames.

    Attributes:
        suite: without the choice of frames.
        margin: by how much a score may be lower and still count as not worse, as a share.
        level: confidence level of each interval, raised for the number of comparisons.
    """

    suite: str
    rungs: tuple[Rung, ...]
    margin: float
    level: float

    @property
    def most(self) -> Rung:
        """The rung with the most frames."""
        return self.rungs[-1]

    @property
    def cheapest(self) -> Rung:
        """The cheapest rung that is not worse than the most frames, which is its own last resort."""
        good = [rung for rung in self.rungs if rung.standing in ("most frames", "not worse")]
        return min(good, key=lambda rung: (rung.usd_per_answer is None, rung.usd_per_answer or 0, rung.frames))

    @property
    def open_below(self) -> tuple[Rung, ...]:
        """Rungs with fewer frames than the cheapest of which it cannot be told yet whether they are worse."""
        below = [rung for rung in self.rungs if rung.frames < self.cheapest.frames]
        return tuple(rung for rung in below if rung.standing == "cannot be told yet")


def frames_ladders(report: SpendReport, *, margin: float = DEFAULT_MARGIN) -> tuple[FramesLadder, ...]:
    """Put the rows of suites with videos in order of their frames, model by model, and compare each with the most.

    Args:
        margin: non-inferiority margin on the score, as a share.
    """
    shown = _frames_shown(report)
    groups: dict[tuple[str | None, ...], list[tuple[float, SpendRow]]] = {}
    for row in report.rows:
        if (frames := shown.get(row.facts.suite)) is not None:
            facts = row.facts
            key = (_base(facts.suite), facts.provider, facts.model, facts.setting, facts.mark, facts.told_apart_by)
            groups.setdefault(key, []).append((frames, row))
    return tuple(_ladder(sorted(found, key=lambda each: each[0]), margin) for found in groups.values())


def _base(suite: str) -> str:
    return suite.rpartition(".")[0]


def _frames_shown(report: SpendReport) -> dict[str, float]:
    """Mean frames of a clip, by the name of the suite; suites without videos are left out."""
    found: dict[str, float] = {}
    for run in report.runs:
        for suite in run.suites:
            means = [task.frames["per_clip"] for task in suite.tasks if task.frames and "per_clip" in task.frames]
            if means:
                found[suite.name] = sum(means) / len(means)
    return found


def _ladder(rows: Sequence[tuple[float, SpendRow]], margin: float) -> FramesLadder:
    level = 1 - 2 * DESIGNED_ALARMS / max(1, len(rows) - 1)
    *lower, (most_frames, most) = rows
    rungs = [_rung(frames, row, most, margin, level) for frames, row in lower]
    rungs.append(Rung(frames=most_frames, rule=_rule(most), row=most, standing="most frames"))
    return FramesLadder(suite=_base(most.facts.suite), rungs=tuple(rungs), margin=margin, level=level)


def _rung(frames: float, row: SpendRow, most: SpendRow, margin: float, level: float) -> Rung:
    difference = score_difference(most, row, level)
    verdict = verdict_on_drop(difference, margin)
    is_open = verdict == "inconclusive"
    return Rung(
        frames=frames,
        rule=_rule(row),
        row=row,
        standing=_STANDINGS[verdict],
        difference=difference,
        more_samples=observations_to_decide(difference, -margin) if is_open else None,
    )


def _rule(row: SpendRow) -> str:
    return row.facts.suite.rpartition(".")[2]
