"""`benchtab report --sample` and `--dearest`: one sample in full, and the ones that cost most."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.terminal.options import place_words
from harness.errors import InputError, similar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.documents.document import Document
    from harness.ledger import Ledger
    from harness.pricing.book import PriceBook
    from harness.reports.samples.meant_samples import MeantSamples
    from harness.reports.samples.one_sample import OneSample


def sample_report(
    ledger: Ledger, book: PriceBook, name: str, runs: Sequence[str], models: Sequence[str], *, is_whole: bool
) -> Document:
    """Make the document of one question: of one answer where an attempt or a model is named, else of all models'.

    Args:
        is_whole: texts are read to their end, however long; else as much as a terminal shows.

    Raises:
        InputError: there is no such sample, run or model.
    """
    from harness.reports.samples.meant_samples import meant_samples
    from harness.reports.samples.one_sample import WHOLE
    from harness.reports.samples.sample_document import SHOWN_BYTES, Answers, sample_document
    from harness.view.page_addresses import sample_address

    def address(one: OneSample) -> str:
        assert one.cell.cell_id is not None
        assert one.planned.planned_id is not None
        return sample_address(one.run.run_id, one.cell.cell_id, one.planned.planned_id)

    meant = meant_samples(ledger, name, _asked_runs(ledger, runs))
    found = list(_answers(ledger, book, meant, WHOLE if is_whole else SHOWN_BYTES, models))
    if not found:
        names = sorted({one.model_name for one in _answers(ledger, book, meant, 0, ())})
        near = similar(models[0], names) if models else []
        raise InputError(
            f"no model {', '.join(models)} was asked {meant.first.task}/{meant.first.sample_id} in run"
            f" {meant.first.run_id}",
            where="--model",
            fix=f"one of: {', '.join(near or names)}",
        )
    asked = [one for one in found if one.attempts] or found
    return sample_document(Answers(samples=tuple(asked), address=address, notes=meant.notes))


def dearest_report(
    ledger: Ledger, book: PriceBook, n: int, runs: Sequence[str], models: Sequence[str], db: str | None,
    pricing: Path | None,
) -> Document:  # fmt: skip
    """Make the document of the samples that cost most, of complete runs where none is named.

    Raises:
        InputError: there is no such run, or the number is out of bounds.
    """
    from harness.view.answers.dearest_samples import checked_count, dearest_document, dearest_samples

    wanted = checked_count(n)
    asked = _asked_runs(ledger, runs) if runs else [run.run_id for run in ledger.runs() if run.status == "complete"]
    found = dearest_samples(ledger, book, asked, n=wanted, models=models)
    return dearest_document(found, n=wanted, place="".join(f" {word}" for word in place_words(db, pricing)))


def _asked_runs(ledger: Ledger, runs: Sequence[str]) -> list[str]:
    known = [run.run_id for run in ledger.runs()]
    missing = sorted(set(runs) - set(known))
    if missing:
        near = [name for one in missing for name in similar(one, known)]
        fix = f"similar: {', '.join(near)}" if near else "see: benchtab runs list"
        raise InputError(f"there is no run {', '.join(missing)}", where="RUN", fix=fix)
    return [run for run in known if not runs or run in runs]


def _answers(
    ledger: Ledger, book: PriceBook, meant: MeantSamples, text_bytes: int, models: Sequence[str]
) -> Iterator[OneSample]:
    from harness.models import ModelSpec
    from harness.reports.samples.one_sample import one_sample

    for sample in meant.samples:
        for cell in ledger.cells(sample.run_id):
            is_meant = cell.suite == sample.suite and meant.cell_id in (None, cell.cell_id)
            if is_meant and cell.cell_id is not None and _is_named(str(ModelSpec.of(cell)), models):
                found = one_sample(ledger, book, cell.cell_id, sample.planned_id, text_bytes=text_bytes)
                if found is not None:
                    yield found


def _is_named(name: str, models: Sequence[str]) -> bool:
    return not models or name in models or name.partition("@")[0] in models
