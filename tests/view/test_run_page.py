"""The page of one run says what its report says, leads to its samples, and gives the bytes of its exports."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from harness.ledger import Ledger
from harness.pricing import PriceBook
from harness.pricing.price_files import load_price_book
from harness.rendering.export_files import export_table
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.spend_page import report_page
from harness.view.kept_reports import KeptReport
from harness.view.page_values import Sources
from tests.support.command_lines import said_here
from tests.support.ledger_rows import Filled, fill, outcome, start
from tests.support.viewed import viewer
from tests.support.wave_ledgers import TaskPlan, WaveRun, drawn_by_lot


@pytest.fixture(scope="module")
def seen_page(seen_ledger: Path) -> Iterator[TestClient]:
    """One view for the tests that only ask."""
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        yield viewer(ledger)


def text_of(page: str) -> str:
    """What people read of a page."""
    body = re.sub(r"<script.*?</script>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_a_run_s_page_says_what_its_report_says(seen_page: TestClient, seen_ledger: Path) -> None:
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        page = report_page(spend_report(ledger, load_price_book(), ["seen"]))
    text = text_of(seen_page.get("/runs/seen").text)
    for line in (*page.verdict, *page.warnings, *page.commands):
        assert " ".join(line.split()) in text
    for figure in page.figures:
        assert f"{figure.value} {figure.caption}" in text
    for row in page.main.rows:
        assert " ".join(map(str, row)) in text
    for section in page.sections:
        assert section.table.title in text


def test_a_report_is_made_again_only_when_its_run_or_the_prices_changed(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        filled = fill(ledger)
        sources = Sources(ledger=ledger, book=load_price_book())

        def report() -> KeptReport:
            return sources.report(sources.run(filled.run_id), as_of=None, what_if=None)

        first = report()
        assert report() is first
        sources = replace(sources, book=PriceBook(rows=()))
        assert report() is not first
        sources = replace(sources, book=load_price_book())
        assert report() is first
        sources = replace(sources, book=PriceBook(rows=()))
        asyncio.run(answer(ledger, filled))
        report()
        sources = replace(sources, book=load_price_book())
        assert [row.facts.solve.n_attempts for row in report().report.rows] == [1, 0]


async def answer(ledger: Ledger, filled: Filled) -> None:
    async with ledger.writer() as writer:
        await writer.settle(outcome(await writer.send(start(filled))))


@pytest.mark.parametrize("table", ["report", "samples", "attempts", "scores", "charges"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_file_of_a_run_has_the_bytes_of_its_export(
    seen_page: TestClient, seen_ledger: Path, tmp_path: Path, table: str, form: str
) -> None:
    exported = tmp_path / f"{table}.{form}"
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        export_table(ledger, load_price_book(), table, exported, ["seen"])
    answer = seen_page.get(f"/runs/seen?format={form}&table={table}")
    assert answer.content == exported.read_bytes()
    assert f'filename="{table}.{form}"' in answer.headers["content-disposition"]


def test_every_file_that_a_page_offers_can_be_had(seen_page: TestClient) -> None:
    offered = re.findall(r'href="([^"]*format=csv[^"]*)"', seen_page.get("/runs/seen").text)
    assert len(offered) > 8
    for address in offered:
        assert seen_page.get(html.unescape(address)).status_code == 200


def test_models_and_tasks_lead_to_samples_that_there_are(seen_page: TestClient) -> None:
    page = seen_page.get("/runs/seen").text
    leads = {html.unescape(address) for address in re.findall(r'href="(/runs/seen/samples[^"]*)"', page)}
    assert "/runs/seen/samples?suite=starter&task=code&model=sim%2Freasoner%40low" in leads
    assert "/runs/seen/samples?dearest=1&sort=-cost" in leads
    for address in sorted(leads)[:8]:
        found = seen_page.get(address)
        assert found.status_code == 200
    # the same in charts: every mark leads to the samples of its model
    assert page.count('"href":"/runs/seen/samples?model=sim%2Fdirect"') > 3


def test_two_models_of_a_run_can_be_ticked_to_compare_them(seen_page: TestClient) -> None:
    page = seen_page.get("/runs/seen").text
    assert '<input type="hidden" name="base" value="seen"><input type="hidden" name="head" value="seen">' in page
    assert page.count('<input type="checkbox" name="models"') == 6


@pytest.mark.parametrize(
    "query", ["what_if=batch", "what_if=no-cache&what_if=sim/reasoner=openai/o1", "as_of=2026-01-01"]
)
def test_a_question_about_other_prices_has_the_report_s_answer(
    seen_page: TestClient, seen_ledger: Path, query: str
) -> None:
    words = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        words += [f"--{name.replace('_', '-')}", value]
    told = said_here("report", "seen", *words, "--format", "csv", "--db", str(seen_ledger)).stdout
    answer = seen_page.get(f"/runs/seen?{query}&format=csv&table=report")
    assert answer.text.splitlines() == told.splitlines()
    assert "These are not the amounts of the run" in seen_page.get(f"/runs/seen?{query}").text


@pytest.mark.parametrize(
    ("query", "told"),
    [("what_if=cheaper", "cheaper"), ("what_if=sim/nobody=openai/o1", "sim/nobody"), ("as_of=someday", "someday")],
)
def test_a_question_that_cannot_be_asked_is_refused_as_by_the_command(
    seen_page: TestClient, query: str, told: str
) -> None:
    answer = seen_page.get(f"/runs/seen?{query}")
    assert answer.status_code == 400
    assert told in answer.text


def test_a_run_that_there_is_not_says_so(seen_page: TestClient) -> None:
    answer = seen_page.get("/runs/none")
    assert answer.status_code == 404
    assert "there is no run" in answer.text


def test_a_run_without_answers_has_a_page(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "empty.db") as ledger:
        filled = fill(ledger)
        ledger.finish_run(filled.run_id, "failed", finished_at_us=1_795_348_900_000_000)
        page = viewer(ledger).get(f"/runs/{filled.run_id}").text
    assert '<span class="mark bad">failed</span>' in page
    assert "run run-1 failed" in page


def test_a_run_in_waves_that_was_stopped_says_how_far_it_came(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "waves.db") as ledger:
        run = WaveRun(
            ledger=ledger,
            run_id="stopped",
            models=("sim/a", "sim/b"),
            tasks=(TaskPlan(name="choice", n_items=200),),
            answers=drawn_by_lot({"sim/a": 0.4, "sim/b": 0.7}),
        )
        run.store(run.design(0.03))
        asyncio.run(run.wave(wave=0))
        ledger.finish_run("stopped", "partial")
        client = viewer(ledger)
        page = client.get("/runs/stopped").text
        assert '<span class="mark">partial</span> <span class="mark">in waves</span>' in page
        assert "it has not come to the precision" in text_of(page)
        assert 'id="table-precision"' in page
        assert "in waves" in client.get("/").text
