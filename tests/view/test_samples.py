"""Samples of a run: filters and orders choose what they say, pages walk along the list, and keys along the pages."""

from __future__ import annotations

import csv
import html
import io
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.support.wait import WebDriverWait
from starlette.testclient import TestClient

from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.view.answers.listed_samples import SORTS
from harness.view.answers.run_indexes import NotYet
from harness.view.answers.sample_walk import carried, chosen_samples, entry_address, neighbours
from harness.view.page_values import Asked, Sources
from harness.view.pages.samples_page import being_read
from harness.view.templating import render
from tests.support.view_servers import served
from tests.support.viewed import csv_rows

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
