"""A report that was made before, when neither ledger nor prices nor program have changed: told again, not made again.

Data flows question -> what its answer depends on -> the text kept of it, or the place to keep it in. Only what took
long is kept: reports over many attempts.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from harness.resources import cache_folder
from harness.secrets import redact_known

if TYPE_CHECKING:
    from harness.cli.terminal.kept_texts import KeptText
    from harness.documents.document import Document
    from harness.reports.facts.samples.kept_runs import KeptRuns
    from harness.reports.spend.report import SpendReport

FEWEST_ATTEMPTS = 10_000
"""Attempts of a report below which it is made anew as soon as it is found again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a report, and in which form."""

    runs: Sequence[str] | None
    as_of: datetime | None
    what_if: Sequence[str] | None
    form: str
    output: Path | None

    @property
    def width(self) -> int | None:
        """The width that a table is made for; None = any."""
        from harness.rendering.console import output_width

        return output_width(None if self.output is None else io.StringIO()) if self.form == "table" else None

    @property
    def facts(self) -> dict[str, object]:
        """All of it as values of JSON."""
        return {
            "runs": list(self.runs or ()),
            "as_of": None if self.as_of is None else self.as_of.isoformat(),
            "what_if": list(self.what_if or ()),
            "form": self.form,
            "file": self.output is not None,
            "width": self.width,
        }

    def text_of(self, document: Document) -> str | None:
        """Write a document for this question; a table on a terminal as the values that are laid out there.

        None where those cannot be written.
        """
        from harness.cli.terminal.kept_texts import paragraphs_text
        from harness.rendering.formats import FORMATS

        chosen = FORMATS[self.form]
        if chosen.show is not None and self.output is None:
            return paragraphs_text(document.terminal(self.width))
        assert chosen.text is not None  # others are not asked for as a text
        return chosen.text(document)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was told before.

    Attributes:
        text: None = nothing, or the ledger has changed since.
        ledger, mark: the file, and its mark before anything was read.
    """

    text: str | None
    place: KeptText
    ledger: Path
    mark: str

    def keep(self, text: str) -> None:
        """Keep a text, unless somebody wrote to the ledger meanwhile, or it holds what is masked when it is shown."""
        from harness.ledger.marks.ledger_mark import sqlite_mark

        if redact_known(text) == text and sqlite_mark(self.ledger) == self.mark:
            self.place.write(text)


def is_kept(made: SpendReport) -> bool:
    """Whether what is told of a report is kept: it took long, and rests on no file that no mark covers."""
    from harness.reports.facts.weights import rest_on_suite_files

    n_attempts = sum(spend.n_attempts for group in made.groups for spend in group.spends)
    return n_attempts >= FEWEST_ATTEMPTS and not rest_on_suite_files(made.runs)


def told_again(question: Question, ledger: str, pricing: Path | None, *, recount: bool) -> Told | None:
    """Find what was told before of a SQLite ledger; None where nothing can be kept.

    Args:
        recount: do not look, but keep what will be told.
    """
    from harness.cli.terminal.kept_texts import KeptText

    folder, path = cache_folder(os.environ), Path(ledger).expanduser()
    if folder is None or "://" in ledger or not path.is_file():
        return None
    from harness.ledger.marks.ledger_mark import sqlite_mark
    from harness.ledger.marks.program_mark import program_mark

    mark = sqlite_mark(path)
    if mark is None:
        return None
    place = KeptText.of(
        folder, {**question.facts, "ledger": mark, "program": program_mark(), "prices": _prices(pricing)}
    )
    return Told(text=None if recount else place.read(), place=place, ledger=path, mark=mark)


def kept_runs(*, recount: bool) -> KeptRuns | None:
    """Say where runs are kept that were added up before; None = nowhere.

    Args:
        recount: do not read them, but keep what will be counted.
    """
    from harness.ledger.marks.program_mark import program_mark
    from harness.reports.facts.samples.kept_runs import KeptRuns

    folder = cache_folder(os.environ)
    return None if folder is None else KeptRuns(folder=folder / "runs", program=program_mark(), is_read=not recount)


def _prices(pricing: Path | None) -> str:
    from harness.ledger.marks.program_mark import files_mark

    return "" if pricing is None else files_mark([pricing], by_content=True)
