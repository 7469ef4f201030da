"""The list of runs: chosen, sorted, paged, two to compare; its figures are those of the reports, also after changes."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from harness.ledger import Ledger, RunRecord, SuiteRecord
from harness.ledger.records import RunStatus
from harness.pricing.price_files import load_price_book
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.wording import dollars
from harness.view.page_addresses import live_address
from harness.view.run_summaries import RunSummaries, RunSummary
from tests.support.every_bill import add_every_bill
from tests.support.ledger_rows import Filled, fill, outcome, score, start
from tests.support.viewed import viewer

EVIL = "<script>alert(1)</script>\u202edrow"
DAY_US = 86_400_000_000
START_US = 1_750_000_000_000_000  # 2025-06-15 15:06 UTC


def kept_run(number: int, *, run_id: str = "", status: RunStatus = "complete", **more: object) -> RunRecord:
    plain = RunRecord(
        run_id=run_id or f"run-{number:03}",
        created_at_us=START_US + number * DAY_US,
        finished_at_us=None if status == "running" else START_US + number * DAY_US + 90_000_000,
        plan_sha256="",
        harness_version="0",
        price_book_sha256="",
        status=status,
        suites=(SuiteRecord(name="math" if number % 2 else "code", version="1", sha256=""),),
        models=("openai/o1@high",) if number % 3 else ("anthropic/claude-x",),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def store(ledger: Ledger, run: RunRecord) -> None:
    ledger.create_run(run)
    if run.status != "running":
        ledger.finish_run(run.run_id, run.status, finished_at_us=run.finished_at_us or 0)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A ledger with 120 runs, one of them with a hostile name, one imported, one failed, one under way."""
    with Ledger.open(tmp_path_factory.mktemp("many") / "many.db") as ledger:
        for number in range(116):
            store(ledger, kept_run(number))
        store(ledger, kept_run(116, run_id=EVIL, models=(f"openai/{EVIL}",)))
        store(ledger, kept_run(117, run_id="from-a-log", config={"imported": {"format": "inspect", "key": "k"}}))
        store(ledger, kept_run(118, run_id="broken", status="failed"))
        store(ledger, kept_run(119, run_id="going-on", status="running"))
        client = viewer(ledger)
        client.get("/?format=csv")  # figures of all are there from now on
        yield client


def listed(page: str) -> list[str]:
    """The runs of a page, in its order."""
    return re.findall(r'<td class="whole"><a href="/runs/([^"]*)">', page)


def lines_of(client: TestClient, address: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(client.get(address).text)))


def test_runs_come_newest_first_a_page_at_a_time(many: TestClient) -> None:
    first, last = many.get("/").text, many.get("/?page=3").text
    assert listed(first)[:2] == ["going-on", "broken"]
    assert len(listed(first)) == 50
    assert "page 1 of 3" in first
    assert listed(last)[-1] == "run-000"
    assert len(listed(last)) == 20
    assert 'rel="next"' not in last


@pytest.mark.parametrize("page", ["0", "-1", "99999999999999", "x", "٣"])
def test_a_page_that_there_is_not_is_the_nearest(many: TestClient, page: str) -> None:
    assert many.get("/", params={"page": page}).status_code == 200


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ("q=RUN-01&suite=math", [f"run-{number:03}" for number in range(19, 9, -2)]),
        ("model=anthropic/claude-x&since=2025-10-04", ["from-a-log", "run-114", "run-111"]),
        ("status=failed", ["broken"]),
        ("q=from-a-log", ["from-a-log"]),
        ("q=no+such", []),
    ],
)
def test_a_filter_holds_on_the_page_and_in_its_file(many: TestClient, query: str, runs: list[str]) -> None:
    assert listed(many.get(f"/?{query}").text) == runs
    assert [line["run"] for line in lines_of(many, f"/?{query}&format=csv")] == runs


def test_a_date_that_is_none_is_told(many: TestClient) -> None:
    answer = many.get("/?since=yesterday-ish")
    assert answer.status_code == 400
    assert "since" in answer.text


@pytest.mark.parametrize(
    ("sort", "first"), [("run", "broken"), ("-run", "run-115"), ("started", "run-000"), ("-duration", "broken")]
)
def test_every_column_sorts_all_runs_not_only_those_of_the_page(many: TestClient, sort: str, first: str) -> None:
    shown = [run for run in listed(many.get(f"/?sort={sort}").text) if "script" not in run]
    assert shown[0] == first


def test_what_is_not_known_comes_last_whichever_way_it_is_sorted(many: TestClient) -> None:
    for sort in ("duration", "-duration"):
        assert lines_of(many, f"/?sort={sort}&format=csv")[-1]["run"] == "going-on"


def test_a_hostile_name_is_text_everywhere(many: TestClient) -> None:
    page = many.get("/").text
    assert "<script>alert" not in page
    assert "\u202e" not in page
    address = next(run for run in listed(page) if "script" in run)
    assert many.get(f"/runs/{address}").status_code == 200
    assert "<script>alert" not in many.get(f"/runs/{address}").text


def test_a_run_of_a_log_says_where_it_comes_from(many: TestClient) -> None:
    row = next(row for row in many.get("/").text.split("<tr") if "from-a-log" in row)
    assert "imported from inspect" in row


def test_a_ledger_without_runs_says_how_to_make_one(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "empty.db") as ledger:
        page = viewer(ledger).get("/").text
    assert "benchtab run starter -m" in page
    assert "<table" not in page


def test_figures_are_those_of_the_report(seen: TestClient, seen_ledger: Path) -> None:
    with Ledger.open(seen_ledger, create=False) as ledger:
        report = spend_report(ledger, load_price_book(), ["seen"])
    (line,) = lines_of(seen, "/?format=csv")
    assert line["cost_usd"] == str(sum(row.facts.solve.cost.total for row in report.rows))
    assert line["cost_is_lower_bound"] == "true"
    scores = [row.score.value for row in report.rows if row.score.value is not None]
    assert (line["score_low"], line["score_high"]) == (str(min(scores)), str(max(scores)))
    row = seen.get("/").text
    assert "&gt;= $" in row
    assert f"{100 * min(scores):.1f} to {100 * max(scores):.1f}" in row


def test_what_providers_charged_stands_beside_a_list_price_that_is_another_amount(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        asyncio.run(add_every_bill(ledger))
        report = spend_report(ledger, load_price_book(), ["every"])
        pages = viewer(ledger)
        (line,) = lines_of(pages, "/?format=csv")
        page = html.unescape(pages.get("/").text)
    listed, charged = Decimal(line["cost_usd"]), Decimal(line["charged_usd"])
    assert charged != listed
    spends = [spend for row in report.rows for spend in row.facts.spends.values()]
    assert (listed, charged) == tuple(sum(getattr(one.cost, name) for one in spends) for name in ("total", "charged"))
    assert f">= {dollars(listed)}, charged >= {dollars(charged)}" in page


async def answer(ledger: Ledger, filled: Filled, number: int) -> int:
    """Ask a sample, and have the answer scored right."""
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled, number))
        await writer.settle(outcome(attempt_id))
        await writer.add_score(score(filled, attempt_id, number))
    return attempt_id


def test_figures_are_made_again_when_a_run_has_changed_and_only_then(tmp_path: Path) -> None:
    """New attempts, attempts that settle, and new scores of old answers are seen; other runs keep their figures."""
    with Ledger.open(tmp_path / "grows.db") as ledger:
        first, second = fill(ledger, run_id="first"), fill(ledger, run_id="second")
        for filled in (first, second):
            asyncio.run(answer(ledger, filled, 0))
        summaries = RunSummaries(ledger, load_price_book())

        def look() -> tuple[RunSummary, RunSummary]:
            found = summaries.of(ledger.runs(), patience_s=None)
            return found["first"], found["second"]

        kept, before = look()
        assert look() == (kept, before)
        assert look()[1] is before
        attempt_id = asyncio.run(answer(ledger, second, 1))
        grown = look()
        assert grown[0] is kept
        assert grown[1].spend.n_attempts == 2
        asyncio.run(rescore(ledger, second, attempt_id))
        rescored = look()
        assert rescored[0] is kept
        assert dict(rescored[1].scores)["reasoner (simulated)"] == 0.5
        asyncio.run(settle_later(ledger, second, look))


async def rescore(ledger: Ledger, filled: Filled, attempt_id: int) -> None:
    async with ledger.writer() as writer:
        await writer.add_score(score(filled, attempt_id, 1, value_millionths=0))


async def settle_later(ledger: Ledger, filled: Filled, look: Callable[[], tuple[RunSummary, RunSummary]]) -> None:
    async with ledger.writer() as writer:
        attempt_id = await writer.send(start(filled, 2))
        assert look()[1].spend.n_open_attempts == 1
        await writer.settle(outcome(attempt_id))
        assert look()[1].spend.n_open_attempts == 0


@pytest.mark.parametrize("run_id", ["a/b", "a%2Fb", "..", "%", "a?b#c", "with space", "a+b&c=d"])
def test_a_run_has_an_address_whatever_its_id_is(tmp_path: Path, run_id: str) -> None:
    with Ledger.open(tmp_path / "ids.db") as ledger:
        store(ledger, kept_run(1, run_id=run_id))
        client = viewer(ledger)
        (address,) = listed(client.get("/").text)
        page = client.get(f"/runs/{html.unescape(address)}")
        assert page.status_code == 200
        assert f"<title>{html.escape(run_id)}" in page.text
        file = re.search(r'href="(/runs/[^"]*format=csv[^"]*)"', page.text)
        assert file is not None
        assert client.get(html.unescape(file[1])).status_code == 200
        assert client.get(f"{live_address(run_id)}?once=1").json()["run_id"] == run_id
