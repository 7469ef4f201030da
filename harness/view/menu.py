"""Every page of the view, in one place: adding one is a module in `pages`, a template, and a line here."""

from __future__ import annotations

from harness.view.page_addresses import BUDGETS, COMPARE, FORECASTS, PRICES, RUNS
from harness.view.page_values import Page
from harness.view.pages.budgets_page import budgets_page
from harness.view.pages.changed_page import changed_page
from harness.view.pages.compare_page import compare_page
from harness.view.pages.forecasts_page import forecasts_page
from harness.view.pages.price_page import price_page
from harness.view.pages.prices_page import prices_page
from harness.view.pages.question_page import question_page
from harness.view.pages.run_page import run_page
from harness.view.pages.runs_page import runs_page
from harness.view.pages.sample_page import sample_page
from harness.view.pages.samples_page import samples_page

PAGES: tuple[Page, ...] = (
    Page(path=RUNS, make=runs_page, menu="Runs"),
    Page(path="/runs/{run_id}", make=run_page),
    Page(path="/runs/{run_id}/samples/{cell_id}/{planned_id}", make=sample_page),
    Page(path="/runs/{run_id}/samples", make=samples_page),
    Page(path="/runs/{run_id}/questions/{planned_id}", make=question_page),
    Page(path=COMPARE, make=compare_page, menu="Compare"),
    Page(path=f"{COMPARE}/samples", make=changed_page),
    Page(path=PRICES, make=prices_page, menu="Prices"),
    Page(path=f"{PRICES}/{{provider}}/{{model:path}}", make=price_page),
    Page(path=BUDGETS, make=budgets_page, menu="Budgets"),
    Page(path=FORECASTS, make=forecasts_page, menu="Forecasts"),
)
"""In the order of the menu."""
