"""The view in a browser: every page on a wide screen and on a phone, and texts that want to be code."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from harness.ledger import Ledger
from harness.pricing.price_files import load_price_book
from harness.rendering.export_files import export_table
from harness.view.page_addresses import run_address, samples_address
from tests.support.browsers import emulated, requested
from tests.support.view_servers import served

pytestmark = pytest.mark.browser

TWO_MODELS = "base=seen&models=sim/direct&models=sim/reasoner"
ADDRESSES = (
    "/",
    "/runs/seen",
    "/runs/seen/samples",
    "/runs/seen/samples?dearest=1&sort=-cost",
    "/runs/seen/questions/1",
    "/compare",
    f"/compare?{TWO_MODELS}",
    f"/compare/samples?head=seen&{TWO_MODELS}",
    "/prices?q=o3",
    "/prices/openai/o3",
    "/budgets?all=yes",
    "/forecasts",
)
DRAWN = """
return document.readyState === "complete"
  && [...document.querySelectorAll("figure.chart")].every(one => one.dataset.drawn);
"""
VERDICTS = "return [...document.querySelectorAll('#table-samples tbody tr')].map(row => row.className.slice(3))"
TOO_WIDE = """
const room = document.documentElement.clientWidth;
return [...document.querySelectorAll("body *")]
  .filter(one => !one.closest(".scroll, .unseen, .skip, svg, .rendered"))
  .filter(one => one.getBoundingClientRect().right > room + 1)
  .map(one => one.outerHTML.slice(0, 90));
"""


@pytest.fixture
def here(browser: Any, seen_ledger: Path) -> Iterator[str]:
    """The address of a server of the view; what the browser said before is taken away."""
    with served(seen_ledger) as (host, port):
        browser.get_log("browser")
        requested(browser)
        yield f"http://{host}:{port}"


def drawn(browser: Any) -> None:
    """Wait for the charts of a page."""
    WebDriverWait(browser, 120, poll_frequency=0.05).until(lambda _: browser.execute_script(DRAWN))


def said(browser: Any) -> list[str]:
    """List what the console says since the last call."""
    return [line["message"] for line in browser.get_log("browser")]


def elsewhere(browser: Any, here: str) -> set[str]:
    """List what other hosts were asked for."""
    return {address for address in requested(browser) if not address.startswith((f"{here}/", "blob:"))}


@pytest.mark.parametrize(("width_px", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_fits_its_screen_draws_its_charts_and_has_nothing_to_complain_about(
    browser: Any, here: str, width_px: int, scheme: str
) -> None:
    found: dict[str, Any] = {}
    n_charts = 0
    with emulated(browser, width_px=width_px, scheme=scheme):
        for address in (*ADDRESSES, a_sample(browser, here)):
            browser.get(here + address)
            drawn(browser)
            n_charts += len(browser.find_elements("css selector", "figure.chart"))
            wide = browser.execute_script("return document.documentElement.scrollWidth > innerWidth")
            found[address] = (wide, browser.execute_script(TOO_WIDE), said(browser))
    assert {address: what for address, what in found.items() if what != (False, [], [])} == {}
    assert n_charts >= 12
    assert elsewhere(browser, here) == set()


def a_sample(browser: Any, here: str) -> str:
    """Give the address of the sample that was asked most often."""
    browser.get(f"{here}/runs/seen/samples?sort=-retries")
    return str(browser.find_element("css selector", "#table-samples tbody a").get_dom_attribute("href"))


def test_a_chart_without_room_is_drawn_when_it_gets_some(browser: Any, here: str) -> None:
    """In a part of the page that is closed, placing of names read pixels of a picture without width."""
    display = "document.querySelectorAll('.charts').forEach(one => { one.style.display = arguments[0]; })"
    width = "return document.querySelector('figure.chart svg').getBoundingClientRect().width"
    with emulated(browser, width_px=1000):
        browser.get(f"{here}/runs/seen")
        drawn(browser)
        before = browser.execute_script(width)
        browser.execute_script(display, "none")
        browser.execute_script("dispatchEvent(new Event('resize'))")
        browser.execute_async_script("setTimeout(arguments[0], 50)")
        assert browser.execute_script(width) == 0
        browser.execute_script(display, "")
        WebDriverWait(browser, 120).until(lambda _: browser.execute_script(width) == before)
    assert said(browser) == []


def test_filters_selections_and_keys_lead_where_their_words_say(browser: Any, here: str) -> None:
    browser.get(f"{here}/")
    browser.find_element("name", "q").send_keys("nothing is called so", Keys.ENTER)
    WebDriverWait(browser, 120).until(lambda _: "No run is like that" in browser.page_source)
    browser.get(f"{here}/runs/seen")
    drawn(browser)
    for name in ("sim/direct", "sim/reasoner@high"):
        row = next(one for one in browser.find_elements("css selector", "form.selecting tbody tr") if row_is(one, name))
        row.find_element("css selector", "input").click()
    browser.find_element("css selector", "form.selecting button:not([type])").click()
    compared = "direct (simulated) against reasoner@high (simulated)"
    WebDriverWait(browser, 120).until(lambda _: browser.title.startswith(compared))
    drawn(browser)  # which is when the whole page is there
    browser.find_element("css selector", "#table-sides tbody a").click()
    WebDriverWait(browser, 120).until(lambda _: "direction=" in browser.current_url)
    browser.get(f"{here}/runs/seen/samples")
    Select(browser.find_element("name", "verdict")).select_by_visible_text("wrong")
    WebDriverWait(browser, 120).until(lambda _: set(browser.execute_script(VERDICTS)) == {"wrong"})
    assert "verdict=wrong" in browser.current_url
    browser.find_element("css selector", "body").send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to content"
    assert skip.is_displayed()
    assert said(browser) == []


def row_is(row: Any, name: str) -> bool:
    return bool(row.find_element("css selector", "input").get_dom_attribute("value") == name)


def test_a_file_that_the_browser_downloads_is_the_export(
    browser: Any, here: str, seen_ledger: Path, tmp_path: Path
) -> None:
    exported, downloads = tmp_path / "exported.csv", tmp_path / "downloads"
    with Ledger.open(seen_ledger, read_only=True) as ledger:
        export_table(ledger, load_price_book(), "samples", exported, ["seen"])
    allowed = {"behavior": "allow", "downloadPath": str(downloads)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    browser.get(f"{here}/runs/seen")
    browser.find_element("css selector", "a[download][href*='table=samples'][href*='format=csv']").click()
    files = WebDriverWait(browser, 120).until(lambda _: list(downloads.glob("*.csv")))
    assert [file.read_bytes() for file in files] == [exported.read_bytes()]


OWN = "window.owned="
HOSTILE = f"""<script>{OWN}1</script><img src=x onerror="{OWN}2"><svg onload={OWN}3></svg>
</script></pre></title></textarea></style>--><script>{OWN}4</script>
[here](javascript:{OWN}5) ![seen](https://elsewhere.invalid/x.png) <javascript:{OWN}6>
[data](data:text/html,<script>{OWN}7</script>)
<style>body {{ display: none }}</style>" onmouseover="{OWN}8" style="position: fixed; inset: 0" '
<iframe srcdoc="<script>parent.owned=9</script>"></iframe><base href="https://elsewhere.invalid/">
<meta http-equiv="refresh" content="0; url=https://elsewhere.invalid/"><form action="https://elsewhere.invalid/"><button>
{{{{ 7 * 7 }}}} ${{7 * 7}} {{% include "/etc/passwd" %}} \u202etxt.exe\u2066\u200f \x1b[2J
$\\href{{javascript:{OWN}10}}{{x}} \\text{{<img src=x onerror={OWN}11>}}$
| <img src=x onerror={OWN}12> |
|---|
| [x](vbscript:{OWN}13) |

{"W" * 6000}"""
NAME = f"<img src=x onerror={OWN}20>\"'\u202e{{color:red}};x</script><script>{OWN}21</script>".replace("/", "\u2215")
MODEL = f'x"><svg onload={OWN}30>{{{{7*7}}}}</script><script>{OWN}31</script>' + "m" * 300
LOADED = """
const kinds = ["script:not([type='application/json'])", "iframe", "base", "style", "object", "embed",
  "meta[http-equiv]", "[onerror]", "[onload]", "[onmouseover]", "main [style]", "img:not([src^='data:'])"];
return [...document.querySelectorAll(kinds)]
  .filter(one => !one.closest(".drawing") && !one.getAttribute("src")?.startsWith("/assets/"))
  .map(one => one.outerHTML.slice(0, 120));
"""
"""What could do something and is not the view's own."""
LEADS = """
return [...document.querySelectorAll("a[href], form")].map(one => one.href ?? one.action)
  .filter(to => !to.startsWith(location.origin));
"""


@pytest.fixture(scope="module")
def hostile_ledger(seen_ledger: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger, its run's id, a model, a sample, texts, scores and errors as somebody hostile writes them."""
    path = shutil.copy(seen_ledger, tmp_path_factory.mktemp("hostile") / "hostile.db")
    packed = zstandard.compress(HOSTILE.encode())
    prompt = zstandard.compress(json.dumps([{"role": HOSTILE[:80], "content": HOSTILE}]).encode())
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = off")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")  # of a copy that is thrown away
        for table in ("runs", "cells", "planned_samples", "forecasts"):
            connection.execute(f"UPDATE {table} SET run_id = ?", (NAME,))
        connection.execute("UPDATE cells SET model = ? WHERE model = 'flaky'", (MODEL,))
        (models,) = connection.execute("SELECT models FROM runs").fetchone()
        renamed = [name.replace("sim/flaky", f"sim/{MODEL}") for name in json.loads(models)]
        connection.execute("UPDATE runs SET models = ?", (json.dumps(renamed),))
        connection.execute(
            "UPDATE planned_samples SET sample_id = ?, reference = ? WHERE planned_id = 1", (HOSTILE, HOSTILE)
        )
        connection.execute("UPDATE prompts SET body = ?", (prompt,))
        connection.execute("UPDATE transcripts SET answer = ?, reasoning = ?", (packed, packed))
        connection.execute("UPDATE scores SET answer = ?, explanation = ?, rule = ?", (HOSTILE, HOSTILE, HOSTILE))
        told = "error_message = ?, error_class = ?, model_served = ?, provider_request_id = ?, finish_reason = ?"
        connection.execute(f"UPDATE attempts SET {told}", (HOSTILE,) * 5)
    return Path(path)


def test_what_others_wrote_is_text_and_is_never_executed(browser: Any, hostile_ledger: Path) -> None:
    samples = samples_address(NAME, sort="-retries")
    with served(hostile_ledger) as (host, port), emulated(browser, width_px=390):
        here = f"http://{host}:{port}"
        browser.get(here + samples_address(NAME))
        links = browser.find_elements("css selector", "#table-samples tbody a")
        sample = links[0].get_dom_attribute("href")
        said(browser), requested(browser)
        compared = f"/compare?base={run_address(NAME).removeprefix('/runs/')}&models=sim/direct&models=sim/reasoner"
        rendered = f"{sample}{'&' if '?' in sample else '?'}rendered=1"
        pages = (
            "/",
            run_address(NAME),
            samples,
            sample,
            rendered,
            f"{run_address(NAME)}/questions/1",
            compared,
            "/forecasts",
        )
        found = {}
        for address in pages:
            browser.get(here + address)
            drawn(browser)
            browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            wide = browser.execute_script("return document.documentElement.scrollWidth > innerWidth")
            signs = {"\u202e", "\u2066", "\x1b"} & set(browser.page_source)
            owned = browser.execute_script("return window.owned ?? null")
            loaded, leads = browser.execute_script(LOADED), browser.execute_script(LEADS)
            found[address] = (owned, wide, signs, loaded, leads, said(browser))
            assert browser.execute_script("return getComputedStyle(document.body).display") == "block"
            assert f"onerror={OWN}" in browser.find_element("id", "main").text.replace('"', "")
        assert {address: what for address, what in found.items() if what != (None, False, set(), [], [], [])} == {}
        assert elsewhere(browser, here) == set()
        browser.get(here + sample)
        shown = browser.find_element("id", "main").text
        assert f"<script>{OWN}1</script>" in shown
        assert "\\u202etxt.exe" in shown
        assert "{{ 7 * 7 }} ${7 * 7}" in shown
