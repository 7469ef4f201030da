"""The page of one question: what every model of the run answered, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.documents.table import Table
from harness.ledger.reading.export_rows import planned_samples
from harness.ledger.reading.viewed.said_beginnings import Said, said_beginnings
from harness.money import plain
from harness.rendering.export_files import stream_of
from harness.view.answers.listed_samples import Listed, asked_text, listed, row_of, shown_columns
from harness.view.answers.question_walk import entries_of, question_place
from harness.view.answers.run_indexes import NotYet
from harness.view.answers.sample_index import SampleIndex
from harness.view.page_addresses import question_address, sample_address, with_query
from harness.view.page_values import Asked, NotThere, Shown
from harness.view.pages.samples_page import being_read

MOST_CHARACTERS = 20_000
"""Of a question, a reply or a reasoning; the sample's own page has the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one model answered.

    Attributes:
        values: as lists show them.
        reply, reasoning: (text, whether it was cut); None = not kept.
        address: of the sample's page.
    """

    values: Mapping[str, Any]
    mark: str
    reply: tuple[str, bool] | None
    reasoning: tuple[str, bool] | None
    address: str


def question_page(asked: Asked) -> Shown:
    """Show one question with the answers of all models."""
    run_id, sources = asked.names["run_id"], asked.sources
    nothing = NotThere(f"run {run_id!r} has no such question", where=asked.path, fix="choose one among its samples")
    planned_id = asked.number("planned_id", nothing)
    if sources.ledger.run(run_id) is None:
        raise nothing
    try:
        with sources.samples.of(sources.ledger, sources.book, run_id, is_patient=bool(asked.one("format"))) as index:
            question = index.plan.question_of(planned_id)
            if question is None:
                raise nothing
            return _shown(asked, index, question)
    except NotYet as error:
        return being_read(run_id, "Question", error)


def _shown(asked: Asked, index: SampleIndex, question: int) -> Shown:
    ledger, only_disputed = asked.sources.ledger, bool(asked.one("disputed"))
    rows = listed(index, ledger, entries_of(index, question))
    planned_id = int(index.plan.planned[question])
    sample = planned_samples(ledger, [planned_id])[planned_id]
    attempts = [one.attempt_id for one in rows if one.attempt_id is not None]
    said = said_beginnings(ledger, attempts, most_bytes=4 * MOST_CHARACTERS + 4)
    place = question_place(index, question, only_disputed=only_disputed)
    columns = shown_columns(index)
    table = Table(name="answers", title="Answers", columns=columns, rows=[row_of(one, columns) for one in rows])

    def beside(other: int | None) -> str | None:
        query = {"disputed": "1" if only_disputed else ""}
        return None if other is None else with_query(question_address(index.run_id, other), query)

    values = {
        "run_id": index.run_id,
        "sample": sample,
        "question": _question(said),
        "reference": sample.reference,
        "exact_usd": plain,
        "answers": _answers(index, rows, said),
        "repeats": len({one.values["epoch"] for one in rows}) > 1,
        "place": place,
        "previous": beside(place.previous),
        "next": beside(place.next),
        "only_disputed": only_disputed,
        "other_walk": asked.address(disputed="" if only_disputed else "1"),
    }
    title = f"{sample.task}: {sample.sample_id}"
    return Shown(
        template="question.html.j2", title=title, values=values, downloads={"answers": lambda: stream_of(table)}
    )


def _question(said: Mapping[int, Said]) -> tuple[str, bool] | None:
    """Give what was asked: the same of every model, so the first that was kept."""
    first = next(iter(said.values()), None)
    return None if first is None else _cut(asked_text(first.prompt))


def _answers(index: SampleIndex, rows: Sequence[Listed], said: Mapping[int, Said]) -> list[Answer]:
    found = []
    for one in rows:
        spoken = said.get(one.attempt_id) if one.attempt_id is not None else None
        found.append(
            Answer(
                values=one.values,
                mark={"right": "good", "wrong": "bad"}.get(one.values["verdict"], ""),
                reply=None if spoken is None else _cut(spoken.answer),
                reasoning=None if spoken is None or not spoken.reasoning else _cut(spoken.reasoning),
                address=sample_address(index.run_id, one.cell_id, one.planned_id),
            )
        )
    return found


def _cut(text: str) -> tuple[str, bool]:
    return text[:MOST_CHARACTERS], len(text) > MOST_CHARACTERS
