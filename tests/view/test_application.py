"""Addresses lead to pages, files and clear errors."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient


def test_the_runs_page_names_every_run_and_links_to_it(seen: TestClient) -> None:
    page = seen.get("/")
    assert page.status_code == 200
    assert '<a href="/runs/seen">seen</a>' in page.text


def test_what_is_shown_can_be_had_as_csv_and_parquet(seen: TestClient) -> None:
    table = seen.get("/?format=csv&table=runs")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[0].startswith("run,")
    assert table.text.splitlines()[1].startswith("seen,")
    assert seen.get("/?format=parquet").content[:4] == b"PAR1"


@pytest.mark.parametrize("address", ["/nowhere", "/?format=exe", "/assets/..%2Fapplication.py", "/assets/nothing.js"])
def test_an_address_of_nothing_says_so(seen: TestClient, address: str) -> None:
    page = seen.get(address)
    assert page.status_code == 404
    assert "there is no such page" in page.text or "this page has no table" in page.text


def test_the_chart_library_needs_no_other_host(seen: TestClient) -> None:
    assert b"vegaEmbed" in seen.get("/assets/vega.js").content
