"""A static copy of a run: what is in it is linked, what is not is text, and no server is needed."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from harness.errors import InputError
from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.view.copies.copied_page import copied
from harness.view.copies.static_copy import Bounds, write_copy
from harness.view.page_values import Sources
from tests.support.command_lines import said_here

FEW = Bounds(lists=3, samples=4)


@pytest.fixture(scope="module")
def sources(seen_ledger: Path) -> Iterator[Sources]:
    """What pages read."""
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        yield Sources(ledger=ledger, book=load_price_book())


@pytest.fixture(scope="module")
def copy(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run within narrow bounds."""
    return write_copy(sources, "seen", tmp_path_factory.mktemp("copies") / "a copy", FEW).parent


def test_every_address_in_a_copy_is_a_file_of_it(copy: Path) -> None:
    pages = sorted(copy.glob("*.html"))
    assert len(pages) == 1 + 3 + 4 + 4
    for page in pages:
        text = page.read_text()
        found = re.findall(r'<[^>]*?\s(?:href|src|action)="([^"]*)"', text)
        found += re.findall(r'"href":"([^"]*)"', text)
        assert found
        for address in map(unescape, found):
            file, _, _ = address.partition("#")
            assert not address.startswith(("/", "http")), (page.name, address)
            assert not file or file == "data:," or (copy / unquote(file)).is_file(), (page.name, address)
        assert "<form" not in text
        assert "data-live" not in text


def test_a_copy_says_what_it_leaves_out(copy: Path) -> None:
    assert "with the pages of 4 samples of " in (copy / "index.html").read_text()
    lists = [path.read_text() for path in copy.glob("samples*.html")]
    assert any('rel="next"' in text or "<span>next</span>" in text for text in lists)
    assert all("?" not in address for text in lists for address in re.findall(r'href="([^"]*)"', text))


def test_tables_of_a_copy_are_those_of_the_view(copy: Path, seen: TestClient) -> None:
    assert (copy / "index-report.csv").read_bytes() == seen.get("/runs/seen?format=csv&table=report").content
    assert (copy / "samples-samples.csv").read_bytes() == seen.get(
        "/runs/seen/samples?format=csv&table=samples"
    ).content


def test_a_later_copy_takes_the_place_of_an_earlier_one_and_of_nothing_else(sources: Sources, tmp_path: Path) -> None:
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="this holds other things than an earlier copy"):
        write_copy(sources, "seen", other)
    with pytest.raises(InputError, match="other things"):
        write_copy(sources, "seen", other / "thesis.txt")
    shutil.copytree(other, tmp_path / "empty", ignore=lambda *_: ["thesis.txt"])
    for _ in range(2):
        start = write_copy(sources, "seen", tmp_path / "empty", Bounds(lists=1, samples=0))
        assert start == tmp_path / "empty" / "index.html"
        (tmp_path / "empty" / "stale.html").write_text("of an earlier copy")
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["empty", "mine"]
    assert (other / "thesis.txt").read_text() == "mine"


def test_nothing_is_left_where_a_copy_fails(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="a page cannot be copied: HTTP 404"):
        write_copy(sources, "no such run", tmp_path / "copy")
    assert not list(tmp_path.iterdir())


def test_the_command_needs_a_run_to_copy(seen_ledger: Path, tmp_path: Path) -> None:
    said = said_here("view", "--static", str(tmp_path / "copy"), "--db", str(seen_ledger))
    assert said.code == 2
    assert "benchtab view RUN --static DIR" in said.stderr
    assert not list(tmp_path.iterdir())


HOSTILE = (
    "<main><p>&lt;script&gt;alert(1)&lt;/script&gt; &amp;lt; &#34; &quot;</p>"
    '<a href="/gone?x=&quot;&gt;&lt;script&gt;" title="&quot; onmouseover=&quot;x"><b>gone</b></a>'
    '<a href="/here">here</a><a href="https://a.example/&quot;">away</a>'
    '<form class="filter"><input name="a"><script>x</script></form>'
    '<script type="application/json">{"a":"\\u003c/script\\u003e","href":"/here","b":[{"href":"/gone"}]}</script>'
    "</main>"
)


def test_texts_stay_texts_when_a_page_is_rewritten() -> None:
    made = copied(HOSTILE, {"/here": "here.html"}.get, note="<p>note</p>")
    assert made == (
        "<main><p>note</p><p>&lt;script&gt;alert(1)&lt;/script&gt; &amp;lt; &#34; &quot;</p>"
        '<span title="&quot; onmouseover=&quot;x"><b>gone</b></span>'
        '<a href="here.html">here</a><a href="https://a.example/&quot;">away</a>'
        '<script type="application/json">{"a":"\\u003c/script\\u003e","href":"here.html","b":[{"href":null}]}</script>'
        "</main>"
    )


@pytest.mark.browser
def test_a_browser_opens_a_copy_without_a_server(copy: Path, browser: Any) -> None:
    browser.get_log("browser")
    browser.get((copy / "index.html").as_uri())
    drawn = "return [...document.querySelectorAll('figure.chart')].map(one => one.dataset.drawn === 'yes')"
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 120).until(lambda asked: all(asked.execute_script(drawn)))
    assert browser.execute_script(drawn)
    browser.get((copy / "samples.html").as_uri())
    assert (
        browser.execute_script("return getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"
    )
    assert [one["message"] for one in browser.get_log("browser")] == []
