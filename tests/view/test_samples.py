"""Samples of a run: the index equals the export, filters and orders choose what they say, pages walk along the list."""

from __future__ import annotations

import asyncio
import csv
import html
import io
import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.wait import WebDriverWait
from starlette.testclient import TestClient

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
from harness.ledger import NO_USAGE, AttemptOutcome, AttemptStart, Ledger, Transcript
from harness.ledger.reading.batch_rows import select_rows
from harness.ledger.reading.viewed.said_beginnings import said_beginnings
from harness.ledger.records import InvoicedRecord
from harness.pricing import Price, PriceBook
from harness.pricing.price_files import load_price_book
from harness.reports.exports.sample_export import sample_stream
from harness.reports.facts.assembly import spend_report
from harness.reports.spend.wording import dollars
from harness.usage import Usage
from harness.usage.values import Meter
from harness.view.answers.index_building import built_index, extend, is_extendable
from harness.view.answers.kept_index import keep, kept
from harness.view.answers.listed_samples import SORTS, Listed, asked_text, listed
from harness.view.answers.run_indexes import NotYet, RunIndexes
from harness.view.answers.sample_choice import part_in_order, place_in_order
from harness.view.answers.sample_index import IS_THERE, SampleIndex
from harness.view.answers.sample_walk import carried, chosen_samples, entry_address, neighbours
from harness.view.page_values import Asked, Sources
from harness.view.pages.samples_page import being_read
from harness.view.templating import render
from tests.support.kept_files import spoil_kept
from tests.support.report_ledgers import AT_US, Try, add_attempt, add_run, many, used
from tests.support.view_servers import served
from tests.support.viewed import viewer

ODD_RATE = Decimal("0.0000007")
"""Dollars per million tokens that are no whole picodollars per token."""
BOOK = PriceBook(
    rows=(
        Price(
            provider="sim",
            model="reasoner",
            rates={Meter.INPUT: Decimal("2.1"), Meter.CACHE_READ: Decimal("0.53"), Meter.OUTPUT: Decimal("8.7")},
        ),
        Price(provider="sim", model="direct", rates={Meter.INPUT: ODD_RATE, Meter.OUTPUT: Decimal("1.6")}),
    )
)
ODD = {
    ("silent", 0): [Try(score=None, reason="no_answer")],
    ("cut", 0): [Try(score=None, reason="truncated", finish_reason="length")],
    ("unclear", 0): [Try(score=None, reason="undecided")],
    ("failed", 0): [Try(status="failed", usage=NO_USAGE, score=None, billed="no")],
    ("strange", 0): [Try(score=None, reason="grader_lost")],
    ("lost", 0): [Try(status="timed_out", usage=NO_USAGE, score=None), Try(usage=used(7, 9, 3, cached=5), score=0.0)],
    ("won", 0): [Try(score=0.25), Try(status="failed", usage=NO_USAGE, score=None)],
    ("stated", 0): [Try(usage=replace(used(10, 20), stated_cost_usd=Decimal("0.00001")), score=0.5)],
    ("judged", 0): [Try(), Try(purpose="judge", usage=used(30, 4)), Try(purpose="user_simulator", usage=used(3, 4))],
    ("reused", 0): [Try(status="reused", usage=used(50, 60))],
    ("vague", 0): [Try(usage=used(50, 60, None)), Try(usage=used(5, 6, 2))],
    ("open", 0): [Try(status=None)],
    ("billed", 0): [Try(status=None)],
    ("again", 1): [Try()],
}


async def odd_run(ledger: Ledger) -> None:
    """A run with everything that can become of a sample, beside another run."""
    cells = {
        "sim/reasoner@high": {**many(20, 0.8, 900, reasoning=80), **ODD},
        "sim/direct": {**many(20, 0.6, 90), **dict(list(ODD.items())[::2])},
        "acme/unpriced": many(5, 0.5, 10),
    }
    await add_run(ledger, "r1", cells)
    await add_run(ledger, "r2", {"sim/direct": many(5, 0.5, 10)})
    ledger.add_invoiced([invoiced(number, 1_234_567) for number in ids_of(ledger, "billed")])


def ids_of(ledger: Ledger, sample_id: str) -> list[int]:
    query = "SELECT attempt_id FROM attempts JOIN planned_samples USING (planned_id) WHERE sample_id = :sample_id"
    return [row.attempt_id for row in select_rows(ledger, query, sample_id=sample_id)]


def invoiced(attempt_id: int, pico_usd: int) -> InvoicedRecord:
    return InvoicedRecord(attempt_id=attempt_id, source="a bill", recorded_at_us=AT_US, billed_pico_usd=pico_usd)


@pytest.fixture
async def odd(ledger_url: str) -> Any:
    with Ledger.open(ledger_url) as opened:
        await odd_run(opened)
        yield opened


def shown(index: SampleIndex, ledger: Ledger) -> list[Listed]:
    return listed(index, ledger, np.flatnonzero(index.has(IS_THERE)))


SAME = (
    "cost_usd", "cost_is_lower_bound", "judge_cost_usd", "judge_cost_is_lower_bound", "reason", "score", "attempt_id",
    "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "n_attempts",
    "n_retries", "duration_s", "time_to_first_byte_s", "answer",
)  # fmt: skip


def assert_equals_export(index: SampleIndex, ledger: Ledger, book: PriceBook = BOOK) -> None:
    stream = sample_stream(ledger, book, [index.run_id])
    names = [column.name for column in stream.columns]
    exported: dict[tuple[object, ...], dict[str, Any]] = {}
    for columns in stream.batches:
        for values in zip(*columns, strict=True):
            row = dict(zip(names, values, strict=True))
            model = f"{row['provider']}/{row['model']}{'@' + row['setting'] if row['setting'] else ''}"
            exported[row["suite"], row["task"], row["sample_id"], row["epoch"], model] = row
    mine = {tuple(one.values[name] for name in ("suite", "task", "sample_id", "epoch", "model")): one.values
            for one in shown(index, ledger)}  # fmt: skip
    assert mine.keys() == exported.keys()
    for key, row in exported.items():
        assert {name: mine[key][name] for name in SAME} == {name: row[name] for name in SAME}, key
    every = np.flatnonzero(index.has(IS_THERE))
    assert index.total_usd("cost", every) == sum(row["cost_usd"] or Decimal(0) for row in exported.values())


async def test_every_number_of_the_index_is_that_of_the_samples_export(odd: Ledger) -> None:
    """Judges, retries, failures, reused answers, bills told later, stated costs, odd rates, unpriced models."""
    index = built_index(odd, BOOK, "r1")
    assert index.beyond  # the odd rate
    assert_equals_export(index, odd)
    assert_equals_export(built_index(odd, BOOK, "r2"), odd)


async def test_an_index_that_is_extended_equals_one_that_is_read_anew(odd: Ledger) -> None:
    """What was under way is settled, retried and scored again; bills are told; other runs change nothing."""
    index = built_index(odd, BOOK, "r1")
    assert not extend(index, odd, BOOK)
    version = index.version
    (cell, *_), planned = odd.cells("r1"), odd.planned("r1")
    by_name = {one.sample_id: one.planned_id or 0 for one in planned}
    async with odd.writer() as writer:
        for name, tries in (("silent", [Try()]), ("open", [Try(score=0.0)]), ("q0003", [Try(purpose="judge")])):
            for number, attempt in enumerate(tries, 7):
                request = f"more.{name}.{number}"
                await add_attempt(writer, attempt, request, cell.cell_id or 0, by_name[name], "sim/reasoner@high",
                                  number, None, AT_US + 9_000_000)  # fmt: skip
    odd.add_invoiced([invoiced(number, 99) for number in ids_of(odd, "lost")])
    await add_run(odd, "r3", {"sim/direct": many(5, 0.5, 10)})
    assert is_extendable(index, odd)
    assert extend(index, odd, BOOK)
    assert index.version > version
    assert_equals_export(index, odd)
    assert not extend(index, odd, BOOK)


def test_a_kept_index_is_read_again_and_foreign_or_broken_ones_are_not(odd: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    index = built_index(odd, BOOK, "r1")
    keep(index, odd, BOOK.sha256, folder)
    again = kept(odd, "r1", BOOK.sha256, folder)
    assert again is not None
    assert_equals_export(again, odd)
    other = PriceBook(rows=BOOK.rows[:1])
    assert kept(odd, "r1", other.sha256, folder) is None
    assert kept(odd, "r2", BOOK.sha256, folder) is None
    (place,) = folder.iterdir()
    whole = place.read_bytes()
    place.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert kept(odd, "r1", BOOK.sha256, folder) is None
    keep(index, odd, BOOK.sha256, folder)
    assert [found.name for found in folder.iterdir()] == [place.name]
    assert kept(odd, "r1", BOOK.sha256, folder) is not None
    spoil_kept(folder, lambda _: b'{"told": [], "kinds": []}')
    assert kept(odd, "r1", BOOK.sha256, folder) is None


def test_an_empty_name_of_the_cache_folder_keeps_and_reads_no_index(
    odd: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BENCHTAB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".cache" / "benchtab" / "answers"
    keep(built_index(odd, BOOK, "r1"), odd, BOOK.sha256, folder)
    spoil_kept(folder, lambda told: told.replace(b'"reasons":["', b'"reasons":["kept'))
    with RunIndexes().of(odd, BOOK, "r1", is_patient=True) as index:
        assert index.reasons[0] == "kept"
    monkeypatch.setenv("BENCHTAB_CACHE", "")
    with RunIndexes().of(odd, BOOK, "r1", is_patient=True) as index:
        assert index.reasons[0] == ""


def test_rows_that_are_equal_stay_as_planned_and_unknown_ones_stand_last() -> None:
    """A part of the order is what sorting everything gives there, wherever it is cut."""
    rng = random.Random(5)
    for n, different in ((1000, 3), (1000, 900), (40, 40), (1000, 1)):
        keys = np.array([float(rng.randrange(different)) for _ in range(n)])
        keys[::7] = np.inf
        whole = np.argsort(keys, kind="stable")
        for start in (0, 1, n // 3, n - 5):
            assert part_in_order(keys, n, start, start + 5).tolist() == whole[start : start + 5].tolist()
        assert [place_in_order(keys, int(at)) for at in whole[:20]] == list(range(min(20, n)))


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


def csv_rows(seen: TestClient, address: str) -> list[dict[str, str]]:
    page = seen.get(f"{address}{'&' if '?' in address else '?'}format=csv&table=samples")
    assert page.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(page.text)))


SAMPLES = "/runs/seen/samples"


def test_what_is_downloaded_is_what_is_chosen_in_its_order(seen: TestClient) -> None:
    """All rows of it, not one page; the page shows the first of them, and its sums are theirs."""
    rows = csv_rows(seen, f"{SAMPLES}?verdict=wrong&sort=-cost")
    costs = [Decimal(row["cost_usd"]) for row in rows if row["cost_usd"]]
    assert len(rows) > 50
    assert costs == sorted(costs, reverse=True)
    assert {row["verdict"] for row in rows} == {"wrong"}
    page = seen.get(f"{SAMPLES}?verdict=wrong&sort=-cost").text
    assert f"<b>{len(rows)}</b>" in page
    assert f'title="${sum(costs)}"' in page
    assert page.count('<tr class="is-wrong">') == 50
    assert seen.get(f"{SAMPLES}?sort=-cost&format=parquet").content[:4] == b"PAR1"


def test_filters_choose_what_they_say(seen: TestClient) -> None:
    every = csv_rows(seen, SAMPLES)
    assert len(every) == len({(row["sample_id"], row["epoch"], row["model"]) for row in every})

    def chosen(query: str) -> list[dict[str, str]]:
        return csv_rows(seen, f"{SAMPLES}?{query}")

    tests: dict[str, Callable[[dict[str, str]], bool]] = {
        "model=sim/direct&model=sim/flaky": lambda row: row["model"] in ("sim/direct", "sim/flaky"),
        "task=math": lambda row: row["task"] == "math",
        "reason=truncated": lambda row: row["reason"] == "truncated",
        "state=retried": lambda row: int(row["n_retries"]) > 0,
        "cost_min=0.01&cost_max=$0.05": lambda row: 0.01 <= float(row["cost_usd"] or "nan") <= 0.05,
        "output_min=1,000": lambda row: int(row["output_tokens"] or 0) >= 1000,
        "share_max=50%25": lambda row: row["reasoning_share"] != "" and float(row["reasoning_share"]) <= 50,
        "id=ARITH": lambda row: "arith" in row["sample_id"],
        "verdict=right&verdict=none": lambda row: row["verdict"] in ("right", "no score"),
    }
    for query, is_in in tests.items():
        found = chosen(query)
        assert found == [row for row in every if is_in(row)], query
        assert 0 < len(found) < len(every), query


def test_the_dearest_hundredth_is_one_click_away(seen: TestClient) -> None:
    address = html.unescape(re.findall(r'href="([^"]+)" data-key="d"', seen.get(SAMPLES).text)[0])
    costs = sorted((Decimal(row["cost_usd"]) for row in csv_rows(seen, SAMPLES) if row["cost_usd"]), reverse=True)
    dearest = [Decimal(row["cost_usd"]) for row in csv_rows(seen, address)]
    assert dearest == costs[: len(dearest)]
    assert len(costs) / 100 <= len(dearest) < len(costs) / 50


def test_texts_are_searched_in_a_bounded_part_that_the_page_names(seen: TestClient) -> None:
    rows = csv_rows(seen, f"{SAMPLES}?text=JACKET&model=sim/direct")
    assert {row["sample_id"] for row in rows} == {"arithmetic-7"}
    assert "The text was looked for in the first" in seen.get(f"{SAMPLES}?text=jacket").text


def test_every_column_sorts_both_ways_with_unknown_values_last(seen: TestClient) -> None:
    for column, order in SORTS.items():
        up, down = (csv_rows(seen, f"{SAMPLES}?model=sim/flaky&sort={sign}{order}") for sign in ("", "-"))
        assert len(up) == len(down) == 2 * 140
        if column in up[0] and column not in ("verdict", "model", "task", "reason"):
            known = [float(row[column]) for row in up if row[column]]
            assert [row[column] for row in up[len(known) :]] == [""] * (len(up) - len(known))
            assert known == sorted(known)
            assert [float(row[column]) for row in down if row[column]] == sorted(known, reverse=True)


@pytest.mark.parametrize(
    ("query", "words"),
    [("sort=nonsense", "cannot be sorted"), ("cost_min=much", "not a number"), ("cost_max=nan", "not a number")],
)
def test_an_address_that_asks_for_what_there_is_not_says_so(seen: TestClient, query: str, words: str) -> None:
    page = seen.get(f"{SAMPLES}?{query}")
    assert page.status_code == 400
    assert words in page.text


def test_pages_of_a_list_hold_every_row_once(seen: TestClient) -> None:
    addresses: list[str] = []
    for page in (1, 2, 3, 4, 5, 6, 999):
        text = seen.get(f"{SAMPLES}?model=sim/direct&sort=share&page={page}").text
        addresses += re.findall(r'href="(/runs/seen/samples/\d+/\d+)', text)
    n = len(csv_rows(seen, f"{SAMPLES}?model=sim/direct"))
    assert len(set(addresses)) == n  # page 999 is the last one again
    assert seen.get("/runs/nothing/samples").status_code == 404


def test_neighbours_walk_through_the_chosen_list(seen_ledger: Path) -> None:
    """From the first to the last, each once, with the filter in every address; then there is nowhere to go."""
    with Ledger.open(seen_ledger, create=False) as ledger:
        sources = Sources(ledger=ledger, book=load_price_book())
        query = {"verdict": ["wrong"], "model": ["sim/flaky"], "sort": ["-cost"]}
        listing = Asked(sources=sources, path=SAMPLES, names={"run_id": "seen"}, query=query)
        with chosen_samples(listing, is_patient=True) as chosen:
            entries = chosen.part(0, len(chosen.entries)).tolist()
            wanted = [entry_address(chosen.index, entry, carried(listing)) for entry in entries]
        walked, at = [wanted[0]], wanted[0]
        while True:
            found = neighbours(sample_asked(listing, at))
            assert (found.place, found.n) == (len(walked), len(wanted))
            if found.next is None:
                break
            assert neighbours(sample_asked(listing, found.next)).previous == at
            walked.append(at := found.next)
        assert walked == wanted
        assert found.back == f"{SAMPLES}?model=sim%2Fflaky&verdict=wrong&sort=-cost"
        (other, *_) = [one for one in range(chosen.index.plan.n) if one not in entries]
        outside = neighbours(sample_asked(listing, entry_address(chosen.index, other, {})))
        assert (outside.place, outside.next, outside.n) == (None, None, len(wanted))


def sample_asked(listing: Asked, address: str) -> Asked:
    path = address.partition("?")[0]
    *_, cell_id, planned_id = path.split("/")
    return replace(listing, path=path, names={**listing.names, "cell_id": cell_id, "planned_id": planned_id})


def test_a_question_stands_with_all_models_side_by_side(seen: TestClient) -> None:
    rows = csv_rows(seen, f"{SAMPLES}?id=arithmetic-7")
    address = re.findall(r'href="(/runs/seen/questions/\d+)"', seen.get(f"{SAMPLES}?id=arithmetic-7").text)[0]
    page = seen.get(address).text
    assert page.count("<article ") == len(rows) == 12  # six models, two repeats
    assert page.count("After a discount of 30 % a jacket costs 84 euros") == 1
    assert "Reference: <code>120</code>" in page
    answers = list(csv.DictReader(io.StringIO(seen.get(f"{address}?format=csv").text)))
    assert sorted(map(str, answers)) == sorted(map(str, rows))


@pytest.mark.parametrize("number", ["999999", "9" * 25, "9" * 5_000, "٣", "x"])
def test_a_question_of_no_possible_number_is_not_there_and_breaks_nothing(seen: TestClient, number: str) -> None:
    answer = seen.get(f"/runs/seen/questions/{number}")
    assert (answer.status_code, "no such question" in answer.text) == (404, True)


def test_only_questions_on_which_models_disagree_are_walked_through(seen: TestClient) -> None:
    scores: dict[str, set[str]] = defaultdict(set)
    for row in csv_rows(seen, SAMPLES):
        if row["verdict"] != "no score":
            scores[row["sample_id"]].add(row["verdict"])
    address = "/runs/seen/questions/1?disputed=1"
    page = seen.get(address).text
    assert f"{sum(len(found) > 1 for found in scores.values())} on which models disagree" in page
    title = re.findall(r'href="([^"]+)" rel="next"', page)[0]
    sample = re.findall(r"<h1>\w+: ([\w-]+)", seen.get(html.unescape(title)).text)[0]
    assert len(scores[sample]) > 1
    assert seen.get("/runs/seen/questions/9999999").status_code == 404
    assert seen.get("/runs/seen/questions/x").status_code == 404


def test_a_list_that_is_still_being_read_says_how_far_it_is() -> None:
    shown = being_read("seen", "Samples", NotYet(0.42))
    page = render(shown.template, title=shown.title, asked=None, **shown.values)
    assert "42 % so far" in page
    assert '<meta http-equiv="refresh" content="1">' in page


async def test_texts_of_any_length_are_read_no_further_than_they_are_shown(ledger: Ledger) -> None:
    """Twenty megabytes of an answer that packs to nothing, and a prompt that is cut in the middle of its JSON."""
    await add_run(ledger, "r1", {"sim/direct": {("long", 0): [Try()]}})
    filled = Transcript(messages=[{"role": "user", "content": 'Say "x" ' + "é" * 100_000}], answer="y" * 20_000_000)
    cell, planned = ledger.cells("r1")[0].cell_id or 0, ledger.planned("r1")[0].planned_id or 0
    async with ledger.writer() as writer:
        start = AttemptStart(request_id="more", cell_id=cell, planned_id=planned, model_requested="direct",
                             started_at_us=AT_US, parameters={})  # fmt: skip
        number = await writer.send(start)
        ended = AttemptOutcome(attempt_id=number, status="succeeded", finished_at_us=AT_US + 1, usage=used(1, 1))
        await writer.settle(ended, transcript=filled)
    said = said_beginnings(ledger, [number], most_bytes=1001)[number]
    assert said.answer == "y" * 1001
    assert asked_text(said.prompt).startswith('Say "x" ééé')
    assert said.reasoning is None
    (row,) = shown(built_index(ledger, BOOK, "r1"), ledger)
    assert row.values["question"].startswith('Say "x" éé')


@pytest.mark.browser
def test_keys_walk_through_lists_samples_and_questions_and_not_while_typing(browser: Any, seen_ledger: Path) -> None:
    """Rows by j and k, only wrong by w, Enter opens, along the chosen list on a sample's page; what is done is said."""

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()

    def becomes(is_so: Callable[[], bool]) -> None:
        wait.until(lambda _: is_so())

    def focused() -> str:
        return str(browser.execute_script("return document.activeElement.getAttribute('href') || ''"))

    def at() -> str:
        """The address of the page, once its keys work: the script that listens to them runs before `complete`."""
        wait.until(lambda _: browser.execute_script("return document.readyState") == "complete")
        return str(browser.current_url)

    wait = WebDriverWait(browser, 120, poll_frequency=0.05)
    with served(seen_ledger) as (host, port):
        start = f"http://{host}:{port}"
        browser.get_log("browser")
        browser.get(f"{start}{SAMPLES}?sort=-cost")
        press("j", "j")
        second = focused()
        assert browser.find_element("id", "said").text.startswith("Row 2 of 50: ")
        press("k")
        assert focused() != second
        press("?")
        assert browser.find_element("id", "keys").get_attribute("open")
        browser.find_element("name", "model").send_keys(Keys.ESCAPE)
        browser.execute_script("document.querySelector('details.more').open = true")
        browser.find_element("name", "id").send_keys("wjd?")
        assert browser.current_url == f"{start}{SAMPLES}?sort=-cost"
        browser.execute_script("document.activeElement.blur()")
        press("w")
        becomes(lambda: at() == f"{start}{SAMPLES}?sort=-cost&verdict=wrong")
        press("j", Keys.ENTER)
        becomes(lambda: "/samples/" in at())
        first = at()
        assert first.endswith("?verdict=wrong&sort=-cost")
        press("j")
        becomes(lambda: at() != first)
        press("k")
        becomes(lambda: at() == first)
        browser.get(f"{start}/runs/seen/questions/1")
        press("w")
        becomes(lambda: at() != f"{start}/runs/seen/questions/1")
        disputed = at()
        press("j")
        becomes(lambda: at() != disputed)
        assert "on which models disagree" in browser.find_element("css selector", ".pager").text
        severe = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
    assert severe == []
