"""The commands `price` and `prices`: output contract, exit codes, what stands on which stream."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.cli.prices import commands as prices
from harness.costs.usage_lines import PricedLine, price_line
from harness.errors import InputError
from harness.pricing.price_files import load_price_book
from tests.support.shared_data import shared

APP = typer.Typer()
prices.register(APP)
RUNNER = CliRunner()

LINE: dict[str, Any] = {
    "id": "a",
    "provider": "openai",
    "model": "o1-preview",
    "at": "2024-10-20T12:00:00Z",
    "service_tier": "default",
    "usage_kind": "openai.chat",
    "usage": {
        "prompt_tokens": 1250,
        "completion_tokens": 3480,
        "total_tokens": 4730,
        "completion_tokens_details": {"reasoning_tokens": 2944},
    },
}


def run(*arguments: str, stdin: str | None = None) -> Result:
    return RUNNER.invoke(APP, list(arguments), input=stdin)


def priced(**changes: Any) -> PricedLine:
    return price_line(load_price_book(), json.dumps({**LINE, **changes}), line_number=1)


def test_every_worked_case_is_exact() -> None:
    path = shared("prices/cost_cases.jsonl")
    result = run("price", str(path))
    assert result.exit_code == 0
    wanted = {case["id"]: case["expected_usd"] for case in map(json.loads, path.read_text().splitlines())}
    got = {line["id"]: line["usd"] for line in map(json.loads, result.stdout.splitlines())}
    assert got == wanted
    assert len(got) == 41


def test_the_list_price_of_every_worked_case_is_exact_too() -> None:
    book = load_price_book()
    for number, text in enumerate(shared("prices/cost_cases.jsonl").read_text().splitlines(), start=1):
        line = price_line(book, text, line_number=number)
        assert (line["list_usd"], line["warnings"]) == (json.loads(text)["expected_usd"], []), line["id"]


def test_a_line_names_its_meters_its_price_and_the_book() -> None:
    result = run("price", stdin=json.dumps(LINE))
    line = json.loads(result.stdout)
    assert (line["id"], line["status"], line["usd"], line["list_usd"]) == ("a", "priced", "0.22755", "0.22755")
    assert line["lines"] == [
        {"meter": "input", "quantity": 1250, "unit": "token", "usd_per_unit": "0.000015", "usd": "0.01875"},
        {"meter": "reasoning", "quantity": 2944, "unit": "token", "usd_per_unit": "0.00006", "usd": "0.17664"},
        {"meter": "output", "quantity": 536, "unit": "token", "usd_per_unit": "0.00006", "usd": "0.03216"},
    ]
    assert line["price"]["source"].startswith("litellm price-file history")
    assert line["price"]["row"] == "openai.toml [[price]] 6 (o1-preview)"
    assert line["price"]["book_sha256"] == load_price_book().sha256
    assert line["error"] is None


def test_amounts_have_no_exponent() -> None:
    line = priced(
        provider="deepseek",
        model="deepseek-v4-pro",
        at="2026-07-20T02:00:00Z",
        usage_kind="deepseek.chat",
        usage={"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1, "prompt_cache_hit_tokens": 1},
    )
    assert line["usd"] == "0.000000003625"


def test_a_malformed_line_is_an_error_with_its_number_and_the_rest_goes_on() -> None:
    result = run("price", stdin=f"{json.dumps(LINE)}\nnot json\n\n{json.dumps({**LINE, 'id': 'b'})}\n")
    lines = [json.loads(text) for text in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [line["status"] for line in lines] == ["priced", "error", "priced"]
    assert lines[1]["error"].startswith("line 2: ")
    assert (lines[1]["id"], lines[1]["usd"], lines[2]["id"]) == (None, None, "b")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"provider": None}, "key 'provider' is missing or no text"),
        ({"at": "yesterday"}, "key 'at' is not an RFC 3339 instant: 'yesterday'"),
        ({"at": "2024-10-20T12:00:00"}, "has no time zone"),
        ({"usage_kind": "openai"}, "no reader for usage kind 'openai'"),
        ({"usage": [1]}, "usage is not a JSON object"),
        ({"request": {"thinking": "yes"}}, "neither true nor false"),
        ({"service_tier": 1}, "key 'service_tier' is no text"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_in_it(changes: dict[str, Any], message: str) -> None:
    line = priced(**changes)
    assert (line["status"], line["usd"], line["id"]) == ("error", None, "a")
    assert message in str(line["error"])
    assert str(line["error"]).startswith("line 1: ")


def test_a_line_that_is_no_object_is_an_error() -> None:
    assert price_line(load_price_book(), "[1, 2]", line_number=7)["error"] == "line 7: the line is not a JSON object"


def test_missing_usage_is_unpriced_and_no_error() -> None:
    line = priced(usage=None)
    assert (line["status"], line["usd"], line["error"]) == ("unpriced", None, None)
    assert any(warning.startswith("missing:") for warning in line["warnings"])


def test_an_unknown_model_is_unpriced_and_exit_is_zero() -> None:
    result = run("price", stdin=json.dumps({**LINE, "model": "o9-mini"}))
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, "unpriced")


def test_dirty_usage_is_flagged_in_the_warnings() -> None:
    usage = {**LINE["usage"], "completion_tokens_details": {"reasoning_tokens": 99999}}
    assert any(warning.startswith("reasoning_exceeds_output") for warning in priced(usage=usage)["warnings"])


def test_what_was_asked_counts_where_the_payload_cannot_say() -> None:
    flash = {"provider": "google", "model": "gemini-2.5-flash-preview-04-17", "at": "2025-05-01T12:00:00Z"}
    plain_output = {"usage_kind": "litellm.usage", "usage": {"prompt_tokens": 1000, "completion_tokens": 2500}}
    assert priced(**flash, **plain_output, request={"thinking": True})["usd"] == "0.0089"
    assert priced(**flash, **plain_output, request={"thinking": False})["usd"] == "0.00165"
    assert priced(request={"batch": True})["usd"] == "0.113775"
    assert priced(mode="batch")["usd"] == "0.113775"


def test_images_are_priced_per_image() -> None:
    flux = {"provider": "bfl", "model": "flux-kontext-max", "at": "2025-06-01T00:00:00Z"}
    line = priced(**flux, usage_kind="image.count", usage={"images": 3})
    assert (line["usd"], line["lines"][0]["unit"]) == ("0.24", "image")


def test_a_stated_cost_is_charged_and_the_list_price_stands_beside_it() -> None:
    usage = {**LINE["usage"], "cost": 0.2}
    line = priced(provider="openrouter", model="openai/o1-preview", usage_kind="openrouter.chat", usage=usage)
    assert (line["usd"], line["list_usd"]) == ("0.2", "0.22755")
    assert line["warnings"] == ["the provider states 0.2 USD, the price book says 0.22755 USD"]


def test_a_file_that_is_not_there_is_bad_input() -> None:
    result = run("price", "nowhere.jsonl")
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 2


def test_prices_show_prints_the_history_with_sources_and_a_chart() -> None:
    text = run("prices", "show", "openai/o1-mini").stdout
    assert "2024-09-12" in text
    assert "2025-01-31" in text
    assert "AgentOps-AI/tokencost" in text
    assert "output ############################################ 12" in text
    assert "output ################ 4.4" in text


def test_prices_show_follows_a_moving_name() -> None:
    text = run("prices", "show", "mistral/mistral-large-latest").stdout
    assert "is mistral/mistral-large-2407 from 2024-07-24 until 2024-11-18" in text


def test_prices_show_json_gives_exact_rates() -> None:
    facts = json.loads(run("prices", "show", "openai/o4-mini", "--json").stdout)
    assert facts["price_book_sha256"] == load_price_book().sha256
    assert facts["history"][0]["when"][1]["rates"]["cache_read"] == "0.138"


def test_prices_show_of_an_unknown_model_says_what_to_do() -> None:
    error = run("prices", "show", "openai/o9").exception
    assert isinstance(error, InputError)
    assert error.message == "no price for openai/o9"
    assert error.fix == "add a [[price]] to pricing/openai.toml or pass --pricing DIR"


def test_prices_list_json_has_every_row_with_its_source() -> None:
    facts = json.loads(run("prices", "list", "--json").stdout)
    assert len(facts["prices"]) == len(load_price_book().rows)
    assert all(row["source"] and row["checked_on"] for row in facts["prices"])


def test_prices_list_as_of_a_day_shows_what_held_then() -> None:
    text = run("prices", "list", "--provider", "x-ai", "--as-of", "2026-04-29").stdout
    lines = [line for line in text.splitlines() if line.startswith("xai/grok-4.20")]
    assert len(lines) == 1
    assert "(open)" in lines[0]


def test_prices_check_reports_every_mistake_with_file_row_and_key(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('provider = "p"\n[[price]]\nmodel = "m"\ninput = 1\nprize = "2"\n')
    error = run("prices", "check", "--no-compare", "--pricing", str(tmp_path)).exception
    assert isinstance(error, InputError)
    places = [finding.where.removeprefix(str(tmp_path)) for finding in error.findings]
    assert "/mine.toml [[price]] 1 (m) input" in places
    assert "/mine.toml [[price]] 1 (m) prize" in places
    assert "/mine.toml [[price]] 1 (m) source" in places


def test_prices_check_holds_and_accepts_appended_rows(tmp_path: Path) -> None:
    digests = tmp_path / "digests.txt"
    assert run("prices", "check", "--no-compare", "--digests", str(digests), "--accept").exit_code == 0
    assert "0 appended" in run("prices", "check", "--no-compare", "--digests", str(digests)).stderr
    digests.write_text(digests.read_text() + f"{'0' * 64} effective openai/o0 2024-01-01T00:00:00Z..\n")
    error = run("prices", "check", "--no-compare", "--digests", str(digests)).exception
    assert isinstance(error, InputError)
    assert error.findings[0].where == "effective openai/o0 2024-01-01T00:00:00Z.."


def test_prices_check_lists_where_other_projects_differ() -> None:
    pytest.importorskip("genai_prices", reason="the comparison needs the dev extra")
    facts = json.loads(run("prices", "check", "--json").stdout)
    assert facts["libraries"] == ["genai-prices", "litellm"]
    mistral = [row for row in facts["disagreements"] if row["model"] == "mistral/mistral-large-2407"]
    assert {row["library"]: row["theirs_usd_per_mtok"] for row in mistral if row["meter"] == "input"} == {
        "genai-prices": "2"
    }


def test_no_float_is_in_any_amount() -> None:
    text = run("price", stdin=json.dumps(LINE)).stdout
    assert all(isinstance(row["usd"], str) and Decimal(row["usd"]) for row in json.loads(text)["lines"])
