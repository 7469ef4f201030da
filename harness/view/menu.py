"""Every page of the view, in one place: adding one is a module in `pages`, a template, and a line here."""

from __future__ import annotations

from harness.view.page_addresses import RUNS
from harness.view.page_values import Page
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
)
"""In the order of the menu."""
