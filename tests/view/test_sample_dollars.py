"""What samples cost, as their pages say it: what is not known is never zero, and every part comes to the run."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from harness.imports.containers.log_files import LogFile
from harness.imports.into_ledger import ImportOptions, import_unit
from harness.imports.log_formats import Format, Source, SourceFile
from harness.imports.log_records import (
    ImportedAttempt,
    ImportedCell,
    ImportedRun,
    ImportedUsage,
    Record,
    SampleKey,
)
from harness.imports.log_units import Unit
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.wording import dollars
from harness.usage import Usage
from harness.view.answers.run_indexes import RunIndexes
from harness.view.answers.sample_index import IS_THERE
from tests.support.odd_samples import BOOK, odd_run
from tests.support.report_ledgers import AT_US
from tests.support.viewed import csv_rows, viewer


def test_dollars_that_are_not_known_are_never_said_to_be_zero(tmp_path: Path) -> None:
    """Unpriced samples, parts that nobody knows, and less than a hundredth of a cent, as the report says them."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(odd_run(ledger))
        pages = viewer(ledger, BOOK)

        def figure(query: str) -> str:
            page = pages.get(f"/runs/r1/samples?{query}").text
            return " ".join(re.findall(r"<small>(cost[^<]*)</small><b[^>]*>([^<]*)</b>", page)[0])

        assert figure("model=acme/unpriced") == "cost, 5 not known –"
        assert figure("model=sim/direct&id=again") == "cost –"  # nothing is chosen
        lost = csv_rows(pages, "/runs/r1/samples?id=lost&model=sim/reasoner@high")
        assert [row["cost_is_lower_bound"] for row in lost] == ["true"]
        known = Decimal(lost[0]["cost_usd"])
        assert figure("id=lost&model=sim/reasoner@high") == f"cost, 1 known in part &gt;= {dollars(known)}"
        assert 0 < known < Decimal("0.001")
        assert figure("model=acme/unpriced&model=sim/reasoner@high").startswith(
            "cost, 6 not known, 2 known in part &gt;= $"
        )
        planned = re.findall(r"/runs/r1/questions/\d+", pages.get("/runs/r1/samples?id=lost").text)[0]
        assert f">= ${known:f}" in html.unescape(pages.get(planned).text)


def imported(folder: Path, *attempts: ImportedAttempt) -> Ledger:
    """Make a ledger of a log that holds these calls."""
    (folder / "log.txt").write_text("calls")

    def read(_: Source) -> Iterator[Record]:
        yield ImportedRun(key="r", tool="t")
        yield from attempts

    form = Format(name="t", title="T", looks_for="t", role_of=lambda _: "t", read=read)
    unit = Unit(format=form, files=(SourceFile(file=LogFile(folder / "log.txt", "t"), role="t"),))
    ledger = Ledger.open(folder / "ledger.db")
    import_unit(ledger, unit, ImportOptions(now_us=AT_US, price_book_sha256="", harness_version=""))
    return ledger


def call(number: int, sample_id: str | None, **facts: Any) -> ImportedAttempt:
    """A call of 1,000 tokens in and 100 out on gpt-4o-mini, which are $0.00021."""
    return ImportedAttempt(
        cell=ImportedCell(run="r", suite="s", provider="openai", model="gpt-4o-mini"),
        identity=f"c{number}",
        sample=None if sample_id is None else SampleKey(sample_id=sample_id),
        started_at_us=AT_US,
        usage=ImportedUsage(usage=Usage(input_tokens=1000, output_tokens=100), raw={}, kind="t"),
        **facts,
    )


def test_what_is_chosen_of_a_log_that_lacks_requests_is_a_lower_bound_with_its_reason(tmp_path: Path) -> None:
    """The list of runs and the report say `>=`: so does the page of samples, and of a share that it is about so."""
    with imported(tmp_path, call(1, "q1", hidden_retries=2), call(2, "q2")) as ledger:
        (run,) = ledger.runs()
        pages = viewer(ledger)
        text = html.unescape(pages.get(f"/runs/{run.run_id}/samples?id=q1").text)
        assert ">= $0.00042" in html.unescape(pages.get("/").text)
        one = html.unescape(pages.get(f"/runs/{run.run_id}/samples/1/1").text)
        assert "<b>$0.00021</b>cost, or more<small>at list price</small>" in one
        assert "lower bound: retries_lost: 2 further requests" in one
    assert re.findall(r"<b[^>]*>(>= [^<]*)</b>", text) == [">= $0.000210"]
    assert "about 50.0 %" in text
    assert "lower bound: retries_lost: 2 further requests" in text


def test_requests_of_no_sample_stand_beside_the_samples_so_that_both_come_to_the_run(tmp_path: Path) -> None:
    with imported(tmp_path, call(1, "q1"), call(2, None), call(3, None)) as ledger:
        (run,) = ledger.runs()
        report = spend_report(ledger, load_price_book(), [run.run_id])
        text = html.unescape(viewer(ledger).get(f"/runs/{run.run_id}/samples").text)
    assert sum(row.facts.solve.cost.total for row in report.rows) == Decimal("0.00063")
    assert "The whole run: $0.000630 = solving: $0.000210 + 2 requests of no sample: $0.000420." in text


def test_a_share_of_dollars_is_about_so_or_left_out_where_they_are_not_known(odd: Ledger) -> None:
    with RunIndexes(patience_s=None).of(odd, BOOK, "r1") as index:
        there = np.flatnonzero(index.has(IS_THERE))
        unknown = index.is_unpriced("cost", there).any()
        assert unknown
    text = viewer(odd, BOOK).get("/runs/r1/samples?model=sim/direct").text
    assert re.findall(r"of what the run's samples cost</small><b>([^<]*)</b>", text) == ["–"]
