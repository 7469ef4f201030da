"""Accounts are read to the token and the cent, whole or not at all, and the same money is counted once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from harness.accounts.account_files import statements
from harness.accounts.account_rows import AccountRow
from harness.imports.containers.log_files import LogFile
from harness.imports.refusal import ImportRefused
from tests.support.shared_data import shared

DAY = 86_400
START = 1_764_201_600


def log(path: Path) -> LogFile:
    return LogFile(path=path, name=path.name)


def written(folder: Path, **documents: Any) -> list[LogFile]:
    paths = []
    for name, document in documents.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(document))
        paths.append(log(path))
    return paths


def bucket(day: int, *results: dict[str, Any]) -> dict[str, Any]:
    return {"object": "bucket", "start_time": START + day * DAY, "end_time": START + (day + 1) * DAY,
            "results": list(results)}  # fmt: skip


def used(model: str | None, n: int, **counts: Any) -> dict[str, Any]:
    return {"object": "organization.usage.completions.result", "model": model, "num_model_requests": n,
            "input_tokens": 100 * n, "input_cached_tokens": 40 * n, "output_tokens": 10 * n, **counts}  # fmt: skip


def page(*buckets: dict[str, Any], more: bool = False) -> dict[str, Any]:
    return {"object": "page", "data": list(buckets), "has_more": more, "next_page": "p" if more else None}


def sums(rows: Iterable[AccountRow]) -> dict[str, dict[str, int | None]]:
    """Sum rows by model in the terms of the expected files: what no row says stays None."""
    found: dict[str, dict[str, int | None]] = defaultdict(dict)
    for row in rows:
        tier = f"@{row.tier}" if row.tier not in (None, "standard") else ""
        of_model = found[f"{row.model}{tier}"]
        tokens = row.tokens
        assert tokens is not None
        for name, value in (
            ("requests", row.n_requests), ("input_uncached", tokens.input), ("cache_read", tokens.cache_read),
            ("cache_write", tokens.cache_write), ("output", tokens.output), ("reasoning", tokens.reasoning),
        ):  # fmt: skip
            of_model[name] = (of_model.get(name) or 0) + value if value is not None else of_model.get(name)
    return dict(found)


NAMES = ("input_uncached", "cache_read", "output")


@pytest.mark.parametrize(
    ("folder", "files", "key"),
    [
        ("openai_usage_costs", ["usage_completions_page1.json", "usage_completions_page2.json"],
         "usage_completions_page1.json + page2.json"),
        ("openai_usage_costs", ["usage_completions_ungrouped.json"], "usage_completions_ungrouped.json"),
        ("anthropic_usage", ["usage_report_messages_page1.json", "usage_report_messages_page2.json"],
         "usage_report_messages_page1.json + page2.json"),
        ("anthropic_usage", ["analytics_usage_page1.json", "analytics_usage_page2.json"],
         "analytics_usage_page1.json + page2.json"),
        ("openrouter", ["activity_export.csv"], "activity_export.csv"),
        ("openrouter", ["activity_api.json"], "activity_api.json"),
        ("openrouter", ["generation_gen-1764240009.json"], "generation_gen-1764240009.json"),
    ],
)  # fmt: skip
def test_tokens_of_real_accounts_are_those_that_were_counted_independently(
    folder: str, files: list[str], key: str
) -> None:
    data = shared("data/imports") / folder
    expected = json.loads((data / "EXPECTED.json").read_text())["files"][key]["models"]
    (statement,) = statements([log(data / name) for name in files])
    found = sums(statement.rows())
    for name in (*NAMES, "cache_write"):
        totals = sum(model["tokens"][name] or 0 for model in expected.values())
        assert sum(model[name] or 0 for model in found.values()) == totals, name
    attempts = sum(model["attempts"] for model in expected.values())
    assert sum(model["requests"] or 0 for model in found.values()) == attempts
    searches = json.loads((data / "EXPECTED.json").read_text())["files"][key].get("web_searches", 0)
    assert sum(row.n_web_searches for row in statement.rows()) == searches
    stated = [model["stated_cost_usd"] for model in expected.values() if model["stated_cost_usd"] is not None]
    if stated:
        assert sum(row.billed_usd or 0 for row in statement.rows()) == sum(map(Decimal, stated))


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("openai_usage_costs", "costs_by_line_item.json"), ("openai_usage_costs", "costs_total.json"),
        ("anthropic_usage", "cost_report.json"), ("anthropic_usage", "analytics_cost.json"),
        ("anthropic_usage", "analytics_cost_by_token_type.json"), ("focus", "own_focus_1.2_tokens.csv"),
        ("focus", "pub_focus_1.0_cut.csv"),
    ],
)  # fmt: skip
def test_dollars_of_real_accounts_are_those_that_were_counted_independently(folder: str, file: str) -> None:
    """Cents are cents; credits and corrections below zero are part of what is owed."""
    data = shared("data/imports") / folder
    expected = json.loads((data / "EXPECTED.json").read_text())["files"][file]
    (statement,) = statements([log(data / file)])
    rows = list(statement.rows())
    assert sum(row.billed_usd or 0 for row in rows) == Decimal(expected.get("total_usd") or expected["billed"])
    if "list_usd" in expected or "list" in expected:
        listed = Decimal(expected.get("list_usd") or expected["list"])
        assert sum(row.list_usd or 0 for row in rows) == listed
    if expected.get("tokens"):
        counts = [tokens for row in rows if (tokens := row.tokens)]
        total = sum(each or 0 for t in counts for each in (t.input, t.cache_read, t.cache_write, t.output))
        assert total == sum(expected["tokens"].values())


def test_a_page_that_says_more_follow_is_refused_alone(tmp_path: Path) -> None:
    files = written(tmp_path, one=page(bucket(0, used("m", 1)), more=True), two=page(bucket(1)))
    (whole,) = statements(files)
    assert [row.n_requests for row in whole.rows()] == [1]
    with pytest.raises(ImportRefused, match="more pages follow"):
        statements(files[:1])
    gap = written(tmp_path, late=page(bucket(3, used("m", 1))))
    with pytest.raises(ImportRefused, match=r"a page between one\.json and this one is missing"):
        statements([files[0], *gap])


def test_answers_with_and_without_groups_are_one_sum(tmp_path: Path) -> None:
    grouped = page(bucket(0, used("a", 2, batch=False), used("b", 3, batch=True)))
    whole = page(bucket(0, used(None, 5, batch=None)))
    (found,) = statements(written(tmp_path, grouped=grouped, whole=whole))
    assert sum(row.n_requests or 0 for row in found.rows()) == 5
    assert found.notes == ("whole.json says the same as grouped.json in other groups: counted once",)
    other = page(bucket(0, used(None, 6)))
    with pytest.raises(ImportRefused, match=r"says 0 USD and 660 tokens where grouped\.json says 0 USD and 550 tokens"):
        statements(written(tmp_path, grouped=grouped, other=other))


def test_costs_by_line_and_in_total_are_one_sum_although_only_lines_have_quantities(tmp_path: Path) -> None:
    paid = {"object": "organization.costs.result", "amount": {"value": 0.5, "currency": "usd"}}
    line = {**paid, "line_item": "gpt-5-mini, input", "quantity": 2_000_000.0, "quantity_unit": "tokens"}
    files = written(tmp_path, lines=page(bucket(0, line)), whole=page(bucket(0, {**paid, "line_item": None})))
    (found,) = statements(files)
    assert [(row.model, row.billed_usd) for row in found.rows()] == [("gpt-5-mini", Decimal("0.5"))]


def test_the_same_time_twice_is_refused(tmp_path: Path) -> None:
    files = written(tmp_path, one=page(bucket(0, used("a", 1))), two=page(bucket(0, used("a", 1))))
    with pytest.raises(ImportRefused, match=r"answers for the same time as one\.json"):
        statements(files)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (used("m", 1, input_cached_tokens=900), "more than 100 input tokens"),
        (used("m", 1, output_tokens=-4), "output_tokens is -4"),
        (used("m", 1, output_tokens=None), "output_tokens is missing"),
    ],
)
def test_counts_that_cannot_be_are_refused_with_their_place(
    tmp_path: Path, result: dict[str, Any], message: str
) -> None:
    with pytest.raises(ImportRefused, match=message) as caught:
        statements(written(tmp_path, page=page(bucket(0, result))))
    assert caught.value.where is not None
    assert "page.json" in caught.value.where


def test_other_currencies_are_not_added_to_dollars(tmp_path: Path) -> None:
    line = {"object": "organization.costs.result", "amount": {"value": 1.5, "currency": "eur"}, "line_item": None}
    with pytest.raises(ImportRefused, match="only amounts in USD"):
        statements(written(tmp_path, page=page(bucket(0, line))))


@pytest.mark.parametrize("document", [{"models": []}, {"data": [{"id": "gpt"}]}, []])
def test_what_is_no_account_is_refused(tmp_path: Path, document: Any) -> None:
    with pytest.raises(ImportRefused):
        statements(written(tmp_path, other=document))


@pytest.mark.parametrize("text", ["# A page of text\n", '{"data": [{"start_ti', '{"hello": 1}'])
def test_what_cannot_be_read_as_an_account_is_answered_with_what_can(tmp_path: Path, text: str) -> None:
    """A file that is no JSON was refused with the byte at which it is none, and no way on."""
    path = tmp_path / "bill.json"
    path.write_text(text)
    with pytest.raises(ImportRefused) as caught:
        statements([LogFile(path, path.name)])
    assert "OpenAI's or Anthropic's usage and costs" in str(caught.value.fix)
