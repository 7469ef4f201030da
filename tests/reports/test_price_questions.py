"""Questions to the price book: which row decided, what changed since a day, where other lists part from it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from harness.pricing import Alias
from harness.pricing.changes import changes
from harness.pricing.lists.importing import import_lists, write_imported
from harness.pricing.lists.litellm_map import read_litellm
from harness.pricing.other_lists import compare
from harness.pricing.price_files import load_price_book
from harness.pricing.rates import Terms
from harness.reports.prices.explanation import explain, explanation_facts, explanation_lines
from harness.usage.values import Meter
from tests.cli.test_cli_prices import run
from tests.pricing.test_price_import import NEW, OLD, entry, litellm
from tests.support.price_cases import book, own_book, row, utc

NOW = utc("2026-11-27T12:00:00")


def test_an_explanation_names_alias_layer_row_and_conditions() -> None:
    made = explain(load_price_book(), "x-ai", "grok-code-fast", Terms(at=utc("2026-06-01")), [])
    text = "\n".join(explanation_lines(made))
    assert "alias: xai/grok-code-fast-1 is xai/grok-build-0.1" in text
    assert "row: xai/grok-build-0.1, xai.toml" in text
    assert explanation_facts(made)["rates"] == {"input": 1, "cache_read": Decimal("0.2"), "output": 2}


def test_an_explanation_of_an_imported_price_says_what_each_list_says() -> None:
    lists = [read_litellm({"kimi-k3": entry("moonshot", input_cost_per_token="3e-6")}, "2", NEW)]
    made = explain(load_price_book(), "moonshot", "kimi-k3", Terms(at=NOW), lists)
    facts = explanation_facts(made)
    assert isinstance(facts["price"], dict)
    assert facts["price"]["layer_name"] == "imported from other projects' lists"
    assert facts["others"] == {"litellm 2": {"input": 3, "output": 2}}


def test_an_explanation_of_an_unknown_name_shows_no_rates() -> None:
    made = explain(load_price_book(), "openai", "no-such-model", Terms(at=NOW), [])
    assert list(explanation_lines(made)) == [
        "openai/no-such-model at 2026-11-27T12:00:00Z",
        "no row: the price is not known",
    ]


def test_a_change_of_an_aliased_row_is_a_change_of_the_alias() -> None:
    renamed = Alias(provider="p", model="other", to_provider="p", to_model="m")
    prices = book(row(start="2026-01-01"), row(start="2026-06-01", input="3", output="2"), aliases=[renamed])
    found = changes(prices, utc("2026-05-01"), utc("2026-07-01"))
    assert {(item.model, item.meter, item.after) for item in found.rates} >= {
        ("m", Meter.INPUT, Decimal(3)),
        ("other", Meter.INPUT, Decimal(3)),
    }
    assert changes(prices, utc("2026-06-01"), utc("2026-07-01")).rates == ()


def test_a_comparison_lists_aliases_missing_models_ended_and_old_rows(tmp_path: Path) -> None:
    write_imported(tmp_path, import_lists([litellm(OLD, "1", gone=entry(), m=entry())], {}))
    prices = own_book(tmp_path)
    newer = litellm(NEW, "2", m=entry(input_cost_per_token="5e-7"), fresh=entry())
    found = compare(prices, NOW, [newer], most_days=90)
    assert [(item.model, item.meter, item.ours, item.theirs) for item in found.differing] == [
        ("m", Meter.INPUT, Decimal(1), Decimal("0.5"))
    ]
    assert [item.model for item in found.lacking] == ["fresh"]
    assert [item.model for item in found.ended] == ["gone"]
    assert found.old == ()
    assert {item.model for item in compare(prices, NOW, [], most_days=30).old} == {"gone", "m"}


def test_a_refused_entry_does_not_end_its_row(tmp_path: Path) -> None:
    write_imported(tmp_path, import_lists([litellm(OLD, "1", m=entry())], {}))
    refused = litellm(NEW, "2", m=entry(input_cost_per_token="0", output_cost_per_token="0"))
    assert compare(own_book(tmp_path), NOW, [refused], most_days=90).ended == ()


def test_check_exits_1_for_ci_when_something_was_found(tmp_path: Path) -> None:
    listed = tmp_path / "map.json"
    cost = {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    listed.write_text(json.dumps({"never-seen": cost}))
    assert run("prices", "check", "--from", str(listed), "--strict").exit_code == 1
    assert run("prices", "check", "--from", str(listed)).exit_code == 0
    facts = json.loads(run("prices", "check", "--from", str(listed), "--json").stdout)
    assert facts["missing"] == [{"library": "litellm", "model": "p/never-seen", "rates": {"input": "1", "output": "2"}}]


def test_import_from_a_file_writes_rows_that_a_run_can_use(tmp_path: Path) -> None:
    listed = tmp_path / "map.json"
    cost = {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    listed.write_text(json.dumps({"m": cost}))
    output = tmp_path / "mine"
    done = run("prices", "import", "litellm", "--from", str(listed), "--as-of", "2026-09-06", "-o", str(output))
    assert done.exit_code == 0
    shown = json.loads(run("prices", "show", "p/m", "--pricing", str(output), "--json").stdout)
    assert [(price["effective_from"], price["layer"]) for price in shown["history"]] == [("2026-09-06T00:00:00Z", -1)]


def test_explain_and_diff_on_the_command_line() -> None:
    explained = run("prices", "explain", "xai/grok-3", "--at", "2026-06-01", "--no-compare").stdout
    assert "alias: xai/grok-3 is xai/grok-4.3" in explained
    facts = json.loads(run("prices", "diff", "--since", "2026-05-15", "--until", "2026-05-16", "--json").stdout)
    (change,) = [item for item in facts["changes"] if (item["model"], item["rate"]) == ("xai/grok-3", "output")]
    assert (change["before_usd"], change["after_usd"], change["change"]) == ("15", "2.5", "-0.8333")
