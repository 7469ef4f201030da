"""Makes the pictures of the view's pages: what Chromium shows of a ledger that simulated models filled.

    python -m docs.view_pictures

Data flows `benchtab run` in a temporary folder -> `benchtab view` of its ledger -> Chromium -> docs/images/view-*.png.
The page's end, which names the ledger's file, is not in a picture.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selenium.webdriver.support.wait import WebDriverWait

from harness.view.page_addresses import COMPARE, run_address, samples_address
from tests.support.browsers import chromium, emulated
from tests.support.running_commands import line_with, running

IMAGES = Path(__file__).resolve().parent / "images"
WIDTH_PX, MOST_HEIGHT_PX = 1120, 650
TWO = ("reasoner", "direct")
SIX = (*TWO, "reasoner@low", "reasoner@medium", "reasoner@high", "flaky")
GOING = tuple(word for name in TWO for word in ("-m", f"openai-compatible/sim-{name}"))
DRAWN = "return [...document.querySelectorAll('figure.chart')].every(one => one.dataset.drawn)"
BEGUN = "return document.querySelector('.live progress')?.position > 0.25"
_PLACE = """
const from = arguments[0] ? document.querySelector(arguments[0]).getBoundingClientRect().top + scrollY : 0;
const end = document.getElementById("main").getBoundingClientRect().bottom + scrollY + 12;
return [from, end - from];
"""


def main() -> None:
    """Fill a ledger, look at it, and write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for run_id, names, limit in (("first-look", TWO, "40"), ("two-models", TWO, "140"), ("six-models", SIX, "140")):
            models = (word for name in names for word in ("-m", f"sim/{name}"))
            words = ("run", "starter", *models, "--limit", limit, "--run-id", run_id, "-q", "--db", "ledger.db")
            subprocess.run([sys.executable, "-m", "harness", *words], cwd=folder, check=True, capture_output=True)
        with running("view", "--db", "ledger.db", "--port", "0", folder=folder) as view:
            here = line_with(view, "http").rstrip("/")
            with chromium(folder / "profile") as browser, emulated(browser, width_px=WIDTH_PX):
                for picture, address, start in _ended(browser, here):
                    browser.get(here + address)
                    _write(browser, picture, start)
                _write_going(browser, here, folder)


def _ended(browser: Any, here: str) -> Iterator[tuple[str, str, str]]:
    """Name pictures, addresses, and at which element a picture begins (empty = at the top)."""
    run = "six-models"
    dearest = samples_address(run, sort="-cost")
    yield "runs", "/", ""
    yield "run", run_address(run), "#main h1"
    yield "charts", run_address(run), ".charts"
    yield "samples", dearest, ""
    browser.get(here + dearest)
    sample = str(browser.find_element("css selector", "#table-samples tbody a").get_dom_attribute("href"))
    yield "sample", sample, ""
    yield "cost", sample, "[aria-labelledby=cost-head]"
    beside = browser.find_element("css selector", "a[href*='/questions/']")
    yield "question", str(beside.get_dom_attribute("href")), ""
    yield "compare", f"{COMPARE}?base={run}&models=sim/direct&models=sim/reasoner", ""
    yield "prices", "/prices/openai/o3", ""
    yield "forecasts", "/forecasts", ""


def _write_going(browser: Any, here: str, folder: Path) -> None:
    """Picture a run while a slow server answers it."""
    with running("simulate", "--port", "0", "--delay-ms", "400", "--delay-log-sd", "0.5", folder=folder) as server:
        words = ("run", "starter", *GOING, "--base-url", line_with(server, "http"), "--concurrency", "4")
        with running(*words, "--db", "ledger.db", "--run-id", "going", folder=folder, together=True) as going:
            line_with(going, "run going")
            browser.get(here + run_address("going"))
            WebDriverWait(browser, 120).until(lambda _: browser.execute_script(BEGUN))
            _write(browser, "live", "")


def _write(browser: Any, name: str, start: str) -> None:
    WebDriverWait(browser, 60).until(lambda _: browser.execute_script(DRAWN))
    top_px, height_px = browser.execute_script(_PLACE, start)
    clip = {"x": 0, "y": top_px, "width": WIDTH_PX, "height": min(height_px, MOST_HEIGHT_PX), "scale": 1}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    path = IMAGES / f"view-{name}.png"
    path.write_bytes(base64.b64decode(shot["data"]))
    print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
