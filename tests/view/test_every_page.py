"""Every page that links lead to exists, and can be read by ear, by keyboard and in the dark."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.routing import compile_path
from starlette.testclient import TestClient

from harness.view.application import ASSETS
from harness.view.menu import PAGES
from tests.support.page_checks import Page, contrast, faults, walk, weak_contrasts

STARTS = (
    "/",
    "/runs/seen",
    "/runs/seen/samples",
    "/compare?base=seen&models=sim/direct&models=sim/reasoner",
    "/forecasts",
    "/budgets?all=yes",
)


def test_every_link_leads_to_a_page_without_faults(seen: TestClient) -> None:
    visited = list(walk(seen, [page.path for page in PAGES], STARTS))
    assert [(one.address, one.linked_from) for one in visited if one.status != 200] == []
    assert {one.address: found for one in visited if one.page and (found := faults(one.page))} == {}
    asked = {one.address.partition("?")[0] for one in visited}
    routes = {page.path: compile_path(page.path)[0] for page in PAGES if not page.path.endswith("/live")}
    assert [path for path, route in routes.items() if not any(map(route.match, asked))] == []
    assert any(one.page is None for one in visited)  # files are among them


@pytest.mark.parametrize(
    "address",
    ["/nowhere", "/runs/nobody", "/prices/no/model", "/compare", "/compare?base=seen", "/prices?q=nothing+fits"],
)
def test_pages_of_nothing_have_no_faults(seen: TestClient, address: str) -> None:
    assert faults(Page(seen.get(address).text)) == []


def test_text_can_be_told_from_what_is_behind_it_in_both_themes() -> None:
    css = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(ASSETS).glob("*.css")))
    assert weak_contrasts(css) == []


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ("<h1>a</h1><h1>b</h1>", "2 h1"),
        ("<h1>a</h1><h3>b</h3>", "h3 'b' follows h1"),
        ("<h1>a</h1><input name=q>", "input 'q' has no label"),
        ("<h1>a</h1><p id=x></p><p id=x></p>", "id 'x' is there 2 times"),
        ("<h1>a</h1><table><tr><th>b</th></tr></table>", "th 'b' has no scope"),
        ("<h1>a</h1><p style='color: red'>b</p>", "style of a p"),
        ("<h1>a</h1><a href='javascript:x'>b</a>", "href='javascript:x'"),
        ("<h1>a</h1><script>x</script>", "a script inside the page"),
        ("<h1>a</h1><section aria-labelledby=no></section>", "aria-labelledby='no' of a section leads nowhere"),
    ],
)
def test_faults_are_found(html: str, fault: str) -> None:
    assert faults(Page(f"<html lang=en><title>t</title><main>{html}</main></html>")) == [fault]


def test_weak_colours_are_found() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    rule = ".sub { color: var(--text); background: var(--back); }"
    css = f":root {{ --text: #777777; --back: #ffffff; --card: #ffffff; }}\n{rule}"
    assert weak_contrasts(css) == [f"{theme}: .sub --text on --back: 4.48" for theme in ("light", "dark")]
