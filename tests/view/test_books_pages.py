"""Budgets, forecasts and prices as pages: the figures of the commands, and what leads from one to another."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.view.pages.price_page import linked
from tests.support.command_lines import said_here
from tests.support.viewed import viewer

_RATES = ("input", "cache_read", "output")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def capped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger without runs, with caps on a month, a model and a run of a hostile name."""
    path = tmp_path_factory.mktemp("capped") / "capped.db"
    with Ledger.open(path) as ledger:
        for scope in ("month:2026-11", f"model:openai/{HOSTILE}", "run:a"):
            ledger.set_budget(scope, 5 * 10**12)
    return path


@pytest.fixture
def caps(capped: Path) -> Iterator[TestClient]:
    with Ledger.open(capped, create=False) as ledger:
        yield viewer(ledger)


def rows_of(answer_text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer_text)))


def said_by(database: Path, *words: str) -> dict[str, list[dict[str, str]]]:
    done = said_here(*words, "--json", "--db", str(database))
    assert done.code == 0
    found: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("everything", [False, True])
def test_budgets_are_those_of_the_command(seen: TestClient, seen_ledger: Path, *, everything: bool) -> None:
    address, words = ("/budgets?all=yes", ["--all"]) if everything else ("/budgets", [])
    said = said_by(seen_ledger, "budgets", "list", *words)["budgets"]
    page = seen.get(address)
    assert page.status_code == 200
    assert all(one["scope"] in page.text for one in said)
    file = rows_of(seen.get(f"{address}{'&' if everything else '?'}format=csv").text)
    assert file == [{name: value or "" for name, value in one.items()} for one in said]


def test_a_cap_is_a_bar_with_its_share_in_words(caps: TestClient) -> None:
    page = caps.get("/budgets").text
    assert '<meter min="0" max="1" high="0.9" optimum="0" value="0.0000" aria-label="month:2026-11: 0.0% used">' in page
    assert '<a href="/runs/a">run:a</a>' in page
    assert "style=" not in page


def test_a_hostile_scope_is_text(caps: TestClient) -> None:
    page = caps.get("/budgets").text
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_simulated_spending_stands_apart(seen: TestClient) -> None:
    page = seen.get("/budgets?all=yes").text
    assert 'Simulated spending <span class="mark">simulated</span>' in page


def test_a_ledger_without_caps_says_how_to_set_one(seen: TestClient) -> None:
    assert "benchtab budgets set" in seen.get("/budgets").text


def test_forecasts_stand_beside_their_bills_and_simulated_ones_apart(seen: TestClient, seen_ledger: Path) -> None:
    said = said_by(seen_ledger, "forecasts")["forecasts"]
    whole = [one for one in said if one["model"] is None]
    page = seen.get("/forecasts").text
    assert "Real dollars</h2>" not in page
    assert 'simulated models <span class="mark">simulated</span>' in page
    assert f"{len(whole)} forecasts" in page
    file = rows_of(seen.get("/forecasts?format=csv&table=forecasts").text)
    assert [one["run_id"] for one in file] == ["seen"] * len(whole)
    assert [one["stage"] for one in file][-1] == "start"
    assert [Decimal(one["expected_usd"]) for one in file] == [Decimal(one["expected_usd"]) for one in whole[::-1]]
    assert seen.get("/forecasts?format=parquet&table=record").content[:4] == b"PAR1"


def test_forecasts_of_the_other_kind_are_left_out(seen: TestClient) -> None:
    page = seen.get("/forecasts?kind=real")
    assert page.status_code == 200
    assert "No forecasts are stored here" in page.text


def test_forecasts_of_no_such_run_say_so(seen: TestClient) -> None:
    page = seen.get("/forecasts?run=%3Cb%3Enobody")
    assert page.status_code == 400
    assert "there is no run &lt;b&gt;nobody" in page.text


def test_few_forecasts_are_said_to_be_few(seen: TestClient) -> None:
    page = seen.get("/forecasts").text
    assert "fewer than 10 intervals say little" in page or "no run has ended" in page


def test_a_ledger_without_forecasts_says_who_makes_them(caps: TestClient) -> None:
    page = caps.get("/forecasts")
    assert page.status_code == 200
    assert "a run makes them when it starts" in page.text


def test_every_name_of_the_book_is_listed_with_what_it_costs_now(seen: TestClient) -> None:
    book = load_price_book()
    file = rows_of(seen.get("/prices?format=csv").text)
    assert len(file) == sum(len(book.models(provider)) for provider in {row["provider"] for row in file})
    mini = next(row for row in file if (row["provider"], row["model"]) == ("openai", "o1-mini"))
    said = said_here("prices", "explain", "openai/o1-mini", "--json", "--no-compare")
    rates = json.loads(said.stdout)["rates"]
    columns = ("input_usd_per_mtok", "cache_read_usd_per_mtok", "output_usd_per_mtok")
    assert [Decimal(mini[name]) for name in columns] == [Decimal(rates[name]) for name in _RATES]


def test_a_page_of_prices_is_a_hundred_names_and_leads_to_the_next(seen: TestClient) -> None:
    first, last = seen.get("/prices"), seen.get("/prices?page=999999")
    assert first.text.count("<tr>") == 101
    assert 'rel="next" href="/prices?page=2"' in first.text
    assert 'rel="next"' not in last.text
    assert 'rel="prev"' in last.text


def test_prices_are_searched_chosen_and_sorted_and_the_file_is_what_is_shown(seen: TestClient) -> None:
    address = "/prices?q=MINI+gpt&provider=openai&sort=-output_usd_per_mtok"
    file = rows_of(seen.get(f"{address}&format=csv").text)
    assert {row["provider"] for row in file} == {"openai"}
    assert all("mini" in row["model"] and "gpt" in row["model"] for row in file)
    known = [Decimal(row["output_usd_per_mtok"]) for row in file if row["output_usd_per_mtok"]]
    assert known == sorted(known, reverse=True)
    page = seen.get(address).text
    assert [row["model"] for row in file[:100]] == re.findall(r'<a href="/prices/openai/[^"]*">([^<]*)</a>', page)
    assert 'aria-sort="descending"' in page


def test_prices_that_nothing_fits_say_so(seen: TestClient) -> None:
    page = seen.get(f"/prices?q={HOSTILE}").text
    assert "No name of the price book fits" in page
    assert HOSTILE not in page


def test_a_price_page_has_the_history_of_the_command_with_its_sources(seen: TestClient) -> None:
    page = seen.get("/prices/openai/o1-mini").text
    file = rows_of(seen.get("/prices/openai/o1-mini?format=csv").text)
    said = json.loads(said_here("prices", "show", "openai/o1-mini", "--json").stdout)["history"]
    assert [Decimal(row["output_usd_per_mtok"]) for row in file] == [Decimal(one["rates"]["output"]) for one in said]
    words = unescape(re.sub("<[^>]+>", "", page))
    assert all(one["source"] in words for one in said)
    assert "List price over time" in page


def test_only_web_addresses_of_a_source_lead_anywhere(seen: TestClient) -> None:
    assert list(linked("litellm 1.106.2: https://example.org/a?b=1, javascript:alert(1); data:text/html,x.")) == [
        ("litellm 1.106.2: ", None),
        ("https://example.org/a?b=1", "https://example.org/a?b=1"),
        (", javascript:alert(1); data:text/html,x.", None),
    ]
    address = re.search(r'<a href="(https://[^"]+)" target="_blank" rel="noopener noreferrer">', _imported_page(seen))
    assert address is not None


def _imported_page(seen: TestClient) -> str:
    listed = rows_of(seen.get("/prices?format=csv").text)
    row = next(one for one in listed if "https://" in one["source"] and "/" in one["model"])
    page = seen.get(f"/prices/{row['provider']}/{quote(row['model'], safe='')}")
    assert page.status_code == 200
    assert row["model"] in page.text
    return page.text


def test_a_price_page_names_the_runs_that_asked_the_model(seen: TestClient) -> None:
    page = seen.get("/prices/sim/reasoner").text
    assert page.count('<a href="/runs/seen">seen</a>') == 4  # four settings
    assert {row["model"] for row in rows_of(seen.get("/prices/sim/reasoner?format=csv&table=uses").text)} == {
        "sim/reasoner", "sim/reasoner@low", "sim/reasoner@medium", "sim/reasoner@high",
    }  # fmt: skip
    assert seen.get("/prices/simulated/reasoner").status_code == 200


def test_a_model_without_a_price_is_told_with_names_like_it(seen: TestClient) -> None:
    page = seen.get(f"/prices/openai/o1-minni{quote(HOSTILE, safe='')}")
    assert page.status_code == 404
    assert HOSTILE not in page.text
    assert "o1-mini" in seen.get("/prices/openai/o1-minni").text


@pytest.mark.parametrize("address", ["/prices?q=o1", "/prices/openai/o1-mini", "/budgets?all=yes", "/forecasts"])
def test_what_is_shown_can_be_had_as_parquet(seen: TestClient, address: str) -> None:
    """Columns of worded texts once were typed as numbers, which no Parquet file takes."""
    form = f"{address}{'&' if '?' in address else '?'}format="
    table = pq.read_table(io.BytesIO(seen.get(f"{form}parquet").content))
    assert table.num_rows == len(rows_of(seen.get(f"{form}csv").text)) > 0
