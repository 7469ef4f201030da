"""The frames ladder in every form: a table with what it says in a sentence, JSON, typed rows, and two charts. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.documents.chart import Chart, Point, Scatter, Unit
from harness.documents.document import Document, Paragraphs
from harness.documents.table import Column, ColumnKind, Sentences, Table
from harness.reports.frames.frames_ladder import FramesLadder, Rung
from harness.reports.spend import wording
from harness.reports.spend.report import money
from harness.reports.spend.spend_tables import label


def ladder_document(ladders: Sequence[FramesLadder]) -> Document:
    """Give frames ladders in every form."""
    said: Paragraphs = (ladder_table(ladders), *_answers(ladders))
    return Document(
        terminal=lambda _: said,
        markdown=lambda: said,
        fields=lambda: {"ladders": [_ladder_object(ladder) for ladder in ladders]},
        rows=lambda: _typed_table(ladders),
    )


def ladder_table(ladders: Sequence[FramesLadder]) -> Table:
    """Make the table for people: a row for each model and number of frames."""
    columns = (
        Column(name="model", title="model"),
        Column(name="suite", title="suite", drops=3),
        Column(name="frames", kind="decimal", title="frames"),
        Column(name="answers", kind="integer", title="answers", drops=1),
        Column(name="score", kind="percent", title="score %"),
        Column(name="difference", kind="percent", title="against the most, points"),
        Column(name="tokens", kind="integer", title="tok in/answer"),
        Column(name="usd", kind="usd", title="$/answer"),
        Column(name="share", kind="percent", title="of the dearest", drops=2),
        Column(name="standing", title="score with fewer frames"),
    )
    rows = [_row(ladder, rung) for ladder in ladders for rung in ladder.rungs]
    return Table(name="frames_ladder", title="Frames per clip", columns=columns, rows=rows, notes=_notes(ladders))


def _row(ladder: FramesLadder, rung: Rung) -> tuple[object, ...]:
    row = rung.row
    return (
        label(row),
        ladder.suite,
        frames_word(rung.frames),
        wording.count(row.n_solves),
        wording.score(row.score),
        wording.NOT_KNOWN if rung.standing == "most frames" else wording.points(rung.difference),
        wording.tokens(rung.input_tokens_per_answer),
        wording.dollars(rung.usd_per_answer),
        _share(ladder, rung),
        rung.standing,
    )


def frames_word(frames: float) -> str:
    """Write a mean number of frames: whole where it is."""
    return f"{frames:g}" if frames == round(frames) else f"{frames:.1f}"


def _share(ladder: FramesLadder, rung: Rung) -> str:
    known = [each.usd_per_answer for each in ladder.rungs if each.usd_per_answer]
    if not known or rung.usd_per_answer is None:
        return wording.NOT_KNOWN
    return f"{100 * rung.usd_per_answer / max(known):.0f} %"


def _notes(ladders: Sequence[FramesLadder]) -> tuple[str, ...]:
    margins = sorted({ladder.margin for ladder in ladders})
    levels = sorted({ladder.level for ladder in ladders if len(ladder.rungs) > 1})
    told = []
    if levels:
        words = " or ".join(f"{100 * level:.3g} %" for level in levels)
        told.append(
            f"not worse: the whole interval ({words}, paired by question, raised for the number of comparisons) lies "
            f"above -{100 * margins[0]:g} points; worse: all of it below"
        )
    if any(rung.row.facts.mark == "simulated" for ladder in ladders for rung in ladder.rungs):
        told.append("simulated: answers, token counts and prices of these rows are made up by built-in models")
    return tuple(told)


def _answers(ladders: Sequence[FramesLadder]) -> tuple[Sentences, ...]:
    return (Sentences(title="How many frames are enough?", lines=tuple(map(answer, ladders))),)


def answer(ladder: FramesLadder) -> str:
    """Say in a sentence which number of frames is the cheapest that is not worse, or why that cannot be told yet."""
    name = f"{label(ladder.most.row)}, {ladder.suite}"
    if len(ladder.rungs) == 1:
        return f"{name}: one number of frames ({frames_word(ladder.most.frames)}); run it with another --frames"
    best, most = ladder.cheapest, ladder.most
    if best is most:
        said = f"{name}: no smaller number of frames is known to be not worse than {frames_word(most.frames)}"
    else:
        saved = _saved(best, most)
        said = (
            f"{name}: {frames_word(best.frames)} frames are not worse than {frames_word(most.frames)} "
            f"(margin {100 * ladder.margin:g} points){saved}"
        )
    return said + "".join(_open_words(rung) for rung in ladder.open_below)


def _saved(best: Rung, most: Rung) -> str:
    if best.usd_per_answer is None or not most.usd_per_answer:
        return ""
    share = 100 * (1 - best.usd_per_answer / most.usd_per_answer)
    return f", and an answer costs {share:.0f} % less" if share >= 0 else f", yet an answer costs {-share:.0f} % more"


def _open_words(rung: Rung) -> str:
    more = f": about {rung.more_samples:,} more questions would decide" if rung.more_samples else ""
    return f"; of {frames_word(rung.frames)} it cannot be told yet{more}"


def _ladder_object(ladder: FramesLadder) -> dict[str, Any]:
    facts = ladder.most.row.facts
    return {
        "suite": ladder.suite,
        "provider": facts.provider,
        "model": facts.model,
        "setting": facts.setting,
        "mark": facts.mark,
        "margin": ladder.margin,
        "level": ladder.level,
        "most_frames": ladder.most.frames,
        "cheapest_not_worse": None if len(ladder.rungs) == 1 else ladder.cheapest.frames,
        "answer": answer(ladder),
        "rungs": [_rung_object(rung) for rung in ladder.rungs],
    }


def _rung_object(rung: Rung) -> dict[str, Any]:
    return {
        "frames": rung.frames,
        "rule": rung.rule,
        "n_samples": rung.row.n_samples,
        "n_solves": rung.row.n_solves,
        "score": rung.row.score.value,
        "score_ci_low": rung.row.score.ci_low,
        "score_ci_high": rung.row.score.ci_high,
        "score_difference": rung.difference.value,
        "score_difference_ci_low": rung.difference.ci_low,
        "score_difference_ci_high": rung.difference.ci_high,
        "n_common_samples": rung.difference.n,
        "standing": rung.standing,
        "more_samples_to_decide": rung.more_samples,
        "input_tokens_per_answer": rung.input_tokens_per_answer,
        "cost_per_task_usd": money(rung.usd_per_answer),
        "cost_is_lower_bound": rung.row.facts.solve.is_lower_bound,
    }


_TYPED: tuple[tuple[str, ColumnKind, str], ...] = (
    ("frames", "decimal", "frames"),
    ("rule", "text", ""),
    ("n_samples", "integer", "samples"),
    ("n_solves", "integer", "answers"),
    ("score", "decimal", ""),
    ("score_ci_low", "decimal", ""),
    ("score_ci_high", "decimal", ""),
    ("score_difference", "decimal", ""),
    ("score_difference_ci_low", "decimal", ""),
    ("score_difference_ci_high", "decimal", ""),
    ("n_common_samples", "integer", "samples"),
    ("standing", "text", ""),
    ("more_samples_to_decide", "integer", "samples"),
    ("input_tokens_per_answer", "decimal", "tokens"),
    ("cost_per_task_usd", "usd", "USD"),
    ("cost_is_lower_bound", "boolean", ""),
)
_OF_LADDER = ("suite", "provider", "model", "setting", "mark")


def _typed_table(ladders: Sequence[FramesLadder]) -> Table:
    columns = [Column(name=name) for name in _OF_LADDER]
    columns += [Column(name=name, kind=kind, unit=unit) for name, kind, unit in _TYPED]
    rows = []
    for ladder in ladders:
        whole = _ladder_object(ladder)
        for rung in ladder.rungs:
            facts = _rung_object(rung) | {"cost_per_task_usd": rung.usd_per_answer}
            rows.append((*(whole[name] for name in _OF_LADDER), *(facts[name] for name, *_ in _TYPED)))
    return Table(name="frames_ladder", title="Frames per clip", columns=tuple(columns), rows=rows)


def ladder_charts(ladders: Sequence[FramesLadder]) -> tuple[Chart, ...]:
    """Draw the score against frames per clip, against input tokens, and against dollars an answer."""
    return tuple(
        chart
        for chart in (
            _chart(ladders, "frames-score", "Score by frames per clip", "frames per clip (logarithmic)", "tokens", 0),
            _chart(
                ladders, "tokens-score", "Score by input tokens", "input tokens per answer (logarithmic)", "tokens", 1
            ),
            _chart(ladders, "dollars-score", "Score by dollars", "dollars per answer (logarithmic)", "usd", 2),
        )
        if chart.points
    )


def _chart(ladders: Sequence[FramesLadder], name: str, title: str, x_title: str, unit: Unit, axis: int) -> Scatter:
    points: list[Point] = []
    lines: list[tuple[int, ...]] = []
    for ladder in ladders:
        line = []
        for rung in ladder.rungs:
            x = (rung.frames, rung.input_tokens_per_answer, rung.usd_per_answer)[axis]
            if not x or rung.row.score.value is None:
                continue
            line.append(len(points))
            points.append(_point(rung, float(x)))
        lines.append(tuple(line))
    told = " ".join(f"{answer(ladder)}." for ladder in ladders)
    return Scatter(
        name=name,
        title=title,
        x_title=x_title,
        x_unit=unit,
        y_title="score, percent",
        points=tuple(points),
        ladders=tuple(line for line in lines if len(line) > 1),
        description=f"A line for each model, a point for each number of frames. {told}",
    )


def _point(rung: Rung, x: float) -> Point:
    score = rung.row.score
    return Point(
        label=f"{label(rung.row)}, {frames_word(rung.frames)}",
        x=x,
        y=100 * (score.value or 0.0),
        reasoning=rung.row.facts.reasons,
        low=None if score.ci_low is None else 100 * score.ci_low,
        high=None if score.ci_high is None else 100 * score.ci_high,
    )
